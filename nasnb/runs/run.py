"""A run: a named folder in which a search or a training survives whatever stops it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nasnb.config import SearchConfig, TrainConfig, to_dict
from nasnb.runs import checkpoint
from nasnb.runs.estimate import Timer, is_estimate_only
from nasnb.runs.files import locked, read_json, runs_folder, sweep, write_json
from nasnb.runs.identity import describe, folder_name
from nasnb.runs.progress import Progress, duration, say
from nasnb.runs.record import commit, environment, new_record, now, peak_memory, version
from nasnb.runs.result import Finished, History, Result, read_result
from nasnb.runs.signals import Pending, held_back

SAVE_EVERY = 300.0  # seconds between checkpoints within an epoch
RECORD_EVERY = 10.0  # seconds between updates of the record
WORTH = 20  # an epoch's end is saved if computing took so many times longer than saving


@dataclass(frozen=True)
class Task:
    """How to compute: `begin() -> state`, and the epochs of a state, which calls `on_step(state)` at every step.

    The state has `epoch`, `step`, `state_dict()` and `load_state_dict()`, and is whole whenever `on_step` is called.
    """

    begin: Callable[[], Any]
    epochs: Callable[[Any, Callable[[Any], None]], Iterable[Finished]]
    steps_per_epoch: Callable[[Any], int]


class Run:
    """`Run(kind, ...).finish(task)` loads what is finished, goes on with what is not, and begins what is new.

    `facts` are further things that determine the result: parts of the method, a genotype. `data` is anything with a
    name, a checksum and `train.images`.
    """

    def __init__(self, kind: str, *, method: str, config: SearchConfig | TrainConfig, data: Any,
                 runs_dir: str | Path, facts: Mapping[str, Any]):  # fmt: skip
        self.identity = {
            "kind": kind,
            "method": method,
            "config": describe(to_dict(config)),
            "data": {"name": data.name, "checksum": data.checksum},
            "version": version(),
            "facts": describe(facts),
        }
        self.name = folder_name(self.identity)
        self.folder = runs_folder(runs_dir) / self.name
        self.epochs = config.epochs
        self.device = data.train.images.device

    def finish(self, task: Task, *, save_every: float = SAVE_EVERY) -> Result:
        """The result, computed as far as it is missing.

        SIGINT and SIGTERM save the state at the next step before they act. Raises RuntimeError if another process is
        at it, OSError if the folder cannot be written, and whatever the computation raises; the last checkpoint stays.
        """
        if not self.is_finished():
            if is_estimate_only():
                self._estimate(task)
            with locked(self.folder), held_back() as pending:
                if not self.is_finished():  # another process may have ended it just now
                    _Session(self, task, pending, save_every).work()
        else:
            say(f"{self.name}: loaded{self._made_with()}, nothing computed")
        return read_result(self.folder, lambda: self._rebuild(task))

    def _estimate(self, task: Task) -> None:
        state = task.begin()
        steps = self.epochs * task.steps_per_epoch(state)
        timer = Timer(self.name, steps_left=steps, memory=lambda: peak_memory(self.device))
        for _ in task.epochs(state, timer):
            pass

    def is_finished(self) -> bool:
        """Whether nothing is left to compute."""
        return (self.folder / "record.json").exists() and self._read_record()["state"] == "finished"

    def _read_record(self) -> dict[str, Any]:
        record = read_json(self.folder / "record.json")
        if not isinstance(record, dict) or record.get("name") != self.name:
            raise ValueError(f"{self.folder} holds no record of {self.name}: remove the folder and run again")
        return record

    def _made_with(self) -> str:
        then = self._read_record()["package"]["commit"]
        changed = then is not None and then != commit(Path(__file__).parent)["commit"]
        return f" (computed at commit {then[:7]})" if changed else ""

    def _rebuild(self, task: Task) -> Any:
        saved = checkpoint.load(self.folder, name=self.name, device=self.device)
        if saved is None:
            raise FileNotFoundError(f"{self.folder} has no whole checkpoint: remove the folder and run again")
        state = task.begin()
        state.load_state_dict(saved["state"])
        return state


class _Session:
    """One process at work on a run, from start or resume to end or stop. Holds the folder's lock."""

    def __init__(self, run: Run, task: Task, pending: Pending, save_every: float):
        self.run, self.task, self.pending, self.save_every = run, task, pending, save_every
        sweep(run.folder)
        self.state = task.begin()
        saved = checkpoint.load(run.folder, name=run.name, device=run.device)
        self.history = _restore(self.state, saved, run.folder)
        # seconds of the epochs before this process, and of the epoch that it goes on with
        self.before, self.epoch_before = (saved["seconds"], saved["epoch_seconds"]) if saved else (0.0, 0.0)
        self.started = self.epoch_started = self.saved_at = self.recorded_at = time.monotonic()
        self.saved_place = (self.state.epoch, self.state.step) if saved else None
        self.saving = 0.0  # seconds that the last save took
        self.record = self._first_record(resumed=saved is not None)

    def _first_record(self, *, resumed: bool) -> dict[str, Any]:
        run, path = self.run, self.run.folder / "record.json"
        record = new_record(run.name, run.identity, run.device)
        if resumed and path.exists():
            old = run._read_record()
            record = {**old, **environment(run.device), "resumed": old["resumed"] + 1}
        write_json(run.folder / "identity.json", run.identity)
        return {**record, "state": "running", "error": None, "ended": None}

    def work(self) -> None:
        """Compute to the end. Whatever stops it, the record says so."""
        self.steps = self.task.steps_per_epoch(self.state)
        label = f"{self.run.identity['kind']} {self.run.identity['method']}"
        self.progress = Progress(total=self.run.epochs * self.steps, done=self._done(), label=label)
        if self.run.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.run.device)
        try:
            self._write_record(state="running")
            for epoch in self.task.epochs(self.state, self.on_step):
                self._keep(epoch)
            self._save()
            self.history.write(self.run.folder)
            self._write_record(state="finished", ended=now())
            self.progress.end(self._last_word())
        except BaseException as error:
            self._stop(error)
            raise

    def on_step(self, state: Any) -> None:
        """After every step: the state is whole."""
        self.progress.advance()
        now_ = time.monotonic()
        if self.pending.signal is not None:
            self._save()
            self.pending.deliver()
        if now_ - self.saved_at >= self.save_every:
            self._save()
        if now_ - self.recorded_at >= RECORD_EVERY:
            self._write_record(state="running")

    def _keep(self, epoch: Finished) -> None:
        ended = time.monotonic()
        self.history.add(epoch, seconds=self.epoch_before + ended - self.epoch_started)
        self.epoch_before, self.epoch_started = 0.0, ended
        self.progress.note(epoch=len(self.history.rows), accuracy=f"{_accuracy(epoch.row):.1f} %")
        if ended - self.saved_at >= WORTH * self.saving or self.pending.signal is not None:
            self._save()
        self.history.write(self.run.folder)
        self._write_record(state="running")

    def _save(self) -> None:
        place = self.state.epoch, self.state.step
        if place == self.saved_place:
            return
        began = time.monotonic()
        content = {
            "name": self.run.name,
            "state": self.state.state_dict(),
            "rows": self.history.rows,
            "weights": {group: torch.from_numpy(w) for group, w in self.history.stacked().items()},
            "genotypes": self.history.genotypes,
            "seconds": self.before + began - self.started,
            "epoch_seconds": self.epoch_before + began - self.epoch_started,
        }
        checkpoint.save(self.run.folder, content, epoch=place[0], step=place[1])
        self.saved_place = place
        self.saved_at = time.monotonic()
        self.saving = self.saved_at - began

    def _write_record(self, **changes: Any) -> None:
        rows = self.history.rows
        seconds = self.before + time.monotonic() - self.started
        left = self.progress.seconds_left()
        genotype = self.history.table()["genotype"].iloc[-1] if self.history.genotypes else None
        self.record |= {
            "progress": {"epoch": len(rows), "epochs": self.run.epochs, "seconds_left": left and round(left, 1)},
            "seconds": round(seconds, 3),
            "device_hours": round(seconds / 3600, 6),
            "peak_memory_bytes": max(peak_memory(self.run.device) or 0, self.record["peak_memory_bytes"] or 0) or None,
            "metrics": {k: v if v == v else None for k, v in rows[-1].items()} if rows else {},  # JSON has no NaN
            "genotype": genotype,
            **changes,
        }
        write_json(self.run.folder / "record.json", self.record)
        self.recorded_at = time.monotonic()

    def _stop(self, error: BaseException) -> None:
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
        kept = checkpoint.newest_first(self.run.folder)
        where = "it goes on from there when run again" if kept else "it begins anew when run again"
        self.progress.end(f"{self.run.name}: stopped after {len(self.history.rows)} epochs; {where}")
        try:
            self._write_record(state="interrupted" if interrupted else "failed", ended=now(),
                               error=None if interrupted else f"{type(error).__name__}: {error}")  # fmt: skip
        except OSError as unwritten:  # a full disk says so once, and hides nothing
            error.add_note(str(unwritten))

    def _done(self) -> int:
        return self.state.epoch * self.steps + self.state.step

    def _last_word(self) -> str:
        epochs, seconds = len(self.history.rows), self.record["seconds"]
        accuracy = f", accuracy {_accuracy(self.history.rows[-1]):.1f} %" if epochs else ""
        return f"{self.run.name}: {epochs} epochs in {duration(seconds)}{accuracy}"


def _restore(state: Any, saved: dict[str, Any] | None, folder: Path) -> History:
    """Bring `state` to the checkpoint and return the epochs before it."""
    if saved is None:
        return History([], [], [])
    try:
        state.load_state_dict(saved["state"])
    except (RuntimeError, KeyError, ValueError) as error:
        raise RuntimeError(f"the checkpoint in {folder} does not fit this code: remove the folder to begin anew, or go "
                           f"back to the code that wrote it ({error})") from error  # fmt: skip
    stacked = {group: np.asarray(w) for group, w in saved["weights"].items()}
    n_epochs = len(next(iter(stacked.values()))) if stacked else 0
    weights = [{group: w[epoch] for group, w in stacked.items()} for epoch in range(n_epochs)]
    return History(list(saved["rows"]), weights, list(saved["genotypes"]))


def _accuracy(row: Mapping[str, float]) -> float:
    valid = row.get("valid_accuracy", float("nan"))
    return valid if valid == valid else row.get("train_accuracy", float("nan"))
