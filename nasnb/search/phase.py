"""A method is a row of phases: the search, and for some a selection that goes on training the same supernet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nasnb.search.state import SearchState
from nasnb.search.steps import Step

# Called between epochs, before the first one too, when `state.stage_epoch` epochs of the stage are done. Whatever it
# remembers goes into `state.extra`, as plain data or tensors.
Hook = Callable[[SearchState], None]


@dataclass(frozen=True)
class Phase:
    """Epochs `start` to `end` (from 0, of the stage) that are trained in one manner."""

    name: str
    start: int
    end: int
    step: Step
    lr: Callable[[int], float]  # of the weights, by the epoch of the stage
    hook: Hook | None = None
