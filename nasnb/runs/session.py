"""One process at work on a run, from start or resume to end or stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch

from nasnb.device.distributed import any_says, first_says, n_processes
from nasnb.runs import checkpoint
from nasnb.runs.files import as_json, checksum, clear_leftovers, write_json, write_whole
from nasnb.runs.progress import Progress, duration, say, size
from nasnb.runs.record import environment, new_record, now, peak_memory
from nasnb.runs.result import Finished, History, accuracy
from nasnb.runs.signals import Pending

SAVE_EVERY = 300.0  # seconds between checkpoints within an epoch
RECORD_EVERY = 10.0  # seconds between updates of the record
WORTH = 20  # an epoch's end is saved if computing since the last save took so many times longer than saving


@dataclass(frozen=True)
class Task:
    """How to compute: `begin() -> state`, and the epochs of a state, which calls `on_step(state)` at every step.

    The state has `epoch`, `step`, `state_dict()` and `load_state_dict()`, and is whole whenever `on_step` is called.
    """

    begin: Callable[[], Any]
    epochs: Callable[[Any, Callable[[Any], None]], Iterable[Finished]]
    n_epochs: int  # in all
    steps_per_epoch: Callable[[Any], int]
    # for timing: bring a fresh state past every warm-up, leave so many images for the end of an epoch; how many times
    # more there were
    shorten: Callable[[Any, int], float] = lambda state, images: 1.0


class Session:
    """Work on `run` (a nasnb.runs.Run, whose folder is locked) with a fresh state, brought to the last checkpoint."""

    def __init__(self, run: Any, task: Task, state: Any, *, pending: Pending, save_every: float):
        self.run, self.task, self.state, self.pending, self.save_every = run, task, state, pending, save_every
        clear_leftovers(run.folder)
        saved = checkpoint.load_checkpoint(run.folder, name=run.name, device=run.device, mend=True)
        first_says(None)  # the others may read the checkpoint now
        self.history = restore(state, saved, run.folder) if saved else History.empty()
        self.record = self._first_record(resumed=saved is not None)
        # seconds of earlier processes: in all, and in the epoch that this one goes on with
        self.before, self.epoch_before = (saved["seconds"], saved["epoch_seconds"]) if saved else (0.0, 0.0)
        self.started = self.epoch_started = self.saved_at = self.recorded_at = time.monotonic()
        self.saved_place = self._place() if saved else None
        self.saving = 0.0  # seconds that the last save took
        steps = task.steps_per_epoch(state)
        self.progress = Progress(
            total=task.n_epochs * steps,
            done=len(self.history.rows) * steps + state.step,
            label=f"{run.identity['kind']} {run.identity['method']}",
        )

    def _first_record(self, *, resumed: bool) -> dict[str, Any]:
        run = self.run
        record = {**new_record(run.name, run.identity, run.device), "epochs": self.task.n_epochs}
        old = run.read_record(mend=True)
        if resumed and old is not None:
            record |= old
            if len(self.history.rows) < self.task.n_epochs:  # else nothing is computed here
                record |= {**environment(run.device), "resumed": old["resumed"] + 1}
        write_json(run.folder / "identity.json", run.identity)
        return {**record, "state": "running", "error": None, "ended": None, "files": None}

    def work(self) -> None:
        """Compute to the end. Whatever stops it, the record says so."""
        if self.run.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.run.device)
        try:
            self._write_record()
            for epoch in self.task.epochs(self.state, self._after_step):
                self._after_epoch(epoch)
            self._save()
            self._write_record(state="finished", ended=now(), files=self._write_files())
            self.progress.end(self._last_word())
        except BaseException as error:
            self._stop(error)
            raise

    def _after_step(self, state: Any) -> None:
        self.progress.advance()
        time_ = time.monotonic()
        if any_says(self.pending.signal is not None):
            self._save_and_stop()
        if time_ - self.saved_at >= self.save_every:
            self._save()
        if time_ - self.recorded_at >= RECORD_EVERY:
            self._write_record()

    def _after_epoch(self, epoch: Finished) -> None:
        ended = time.monotonic()
        self.history.add(epoch, seconds=self.epoch_before + ended - self.epoch_started)
        self.epoch_before, self.epoch_started = 0.0, ended
        left = (self.task.n_epochs - len(self.history.rows)) * self.task.steps_per_epoch(self.state)
        self.progress.epoch(epoch=len(self.history.rows), accuracy=accuracy(epoch.row), steps_left=left)
        if ended - self.saved_at >= WORTH * self.saving:
            self._save()
        self._write_files()
        self._write_record()
        self.epoch_started = time.monotonic()

    def _save(self) -> None:
        if self._place() == self.saved_place:
            return
        began = time.monotonic()
        content = {
            "name": self.run.name,
            "state": self.state.state_dict(),
            "history": self.history.state_dict(),
            "seconds": self.before + began - self.started,
            "epoch_seconds": self.epoch_before + began - self.epoch_started,
        }
        checkpoint.save(self.run.folder, content, epoch=self.state.epoch, step=self.state.step)
        self.saved_place, self.saved_at = self._place(), time.monotonic()
        self.saving = self.saved_at - began

    def _save_and_stop(self) -> NoReturn:
        stop = KeyboardInterrupt()
        try:
            self._save()
        except OSError as unsaved:  # it must not hide that somebody wants an end
            stop.add_note(f"not saved: {unsaved}")
            say(f"not saved: {unsaved}")
        raise stop

    def _write_files(self) -> dict[str, str]:
        """All that can be read without the checkpoint; returns the checksums."""
        files = {"identity.json": as_json(self.run.identity), **self.history.files()}
        for name, content in files.items():
            write_whole(self.run.folder / name, content)
        return {name: checksum(content) for name, content in files.items()}

    def _place(self) -> tuple[int, int]:
        return self.state.epoch, self.state.step

    def _write_record(self, **changes: Any) -> None:
        seconds = self.before + time.monotonic() - self.started
        left = self.progress.seconds_left()
        peak = max(filter(None, (peak_memory(self.run.device), self.record["peak_memory_bytes"])), default=None)
        if peak is not None:
            self.progress.note(memory=size(peak))
        self.record |= {
            "epoch": len(self.history.rows),
            "seconds_left": None if left is None else round(left, 1),
            "seconds": round(seconds, 3),
            "device_hours": round(n_processes() * seconds / 3600, 6),
            "peak_memory_bytes": peak,
            "metrics": self.history.metrics(),
            "genotype": self.history.genotype(),
            **changes,
        }
        write_json(self.run.folder / "record.json", self.record)
        self.recorded_at = time.monotonic()

    def _stop(self, error: BaseException) -> None:
        """Whatever goes wrong here must not hide what went wrong first."""
        interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
        try:
            how = "goes on from its last checkpoint" if checkpoint.newest_first(self.run.folder) else "begins anew"
            self.progress.end(f"{self.run.name}: stopped in epoch {len(self.history.rows) + 1}; run again, it {how}")
            self._write_record(
                state="interrupted" if interrupted else "failed",
                ended=now(),
                error=None if interrupted else f"{type(error).__name__}: {error}",
            )
        except OSError as unwritten:
            error.add_note(str(unwritten))

    def _last_word(self) -> str:
        rows = self.history.rows
        score = f", accuracy {accuracy(rows[-1]):.1f} %" if rows else ""
        return f"{self.run.name}: {len(rows)} epochs in {duration(self.record['seconds'])}{score}"


def restore(state: Any, saved: dict[str, Any], folder: Path) -> History:
    """Bring `state` to the checkpoint, and return the epochs before it. Raises RuntimeError if they do not fit."""
    try:
        state.load_state_dict(saved["state"])
        return History.from_state_dict(saved["history"])
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        raise RuntimeError(
            f"the checkpoint in {folder} does not fit this code ({error}); nothing was changed: go back to the code "
            "that wrote it (its version and commit stand in record.json), or begin anew in another runs_dir"
        ) from error
