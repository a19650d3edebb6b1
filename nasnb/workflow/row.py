"""Rows of a sweep: run one, its attempts and errors, all of them as a plan for an engine."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nasnb.runs.files import is_locked, locked, read_json, write_json
from nasnb.workflow.execute import Stopped, execute
from nasnb.workflow.sweep_file import Row, Sweep

POLL = 0.1  # seconds


def attempts(folder: Path) -> list[dict[str, Any]]:
    """How a row was tried so far: started, state (running, finished, failed, stopped or killed), error."""
    path = folder / "attempts.json"
    return read_json(path) if path.exists() else []


def run_row(row: Row) -> None:
    """Execute a row's notebook unless it is finished; a process that is at it already is waited for.

    Leaves executed.ipynb and result.json, or executed.failed.ipynb; attempts.json says what happened.
    Raises ChapterFailed or Stopped.
    """
    while is_locked(row.folder):
        time.sleep(1)
    with locked(row.folder):
        if row.is_finished():
            return
        past = [{**past, "state": "killed"} if past["state"] == "running" else past for past in attempts(row.folder)]
        attempt = {"started": _now(), "state": "running", "error": None}
        write_json(row.folder / "attempts.json", [*past, attempt])
        try:
            seconds = execute(row.notebook, row.folder / "executed.ipynb", row.values)
            attempt |= {"state": "finished"}
            _write_result(row, seconds, len(past) + 1)
        except BaseException as error:
            attempt |= {"state": "stopped" if isinstance(error, Stopped) else "failed", "error": str(error)}
            raise
        finally:
            write_json(row.folder / "attempts.json", [*past, {**attempt, "ended": _now()}])


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
    tried = attempts(row.folder)
    if tried and tried[-1]["state"] == "failed":
        return tried[-1]["error"]
    return f"its process ended without a word, see {row.log}" if tried else "never started"


def failures(runs_dir: Path) -> list[tuple[str, str]]:
    """(sweep/row, error) of the rows in a folder of runs whose last attempt failed."""
    found = []
    for path in sorted(runs_dir.glob("sweeps/*/*/attempts.json")):
        last = attempts(path.parent)[-1]
        if last["state"] == "failed":
            found.append((f"{path.parent.parent.name}/{path.parent.name}", last["error"]))
    return found
