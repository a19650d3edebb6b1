"""Does alpha depend on what stands beside? Searches on NAS-Bench-201 with a similar operation, with another, with both.

StacNAS blames correlated operations for alphas that change erratically and no longer say what an operation is worth
(introduction and section 2.4). Here the 3 x 3 convolution has a 1 x 1 convolution beside it, average pooling, or both;
the first two searches have equally many candidates, so that what differs between them is no matter of counting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from nasnb.architecture import Genotype, Pick
from nasnb.config import SearchConfig
from nasnb.data.bench201 import Bench201Table
from nasnb.methods import METHODS, Method
from nasnb.spaces.bench201 import BENCH201_NAMES, N_EDGES, Bench201Space

LOOKED_AT, BASE = "nor_conv_3x3", "skip_connect"
SIMILAR, OTHER, BOTH = "with a similar one", "with another one", "with both"
CANDIDATES: Mapping[str, tuple[str, ...]] = {
    SIMILAR: ("none", BASE, "nor_conv_1x1", LOOKED_AT),
    OTHER: ("none", BASE, LOOKED_AT, "avg_pool_3x3"),  # the first stage of a search with groups
    BOTH: BENCH201_NAMES,  # DARTS
}
SIZE = SearchConfig(epochs=8, cells=1, channels=8, batch_size=64, train_images=2500, alpha_lr=3e-3)


def method_of(arm: str) -> Method:
    """DARTS of first order among the candidates of `CANDIDATES`."""
    space = Bench201Space(f"bench201-{arm.replace(' ', '-')}", candidates={"cell": (CANDIDATES[arm],) * N_EDGES})
    return replace(METHODS["darts-1st"], name=space.name, space=space)


def alphas_of(result: Any, ops: Sequence[str], table: Bench201Table | None = None) -> pd.DataFrame:
    """A line per edge and operation but none: `alpha` at the end, less that of skip; `accuracy` (%) on CIFAR-10, by the
    table, of the search's cell with that operation on that edge; the supernet's held-out accuracy.
    """
    table = Bench201Table.load() if table is None else table
    weights = np.log(result.weights["cell"][-1][:, : len(ops)])
    return pd.DataFrame(
        {
            "edge": edge,
            "op": op,
            "alpha": weights[edge, at] - weights[edge, ops.index(BASE)],
            "accuracy": table.accuracy(with_op(result.genotype, edge, op))["cifar10"],
            "valid_accuracy": result.history.valid_accuracy.iloc[-1],
        }
        for edge in range(N_EDGES)
        for at, op in enumerate(ops)
        if op != "none"
    )


def with_op(genotype: Genotype, edge: int, op: str) -> Genotype:
    """The cell of NAS-Bench-201 with another operation on one edge."""
    picks = [Pick(op, p.source, p.target) if at == edge else p for at, p in enumerate(genotype.picks["cell"])]
    return Genotype({"cell": tuple(picks)}, genotype.concat)


def erratic(alphas: pd.DataFrame, op: str = LOOKED_AT) -> pd.DataFrame:
    """Per arm and seed: how far the alphas of an operation lie from their mean over the arm's seeds, root mean square
    over edges. The mean of their squares over seeds is the variance, up to n / (n - 1).
    """
    part = alphas[alphas.op == op]
    away = part.alpha - part.groupby(["arm", "edge"]).alpha.transform("mean")
    squares = part.assign(away=away**2).groupby(["arm", "seed"], sort=False).away.mean()
    return np.sqrt(squares).reset_index()


def trade_off(alphas: pd.DataFrame, first: str, second: str) -> pd.Series:
    """Per arm with both: correlation, over seeds within edges, of two operations' alphas.

    -1: what one gains the other loses, as coefficients of collinear regressors do. Alphas are taken less the mean of
    all operations of their edge that are not these two.
    """
    found = {}
    for arm, part in alphas.groupby("arm", sort=False):
        wide = part.pivot(index=["edge", "seed"], columns="op", values="alpha")
        if not {first, second} <= set(wide):
            continue
        rest = wide.drop(columns=[first, second]).mean(axis=1)
        moved = wide[[first, second]].sub(rest, axis=0)
        moved = moved - moved.groupby("edge").transform("mean")
        found[arm] = moved[first].corr(moved[second])
    return pd.Series(found, dtype=float)


def worth_by_search(alphas: pd.DataFrame) -> pd.DataFrame:
    """Per arm and seed: rank correlation of alpha with the looked-up accuracy, over the operations of an edge,
    mean over the edges on which it has one. The paper's figure 5, on every edge.
    """
    by = alphas.groupby(["arm", "seed", "edge"], sort=False)[["alpha", "accuracy"]]
    each = by.apply(_spearman)
    return each.groupby(["arm", "seed"], sort=False).mean().rename("correlation").reset_index()


def _spearman(edge: pd.DataFrame) -> float:
    constant = edge.nunique().min() < 2
    return np.nan if constant else stats.spearmanr(edge.alpha, edge.accuracy).statistic


def effects_beside(alphas: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the claims on NAS-Bench-201 ask for, seed by seed."""
    spread = erratic(alphas).pivot(index="seed", columns="arm", values="away")
    follows = worth_by_search(alphas).pivot(index="seed", columns="arm", values="correlation")
    return {
        "stacnas/similar-makes-erratic-201": np.log(spread[SIMILAR] / spread[OTHER]).to_numpy(),
        "stacnas/alpha-follows-worth-201": follows[OTHER].to_numpy(),
        "stacnas/follows-more-than-darts-201": (follows[OTHER] - follows[BOTH]).to_numpy(),
    }
