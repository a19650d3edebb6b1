"""Executed copies of notebooks: what they are called, and what they may replace."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasnb.workflow.notebook import read_notebook
from nasnb.workflow.sources import PLACES


def word(value: Any) -> str:
    """A value as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.]+", "_", str(value)).strip("_")


def copy_name(path: Path, values: Mapping[str, Any]) -> str:
    """`01-darts-seed3.ipynb`: other values are another copy. A digest stands for what the words cannot say."""
    counted = {name: value for name, value in values.items() if name not in PLACES}
    told = "-".join(f"{name}{word(value)}" for name, value in counted.items())
    is_lossy = len(told) > 80 or any(word(value) != str(value) for value in counted.values())
    digest = hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:6]
    return "-".join(filter(None, [path.stem, told[:80], digest * is_lossy])) + ".ipynb"


def output_of(path: Path, values: Mapping[str, Any], given: Path | None) -> Path:
    """Where the executed copy of `path` goes. Raises ValueError if something else would be overwritten."""
    output = given.expanduser() if given else Path("build") / copy_name(path, values)
    if output.is_dir():
        output = output / copy_name(path, values)
    if output.suffix != ".ipynb":
        raise ValueError(f"--output {output}: the executed copy is a notebook; give a name that ends in .ipynb")
    check_replaceable(path, output)
    return output


def check_replaceable(path: Path, output: Path) -> None:
    """Raises ValueError if the copy would overwrite its notebook, or another that was not executed by this package."""
    if output.exists() and output.samefile(path):
        raise ValueError(f"--output {output} is the notebook itself, which the copy would overwrite: give another name")
    if output.exists() and not _is_executed(output):
        raise ValueError(f"--output {output} is there and is no executed copy: give another name, or remove it")


def _is_executed(path: Path) -> bool:
    try:
        return not {"nasnb", "papermill"}.isdisjoint(read_notebook(path).metadata)
    except ValueError:  # no notebook at all
        return False
