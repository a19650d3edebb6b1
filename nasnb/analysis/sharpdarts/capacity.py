"""Does a search lean to small operations? Its weights and what they decode to, by epoch (sharpDARTS, 4.2 and 4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from nasnb.analysis.shapes import (
    candidate_parameters,
    expected_parameters,
    parameter_free_picks,
    parameter_free_share,
    weight_entropy,
    weight_gap,
)
from nasnb.analysis.sharpdarts.weighting import softmax_of
from nasnb.architecture import Genotype
from nasnb.spaces import Space


def capacity_over_time(
    space: Space,
    weights: Mapping[str, np.ndarray],
    genotypes: Sequence[Genotype],
    *,
    channels: int,
    cells: int | None,
    classes: int = 10,
) -> pd.DataFrame:
    """A row per epoch of a search, from its recorded mixing weights {group: (epochs, edges, ops)}, scalar or Max-W.

    free_weight: percent of the softmax on skips and pools, `none` aside; free_picks: percent of them among the decoded
    operations; expected: parameters of an operation drawn by the softmax, relative to one drawn evenly; derived:
    parameters of the decoded network; entropy (1: all equal) and gap (first less second) of the softmax over edges.
    """
    edges = space.choices.groups
    w = {group: softmax_of(values) for group, values in weights.items() if group in edges}
    with torch.device("meta"):
        sizes = candidate_parameters(space.supernet(channels=channels, cells=cells, classes=classes))
        nets = [space.network(g, channels=channels, cells=cells, classes=classes) for g in genotypes]
    even = {group: np.ones_like(values) for group, values in w.items()}
    return pd.DataFrame(
        {
            "epoch": np.arange(1, len(genotypes) + 1),
            "free_weight": 100 * _mean([parameter_free_share(w[g], edges[g]) for g in w]),
            "free_picks": [100 * np.mean([parameter_free_picks(g, group) for group in g.picks]) for g in genotypes],
            "expected": expected_parameters(w, sizes) / expected_parameters(even, sizes),
            "derived": [sum(p.numel() for p in net.parameters()) for net in nets],
            "entropy": _mean([weight_entropy(w[g], edges[g]).mean(1) for g in w]),
            "gap": _mean([weight_gap(w[g]).mean(1) for g in w]),
        }
    )


def leaning_over_time(
    found: Mapping[str, Sequence[Any]], spaces: Mapping[str, Space], seeds: Sequence[int], **at: Any
) -> pd.DataFrame:
    """`capacity_over_time` of results (nasnb.runs.Result) by name, one per seed, below each other.

    With weighting (the name), seed and thousands (of parameters of the derived network). `at` are channels, cells and
    classes.
    """
    table = pd.concat(
        capacity_over_time(spaces[name], run.weights, run.genotypes, **at).assign(weighting=name, seed=seed)
        for name, runs in found.items()
        for seed, run in zip(seeds, runs, strict=True)
    ).reset_index(drop=True)
    return table.assign(thousands=table.derived / 1000)


def _mean(per_group: Sequence[np.ndarray]) -> np.ndarray:
    return np.mean(per_group, axis=0)


def free_share(ops: Iterable[str]) -> float:
    """Percent of pools and skips if every operation but `none` were equally likely."""
    return 100 * float(np.mean(["conv" not in op for op in ops if op != "none"]))


def percent_skips(genotype: Genotype) -> float:
    """Percent of skip connections among all operations of a genotype."""
    return 100 * float(np.mean([op == "skip_connect" for group in genotype.picks for op in genotype.ops(group)]))
