"""Partial channels and edge normalisation (PC-DARTS): what they save, what they touch, what beta decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from nasnb.analysis.shapes import edge_agreement
from nasnb.architecture import Genotype
from nasnb.spaces import Space


class Effect(NamedTuple):
    """What a claim rests on: its size (positive as claimed), the noise to hold it against, and both in words."""

    size: float
    spread: float
    words: str


# --- cost -------------------------------------------------------------------------------------------------------------


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


# --- claims -----------------------------------------------------------------------------------------------------------


def lower(claimed: Sequence[float], other: Sequence[float], *, unit: str = "points") -> Effect:
    """That the mean of `claimed` is lower; the noise is both standard deviations, added in squares."""
    gain, noise = float(np.mean(other) - np.mean(claimed)), float(np.hypot(sd(claimed), sd(other)))
    return Effect(gain, noise, f"lower by {gain:+.2f} {unit}, spread {noise:.2f}, n = {len(claimed)}")


def steadier(claimed: Sequence[float], other: Sequence[float], *, unit: str = "points") -> Effect:
    """That `claimed` varies less. The standard deviation of n values has an error of one part in sqrt(2 (n - 1))."""
    calm, wild = sd(claimed), sd(other)
    errors = [value / np.sqrt(2 * max(1, len(v) - 1)) for value, v in ((calm, claimed), (wild, other))]
    words = f"standard deviation {calm:.2f} against {wild:.2f} {unit}, n = {len(claimed)}"
    return Effect(wild - calm, float(np.hypot(*errors)), words)


def sd(values: Sequence[float]) -> float:
    """Sample standard deviation; NaN of fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


# --- the proxy of ImageNet --------------------------------------------------------------------------------------------
