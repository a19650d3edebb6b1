"""The yardstick of figures 1 and 7: the supernet's accuracy once an edge is decided and the rest has recovered."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from nasnb.search import run_phase
from nasnb.search.phase import Phase
from nasnb.search.state import SearchState, sgd
from nasnb.search.strengths import Evaluation, masked_scores


class Worth(NamedTuple):
    """A recovered supernet on the held-out part: accuracies in percent, with the statistics of the batch and with the
    running ones; loss (of the batch's) and tuning epochs that its lowest took."""

    batch: float
    running: float
    loss: float
    epochs: int


def discretisation_accuracy(
    state: SearchState,
    group: str,
    edge: int,
    *,
    op: int,
    epochs: int = 30,
    patience: int = 2,
    lr: float = 0.0025,
    repeat: int = 0,
) -> Worth:
    """What is left once one edge is decided to `op` and the held-out loss has stopped falling (DARTS-PT, section 3.1).

    A copy of the supernet is tuned as in selection by perturbation: the method's own steps, fresh momentum, constant
    `lr`; until `patience` epochs brought no lower loss, or for `epochs`. Order and augmentation are the same for all
    operations; another `repeat` draws others, for the noise.
    """
    tuned = state.copied()
    # running statistics lag behind by many steps, and would rank operations by how far each moved them
    tuned.config = replace(tuned.config, validate_with="batch", seed=state.config.seed + 100_000 * repeat)
    tuned.relaxation.decide(group, edge, op)
    tuned.weight_optimizer = sgd(tuned.net, tuned.config)
    start = tuned.stage_epoch
    phase = Phase("tuning", start, start + epochs, tuned.method.step, lambda _: lr)
    best = Worth(0.0, 0.0, float("inf"), 0)
    for number, epoch in enumerate(run_phase(phase, tuned), start=1):
        if epoch.valid.loss < best.loss:
            best = Worth(epoch.valid.accuracy, running_accuracy(tuned, group), epoch.valid.loss, number)
        elif number - best.epochs >= patience:
            break
    if not best.epochs:
        raise FloatingPointError(f"the supernet was lost while edge {edge} of {group!r} was tuned; try lr below {lr:g}")
    return best


def running_accuracy(state: SearchState, group: str) -> float:
    """Of the supernet as it stands, in percent on the held-out part, with running statistics."""
    how = Evaluation(statistics="running", augment=False)
    return masked_scores(state, group, [()], how=how)[0].accuracy
