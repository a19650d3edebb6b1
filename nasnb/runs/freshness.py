"""Whether a kept result is older than the code that made it: digests of the modules in use and of its chapter."""

from __future__ import annotations

import ast
import functools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from nasnb.runs.files import checksum, read_json, runs_folder

PACKAGE = Path(__file__).resolve().parents[1]
DIGITS = 8


def code_in_use(chapter: Path | None = None) -> dict[str, str]:
    """{module of this package that is loaded: its digest}, and the chapter's, if it is there.

    A digest tells statements apart, not comments, docstrings or layout.
    """
    found = {name: _digest_of(name) for name in _loaded()}
    if chapter is not None and chapter.exists():
        found[chapter.name] = _digest_of_notebook(chapter)
    return {name: digest for name, digest in found.items() if digest is not None}


def outdated(code: dict[str, str], notebooks: Path) -> list[str]:
    """Modules and the chapter of `code` that are gone, or say something else by now."""

    def now(name: str) -> str | None:
        return _digest_of_notebook(notebooks / name) if name.endswith(".ipynb") else _digest_of(name)

    return [name for name, digest in code.items() if now(name) != digest]


def kept_and_changed(figures_dir: str | Path = "figures") -> Iterator[tuple[str, list[str] | None]]:
    """Every kept result and what has changed since it was kept; None for one whose record tells no digests."""
    figures = runs_folder(figures_dir)
    for path in sorted(figures.glob("*/*.json")):
        code = read_json(path).get("code")
        told = None if code is None else outdated(code, notebooks_beside(figures))
        yield f"{path.parent.name}/{path.stem}", told


def notebooks_beside(figures: Path) -> Path:
    """The chapters of a folder of kept results."""
    return figures.parent / "notebooks"


def _loaded() -> list[str]:
    return sorted(name for name in sys.modules if name.split(".")[0] == PACKAGE.name)


def _digest_of(module: str) -> str | None:
    base = PACKAGE.parent.joinpath(*module.split("."))
    path = next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.exists()), None)
    return None if path is None else _of_code(path.read_text(encoding="utf-8"))


def _digest_of_notebook(path: Path) -> str | None:
    if not path.exists():
        return None
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return _of_code("\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"))


@functools.cache  # many results are kept by one process
def _of_code(text: str) -> str:
    try:
        tree = ast.parse(text)
    except SyntaxError:  # a notebook's `%magic`
        return checksum(text.encode())[:DIGITS]
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [each for each in node.body if not _is_docstring(each)]
    return checksum(ast.dump(tree).encode())[:DIGITS]


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
