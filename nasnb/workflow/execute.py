"""Chapters as programs: their parameters checked, executed by papermill, executed again only when out of date."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

import nasnb
from nasnb.runs.signals import TOGETHER
from nasnb.workflow.notebook import kernel_of, read_notebook
from nasnb.workflow.sources import deciding

PACKAGE = Path(nasnb.__file__).parent


class Stopped(Exception):
    """A signal ended the chapter; `number` says which. Its runs were saved and go on when it is run again."""

    def __init__(self, number: int):
        super().__init__(f"stopped by {signal.Signals(number).name}; run again to go on")
        self.number = number


class ChapterFailed(Exception):
    """A cell of the chapter raised; `error` is the name of its exception and `value` its text."""

    def __init__(self, message: str, *, error: str, value: str):
        super().__init__(message)
        self.error, self.value = error, value


def execute(path: Path, output: Path, values: Mapping[str, Any]) -> float:
    """Run the chapter in its own kernel and return its seconds; `output` appears when all cells are done.

    Raises ChapterFailed, and keeps what was executed beside `output` as NAME.failed.ipynb; Stopped on a signal.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    partial, failed = (output.with_name(f"{output.stem}.{word}.ipynb") for word in ("partial", "failed"))
    started = time.monotonic()
    try:
        _papermill(path, partial, values)
    except ChapterFailed as error:
        partial.replace(failed)
        raise ChapterFailed(f"{error}; kept: {failed}", error=error.error, value=error.value) from None
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    seconds = time.monotonic() - started
    notebook = read_notebook(partial)
    notebook.metadata["nasnb"] = {"key": key(path, values), "seconds": round(seconds, 1)}
    nbformat.write(notebook, partial)
    partial.replace(output)
    failed.unlink(missing_ok=True)
    return seconds


def _papermill(path: Path, partial: Path, values: Mapping[str, Any]) -> None:
    import papermill
    from nbclient.exceptions import DeadKernelError

    kernel = kernel_of(path)
    with _signals_forwarded() as stopping, _patient():

        def before_cell(**_: Any) -> None:
            if stopping:
                raise KeyboardInterrupt

        try:
            papermill.execute_notebook(
                str(path),
                str(partial),
                dict(values),
                kernel_name=kernel,
                language="python",
                coalesce_streams=True,
                on_cell_start=before_cell,
                extra_arguments=["--log-level=ERROR"],
            )
        except (papermill.PapermillExecutionError, KeyboardInterrupt, DeadKernelError) as error:
            if stopping:
                raise Stopped(stopping[0]) from None
            if isinstance(error, papermill.PapermillExecutionError):
                message = f"{path.name}, cell {error.cell_index + 1}: {error.ename}: {error.evalue}"
                raise ChapterFailed(message, error=error.ename, value=error.evalue) from None
            if isinstance(error, DeadKernelError):
                message = f"{path.name}: the kernel died (out of memory?): {error}"
                raise ChapterFailed(message, error="DeadKernelError", value=str(error)) from None
            raise


@contextmanager
def _patient() -> Iterator[None]:
    """Within the block kernels wait for runs that other processes compute, as tasks of an array do."""
    name = "NASNB_PATIENCE"  # see nasnb.runs
    before = os.environ.get(name)
    os.environ.setdefault(name, "inf")
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


@contextmanager
def _signals_forwarded() -> Iterator[list[int]]:
    """Within the block the first SIGINT or SIGTERM interrupts the kernel, so that runs are saved; the second ends us.

    Kernels live in process groups of their own, and neither papermill nor nbclient tells them.
    """
    import psutil

    stopping: list[int] = []
    since: list[float] = []

    def forward(number: int, frame: Any) -> None:
        if stopping:
            if time.monotonic() - since[0] > TOGETHER:
                raise KeyboardInterrupt
            return
        stopping.append(number)
        since.append(time.monotonic())
        for kernel in psutil.Process().children():
            kernel.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def take_own_device(number: int) -> None:
    """Let this process and its kernels see only the graphics card of that number, if there is one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    cards = [str(number)] if visible is None else visible.split(",")[number : number + 1]
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(cards)


def is_current(path: Path, output: Path, values: Mapping[str, Any]) -> bool:
    """Whether `output` was made by just this chapter, these values and this package."""
    try:
        return read_notebook(output).metadata["nasnb"]["key"] == key(path, values)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def key(path: Path, values: Mapping[str, Any]) -> str:
    """Digest of the chapter's code, its parameters, what it reads, and the package's files; prose computes nothing."""
    code = [cell for cell in read_notebook(path).cells if cell.cell_type == "code"]
    cells = [(cell.source, cell.metadata.get("tags", [])) for cell in code]
    files = sorted(p for p in PACKAGE.rglob("*") if p.is_file() and p.suffix != ".pyc")
    package = [(str(p.relative_to(PACKAGE)), hashlib.sha256(p.read_bytes()).hexdigest()) for p in files]
    whole = [cells, deciding(values), nasnb.__version__, package]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]
