"""What runs will cost, before any of them is begun: how many steps, and a few of them timed. Nothing is kept."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from nasnb.runs.identity import digest

TIMED = 3  # steps, after a first one that also warms up; then the end of that epoch
HELD_OUT = 512  # images that the end of a timed epoch is measured on; the time of all is in proportion
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
    seconds_per_end: float  # of an epoch: its validation, its decisions, what is looked at
    data: str
    images: int  # for training, of how many `of`
    of: int
    device: str
    is_finished: bool = False

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return self.steps * self.seconds_per_step + self.epochs * self.seconds_per_end


class Foresight:
    """The runs that a notebook asks for; equal ones are counted once."""

    def __init__(self) -> None:
        self.runs: dict[str, Foreseen] = {}
        self._timed: dict[str, tuple[int, float, float]] = {}  # steps per epoch, seconds per step and end, by kind
        self._spent = 0.0

    def add(self, run: Any, task: Any, data: Any, *, is_finished: bool) -> None:
        """A `run` (nasnb.runs.Run) that does `task` on `data`. What is new in kind is timed."""
        per_epoch, step, end = (0, 0.0, 0.0) if is_finished else self._price(run.identity, task)
        of = len(data.train.images)
        self.runs[run.name] = Foreseen(
            name=run.name,
            kind=run.identity["kind"],
            epochs=task.n_epochs,
            steps=task.n_epochs * per_epoch,
            seconds_per_step=step,
            seconds_per_end=end,
            data=data.name,
            images=min(run.identity["config"].get("train_images") or of, of),
            of=of,
            device=str(run.device),
            is_finished=is_finished,
        )

    def _price(self, identity: Mapping[str, Any], task: Any) -> tuple[int, float, float]:
        config = {name: identity["config"].get(name) for name in COUNTS}
        facts = {name: value for name, value in identity["facts"].items() if name != "genotype"}
        kind = digest([identity["kind"], identity["data"]["name"], config, facts])
        if kind not in self._timed:
            began = time.monotonic()
            self._timed[kind] = _timed(task, 1 if self._spent > BUDGET else TIMED)
            self._spent += time.monotonic() - began
        return self._timed[kind]


def _timed(task: Any, wanted: int) -> tuple[int, float, float]:
    """Steps per epoch; seconds of a step, and of what ends an epoch: of the last steps of one, past every warm-up."""
    state = task.begin()
    steps = task.steps_per_epoch(state)
    more = task.shorten(state, HELD_OUT)
    state.step = max(0, steps - wanted - (wanted > 1))
    ends = [time.monotonic()]
    next(iter(task.epochs(state, lambda _: ends.append(_now()))))
    end = _now() - ends[-1]
    ends = ends[1:] if len(ends) > 2 else ends  # a first step warms up
    return steps, (ends[-1] - ends[0]) / (len(ends) - 1), end * more


def _now() -> float:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.monotonic()


_foresight: Foresight | None = None


def foresee(foresight: Foresight | None) -> None:
    """From now on runs are only noted in `foresight`; None: they are computed again."""
    global _foresight
    _foresight = foresight


def foresight() -> Foresight | None:
    """Where runs are to be noted instead of being computed; None: nowhere."""
    return _foresight
