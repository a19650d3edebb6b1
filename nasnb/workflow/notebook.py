"""Notebooks as files: found by name, read whole or refused, and the kernel that runs them."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path

import nbformat

from nasnb.config import nearest, place


def find_chapter(name: str, notebooks: Path) -> Path:
    """A path, or the name of a chapter in the folder `notebooks`, or the beginning of one. Raises ValueError."""
    if not isinstance(name, str) or not name.isprintable():
        raise ValueError(f"a notebook is named by a text such as 01-darts, got {name!r}")
    for path in (place(name), notebooks / f"{name}.ipynb") if name else ():
        with contextlib.suppress(OSError):  # such as a name that is too long for a file
            if path.is_file():
                return path
    known = {path.stem: path for path in sorted(notebooks.glob("*.ipynb"))}
    begins = [path for stem, path in known.items() if name and stem.startswith(name)]
    if name in known or len(begins) == 1:
        return known.get(name) or begins[0]
    chapters = f"; chapters: {', '.join(known)}" if known else f"; {notebooks} holds no notebooks"
    wanted = f"no chapter {name!r}{nearest(name, known)}" if name else "name a chapter"
    raise ValueError(wanted + chapters)


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Raises ValueError naming the file if it is no notebook, or not a whole one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of notebooks before 4.5, whose cells have no id
            content = path.read_text("utf-8")
            notebook = nbformat.convert(nbformat.reader.reads(content), 4)
            nbformat.validate(notebook)
    except OSError:
        raise
    except Exception as error:  # nbformat raises whatever its steps stumble over
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise ValueError(f"{path} is no notebook: {reason}") from None
    return notebook


def code_of(path: Path) -> list[str]:
    """The code cells, which determine what a chapter computes; its words do not."""
    return [cell.source for cell in read_notebook(path).cells if cell.cell_type == "code"]


def kernel_of(path: Path) -> str:
    """The kernel to run a notebook with: the one that it names, or this Python's where it names another Python's.

    Raises ValueError for a notebook in another language, and where no kernel is installed.
    """
    from jupyter_client.kernelspec import KernelSpecManager

    metadata, installed = read_notebook(path).metadata, sorted(KernelSpecManager().find_kernel_specs())
    spec = metadata.get("kernelspec", {})
    name = spec.get("name", "python3")
    language = spec.get("language") or metadata.get("language_info", {}).get("name") or "python"
    if language.lower() not in ("python", "ipython"):
        raise ValueError(f"{path} is in {language}; chapters are in Python")
    if name in installed:
        return name
    if "python3" not in installed:
        raise ValueError(f"{path}: no kernel python3 is installed: pip install ipykernel")
    warnings.warn(f"{path}: its kernel {name!r} is not installed here; python3 runs it", stacklevel=2)
    return "python3"
