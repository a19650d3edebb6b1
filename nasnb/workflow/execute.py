"""Chapters as programs: their parameters checked, executed by papermill, executed again only when out of date."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import nbformat

import nasnb
from nasnb.config import PRESETS, SearchConfig, TrainConfig, nearest
from nasnb.runs.signals import TOGETHER
from nasnb.workflow.sources import deciding

PACKAGE = Path(nasnb.__file__).parent
KINDS = {"int": int, "float": (int, float), "bool": bool, "str": str, "list": list}
# what a parameter without a default value takes
CONFIG_KINDS = {field.name: field.type for config in (SearchConfig, TrainConfig) for field in fields(config)}


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


@dataclass(frozen=True)
class Parameter:
    """A name of the parameters cell: its default, and the kind of value that it takes ("" for any)."""

    default: Any
    kind: str

    def parse(self, name: str, text: str) -> Any:
        """The value of `name=text`. Raises ValueError saying what was expected."""
        if text == "None" and (self.default is None or "None" in self.kind):
            return None
        kind = self.kind.removesuffix("| None").strip()
        value = text if kind == "str" else _list(text) if kind == "list" else _plain(text)
        expected = KINDS.get(kind, object)
        if not isinstance(value, expected) or (isinstance(value, bool) and kind in ("int", "float")):
            raise ValueError(f"{name} must be {self._expected(kind)}, got {text!r}")
        if name == "preset" and value not in PRESETS:
            raise ValueError(f"unknown preset {value!r}{nearest(value, PRESETS)}; presets: {', '.join(PRESETS)}")
        return float(value) if kind == "float" else value

    def _expected(self, kind: str) -> str:
        words = {"int": "an int", "float": "a number", "bool": "True or False", "list": "a list such as [0, 1]"}
        return words.get(kind, kind) + (" or None" if self.default is None else "")


def _plain(text: str) -> Any:
    """As papermill reads a value: None, True, False, an int, a float, or else the text."""
    if text in ("None", "True", "False"):
        return ast.literal_eval(text)
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _list(text: str) -> Any:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return [_plain(item.strip()) for item in text.split(",")]
    return list(value) if isinstance(value, list | tuple) else [value]


def find_chapter(name: str, notebooks: Path) -> Path:
    """A path, or the name of a chapter in the folder `notebooks`, or the beginning of one. Raises ValueError."""
    for path in (Path(name), notebooks / f"{name}.ipynb"):
        if path.is_file():
            return path
    known = {path.stem: path for path in sorted(notebooks.glob("*.ipynb"))}
    begins = [path for stem, path in known.items() if stem.startswith(name)]
    if name in known or len(begins) == 1:
        return known.get(name) or begins[0]
    chapters = f"; chapters: {', '.join(known)}" if known else f"; {notebooks} holds no notebooks"
    raise ValueError(f"no chapter {name!r}{nearest(name, known)}{chapters}")


def code_of(path: Path) -> list[str]:
    """The code cells, which determine what a chapter computes; its words do not."""
    return [cell.source for cell in _read(path).cells if cell.cell_type == "code"]


def parameters_of(path: Path) -> dict[str, Parameter]:
    """The names in the cell tagged `parameters`. Raises ValueError if there is none or it holds more than values."""
    cells = [cell for cell in _read(path).cells if "parameters" in cell.metadata.get("tags", [])]
    if not cells:
        raise ValueError(f"{path} has no cell tagged 'parameters'")
    found = {}
    for statement in ast.parse(cells[0].source).body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        try:
            default = ast.literal_eval(statement.value)
        except (ValueError, AttributeError):
            raise ValueError(
                f"{path}, parameters cell: {ast.unparse(statement)!r} is no name with a plain value"
            ) from None
        annotation = ast.unparse(statement.annotation) if isinstance(statement, ast.AnnAssign) else ""
        found[target.id] = Parameter(default, annotation or _kind(target.id, default))
    return found


def _kind(name: str, default: Any) -> str:
    return CONFIG_KINDS.get(name, "") if default is None else type(default).__name__


def parse_parameters(assignments: list[str], known: Mapping[str, Parameter]) -> dict[str, Any]:
    """Values of `name=text` pairs. Raises ValueError for an unknown name and for the wrong kind of value."""
    values = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ValueError(f"-p {assignment}: expected name=value")
        if name not in known:
            raise ValueError(f"unknown parameter {name!r}{nearest(name, known)}; parameters: {', '.join(known)}")
        values[name] = known[name].parse(name, text)
    return values


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
    notebook = _read(partial)
    notebook.metadata["nasnb"] = {"key": key(path, values), "seconds": round(seconds, 1)}
    nbformat.write(notebook, partial)
    partial.replace(output)
    failed.unlink(missing_ok=True)
    return seconds


def _papermill(path: Path, partial: Path, values: Mapping[str, Any]) -> None:
    import papermill
    from nbclient.exceptions import DeadKernelError

    kernel = _read(path).metadata.get("kernelspec", {}).get("name", "python3")
    with _signals_forwarded() as stopping:

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


def estimate(path: Path, values: Mapping[str, Any]) -> str:
    """What the first run that is missing will cost, from a few timed steps of it; nothing is kept."""
    notebook = _read(path)
    at = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    switch = nbformat.v4.new_code_cell("from nasnb.runs import estimate_only\nestimate_only()")
    notebook.cells.insert(at + 1, switch)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        nbformat.write(notebook, copy)
        try:
            _papermill(copy, Path(folder) / "partial.ipynb", values)
        except ChapterFailed as stop:
            if stop.error != "EstimateOnly":
                raise
            return stop.value
    return "nothing to compute: all runs of this chapter are finished"


def is_current(path: Path, output: Path, values: Mapping[str, Any]) -> bool:
    """Whether `output` was made by just this chapter, these values and this package."""
    try:
        return _read(output).metadata["nasnb"]["key"] == key(path, values)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def key(path: Path, values: Mapping[str, Any]) -> str:
    """Digest of the chapter's code, its parameters, what it reads, and the package's files; prose computes nothing."""
    code = [cell for cell in _read(path).cells if cell.cell_type == "code"]
    cells = [(cell.source, cell.metadata.get("tags", [])) for cell in code]
    files = sorted(p for p in PACKAGE.rglob("*") if p.is_file() and p.suffix != ".pyc")
    package = [(str(p.relative_to(PACKAGE)), hashlib.sha256(p.read_bytes()).hexdigest()) for p in files]
    whole = [cells, deciding(values), nasnb.__version__, package]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


def _read(path: Path) -> nbformat.NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise ValueError(f"{path} is no notebook: {error}") from None
