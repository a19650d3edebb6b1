"""The executed chapters of the book: out-of-date ones run, several at once; changed prose taken over as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from nasnb.runs.files import write_whole
from nasnb.workflow import execute
from nasnb.workflow.pool import run_all

MEMORY_PER_CHAPTER = 4e9  # bytes


@dataclass(frozen=True)
class Page:
    """A chapter to be: its notebook, where the executed copy goes, and its parameters' values."""

    notebook: Path
    output: Path
    values: Mapping[str, Any]
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As in `nasnb run NAME`."""
        return self.notebook.stem

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of `nasnb run`."""
        given = [f"--parameter={name}={value}" for name, value in self.values.items()]
        return (self.name, "--notebooks", str(self.notebook.parent), "--output", str(self.output), *given)

    @property
    def log(self) -> Path:
        """What its process says."""
        return self.output.with_suffix(".log")

    def is_finished(self) -> bool:
        """Whether the executed copy is up to date."""
        return execute.is_current(self.notebook, self.output, self.values)


def make(pages: Sequence[Page], *, workers: int | None, tell: Callable[[str], None]) -> list[Page]:
    """Execute what is out of date, up to `workers` chapters at once (None: as many as fit); return those that failed.

    Raises Stopped on SIGINT or SIGTERM, once the runs that were going on are saved.
    """
    stale = [page for page in pages if not page.is_finished()]
    for page in pages:
        if page not in stale:
            tell(f"{page.name}: {'prose renewed' if renew_prose(page.notebook, page.output) else 'up to date'}")
    if not stale:
        return []
    for page in stale:
        page.log.unlink(missing_ok=True)
    workers = min(workers or usual_workers(), len(stale))
    tell(f"{len(stale)} {'chapter' if len(stale) == 1 else 'chapters'} to execute, {workers} at a time")
    command = [sys.executable, "-m", "nasnb", "run", "--tied"]
    return run_all(stale, command, workers=workers, tell=tell)


def usual_workers() -> int:
    """How many chapters at once: one on a graphics card, else one per core as far as memory goes."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return 1
    return max(1, min(psutil.cpu_count() or 1, int(psutil.virtual_memory().total / MEMORY_PER_CHAPTER)))


def last_words(page: Page) -> str:
    """What the process of a chapter that failed said at the end."""
    lines = page.log.read_text("utf-8", errors="replace").replace("\r", "\n").split("\n")
    said = [line.removeprefix("nasnb: ") for line in lines if line.startswith("nasnb: ")]
    return said[-1] if said else f"{page.name}: its process ended without a word, see {page.log}"


def renew_prose(notebook: Path, output: Path) -> bool:
    """Give an executed copy the text cells of its notebook as they are now; whether anything changed.

    The code cells are those of the copy, with their outputs: they must be the same in both.
    """
    source, executed = nbformat.read(notebook, 4), nbformat.read(output, 4)
    injected = [cell for cell in executed.cells if _is_injected(cell)]
    ran = iter([cell for cell in executed.cells if cell.cell_type == "code" and not _is_injected(cell)])
    cells = []
    for cell in source.cells:
        cells.append(next(ran) if cell.cell_type == "code" else cell)
        if "parameters" in cell.metadata.get("tags", []):
            cells += injected
    if [cell.source for cell in cells] == [cell.source for cell in executed.cells]:
        return False
    executed.cells = cells
    write_whole(output, nbformat.writes(executed).encode())
    return True


def _is_injected(cell: nbformat.NotebookNode) -> bool:
    return "injected-parameters" in cell.metadata.get("tags", [])
