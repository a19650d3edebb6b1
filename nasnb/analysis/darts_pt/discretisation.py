"""Does alpha say what an operation is worth? Its accuracy once the edge is decided and the supernet has recovered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from scipy.stats import kendalltau, spearmanr

from nasnb.search import run_phase
from nasnb.search.decisions import candidates
from nasnb.search.phase import Phase
from nasnb.search.state import SearchState, sgd


class Worth(NamedTuple):
    """An operation of an edge: what the search thought of it, and the accuracy in percent with it alone."""

    op: str
    alpha: float
    weight: float
    accuracy: float


def discretisation_accuracy(
    state: SearchState,
    group: str,
    edge: int,
    *,
    op: int,
    epochs: int = 5,
    lr: float = 0.0025,
    patience: int | None = None,
    repeat: int = 0,
) -> float:
    """Accuracy in percent on the held-out part with one edge decided to `op`, after tuning (DARTS-PT, section 3.1).

    A copy of the supernet is tuned as in selection by perturbation: the method's own steps, fresh momentum, constant
    `lr`; for `epochs`, or until `patience` epochs brought no better accuracy. Order and augmentation are the same for
    all operations; another `repeat` draws others, for the noise.
    """
    tuned = state.copied()
    seed = state.config.seed + 100_000 * repeat
    tuned.config = replace(tuned.config, validate_with="running", seed=seed)
    tuned.relaxation.decide(group, edge, op)
    tuned.weight_optimizer = sgd(tuned.net, tuned.config)
    start = tuned.stage_epoch
    phase = Phase("tuning", start, start + (epochs if patience is None else 10**6), tuned.method.step, lambda _: lr)
    accuracies: list[float] = []
    for epoch in run_phase(phase, tuned):
        accuracies.append(epoch.valid.accuracy)
        best = accuracies.index(max(accuracies))
        if patience is not None and len(accuracies) - 1 - best >= patience:
            break
    return accuracies[-1]


def worth_of_edge(state: SearchState, group: str, edge: int, *, epochs: int = 5, repeat: int = 0) -> list[Worth]:
    """Every operation that the edge may be decided to: figure 1 of DARTS-PT."""
    ops = state.relaxation.choices.groups[group][edge].ops
    alpha, weights = state.relaxation.alpha[group][edge].tolist(), state.weights()[group][edge].tolist()
    return [
        Worth(
            ops[op],
            alpha[op],
            weights[op],
            discretisation_accuracy(state, group, edge, op=op, epochs=epochs, repeat=repeat),
        )
        for op in candidates(state.method.space, group, edge)
    ]


class Agreement(NamedTuple):
    """Rank correlations between alpha and worth, and whether both prefer the same operation."""

    spearman: float
    kendall: float
    same_best: bool


def agreement(worths: Sequence[Worth]) -> Agreement:
    """Of the operations of one edge; NaN where alpha or accuracy are all equal."""
    alphas, accuracies = [w.alpha for w in worths], [w.accuracy for w in worths]
    if min(len(set(alphas)), len(set(accuracies))) < 2:
        return Agreement(float("nan"), float("nan"), len(worths) == 1)
    best = [values.index(max(values)) for values in (alphas, accuracies)]
    return Agreement(
        float(spearmanr(alphas, accuracies)[0]), float(kendalltau(alphas, accuracies)[0]), best[0] == best[1]
    )
