"""Results of costly analyses, computed once."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from nasnb.device.distributed import first_alone
from nasnb.runs.estimate import NotComputed, foresight
from nasnb.runs.files import (
    as_arrays,
    as_json,
    checksum,
    clear_leftovers,
    from_arrays,
    read_json,
    runs_folder,
    set_aside,
    write_json,
    write_whole,
)
from nasnb.runs.identity import describe, folder_name
from nasnb.runs.locks import locked
from nasnb.runs.progress import duration, say
from nasnb.runs.record import is_record, new_record, now, peak_memory, version
from nasnb.runs.result import Damaged, read_files


def run_once(
    kind: str, facts: Mapping[str, Any], compute: Callable[[], Mapping[str, Any]], *, runs_dir: str | Path
) -> dict[str, Any]:
    """What `compute()` returns, from the folder that `kind` and `facts` name if it was computed before.

    `facts` must say all that the result depends on (a run's name, numbers, a `method`, parts of it). Values may be
    arrays, tensors (they come back as arrays), data frames without an index of their own, and whatever JSON holds.
    """
    identity = {"kind": kind, "method": _name(facts.get("method", "")), "version": version(), "facts": describe(facts)}
    folder = runs_folder(runs_dir) / folder_name(identity)
    with first_alone():
        return _computed(folder, identity, compute)


def _computed(folder: Path, identity: Mapping[str, Any], compute: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    found = _finished(folder)
    if found is not None:
        say(f"{folder.name}: loaded, nothing computed")
        return found
    if foresight() is not None:
        raise NotComputed(f"{folder.name} is not computed yet")
    with locked(folder):
        found = _finished(folder, mend=True)  # another process may have ended it just now
        if found is not None:
            return found
        clear_leftovers(folder)
        write_json(folder / "identity.json", identity)
        record = new_record(folder.name, identity, torch.device("cuda" if torch.cuda.is_initialized() else "cpu"))
        files = _compute(folder, record, compute)
    say(f"{folder.name}: computed in {duration(record['seconds'])}")
    return _values(files)


def _finished(folder: Path, *, mend: bool = False) -> dict[str, Any] | None:
    """What was computed before; None if that is not there or not whole. Raises OSError if it cannot be read now."""
    path = folder / "record.json"
    try:
        record = read_json(path)
        if not is_record(record):
            raise Damaged(f"record.json of {folder.name} is damaged")
        return _values(read_files(folder, record)) if record["state"] == "finished" else None
    except FileNotFoundError:
        return None
    except ValueError as error:
        warnings.warn(f"{error}: computed again", stacklevel=2)
        if mend:
            set_aside(path, "is not what lies beside it")
        return None


def _name(method: Any) -> str:
    return method if isinstance(method, str) else method.name


def _compute(folder: Path, record: dict[str, Any], compute: Callable[[], Mapping[str, Any]]) -> dict[str, bytes]:
    write_json(folder / "record.json", record)
    began = time.monotonic()
    try:
        files = _files(compute())
        for name, content in files.items():
            write_whole(folder / name, content)
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        text = None if stopped else f"{type(error).__name__}: {error}"
        try:
            _end(folder, record, began, state="interrupted" if stopped else "failed", error=text)
        except OSError as unwritten:  # it must not hide what went wrong first
            error.add_note(str(unwritten))
        raise
    _end(folder, record, began, state="finished", files={name: checksum(content) for name, content in files.items()})
    return files


def _end(folder: Path, record: dict[str, Any], began: float, **changes: Any) -> None:
    seconds = time.monotonic() - began
    record |= {
        "ended": now(),
        "seconds": round(seconds, 3),
        "device_hours": round(seconds / 3600, 6),
        "peak_memory_bytes": peak_memory(torch.device(record["device_kind"])),
        **changes,
    }
    write_json(folder / "record.json", record)


def _files(values: Mapping[str, Any]) -> dict[str, bytes]:
    arrays, plain, tables = {}, {}, {}
    for name, value in values.items():
        if isinstance(value, torch.Tensor):
            arrays[name] = value.detach().cpu().numpy()
        elif isinstance(value, np.ndarray):
            arrays[name] = value
        elif isinstance(value, pd.DataFrame):
            tables[name] = _columns(name, value)
        else:
            plain[name] = value.item() if isinstance(value, np.generic) else value
    try:
        return {"arrays.npz": as_arrays(arrays), "values.json": as_json({"plain": plain, "tables": tables})}
    except TypeError as error:
        kinds = {name: type(value).__name__ for name, value in plain.items()}
        raise TypeError(f"run_once keeps arrays, data frames and plain values, got {kinds}: {error}") from None


def _columns(name: str, table: pd.DataFrame) -> dict[str, list]:
    if not isinstance(table.index, pd.RangeIndex):
        raise TypeError(f"run_once keeps no index: call reset_index() on {name!r} first")
    return {str(column): table[column].tolist() for column in table}


def _values(files: Mapping[str, bytes]) -> dict[str, Any]:
    values = json.loads(files["values.json"])
    tables = {name: pd.DataFrame(columns) for name, columns in values["tables"].items()}
    return {**values["plain"], **tables, **from_arrays(files["arrays.npz"])}
