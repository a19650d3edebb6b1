"""Alphas of similar operations in complete searches that others published (chapter 08): do they trade off?

StacNAS reads alphas as coefficients of a regression, where those of collinear terms are erratic: only their sum is
determined, so that one is high where the other is low. In a logged search every edge is a case.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

FEWEST = 4  # operations with a weight, none aside: with fewer, centring decides the sign
MOVED = 0.02  # standard deviation of the logarithms of an edge's weights, below which alpha has hardly moved


def go_together(open_weights: pd.DataFrame, runs: pd.DataFrame, groups: Sequence[Sequence[str]]) -> pd.DataFrame:
    """Per run with two operations of a group: how the alphas of two operations go together over the edges at its end.

    Columns: run, draw, cell, within (mean correlation of pairs of one group), across (of other pairs), moved. Alphas
    are logarithms of weights, less their mean over the edge's operations: that pushes the correlations of all pairs
    down alike, so that `within` less `across` is what counts. Runs whose alphas hardly moved are left out.
    `open_weights` and `runs` are tables as `alpha_open` and `alpha_runs` of chapter 08.
    """
    last = open_weights[open_weights.epoch == open_weights.groupby("run").epoch.transform("max")]
    lines = []
    for (run, cell), part in last.groupby(["run", "cell"], sort=False):
        alphas = _alphas(part)
        kinds = _pairs(alphas.columns, groups)
        if len(alphas.columns) < FEWEST or not all(kinds):
            continue
        r = alphas.corr()
        within, across = (float(np.mean([r.loc[pair] for pair in pairs])) for pairs in kinds)
        moved = float(alphas.std(axis=1).mean())
        lines.append({"run": run, "cell": cell, "within": within, "across": across, "moved": moved})
    table = pd.DataFrame(lines, columns=["run", "cell", "within", "across", "moved"])
    return table[table.moved > MOVED].merge(runs[["run", "draw", "method", "space"]], on="run").reset_index(drop=True)


def _alphas(part: pd.DataFrame) -> pd.DataFrame:
    """(edges, operations with a weight on every edge), none aside."""
    ops = part.drop(columns=["run", "epoch", "cell", "edge", "source", "target", "none", "noise"], errors="ignore")
    logs = np.log(ops.dropna(axis=1))
    return logs.sub(logs.mean(axis=1), axis=0)


def _pairs(ops: Sequence[str], groups: Sequence[Sequence[str]]) -> tuple[list, list]:
    home = {op: at for at, group in enumerate(groups) for op in group}
    pairs = [(a, b) for a, b in combinations(ops, 2) if a in home and b in home]
    return tuple([pair for pair in pairs if (home[pair[0]] == home[pair[1]]) is same] for same in (True, False))
