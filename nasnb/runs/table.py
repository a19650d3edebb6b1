"""All runs of a folder as a table, and what parts two of them."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from nasnb.config import nearest
from nasnb.runs.files import each_readable, listing, read_json, read_whole, runs_folder
from nasnb.runs.locks import is_locked
from nasnb.runs.record import LATER, SCHEMA, SCHEMA_VERSION, is_record
from nasnb.runs.result import accuracy

NUMBERS = ("seed", "epoch", "epochs", "seconds_left", "accuracy", "seconds")  # as floats: NaN where there is none
_RUN_NAMES = re.compile(rb"(?:search|train)-[\w.+-]*?-[0-9a-f]{10}")  # see nasnb.runs.identity.folder_name
SWEEPS = "sweeps"  # beside the runs: what their notebooks were run with, see nasnb.workflow.sweep_file
COLUMNS = (
    "name",
    "kind",
    "method",
    "dataset",
    "preset",
    "seed",
    "state",
    "epoch",
    "epochs",
    "seconds_left",
    "accuracy",
    "seconds",
    "error",
)


def find_runs(runs_dir: str | Path, *, sweep: str | None = None) -> pd.DataFrame:
    """One line per run, sorted by name; with `sweep` only those of its rows.

    Broken and foreign folders are skipped with a warning that names them. A run whose process died counts as
    interrupted; `seconds_left` is NaN unless it is running.
    Raises OSError if the folder itself cannot be read.
    """
    lines = each_readable(run_folders(runs_folder(runs_dir), sweep=sweep), _line)
    return pd.DataFrame(lines, columns=list(COLUMNS)).astype(dict.fromkeys(NUMBERS, float))


def run_folders(runs_dir: Path, *, sweep: str | None = None) -> list[Path]:
    """By name; with `sweep` only those that the notebooks of its rows tell of, computed or loaded.

    Raises OSError if the folder of runs cannot be read, ValueError where no such sweep was run.
    """
    folders = [path for path in listing(runs_dir) if path.is_dir() and path.name != SWEEPS]
    if sweep is None:
        return folders
    sweeps = {path.name: path for path in listing(runs_dir / SWEEPS) if path.is_dir()}
    if sweep not in sweeps:
        raise ValueError(f"no rows of a sweep {sweep!r} in {runs_dir}{nearest(sweep, sweeps)}; "
                         f"sweeps: {', '.join(sweeps) or 'none'}")
    told = {name for copy in sweeps[sweep].glob("*/*.ipynb") for name in _RUN_NAMES.findall(read_whole(copy) or b"")}
    return [path for path in folders if path.name.encode() in told]


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a run. Raises ValueError saying why a folder is no run that this version can read."""
    try:
        record = read_json(folder / "record.json")
    except FileNotFoundError:
        raise ValueError("it holds no record.json") from None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA_VERSION:
        raise ValueError(f"its record.json has not the layout {SCHEMA_VERSION} of this version")
    missing = [entry for entry in SCHEMA if entry not in record and entry not in LATER]
    if missing or not is_record(record):
        raise ValueError(f"its record.json lacks {', '.join(missing) or 'plain values'}")
    return record


def _line(folder: Path) -> dict[str, Any]:
    record = read_record(folder)
    running = record["state"] == "running" and _is_alive(folder)
    state = "interrupted" if record["state"] == "running" and not running else record["state"]
    score = accuracy({name: value for name, value in record["metrics"].items() if value is not None})
    left = record["seconds_left"] if running else None
    return {**{name: record.get(name) for name in COLUMNS}, "state": state, "seconds_left": left, "accuracy": score}


def _is_alive(folder: Path) -> bool:
    try:
        return is_locked(folder)
    except OSError as error:
        warnings.warn(f"{folder.name}: whether it still runs is not known ({error.strerror})", stacklevel=4)
        return True  # as its record says


def compare(a: str, b: str, *, runs_dir: str | Path) -> pd.DataFrame:
    """Lines (entry, a, b) for all that differs between two runs: what went in, where it ran, what came out.

    Raises ValueError for a name that is not, or not only, the beginning of one run's.
    """
    flat = [_flat(_whole(_one(name, runs_folder(runs_dir)))) for name in (a, b)]
    entries = [*flat[0], *(entry for entry in flat[1] if entry not in flat[0])]
    lines = [(entry, flat[0].get(entry), flat[1].get(entry)) for entry in entries]
    return pd.DataFrame([line for line in lines if line[1] != line[2]], columns=["entry", "a", "b"])


def _one(name: str, folder: Path) -> Path:
    names = [path.name for path in run_folders(folder) if (path / "record.json").exists()]
    found = [name] if name in names else [known for known in names if known.startswith(name)]
    found = found or [known for known in names if known.endswith(name)]
    if not found:
        raise ValueError(f"no run {name!r} in {folder}{nearest(name, names)}; `nasnb runs` lists them")
    if len(found) > 1:
        raise ValueError(f"{name!r} may be any of {', '.join(found)}: give more of the name")
    return folder / found[0]


def _whole(folder: Path) -> dict[str, Any]:
    """What determined the run, then its record without what says the same again or always differs."""
    record = read_record(folder)
    for entry in (
        "schema",
        "name",
        "config",
        "dataset",
        "checksum",
        "kind",
        "method",
        "seed",
        "epochs",
        "started",
        "ended",
        "seconds_left",
        "files",
    ):
        record.pop(entry, None)
    return {**read_json(folder / "identity.json"), **record}


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping) and value:
        parts = [_flat(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()]
        return {entry: item for part in parts for entry, item in part.items()}
    return {path: json.dumps(value) if isinstance(value, list | dict) else value}
