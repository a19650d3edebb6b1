"""Partial channels and edge normalisation (PC-DARTS): what they save, what they touch, what beta decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats

from nasnb.analysis.shapes import edge_agreement, parameter_free_share
from nasnb.architecture import Genotype
from nasnb.spaces import Space

# --- edges ------------------------------------------------------------------------------------------------------------


def decoded(space: Space, weights: Mapping[str, np.ndarray], epoch: int = -1, *, beta: bool = True) -> Genotype:
    """The genotype of one epoch's recorded weights {group: (epochs, edges, ops)}: by alpha times beta, or alpha alone.

    Section 3.3 of PC-DARTS against section 2.4 of DARTS. Weights without "group/edges" have no beta to use.
    """
    scores = {group: torch.from_numpy(np.array(weights[group][epoch])) for group in space.choices.groups}
    if beta:
        shares = {group: weights[f"{group}/edges"][epoch] for group in scores if f"{group}/edges" in weights}
        scores |= {group: scores[group] * torch.from_numpy(np.array(share))[:, None] for group, share in shares.items()}
    return space.discretise(scores)


def beta_effect(space: Space, weights: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Per epoch and group, `changed`: the share of kept edges that beta exchanges (0 to 1)."""
    rows = []
    for epoch in range(len(next(iter(weights.values())))):
        both = [decoded(space, weights, epoch, beta=beta) for beta in (True, False)]
        for group in space.choices.groups:
            shared = edge_agreement(*both, group)
            rows.append((epoch + 1, group, 1 - float(np.mean(list(shared.values())))))
    return pd.DataFrame(rows, columns=["epoch", "group", "changed"])


def kept_in_common(genotypes: Sequence[Genotype]) -> np.ndarray:
    """(pairs,): the share of kept edges that every two of some genotypes have in common, mean over nodes and cells."""
    pairs = combinations(genotypes, 2)
    shares = [[share for group in a.picks for share in edge_agreement(a, b, group).values()] for a, b in pairs]
    return np.array([np.mean(pair) for pair in shares])


def edges_kept(space: Space, genotype: Genotype) -> list[bool]:
    """(edges of all cells,): whether a genotype keeps them, in the order of alpha's rows."""
    kept = {(group, pick.source, pick.target) for group, picks in genotype.picks.items() for pick in picks}
    return [(g, e.source, e.target) in kept for g, edges in space.choices.groups.items() for e in edges]


def beta_table(space: Space, weights: Mapping[str, np.ndarray], group: str = "normal") -> pd.DataFrame:
    """Softmaxed beta over the epochs: epoch, node, source, weight."""
    return pd.DataFrame(
        [
            (epoch + 1, edge.target, edge.source, float(row[at]))
            for epoch, row in enumerate(weights[f"{group}/edges"])
            for at, edge in enumerate(space.choices.groups[group])
        ],
        columns=["epoch", "node", "source", "weight"],
    )


def weight_free_over_time(space: Space, found: Mapping[str, Sequence[Any]], seeds: Sequence[int]) -> pd.DataFrame:
    """Percent of the normal cell's weight that lies on skips and pools, by epoch, K (the name) and seed.

    Of results (nasnb.runs.Result) by name, one per seed.
    """
    edges = space.choices.groups["normal"]
    return pd.concat(
        pd.DataFrame({"percent": 100 * parameter_free_share(run.weights["normal"], edges)})
        .rename_axis("epoch")
        .reset_index()
        .assign(epoch=lambda rows: rows.epoch + 1, K=name, seed=seed)
        for name, runs in found.items()
        for seed, run in zip(seeds, runs, strict=True)
    )


def cells_in_common(first: Genotype, second: Genotype, group: str) -> tuple[int, float, float]:
    """Of two cells: (operation, edge) pairs they share, share of the kept edges, and that of two random cells."""
    pairs = len({*first.picks[group]} & {*second.picks[group]})
    shared = float(np.mean(list(edge_agreement(first, second, group).values())))
    per_node = Counter(pick.target for pick in first.picks[group])
    return pairs, shared, float(np.mean([kept / node for node, kept in per_node.items()]))


def share_as_few_edges(shared: int) -> float:
    """Of pairs of random cells, whose nodes keep two of 2 to 5 edges: the share with at most so many in common."""
    common = reduce(np.convolve, (stats.hypergeom(n, 2, 2).pmf([0, 1, 2]) for n in range(2, 6)))
    return float(common[: shared + 1].sum())


def full_scale_changes(table: pd.DataFrame) -> pd.DataFrame:
    """Per logged search of others (table `beta` of chapter 08) and cell: nodes, and how many kept edges beta decided.

    Only epochs after the warm-up count, and the last one apart.
    """
    rows = table[table.epoch >= 15]
    last = rows[rows.epoch == rows.groupby("run").epoch.transform("max")]
    counted = rows.groupby(["run", "cell"]).changed.agg(nodes="size", changed="sum")
    at_end = last.groupby(["run", "cell"]).changed.agg(last_nodes="size", last_changed="sum")
    found = counted.join(at_end).reset_index()
    found["share"] = [f"{100 * c / n:.0f} %" for c, n in zip(found.changed, found.nodes, strict=True)]
    ends = zip(found.last_changed, found.last_nodes, strict=True)
    return found.assign(**{"at the end": [f"{changed} of {nodes}" for changed, nodes in ends]})


def full_scale_skips(epochs: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Complete searches of others on CIFAR-10 in DARTS' space: run, epoch, method; tables `alpha_epochs`, `alpha_runs`.

    Of the normal cell, in percent: `skip_of_rest` (skip's weight of what none leaves), `leads` (edges that skip leads),
    `none` (its weight).
    """
    about = runs[(runs.space == "DARTS (8 ops)") & (runs.dataset == "cifar10")]
    about = about.assign(method=np.where(about.method.str.startswith("PC-DARTS"), "PC-DARTS", "DARTS (2nd order)"))
    rows = epochs[epochs.cell == "normal"].merge(about[["run", "method"]], on="run")
    shares = ["skip_of_rest", "leads", "none"]
    return rows[["run", "epoch", "method"]].assign(**{name: 100 * rows[name] for name in shares})


def spans_at_the_end(skips: pd.DataFrame) -> dict[str, str]:
    """Of `full_scale_skips`, the least and largest last value of each measure: {"pc_none": "12 to 16 %", ...}."""
    last = (
        skips.groupby(["method", "run"]).last().groupby("method")[["skip_of_rest", "leads", "none"]].agg(["min", "max"])
    )
    short = {"PC-DARTS": "pc", "DARTS (2nd order)": "darts"}
    return {
        f"{short[method]}_{name}": f"{last.loc[method, (name, 'min')]:.0f} to {last.loc[method, (name, 'max')]:.0f} %"
        for method in last.index
        for name in last.columns.levels[0]
    }


def by_seed(errors: Mapping[str, Sequence[float]], seeds: Sequence[int]) -> pd.DataFrame:
    """Errors by variant as rows for a figure: variant, seed, error_percent; some may have fewer than others."""
    rows = [(name, s, e) for name, each in errors.items() for s, e in zip(seeds, each, strict=False)]
    return pd.DataFrame(rows, columns=["variant", "seed", "error_percent"])
