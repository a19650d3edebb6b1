"""Notebooks as processes, several at once on this machine: rows of a sweep, chapters of the book."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from tqdm import tqdm

from nasnb.runs.files import unwritable
from nasnb.runs.locks import PATIENCE
from nasnb.runs.progress import WIDTH, duration
from nasnb.workflow.execute import Stopped

POLL = 0.1  # seconds
CELLS = re.compile(rb"(\d+)/(\d+) \[")  # in the bar that papermill writes to a process's log
BAR = "{desc} {percentage:3.0f} %|{bar}| {elapsed}, about {remaining} left"


class Executable(Protocol):
    """What a process can do: a row of a sweep, a chapter of the book."""

    name: str
    needs: tuple[str, ...]  # names of others that come first
    arguments: tuple[str, ...]  # how the command for all of them ends for this one
    log: Path

    def is_finished(self) -> bool:
        """Whether nothing is left to do."""


T = TypeVar("T", bound=Executable)


def side_by_side(workers: int) -> dict[str, str]:
    """Environment of each of so many processes on one machine.

    They share the cores, since threads that fight for one are many times slower than a single one. Of those that want
    the same run, one computes it and the others wait.
    """
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    return {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, PATIENCE: "inf"}


def stop_with_parent() -> None:
    """End, as by SIGTERM, when the process that started us by `multiprocessing`, or holds our standard input, dies."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        parent.join() if parent else sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def run_all(rows: Sequence[T], command: Sequence[str], *, workers: int, tell: Callable[[str], None]) -> list[T]:
    """Run what is not finished with so many processes at once, `command` and its arguments for each.

    Returns the rows that failed. In a terminal a bar shows how far they are together.
    Raises Stopped on SIGINT or SIGTERM, once the processes have saved their runs; a second signal ends them at once.
    """
    board = _Board(rows, command, workers, tell)
    with _stopping() as stopping, board.bar:
        while board.waiting or board.running:
            if stopping and not board.stopped:
                board.tell(
                    f"{signal.Signals(stopping[0]).name}: {len(board.running)} rows are saving (again: stop at once)"
                )
                board.stop(signal.SIGTERM)
            if len(stopping) > 1:
                board.stop(signal.SIGKILL)
            board.collect()
            board.start()
            board.show()
            time.sleep(POLL)
    if stopping:
        raise Stopped(stopping[0])
    return board.failed


def _share(log: Path) -> float:
    """Of the cells that are done, as the end of a process's log says."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 500))
            found = CELLS.findall(file.read())
    except OSError:  # a bar is not worth a row
        return 0.0
    return int(found[-1][0]) / int(found[-1][1]) if found else 0.0


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

    def __init__(self, rows: Sequence[Executable], command: Sequence[str], workers: int, tell: Callable[[str], None]):
        self.rows, self.command, self.workers, self._tell = rows, command, workers, tell
        self.waiting = [row for row in rows if not row.is_finished()]
        self.finished = {row.name for row in rows} - {row.name for row in self.waiting}
        self.running: dict[subprocess.Popen, tuple[Executable, float]] = {}
        self.failed: list[Executable] = []
        self.seconds: list[float] = []
        self.stopped = False
        self.bar = tqdm(total=len(rows), ncols=WIDTH, bar_format=BAR, disable=None)  # None: in a terminal only

    def tell(self, text: str) -> None:
        """A line above the bar."""
        self.bar.clear()
        self._tell(text)

    def show(self) -> None:
        """How far all rows are together, those that run counted by their cells."""
        if not self.bar.disable:
            done = len(self.finished) + len(self.failed)
            self.bar.n = done + sum(_share(row.log) for row, _ in self.running.values())
            self.bar.set_description_str(f"{done} of {len(self.rows)} done")  # and draws

    def start(self) -> None:
        """As many rows as there are free workers, of those whose needs are met."""
        for row in list(self.waiting):
            if any(name in {failed.name for failed in self.failed} for name in row.needs):
                self.waiting.remove(row)
                self.failed.append(row)
                self.tell(f"{row.name}: left out, since it needs a row that failed")
            elif len(self.running) < self.workers and self.finished.issuperset(row.needs):
                self.waiting.remove(row)
                try:
                    self.running[self._process(row)] = row, time.monotonic()
                except OSError as error:
                    self._fail(row, f"could not be started: {unwritable(error, row.log)}")

    def _process(self, row: Executable) -> subprocess.Popen:
        row.log.parent.mkdir(parents=True, exist_ok=True)
        with row.log.open("ab") as log:
            return subprocess.Popen(
                [*self.command, *row.arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **side_by_side(self.workers)},
                start_new_session=True,
            )

    def collect(self) -> None:
        """Those that ended."""
        for process in [process for process in self.running if process.poll() is not None]:
            row, began = self.running.pop(process)
            process.stdin.close()
            if self._is_finished(row):
                self.finished.add(row.name)
                self.seconds.append(time.monotonic() - began)
                self.tell(f"{row.name}: finished in {duration(self.seconds[-1])}; {self._left()}")
            elif not self.stopped:
                self.failed.append(row)
                self.tell(f"{row.name}: failed; {self._left()}")

    def _is_finished(self, row: Executable) -> bool:
        try:
            return row.is_finished()
        except OSError as error:  # the other rows go on
            self.tell(f"{row.name}: {error}")
            return False

    def _fail(self, row: Executable, why: str) -> None:
        self.failed.append(row)
        self.tell(f"{row.name}: {why}")

    def _left(self) -> str:
        left = len(self.rows) - len(self.finished) - len(self.failed)
        done = f"{len(self.rows) - left} of {len(self.rows)} done"
        if not left or not self.seconds or self.stopped:
            return done
        each = sum(self.seconds) / len(self.seconds)
        return f"{done}, about {duration(each * max(1, left / self.workers))} left"

    def stop(self, number: int) -> None:
        """Start nothing more, and send a signal to what runs."""
        self.stopped, self.waiting = True, []
        for process in self.running:
            process.send_signal(number)
