"""Stable ranks over a search, and what each way of reading them would choose (MSR-DARTS, sections 3.1 and 3.4)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from nasnb.architecture import Genotype
from nasnb.limits import decisive
from nasnb.search import begin
from nasnb.search.phase import Hook
from nasnb.search.ranks import cell_ranks, with_edges_of_minimum
from nasnb.search.state import SearchState

# How the rank of a candidate may be read. The published code takes some edges of reduction cells for twice as large.
READINGS = {
    "operator": {"of": "operator", "shape_rule": "true"},
    "kernel": {"of": "kernel", "shape_rule": "true"},
    "published": {"of": "operator", "shape_rule": "published_code"},
}


def recorded_ranks() -> Hook:
    """Remember the ranks of all candidates before the search and after every epoch, in every reading."""

    def hook(state: SearchState) -> None:
        now = {
            reading: {f"{group}/{block}": ranks for (group, block), ranks in cell_ranks(state, **options).items()}
            for reading, options in READINGS.items()
        }
        state.extra["ranks"] = [*state.extra.get("ranks", [])[: state.stage_epoch], now]

    return hook


def with_both_ends(state: SearchState) -> SearchState:
    """A trained supernet that recorded no ranks, with those of its own draw before training and those it has now."""
    fresh, hook = begin(state.method, state.data, state.config), recorded_ranks()
    hook(fresh)
    state.extra["ranks"] = fresh.extra["ranks"]
    hook(state)
    return state


def in_turn(*hooks: Hook) -> Hook:
    """Several hooks as one, the first one first."""

    def hook(state: SearchState) -> None:
        for each in hooks:
            each(state)

    return hook


def ranks_over_epochs(state: SearchState, reading: str = "kernel") -> pd.DataFrame:
    """What `recorded_ranks` remembered: epoch (0 before training), group, block, edge (row of alpha), source, op, rank.

    Raises ValueError for a search that recorded none, or an unknown reading.
    """
    rows = [
        (epoch, group, block, row, edges[row].source, op, ranks[row, column].item())
        for epoch, cells in enumerate(_recorded(state, reading))
        for (group, block, edges), ranks in zip(_cells(state, cells), cells.values(), strict=True)
        for row in range(len(edges))
        for column, op in enumerate(edges[row].ops)
    ]
    return pd.DataFrame(rows, columns=["epoch", "group", "block", "edge", "source", "op", "rank"])


def _recorded(state: SearchState, reading: str) -> list[dict[str, Tensor]]:
    if reading not in READINGS:
        raise ValueError(f"unknown reading {reading!r} of stable ranks; known: {', '.join(READINGS)}")
    if "ranks" not in state.extra:
        raise ValueError(f"a search with {state.method.name} recorded no ranks; give it hook=recorded_ranks()")
    return [epoch[reading] for epoch in state.extra["ranks"]]


def _cells(state: SearchState, cells: dict[str, Tensor]):
    for name in cells:
        group, _, block = name.rpartition("/")
        yield group, int(block), state.relaxation.choices.groups[group]


def cells_by_rank(state: SearchState, reading: str = "operator", *, choose: str = "minimum") -> list[Genotype]:
    """The cell that each recorded epoch would give; the first one before any training.

    choose: "minimum" rank (equations 7 to 9), "maximum" rank of operations and edges (appendix B), or
    "maximum on the same edges", which changes only the operations. Ranks are averaged over the cells of a type.
    """
    rules = {"minimum": torch.neg, "maximum": torch.clone, "maximum on the same edges": with_edges_of_minimum}
    if choose not in rules:
        raise ValueError(f"cannot choose by {choose!r}; known: {', '.join(rules)}")
    means = [_mean_by_group(cells) for cells in _recorded(state, reading)]
    return [state.method.space.discretise({g: rules[choose](r) for g, r in mean.items()}) for mean in means]


def _mean_by_group(cells: dict[str, Tensor]) -> dict[str, Tensor]:
    """Equation 7."""
    groups = dict.fromkeys(name.rpartition("/")[0] for name in cells)
    return {g: torch.stack([r for name, r in cells.items() if name.rpartition("/")[0] == g]).mean(0) for g in groups}


def lowest_ranked(history: pd.DataFrame) -> pd.DataFrame:
    """The operation of lowest mean rank on each edge: epoch, group, edge, op."""
    decisive(history["rank"].max(skipna=False), "a stable rank of the history")
    means = history.groupby(["epoch", "group", "edge", "op"], sort=False)["rank"].mean().reset_index()
    best = means.loc[means.groupby(["epoch", "group", "edge"])["rank"].idxmin()]
    return best[["epoch", "group", "edge", "op"]].reset_index(drop=True)


def choice_over_time(history: pd.DataFrame) -> pd.DataFrame:
    """How early the choice is made: epoch, as_before and as_at_end, shares of the edges with the same lowest operation.

    `as_before` compares with the untrained network, `as_at_end` with the last epoch; by chance: 1 / operations.
    """
    ops = lowest_ranked(history).pivot(index="epoch", columns=["group", "edge"], values="op").to_numpy()
    return pd.DataFrame(
        {"epoch": np.arange(len(ops)), "as_before": (ops == ops[0]).mean(1), "as_at_end": (ops == ops[-1]).mean(1)}
    )


def before_and_after(history: pd.DataFrame) -> pd.DataFrame:
    """One row per candidate: group, block, edge, source, op, and its rank before the search and after."""
    ends = history[history.epoch.isin([0, history.epoch.max()])]
    place = ["group", "block", "edge", "source", "op"]
    table = ends.pivot(index=place, columns="epoch", values="rank").set_axis(["before", "after"], axis=1)
    return table.reset_index()


def unmoved_share(history: pd.DataFrame, *, tolerance: float = 1e-4) -> float:
    """Share of the candidates whose rank training left where it was, up to a relative `tolerance`.

    A candidate without a gradient only sees weight decay, which scales its kernel and leaves the rank alone.
    """
    ends = before_and_after(history)
    return float(((ends.after - ends.before).abs() <= tolerance * ends.before).mean())


def late_slope(epochs: Sequence[int], losses: Sequence[float], *, after: float = 0.7) -> float:
    """Slope of a loss over the last part of a search, per whole search; NaN for fewer than two epochs.

    The least loss lies below the last one in any noise: a slope over epochs fixed beforehand does not.
    """
    share = np.asarray(epochs, dtype=float) / max(epochs)
    late = share >= after
    if late.sum() < 2:
        return float("nan")
    return float(np.polyfit(share[late], np.asarray(losses, dtype=float)[late], 1)[0])
