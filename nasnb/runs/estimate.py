"""What runs will cost, before any of them is begun: how many steps, and a few of them timed. Nothing is kept."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from nasnb.runs.identity import digest

TIMED = 3  # steps, after a first one that also warms up
BUDGET = 20.0  # seconds; after so much timing a single step must do for each further kind of run
# what the time of a step depends on; a genotype that is not known yet is not among it
COUNTS = (
    "batch_size",
    "channels",
    "cells",
    "second_stage_cells",
    "stem",
    "precision",
    "policy",
    "auxiliary_weight",
    "train_images",
    "train_fraction",
)


class NotComputed(Exception):
    """Something asks for a result that only the real run can have."""


@dataclass(frozen=True)
class Foreseen:
    """A run that would be computed, or loaded if `is_finished`."""

    name: str
    kind: str  # search or train
    epochs: int
    steps: int
    seconds_per_step: float
    data: str
    images: int  # for training, of how many `of`
    of: int
    device: str
    is_finished: bool = False


class Foresight:
    """The runs that a notebook asks for; equal ones are counted once."""

    def __init__(self) -> None:
        self.runs: dict[str, Foreseen] = {}
        self._timed: dict[str, tuple[int, float]] = {}  # steps per epoch and seconds per step, by kind of run
        self._spent = 0.0

    def add(self, run: Any, task: Any, data: Any, *, is_finished: bool) -> None:
        """A `run` (nasnb.runs.Run) that does `task` on `data`. What is new in kind is timed."""
        per_epoch, seconds = (0, 0.0) if is_finished else self._price(run.identity, task)
        of = len(data.train.images)
        self.runs[run.name] = Foreseen(
            name=run.name,
            kind=run.identity["kind"],
            epochs=task.n_epochs,
            steps=task.n_epochs * per_epoch,
            seconds_per_step=seconds,
            data=data.name,
            images=min(run.identity["config"].get("train_images") or of, of),
            of=of,
            device=str(run.device),
            is_finished=is_finished,
        )

    def _price(self, identity: Mapping[str, Any], task: Any) -> tuple[int, float]:
        config = {name: identity["config"].get(name) for name in COUNTS}
        facts = {name: value for name, value in identity["facts"].items() if name != "genotype"}
        kind = digest([identity["kind"], identity["data"]["name"], config, facts])
        if kind not in self._timed:
            began = time.monotonic()
            state, timer = task.begin(), _Timer(1 if self._spent > BUDGET else TIMED)
            self._timed[kind] = task.steps_per_epoch(state), timer.time(task.epochs(state, timer))
            self._spent += time.monotonic() - began
        return self._timed[kind]


class _Enough(Exception):
    pass


class _Timer:
    """Called at every step; ends the work after as many as are timed and, of several, one before to warm up."""

    def __init__(self, timed: int):
        self.steps = timed + (timed > 1)
        self.ends: list[float] = []

    def __call__(self, state: Any) -> None:
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        self.ends.append(time.monotonic())
        if len(self.ends) == self.steps:
            raise _Enough

    def time(self, epochs: Iterable[Any]) -> float:
        """Seconds per step."""
        began = time.monotonic()
        try:
            for _ in epochs:
                pass
        except _Enough:
            pass
        if len(self.ends) < 2:
            return self.ends[0] - began if self.ends else 0.0
        return (self.ends[-1] - self.ends[0]) / (len(self.ends) - 1)


_foresight: Foresight | None = None


def foresee(foresight: Foresight | None) -> None:
    """From now on runs are only noted in `foresight`; None: they are computed again."""
    global _foresight
    _foresight = foresight


def foresight() -> Foresight | None:
    """Where runs are to be noted instead of being computed; None: nowhere."""
    return _foresight
