"""Whether a kept result is older than the code that made it: digests of all statements that its makers reach."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nasnb.runs.files import read_json, runs_folder
from nasnb.runs.reach import CodeBase

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_NUMBERS = ("nasnb.runs", "nasnb.report", "nasnb.plots")  # files, verdicts and drawings change no measurement


def running(chapter: str) -> str:
    """What runs in this process and keeps a result: a module, or a script by its path, or else the chapter."""
    main = sys.modules["__main__"]
    module, path = getattr(getattr(main, "__spec__", None), "name", ""), getattr(main, "__file__", None)
    if module and ROOT.joinpath(*module.split(".")).with_suffix(".py").exists():
        return module
    if not module and path is not None and Path(path).resolve().is_relative_to(ROOT):
        script = Path(path).resolve().relative_to(ROOT)
        return script.as_posix()
    return f"notebooks/{chapter}.ipynb"


def reached_code(makers: Sequence[str], base: CodeBase) -> dict[str, str]:
    """{module, script or notebook: digest of its statements that the makers reach}, without WITHOUT_NUMBERS."""
    found = base.reached(makers)
    return {name: digest for name, digest in found.items() if ".".join(name.split(".")[:2]) not in WITHOUT_NUMBERS}


def _beside(figures: Path) -> CodeBase:
    """The code that makes the results of a folder: what lies beside it, then this package."""
    return CodeBase(figures.parent, ROOT)


in_use = functools.cache(_beside)  # of one process, whatever is written meanwhile


def kept_and_changed(figures_dir: str | Path = "figures") -> Iterator[tuple[str, list[str] | None]]:
    """Every kept result and what says something else since it was kept; None for one whose record does not tell."""
    figures = runs_folder(figures_dir)
    base = _beside(figures)
    for path in sorted(figures.glob("*/*.json")):
        record = read_json(path)
        told = _changed(record, base) if isinstance(record, dict) and record.get("code") else None
        yield f"{path.parent.name}/{path.stem}", told


def _changed(record: dict, base: CodeBase) -> list[str]:
    then, now = record["code"], reached_code(record.get("makers", ()), base)
    return [name for name in sorted(then | now) if then.get(name) != now.get(name)]
