"""Does a search lean to small operations? Its weights and what they decode to, by epoch (sharpDARTS, 4.2 and 4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from nasnb.analysis.differences import relative
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
from nasnb.spaces.sharp import DARTS_SSC

SCALAR, MAX_W, NO_POOL = "scalar", "Max-W", "scalar, no max pool"  # the searches that are followed
# of the kept ones: six times 11 steps; the rates are large, so that weights and alpha go somewhere in so few
KEPT: Mapping[str, Any] = {"epochs": 6, "cells": 5, "channels": 4, "train_images": 352, "lr": 0.05, "alpha_lr": 0.03}
KEPT |= {"batch_size": 16, "crop_padding": 1, "validate_with": "batch"}
PANELS: Mapping[str, str] = {  # of a figure of them: columns and what their axes say
    "free_picks": "derived share of\npools and skips (%)",
    "free_weight": "weight of pools\nand skips (%)",
    "expected": "expected parameters\n(1: even weights)",
    "thousands": "derived network\n(thousand parameters)",
}
# of the kept searches of a grid, and a figure of them
GRID: Mapping[str, Any] = {"epochs": 12, "channels": 8, "train_images": 640, "batch_size": 32, "alpha_lr": 0.02}
GRID |= {"crop_padding": 1, "cutout": 0, "validate_with": "batch"}
GRID_PANELS: Mapping[str, str] = {
    "entropy": "entropy (1: all equal)",
    "free_weight": "weight of pools (%)",
    "expected": "expected parameters\n(1: even weights)",
    "thousands": "best path\n(thousand parameters)",
}
LEADER = ("leader_moves", "leader_held")  # what `weighting.watch_leaders` adds to the history of a search


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
    operations, skips: of skip connections; expected: parameters of an operation drawn by the softmax, relative to one
    drawn evenly; derived: parameters of the decoded network; entropy (1: all equal) and gap (first less second) of the
    softmax over edges.
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
            "skips": [percent_skips(g) for g in genotypes],
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

    With weighting (the name), seed, thousands (of parameters of the derived network), valid_accuracy of the supernet,
    and what LEADER names where a search has it. `at` are channels, cells and classes.
    """
    table = pd.concat(
        capacity_over_time(spaces[name], run.weights, run.genotypes, **at).assign(
            weighting=name, seed=seed, **run.history.filter(["valid_accuracy", *LEADER]).reset_index(drop=True)
        )
        for name, runs in found.items()
        for seed, run in zip(seeds, runs, strict=True)
    ).reset_index(drop=True)
    return table.assign(thousands=table.derived / 1000)


def ends_of_searches(leaning: pd.DataFrame) -> pd.DataFrame:
    """Of `leaning_over_time`, a row per weighting and seed: the last epoch's numbers; `early`, free_picks in the first
    third of the epochs; and means over the epochs of what LEADER names.
    """
    early = leaning[leaning.epoch <= max(1, leaning.epoch.max() // 3)]
    searches, names = leaning.groupby(["weighting", "seed"], sort=False), ["weighting", "seed"]
    means = {name: searches[name].mean() for name in LEADER if name in leaning}
    return searches.last().assign(early=early.groupby(names).free_picks.mean(), **means)


def leaning_effects(searches: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the claims on the bias to small operations ask for, seed by seed, of `ends_of_searches`.

    That on max pooling only where searches without it are there.
    """
    scalar, max_w = (searches.loc[name] for name in (SCALAR, MAX_W))
    n_ops = len(DARTS_SSC) - 1  # none is never chosen
    by_chance = 100 / (n_ops - 1) - 100 / n_ops  # without max pooling a random choice takes skip more often, too
    effects = {
        "sharpdarts/early-cells-free": (scalar.early - free_share(DARTS_SSC)).to_numpy(),
        "sharpdarts/scalar-leans-small": (1 - scalar.expected).to_numpy(),
        "sharpdarts/max-w-leans-less": (max_w.expected - scalar.expected).to_numpy(),
        "sharpdarts/max-w-larger-cells": relative(max_w.thousands, scalar.thousands),
        "sharpdarts/leader-held-back": (max_w.leader_held - 50).to_numpy(),
    }
    if NO_POOL in searches.index:
        shifts = searches.loc[NO_POOL].skips - scalar.skips - by_chance
        effects["sharpdarts/no-pool-shifts-to-skip"] = shifts.to_numpy()
    return effects


def path_effects(paths: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the claim on the size of paths asks for, seed by seed, of `ends_of_searches` of a grid."""
    return {"sharpdarts/max-w-larger-paths": relative(*(paths.loc[name].thousands for name in (MAX_W, SCALAR)))}


def _mean(per_group: Sequence[np.ndarray]) -> np.ndarray:
    return np.mean(per_group, axis=0)


def free_share(ops: Iterable[str]) -> float:
    """Percent of pools and skips if every operation but `none` were equally likely."""
    return 100 * float(np.mean(["conv" not in op for op in ops if op != "none"]))


def percent_skips(genotype: Genotype) -> float:
    """Percent of skip connections among all operations of a genotype."""
    return 100 * float(np.mean([op == "skip_connect" for group in genotype.picks for op in genotype.ops(group)]))
