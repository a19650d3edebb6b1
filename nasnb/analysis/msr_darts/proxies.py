"""Stable rank as a zero-cost score: what it says of whole cells of NAS-Bench-201, whose accuracies are known.

MSR-DARTS keeps operations of small stable rank; if small ranks are good, cells of small ranks should be. Ranks are
those of kernels over their largest possible value, so that widths do not matter, and a cell's are averaged over its
convolutions: untrained, in a second draw, and after a short training, whose accuracy is a score as well.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from scipy import stats

from nasnb.analysis.correlations import rank_correlation
from nasnb.analysis.msr_darts.ranks import last_convolutions
from nasnb.architecture import Genotype
from nasnb.config import TrainConfig
from nasnb.randomness import generator
from nasnb.spaces.bench201 import bench201
from nasnb.spectral import stable_rank
from nasnb.supernet.network import Network
from nasnb.training import TrainState, prepare

SHORT = TrainConfig(
    epochs=1, cells=1, channels=16, batch_size=64, train_images=2000, auxiliary_weight=0.0, drop_path=0.0, cutout=0
)
ANY_SIZE = (8, 8)  # pixels of the map; the rank of a kernel does not depend on it
RANKS = ("rank", "rank_again", "rank_after")
# the scores that are made here, in words, with the sign that the paper gives them
OWN = {
    "rank": ("stable rank, untrained", -1),
    "rank_after": ("stable rank, after an epoch", -1),
    "accuracy_after": ("accuracy after an epoch", 1),
}


def relative_ranks(net: Network) -> np.ndarray:
    """Stable rank of the kernel of every convolution in the cells, over its output channels: from 1 / channels to 1."""
    found = [
        float(stable_rank(operator, ANY_SIZE, of="kernel")) / len(operator.weight)
        for last in last_convolutions(net)
        for operator in (last.operator(at, ANY_SIZE) for at in range(len(last.rows)))
    ]
    return np.array(found)


def cell_scores(genotype: Genotype, trained: TrainState) -> dict[str, float]:
    """Of one cell and its short training: `rank`, of the untrained network, `rank_again` of another draw, `rank_after`
    the training, and `convolutions`, how many edges have one. Ranks are NaN for a cell without convolutions.
    """
    configs = [replace(trained.config, seed=trained.config.seed + draw) for draw in range(2)]
    nets = [prepare(bench201, genotype, trained.data, config).net for config in configs]
    found = {name: _mean(relative_ranks(net)) for name, net in zip(RANKS, [*nets, trained.net], strict=True)}
    return found | {"convolutions": sum("conv" in op for op in genotype.ops("cell"))}


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def sampled_cells(scores: pd.DataFrame, n: int, *, seed: int = 0) -> pd.DataFrame:
    """So many of the cells for which others computed zero-cost scores (`zero_cost` of chapter 08)."""
    order = torch.randperm(len(scores), generator=generator(seed, "cells with scores"))[:n]
    return scores.iloc[order.tolist()].reset_index(drop=True)


def agreements(table: pd.DataFrame, *, accuracy: str = "cifar10_test_200") -> pd.DataFrame:
    """Per score: rank correlation with the accuracy of fully trained cells, its 95 % interval, and `within`, the
    mean of the same among cells with equally many convolutions, weighted by their number.

    Over the cells that have all scores, so that all are judged on the same; ranks count as the paper means them, the
    smaller the better. `table` has those of `cell_scores` and `accuracy_after` (%) beside the zero-cost scores.
    """
    table = table.dropna()
    aside = {"arch", accuracy, "rank_again", "convolutions"}
    lines = []
    for name in (column for column in table if column not in aside):
        words, sign = OWN.get(name, (name, 1))
        values = sign * table[name]
        found = rank_correlation(values, table[accuracy])
        within = _within(values, table[accuracy], table.convolutions)
        lines.append({"score": words, **found, "within": within, "whose": "own" if name in OWN else "published"})
    return pd.DataFrame(lines).sort_values("rho", ascending=False, ignore_index=True)


def by_part(
    table: pd.DataFrame, *, score: str = "rank_after", parts: int = 6, accuracy: str = "cifar10_test_200"
) -> np.ndarray:
    """(parts,): the rank correlation of one of `OWN` with accuracy in disjoint parts of the cells, in their order."""
    table, sign = table.dropna(subset=[score]), OWN[score][1]
    split = np.array_split(np.arange(len(table)), parts)
    return np.array([stats.spearmanr(sign * table[score].iloc[at], table[accuracy].iloc[at]).statistic for at in split])


def _within(values: pd.Series, accuracy: pd.Series, strata: pd.Series, *, fewest: int = 10) -> float:
    parts = [part for _, part in pd.DataFrame({"x": values, "y": accuracy}).groupby(strata) if len(part) >= fewest]
    found = [stats.spearmanr(part.x, part.y).statistic for part in parts]
    return float(np.average(found, weights=[len(part) for part in parts])) if parts else np.nan


def repeatability(table: pd.DataFrame) -> float:
    """Correlation of the untrained ranks with those of another draw: no score can agree better than it repeats."""
    return float(table[["rank", "rank_again"]].dropna().corr().iloc[0, 1])
