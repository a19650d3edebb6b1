"""What a run will cost, from its first steps."""

from __future__ import annotations

import time
from typing import Any

import torch

from nasnb.runs.progress import duration, size
from nasnb.runs.record import peak_memory

TIMED = 3  # steps, after a first one that also warms up


class EstimateOnly(Exception):
    """Ends the first unfinished run of a process that was told `estimate_only()`; its text is the estimate."""


_only = False


def estimate_only() -> None:
    """From now on, the first run that has something to compute raises EstimateOnly after a few steps."""
    global _only
    _only = True


def is_estimate_only() -> bool:
    """Whether runs are only to be estimated."""
    return _only


class Timer:
    """Called at every step; after `1 + TIMED` of them it raises EstimateOnly."""

    def __init__(self, name: str, *, steps: int, device: torch.device):
        self.name, self.steps, self.device = name, steps, device
        self.count = 0
        self.started = 0.0

    def __call__(self, state: Any) -> None:
        self.count += 1
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        if self.count == 1:
            self.started = time.monotonic()
        if self.count > min(TIMED, self.steps - 1):
            raise EstimateOnly(self.sentence())

    def sentence(self) -> str:
        """Of time and memory."""
        seconds = (time.monotonic() - self.started) / max(1, self.count - 1)
        peak = peak_memory(self.device)
        memory = f", {size(peak)} of memory" if peak else ""
        return (f"{self.name}: about {duration(seconds * self.steps)} for {self.steps} steps of "
                f"{1000 * seconds:.0f} ms{memory}; validation and analyses come on top")
