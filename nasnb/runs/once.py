"""Results of costly analyses, computed once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from nasnb.device.distributed import first_alone
from nasnb.runs.estimate import NotComputed, foresight
from nasnb.runs.files import locked, read_arrays, read_json, runs_folder, sweep, write_arrays, write_json
from nasnb.runs.identity import describe, folder_name
from nasnb.runs.progress import duration, say
from nasnb.runs.record import new_record, now, peak_memory, version


def run_once(kind: str, facts: Mapping[str, Any], compute: Callable[[], Mapping[str, Any]], *,
             runs_dir: str | Path) -> dict[str, Any]:
    """What `compute()` returns, from the folder that `kind` and `facts` name if it was computed before.

    `facts` must say all that the result depends on (a run's name, numbers, a `method`, parts of it). Values may be
    arrays, tensors (they come back as arrays), data frames without an index of their own, and whatever JSON holds.
    """
    identity = {
        "kind": kind,
        "method": _name(facts.get("method", "")),
        "version": version(),
        "facts": describe(facts),
    }
    folder = runs_folder(runs_dir) / folder_name(identity)
    with first_alone():
        return _computed(folder, identity, compute)


def _computed(folder: Path, identity: Mapping[str, Any], compute: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    if _is_finished(folder):
        say(f"{folder.name}: loaded, nothing computed")
        return _read(folder)
    if foresight() is not None:
        raise NotComputed(f"{folder.name} is not computed yet")
    with locked(folder):
        if _is_finished(folder):  # another process may have ended it just now
            return _read(folder)
        sweep(folder)
        write_json(folder / "identity.json", identity)
        record = new_record(folder.name, identity, torch.device("cuda" if torch.cuda.is_initialized() else "cpu"))
        _compute(folder, record, compute)
    say(f"{folder.name}: computed in {duration(read_json(folder / 'record.json')['seconds'])}")
    return _read(folder)


def _is_finished(folder: Path) -> bool:
    path = folder / "record.json"
    return path.exists() and read_json(path)["state"] == "finished"


def _name(method: Any) -> str:
    return method if isinstance(method, str) else method.name


def _compute(folder: Path, record: dict[str, Any], compute: Callable[[], Mapping[str, Any]]) -> None:
    write_json(folder / "record.json", record)
    began = time.monotonic()
    try:
        _write(folder, compute())
        record |= {"state": "finished"}
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)
        record |= (
            {"state": "interrupted"} if stopped else {"state": "failed", "error": f"{type(error).__name__}: {error}"}
        )
        raise
    finally:
        seconds = time.monotonic() - began
        device = torch.device(record["device_kind"])
        record |= {"ended": now(), "seconds": round(seconds, 3), "device_hours": round(seconds / 3600, 6),
                   "peak_memory_bytes": peak_memory(device)}
        write_json(folder / "record.json", record)


def _write(folder: Path, values: Mapping[str, Any]) -> None:
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
        json.dumps(plain), json.dumps(tables)
    except TypeError as error:
        kinds = {name: type(value).__name__ for name, value in plain.items()}
        raise TypeError(f"run_once keeps arrays, data frames and plain values, got {kinds}: {error}") from None
    write_arrays(folder / "arrays.npz", arrays)
    write_json(folder / "values.json", {"plain": plain, "tables": tables})


def _columns(name: str, table: pd.DataFrame) -> dict[str, list]:
    if not isinstance(table.index, pd.RangeIndex):
        raise TypeError(f"run_once keeps no index: call reset_index() on {name!r} first")
    return {str(column): table[column].tolist() for column in table}


def _read(folder: Path) -> dict[str, Any]:
    values = read_json(folder / "values.json")
    tables = {name: pd.DataFrame(columns) for name, columns in values["tables"].items()}
    return {**values["plain"], **tables, **read_arrays(folder / "arrays.npz")}
