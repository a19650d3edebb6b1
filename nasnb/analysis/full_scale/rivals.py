"""What operations are worth to single-path supernets, and rankings of methods, scores and searches against tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from nasnb.analysis.full_scale.cells import picks
from nasnb.architecture import Choices, Genotype
from nasnb.data.bench201 import Bench201Table
from nasnb.spaces import SPACES


def one_shot_worth(samples: pd.DataFrame) -> pd.DataFrame:
    """Per supernet: how accuracy goes with the count of each operation, and how much of its variance is explained.

    Columns: space, dataset, cell, op, rho, by_counts (R2 of a line in the counts), by_picks (adjusted R2 of a line in
    all picks), n. `samples` has cells as `operation number<state`.
    """
    lines = []
    for (space, dataset), part in samples.groupby(["space", "dataset"], sort=False):
        choices, y = SPACES[space].choices, part.one_shot_accuracy.to_numpy(float)
        chosen = [picks(row.normal, row.reduce) for row in part.itertuples()]
        names = sorted({pick for cell in chosen for pick in cell})
        has = np.array([[name in cell for name in names] for cell in chosen], dtype=float)
        kinds = [(name[0], _op(choices, name)) for name in names]
        counts = {kind: has[:, [k == kind for k in kinds]].sum(axis=1) for kind in sorted(set(kinds))}
        counts = {kind: values for kind, values in counts.items() if np.ptp(values)}
        common = {"by_counts": _explained(np.column_stack([*counts.values()]), y), "by_picks": _explained(has, y)}
        lines += [
            {"space": space, "dataset": dataset, "cell": cell, "op": op, "rho": stats.spearmanr(values, y).statistic}
            | common
            | {"n": len(y)}
            for (cell, op), values in counts.items()
        ]
    return pd.DataFrame(lines)


def _op(choices: Choices, pick: tuple[str, int, str, int]) -> str:
    cell, target, number, source = pick
    edge = next(e for e in choices.groups[cell] if (e.source, e.target) == (source, target))
    return edge.ops[int(number)]


def _explained(x: np.ndarray, y: np.ndarray) -> float:
    """Adjusted R2 of least squares with an intercept."""
    design = np.column_stack([np.ones(len(y)), x])
    found, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    left = ((y - design @ found) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    return float(1 - left * (len(y) - 1) / (len(y) - rank))


def percentiles(cells: pd.Series, table: Bench201Table) -> pd.Series:
    """Percent of all cells of NAS-Bench-201 that are not better on CIFAR-10."""
    known = {text: table.percentile(Genotype.from_notation(text), "cifar10") for text in cells.unique()}
    return cells.map(known)


def distinct_cells(searches: pd.DataFrame) -> pd.DataFrame:
    """The last cell of every search, equal ones of one method once: optimizer, arch, seeds, percentile, accuracy."""
    last = searches.loc[searches.groupby(["optimizer", "seed"]).epoch.idxmax()]
    grouped = last.groupby(["optimizer", "arch"], sort=False)
    return grouped.agg(
        seeds=("seed", "size"), percentile=("percentile", "first"), accuracy=("table_cifar10_test", "first")
    ).reset_index()


def score_ranks(scores: pd.DataFrame, accuracy: str, *, best: float = 0.1) -> pd.DataFrame:
    """Per score: rank correlation with accuracy, over all cells and over the best; accuracy of its favourite."""
    top = scores.nlargest(round(best * len(scores)), accuracy)
    names = [name for name in scores.columns if name not in ("arch", accuracy)]
    lines = [
        {
            "score": name,
            "rho": stats.spearmanr(scores[name], scores[accuracy]).statistic,
            "rho_top": stats.spearmanr(top[name], top[accuracy]).statistic,
            "favourite": scores.loc[scores[name].idxmax(), accuracy],
        }
        for name in names
    ]
    return pd.DataFrame(lines).sort_values("rho", ascending=False, ignore_index=True)


def rank_survival(table: pd.DataFrame, *, spaces: list[str], method: str, value: str) -> pd.DataFrame:
    """Per space: how its methods' mean values rank against their mean rank in all other spaces."""
    means = table.pivot_table(index=spaces, columns=method, values=value)
    ranks = means.rank(axis=1)
    lines = []
    for space in ranks.index:
        others = ranks.drop(index=[space]).mean()
        lines.append({"space": " ".join(map(str, space)), "rho": stats.spearmanr(ranks.loc[space], others).statistic})
    return pd.DataFrame(lines)


def concordance(table: pd.DataFrame, *, spaces: list[str], method: str, value: str) -> dict[str, float]:
    """Kendall's W of the spaces' rankings of the methods, from 0 (no agreement) to 1, and Friedman's p."""
    ranks = table.pivot_table(index=spaces, columns=method, values=value).rank(axis=1)
    n, k = ranks.shape
    w = 12 * ((ranks.sum() - n * (k + 1) / 2) ** 2).sum() / (n**2 * (k**3 - k))
    return {"w": float(w), "p": float(stats.chi2.sf(n * (k - 1) * w, k - 1)), "spaces": n, "methods": k}


def variance_shares(table: pd.DataFrame, value: str, by: list[str]) -> pd.Series:
    """Which share of the variance of a value the mean per level of each factor has, one factor at a time."""
    total = table[value].var(ddof=0)
    return pd.Series({name: table.groupby(name)[value].transform("mean").var(ddof=0) / total for name in by})
