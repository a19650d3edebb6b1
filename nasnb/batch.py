"""Rows of a sweep as processes: one at a time for an engine, or several at once on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nasnb.chapters import Stopped, execute
from nasnb.runs.files import is_locked, locked, read_json, write_json
from nasnb.sweeps import Row, Sweep

POLL = 0.1  # seconds


def is_finished(row: Row) -> bool:
    """Whether nothing is left to do."""
    return row.result.exists()


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
        if is_finished(row):
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
    write_json(row.result, {"row": row.name, "notebook": row.notebook.name, "values": row.values, "key": row.key,
                            "seconds": round(seconds, 1), "attempts": tries, "ended": _now()})  # fmt: skip


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def stop_with_parent() -> None:
    """End, as by SIGTERM, when the process that holds the other end of our standard input dies."""

    def watch() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


# --- several at once --------------------------------------------------------------------------------------------------


def run_all(rows: Sequence[Row], command: Sequence[str], *, workers: int, tell: Callable[[str], None]) -> list[Row]:
    """Run what is not finished with so many processes at once, `command` and a row's name each; return failed rows.

    Raises Stopped on SIGINT or SIGTERM, once the processes have saved their runs; a second signal ends them at once.
    """
    board = _Board(rows, command, workers, tell)
    with _stopping() as stopping:
        while board.waiting or board.running:
            if stopping and not board.stopped:
                tell(f"{signal.Signals(stopping[0]).name}: {len(board.running)} rows are saving (again: stop at once)")
                board.stop(signal.SIGTERM)
            if len(stopping) > 1:
                board.stop(signal.SIGKILL)
            board.collect()
            board.start()
            time.sleep(POLL)
    if stopping:
        raise Stopped(stopping[0])
    return board.failed


@contextmanager
def _stopping() -> Iterator[list[int]]:
    """Signals that came."""
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in numbers}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Board:
    """Which rows wait, run and are done."""

    def __init__(self, rows: Sequence[Row], command: Sequence[str], workers: int, tell: Callable[[str], None]):
        self.rows, self.command, self.workers, self.tell = rows, command, workers, tell
        self.waiting = [row for row in rows if not is_finished(row)]
        self.running: dict[subprocess.Popen, tuple[Row, float]] = {}
        self.failed: list[Row] = []
        self.seconds: list[float] = []
        self.stopped = False

    def start(self) -> None:
        """As many rows as there are free workers, of those whose needs are met."""
        finished = {row.name for row in self.rows if is_finished(row)}
        for row in list(self.waiting):
            if any(name in {failed.name for failed in self.failed} for name in row.needs):
                self.waiting.remove(row)
                self.failed.append(row)
                self.tell(f"{row.name}: left out, since it needs a row that failed")
            elif len(self.running) < self.workers and finished.issuperset(row.needs):
                self.waiting.remove(row)
                self.running[self._process(row)] = row, time.monotonic()

    def _process(self, row: Row) -> subprocess.Popen:
        threads = str(max(1, (os.cpu_count() or 1) // self.workers))
        row.folder.mkdir(parents=True, exist_ok=True)
        with (row.folder / "log.txt").open("ab") as log:
            return subprocess.Popen([*self.command, row.name], stdin=subprocess.PIPE, stdout=log, stderr=log,
                                    env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
                                    start_new_session=True)  # fmt: skip

    def collect(self) -> None:
        """Those that ended."""
        for process in [process for process in self.running if process.poll() is not None]:
            row, began = self.running.pop(process)
            process.stdin.close()
            if is_finished(row):
                self.seconds.append(time.monotonic() - began)
                self.tell(f"{row.name}: finished in {_time(self.seconds[-1])}; {self._left()}")
            elif not self.stopped:
                self.failed.append(row)
                self.tell(f"{row.name}: failed; {self._left()}")

    def _left(self) -> str:
        left = len(self.waiting) + len(self.running)
        done = f"{len(self.rows) - left} of {len(self.rows)} rows done"
        if not left or not self.seconds:
            return done
        each = sum(self.seconds) / len(self.seconds)
        return f"{done}, about {_time(each * max(1, left / self.workers))} left"

    def stop(self, number: int) -> None:
        """Start nothing more, and send a signal to what runs."""
        self.stopped, self.waiting = True, []
        for process in self.running:
            process.send_signal(number)


def plan(sweep: Sweep) -> str:
    """The rows as JSON, for a workflow engine."""
    rows = [{"name": row.name, "step": row.step, "folder": str(row.folder), "result": str(row.result),
             "needs": list(row.needs), "job": asdict(row.job)} for row in sweep.rows]  # fmt: skip
    return json.dumps({"sweep": sweep.name, "rows": rows})


def last_error(row: Row) -> str:
    """Of a row that failed, for a list of them."""
    tried = attempts(row.folder)
    if tried and tried[-1]["state"] == "failed":
        return tried[-1]["error"]
    return f"its process ended without a word, see {row.folder / 'log.txt'}" if tried else "never started"


def failures(runs_dir: Path) -> list[tuple[str, str]]:
    """(sweep/row, error) of the rows in a folder of runs whose last attempt failed."""
    found = []
    for path in sorted(runs_dir.glob("sweeps/*/*/attempts.json")):
        last = attempts(path.parent)[-1]
        if last["state"] == "failed":
            found.append((f"{path.parent.parent.name}/{path.parent.name}", last["error"]))
    return found


def _time(seconds: float) -> str:
    from nasnb.runs.progress import duration

    return duration(seconds)
