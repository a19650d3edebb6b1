"""Rows of a sweep: run one, its attempts and errors, all of them as a plan for an engine."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nasnb.runs.files import each_readable, listing, read_json, set_aside, write_json
from nasnb.runs.locks import locked
from nasnb.workflow.execute import Stopped, execute
from nasnb.workflow.sweep_file import Row, Sweep

POLL = 0.1  # seconds


def attempts(folder: Path) -> list[dict[str, Any]]:
    """How a row was tried so far: started, state (running, finished, failed, stopped or killed), error.

    Raises ValueError for a damaged list, OSError for one that cannot be read.
    """
    try:
        tried = read_json(folder / "attempts.json")
    except FileNotFoundError:
        return []
    if not isinstance(tried, list) or not all(isinstance(one, dict) and "state" in one for one in tried):
        raise ValueError(f"{folder / 'attempts.json'} is no list of attempts")
    return tried


def _past(folder: Path) -> list[dict[str, Any]]:
    """The attempts before this one; of a damaged list none. Only under the folder's lock."""
    try:
        return [{**one, "state": "killed"} if one["state"] == "running" else one for one in attempts(folder)]
    except ValueError:
        set_aside(folder / "attempts.json", "is damaged")
        return []


def run_row(row: Row) -> None:
    """Execute a row's notebook unless it is finished; a process that is at it already is waited for.

    Leaves executed.ipynb and result.json, or executed.failed.ipynb; attempts.json says what happened.
    Raises ChapterFailed or Stopped.
    """
    with locked(row.folder, patience=math.inf):
        past = _past(row.folder)
        if row.is_finished():
            if past and past[-1]["state"] != "finished":  # it was stopped after its result had landed
                write_json(row.folder / "attempts.json", [*past[:-1], {**past[-1], "state": "finished", "error": None}])
            return
        attempt = {"started": _now(), "state": "running", "error": None}
        write_json(row.folder / "attempts.json", [*past, attempt])
        try:
            seconds = execute(row.notebook, row.folder / "executed.ipynb", row.values)
            _write_result(row, seconds, len(past) + 1)
        except BaseException as error:
            stopped = isinstance(error, Stopped | KeyboardInterrupt | SystemExit)
            attempt |= {"state": "stopped" if stopped else "failed", "error": str(error), "ended": _now()}
            try:
                write_json(row.folder / "attempts.json", [*past, attempt])
            except OSError as unwritten:  # it must not hide what went wrong first
                error.add_note(str(unwritten))
            raise
        write_json(row.folder / "attempts.json", [*past, {**attempt, "state": "finished", "ended": _now()}])


def _write_result(row: Row, seconds: float, tries: int) -> None:
    write_json(
        row.result,
        {
            "row": row.name,
            "notebook": row.notebook.name,
            "values": row.values,
            "key": row.key,
            "seconds": round(seconds, 1),
            "attempts": tries,
            "ended": _now(),
        },
    )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def plan_as_json(sweep: Sweep) -> str:
    """The rows as JSON, for a workflow engine."""
    rows = [
        {
            "name": row.name,
            "step": row.step,
            "folder": str(row.folder),
            "result": str(row.result),
            "needs": list(row.needs),
            "job": asdict(row.job),
        }
        for row in sweep.rows
    ]
    return json.dumps({"sweep": sweep.name, "rows": rows})


def last_error(row: Row) -> str:
    """Of a row that failed, for a list of them."""
    try:
        tried = attempts(row.folder)
    except (ValueError, OSError) as error:
        return str(error)
    if tried and tried[-1]["state"] == "failed":
        return tried[-1]["error"]
    return f"its process ended without a word, see {row.log}" if tried else "never started"


def failures(runs_dir: Path) -> list[tuple[str, str]]:
    """(sweep/row, error) of the rows in a folder of runs whose last attempt failed. Skips odd folders, told by name."""

    def failure(folder: Path) -> tuple[str, str] | None:
        last = (attempts(folder) or [{"state": "none"}])[-1]
        return (f"{folder.parent.name}/{folder.name}", str(last["error"])) if last["state"] == "failed" else None

    sweeps = [sweep for sweep in listing(runs_dir / "sweeps") if sweep.is_dir()]
    return list(each_readable([row for sweep in sweeps for row in listing(sweep) if row.is_dir()], failure))
