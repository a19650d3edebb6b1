"""Chapters as programs: their parameters checked, executed by papermill, executed again only when out of date."""

from __future__ import annotations

import contextlib
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
from nasnb.runs.files import FULL, unwritable, write_whole
from nasnb.runs.locks import PATIENCE, patience_from_environment
from nasnb.runs.record import children_seconds
from nasnb.runs.signals import TOGETHER
from nasnb.supernet.memory import OUT_OF_MEMORY
from nasnb.workflow.notebook import kernel_of, read_notebook
from nasnb.workflow.sources import deciding

PACKAGE = Path(nasnb.__file__).parent
LESS_MEMORY = "a smaller batch_size, fewer channels or fewer cells need less (How to run, 'Out of memory')"


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
    started, worked = time.monotonic(), children_seconds()
    try:
        _papermill(path, partial, values)
    except ChapterFailed as error:
        kept = ""
        with contextlib.suppress(OSError):  # there is none if the kernel never started
            partial.replace(failed)
            kept = f"; kept: {failed}"
        raise ChapterFailed(f"{error}{kept}", error=error.error, value=error.value) from None
    except BaseException:
        with contextlib.suppress(OSError):  # it must not hide what went wrong first
            partial.unlink(missing_ok=True)
        raise
    seconds = time.monotonic() - started
    notebook = read_notebook(partial)
    notebook.metadata["nasnb"] = {
        "key": key(path, values),
        "seconds": round(seconds, 1),
        "processor_seconds": round(children_seconds() - worked, 1),  # the same whatever else the machine is doing
    }
    write_whole(output, nbformat.writes(notebook).encode())
    partial.unlink(missing_ok=True)
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
                _verbatim(path),
                _verbatim(partial),
                dict(values),
                kernel_name=kernel,
                language="python",
                coalesce_streams=True,
                on_cell_start=before_cell,
                extra_arguments=["--log-level=ERROR"],
            )
        except BaseException as error:
            if stopping:  # a kernel that was told while it started dies in many ways
                raise Stopped(stopping[0]) from None
            if isinstance(error, papermill.PapermillExecutionError):
                message = f"{path.name}, cell {error.cell_index + 1}: {error.ename}: {error.evalue}"
                if _is_out_of_memory(error.ename, error.evalue):
                    message += f"; {LESS_MEMORY}"
                raise ChapterFailed(message, error=error.ename, value=error.evalue) from None
            if isinstance(error, DeadKernelError):
                message = f"{path.name}: the kernel died ({error}); if the machine ran out of memory, {LESS_MEMORY}"
                raise ChapterFailed(message, error="DeadKernelError", value=str(error)) from None
            if isinstance(error, OSError) and error.errno in FULL:
                raise unwritable(error, partial) from error
            raise


def _is_out_of_memory(error: str, text: str) -> bool:
    """Whether memory ran out and the error does not say itself what would fit."""
    said = error == "RuntimeError" and any(word in text.lower() for word in OUT_OF_MEMORY)
    return (said or error in ("MemoryError", "OutOfMemoryError")) and "would fit" not in text


def _verbatim(path: Path) -> str:
    """For papermill, which fills parameters into what stands in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


@contextmanager
def _patient() -> Iterator[None]:
    """Within the block kernels wait for runs that other processes compute, as tasks of an array do."""
    before = os.environ.get(PATIENCE)
    os.environ.setdefault(PATIENCE, "inf")
    patience_from_environment()  # refuses what is no number before a kernel starts
    try:
        yield
    finally:
        if before is None:
            del os.environ[PATIENCE]


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


def take_own_device() -> int:
    """Let this process of torchrun and its kernels see only its own graphics card; returns which process it is.

    Raises ValueError if the environment holds only a part of what torchrun sets.
    """
    card, process = _number("LOCAL_RANK"), _number("RANK")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    cards = [str(card)] if visible is None else visible.split(",")[card : card + 1]
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(cards)
    return process


def _number(variable: str) -> int:
    text = os.environ.get(variable, "")
    if not text.isdecimal():
        raise ValueError(
            f"LOCAL_RANK is set, as by torchrun, but {variable} is {text!r}: start with torchrun, or unset LOCAL_RANK"
        )
    return int(text)


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
