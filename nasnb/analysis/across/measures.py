"""Every paper's diagnostic on one trained supernet, as a row of a table: whatever trained it, the same questions.

A diagnostic that has no meaning for a supernet, such as the strength of alpha where none is learnt, says so in words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import torch

from nasnb.analysis.correlations import correlation_with_interval
from nasnb.analysis.darts.dominance import skip_gap
from nasnb.analysis.darts_pt.selecting import strength_table
from nasnb.analysis.fans import places
from nasnb.analysis.hessian import dominant_eigenvalue
from nasnb.analysis.msr_darts.ranks import Last, last_convolutions
from nasnb.analysis.pc_darts.costs import fastest_step
from nasnb.analysis.stacnas.confusion import confusion_of, fresh_batches
from nasnb.analysis.stacnas.correlation import operator_correlation, operator_groups
from nasnb.architecture import Genotype
from nasnb.data import Augment, Split, batches
from nasnb.search.decisions import undecided
from nasnb.search.ranks import cells_and_sizes
from nasnb.search.state import Batch, SearchState, begin
from nasnb.spectral import stable_rank, stacked_stable_ranks
from nasnb.supernet.shapes import Images, Labels, OpValues, Scalar

NOT_DEFINED = "not defined: "
# The diagnostics in the order of the papers that brought them, and what each is of
DIAGNOSTICS = {
    "confusion": "gradient confusion",
    "correlation": "operator correlation",
    "agreement": "alpha against strength",
    "skip_gap": "skip gap",
    "entropy": "entropy of alpha",
    "stable_rank": "stable rank of the chosen",
    "eigenvalue": "dominant eigenvalue",
    "cost": "seconds per step",
}
Value = float | str


class NotDefined(ValueError):
    """A diagnostic has no meaning for this supernet; the message is the reason in a few words."""


def diagnostics(
    state: SearchState,
    genotype: Genotype,
    *,
    n_batches: int = 10,
    batch_size: int = 64,
    tolerance: float = 1e-2,
    without: Collection[str] = (),
) -> dict[str, Value]:
    """All of `DIAGNOSTICS`, and `group_size`, of a supernet where it stands; each a number or "not defined: why".

    `genotype` is what the method chose from it. Gradients and outputs are of `n_batches` batches, the curvature of one.
    """
    held_out = list(_held_out(state, batch_size, n_batches))
    found = {
        "confusion": partial(confusion, state, n_batches=n_batches, batch_size=batch_size),
        "agreement": partial(strength_agreement, state),
        "skip_gap": partial(final_skip_gap, state),
        "entropy": partial(alpha_entropy, state),
        "stable_rank": partial(chosen_rank, state, genotype),
        "eigenvalue": partial(curvature, state, held_out[:1], tolerance=tolerance),
        "cost": partial(cost, state),
    }
    values = {name: or_reason(diagnose) for name, diagnose in found.items() if name not in without}
    alike = or_reason(partial(largest_group, state, held_out))
    pair = (alike, alike) if isinstance(alike, str) else alike
    values |= dict(zip(("correlation", "group_size"), pair, strict=True))
    return {name: values[name] for name in (*DIAGNOSTICS, "group_size") if name in values}


def in_parts(state: SearchState, n: int) -> list[SearchState]:
    """The same supernet over `n` parts of its images that share none: what a diagnostic owes to the images it saw."""

    def part(images: Split, i: int) -> Split:
        return images.take(slice(i * len(images) // n, (i + 1) * len(images) // n))

    return [replace(state, train=part(state.train, i), valid=part(state.valid, i)) for i in range(n)]


def or_reason(diagnose: Callable[[], Value]) -> Value:
    """What `diagnose()` returns, or "not defined: " and the reason that it gives."""
    try:
        return diagnose()
    except NotDefined as reason:
        return f"{NOT_DEFINED}{reason}"


# --- one by one -------------------------------------------------------------------------------------------------------


def confusion(state: SearchState, *, n_batches: int = 10, batch_size: int = 64) -> float:
    """Gradient confusion of the weights under the mixing weights of now, per million parameters (StacNAS)."""
    weights, c = state.weights(), state.config
    drawn = fresh_batches(
        state.data,
        split=state.train,
        batch_size=batch_size,
        seed=c.seed,
        augment=Augment(crop_padding=c.crop_padding, flip=c.flip),
    )

    def loss(images: Images, labels: Labels) -> Scalar:
        return state.loss((images, labels), weights)

    return confusion_of(state.net, drawn, loss=loss, m=n_batches, iterations=1).value


def largest_group(
    state: SearchState, drawn: Iterable[Batch], *, tau: float = 0.2, group: str | None = None
) -> tuple[float, int]:
    """Mean correlation of the largest group of similar operations, and how many it has (StacNAS).

    Correlations are means over the edges of the cells; groups of the same size are parted by their correlation. Where
    no two operations correlate by `tau`, size 1 and the largest correlation of two.
    """
    group = group or first_group(state)
    if not undecided(state, group):
        raise NotDefined("every edge is decided")
    matrix = operator_correlation(
        state.net, drawn, state.weights(), at=places(state.net, group=group), statistics="batch"
    )
    groups = [list(members) for members in operator_groups(matrix, tau=tau)]
    size = max(map(len, groups))
    if size == 1:
        return float(_pairs(matrix).max()), 1
    return max(float(_pairs(matrix.loc[g, g]).mean()) for g in groups if len(g) == size), size


def _pairs(matrix: pd.DataFrame) -> np.ndarray:
    return matrix.to_numpy()[np.triu_indices(len(matrix), 1)]


def strength_agreement(state: SearchState) -> float:
    """Rank correlation of alpha and the loss without an operation, mean over the edges of a cell (DARTS-PT)."""
    _check_learnt(state)
    _check_open(state)
    table = strength_table(state, first_group(state))
    values = [correlation_with_interval(edge.alpha, edge.loss_without).value for _, edge in table.groupby("edge")]
    return float(np.nanmean(values))


def final_skip_gap(state: SearchState) -> float:
    """Weight of skip minus that of the best convolution, mean over the edges (DARTS-PT, figure 3).

    On decided edges alpha rests, so that the weights are those of the moment of the decision.
    """
    _check_learnt(state)
    group = first_group(state)
    edges = state.relaxation.choices.groups[group]
    if not any("skip_connect" in edge.ops for edge in edges):
        raise NotDefined("the space has no skip")
    return float(skip_gap(alpha_weights(state)[group].cpu().numpy()[None], edges)[0])


def alpha_entropy(state: SearchState) -> float:
    """How undecided alpha is: the entropy of an edge's weights over that of equal ones, mean over edges, 0 to 1."""
    _check_learnt(state)
    shares = []
    for group, weights in alpha_weights(state).items():
        w = weights / weights.sum(1, keepdim=True)
        n = torch.tensor(state.relaxation.choices.is_candidate(group), device=w.device).sum(1)
        shares.append(torch.special.entr(w).sum(1) / n.log())
    return float(torch.cat(shares).mean())


def first_group(state: SearchState) -> str:
    """The kind of cell that is looked at: `normal`, where there are several."""
    return next(iter(state.relaxation.choices.groups))


def alpha_weights(state: SearchState) -> dict[str, OpValues]:
    """What alpha says as mixing weights, whatever has been decided: {group: (edges, ops)}."""
    relaxation = state.relaxation
    everything = {
        g: torch.tensor(relaxation.choices.is_candidate(g), device=a.device) for g, a in relaxation.alpha.items()
    }
    return {g: relaxation.rule.weigh(alpha.detach(), everything[g]) for g, alpha in relaxation.alpha.items()}


def chosen_rank(state: SearchState, genotype: Genotype) -> float:
    """Stable rank of the chosen convolutions over the mean of the convolutions they competed with (MSR-DARTS).

    Of kernels, mean over cells and edges; 1 is what a random choice among convolutions has, whatever the channels.
    """
    scores, shares = convolution_ranks(state, of="kernel"), []
    for group, edges in state.relaxation.choices.groups.items():
        rows = {edge[:2]: row for row, edge in enumerate(edges)}
        for op, *place in genotype.picks[group]:
            row = rows[tuple(place)]
            ranks = dict(zip(edges[row].ops, (-scores[group][row]).tolist(), strict=False))
            rivals = [rank for rank in ranks.values() if np.isfinite(rank)]
            shares += [ranks[op] / np.mean(rivals)] if np.isfinite(ranks[op]) else []
    if not shares:
        raise NotDefined("no convolution was chosen")
    return float(np.mean(shares))


def curvature(state: SearchState, drawn: Sequence[Batch], *, tolerance: float = 1e-2) -> float:
    """The largest eigenvalue of the held-out loss as a function of alpha (RobustDARTS)."""
    _check_learnt(state)
    _check_open(state)
    return dominant_eigenvalue(state, drawn, tolerance=tolerance, vectors=8)


def cost(state: SearchState, repeats: int = 1) -> float:
    """Seconds of a search step, of the processor or on a GPU of the clock, with every candidate still open."""
    return fastest_step(begin(state.method, state.data, state.config), repeats=repeats)


def _held_out(state: SearchState, batch_size: int, n_batches: int) -> Iterable[Batch]:
    data = state.data
    drawn = batches(
        state.valid, batch_size, mean=data.mean, std=data.std, seed=0, purpose="across", epoch=0, shuffle=False
    )
    return (batch for batch, _ in zip(drawn, range(n_batches), strict=False))


def _check_learnt(state: SearchState) -> None:
    if not state.relaxation.rule.learns:
        raise NotDefined("alpha is not learnt")


def _check_open(state: SearchState) -> None:
    if not any(undecided(state, group) for group in state.relaxation.alpha):
        raise NotDefined("every edge is decided")


# --- a rule of one paper on the supernet of another -------------------------------------------------------------------


def convolution_ranks(state: SearchState, *, of: str = "operator") -> dict[str, OpValues]:
    """A score for any space of cells: minus the stable rank of candidates that end in a convolution, as MSR-DARTS.

    Mean over the cells of a type. What has no convolution (skip, pools, none) is minus infinity: never chosen.
    """
    choices, found = state.relaxation.choices, defaultdict(list)
    sizes = {block: size for _, block, _, size in cells_and_sizes(state)}
    for last in last_convolutions(state.net):
        for row, rank in zip(last.rows, _stable_ranks(last, sizes[last.fan.block], of), strict=True):
            found[last.fan.group, row, last.op].append(rank)
    scores = {g: torch.full(choices.shape(g), -torch.inf, dtype=torch.float64) for g in choices.groups}
    for (group, row, op), ranks in found.items():
        scores[group][row, choices.groups[group][row].ops.index(op)] = -float(np.mean(ranks))
    return scores


def _stable_ranks(last: Last, size: tuple[int, int], of: str) -> list[float]:
    if tuple(last.conv.weight.shape[2:]) == (1, 1):  # all edges at once
        return stacked_stable_ranks(last.conv.weight, last.conv.edges, size, of=of).tolist()
    return [float(stable_rank(last.operator(at, size), size, of=of)) for at in range(len(last.rows))]
