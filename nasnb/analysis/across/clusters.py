"""Do the columns of a table of supernets say the same? Rank correlations with a null that keeps clusters whole.

A table has a line per method and seed. Supernets of one method are alike, and never counted as independent: a
correlation is taken over the methods of one seed (or over the seeds of one method), and the null exchanges whole
methods (or whole seeds).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations
from math import factorial

import numpy as np
import pandas as pd
from scipy import stats

FEWEST = 5  # methods, or seeds, below which no correlation is taken
DRAWS = 5000  # permutations, where there are more than so many
METHOD, SEED = "method", "seed"


def agreement(
    table: pd.DataFrame, columns: Sequence[str], *, within: str = SEED, beside: str | None = None
) -> pd.DataFrame:
    """A line per pair of columns: `correlation`, its 95 % interval, n, a permutation p, and `n_ranked`.

    With `within="seed"` Spearman's correlation is over the methods of each seed, mean over the `n` seeds; p exchanges
    whole methods. With "method" the other way round: do they move together from seed to seed of one method? The
    interval is a t interval of Fisher's z over the n. `beside` names a column whose ranks are partialled out of both.
    """
    pairs = combinations(columns, 2)
    return pd.DataFrame([{"first": a, "second": b} | pair(table, a, b, within=within, beside=beside) for a, b in pairs])


def pair(
    table: pd.DataFrame, first: str, second: str, *, within: str = SEED, beside: str | None = None, sign: int = 1
) -> dict[str, float]:
    """The numbers of one pair of columns; NaN where fewer than FEWEST methods (or seeds) have both."""
    blocks = _blocks(table, [first, second, *([beside] if beside else [])], within)
    nothing = {"correlation": np.nan, "low": np.nan, "high": np.nan, "n": 0, "p": np.nan, "n_ranked": 0}
    if blocks is None:
        return nothing
    ranks = _standardised(blocks)
    if beside:
        ranks = _standardised_residuals(ranks)
    a, b = sign * ranks[0], ranks[1]
    told = np.ptp(a, axis=1).astype(bool) & np.ptp(b, axis=1).astype(
        bool
    )  # a column that does not change ranks nothing
    if not told.any():
        return nothing
    each = (a[told] * b[told]).sum(1)
    low, high = t_interval(each)
    return {
        "correlation": float(each.mean()),
        "low": low,
        "high": high,
        "n": len(each),
        "p": _permuted(a[told], b[told]),
        "n_ranked": a.shape[1],
    }


def seed_correlations(table: pd.DataFrame, first: str, second: str, *, within: str = SEED, sign: int = 1) -> pd.Series:
    """Spearman's correlation in every seed (or of every method), its sign turned where a small value is good."""
    numbers = table.assign(**{c: pd.to_numeric(table[c], errors="coerce") for c in (first, second)})
    parts = numbers.dropna(subset=[first, second]).groupby(within, sort=True)
    return pd.Series(
        {
            key: sign * stats.spearmanr(part[first], part[second]).statistic
            for key, part in parts
            if len(part) >= FEWEST and part[first].nunique() > 1 and part[second].nunique() > 1
        },
        dtype=float,
    )


def _blocks(table: pd.DataFrame, columns: Sequence[str], within: str) -> np.ndarray | None:
    """(columns, blocks, ranked): those methods (or seeds) that have all columns in every block; None below FEWEST."""
    over = METHOD if within == SEED else SEED
    grids = [
        table.assign(value=pd.to_numeric(table[c], errors="coerce")).pivot(index=within, columns=over, values="value")
        for c in columns
    ]
    whole = np.logical_and.reduce([grid.notna().all().to_numpy() for grid in grids])
    if whole.sum() < FEWEST:
        return None
    return np.stack([grid.to_numpy()[:, whole] for grid in grids])


def _standardised(blocks: np.ndarray) -> np.ndarray:
    return _unit(stats.rankdata(blocks, axis=2))


def _unit(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-9)


def _standardised_residuals(ranks: np.ndarray) -> np.ndarray:
    """Of the first two columns, what a line in the third leaves."""
    given = ranks[2]
    return _unit(ranks[:2] - (ranks[:2] * given).sum(2, keepdims=True) * given)


def t_interval(each: Sequence[float]) -> tuple[float, float]:
    """95 %, of the mean of correlations by Fisher's z; NaN below three."""
    if len(each) < 3:
        return np.nan, np.nan
    z = np.arctanh(np.clip(each, -0.999, 0.999))
    half = stats.t.ppf(0.975, len(z) - 1) * z.std(ddof=1) / np.sqrt(len(z))
    return float(np.tanh(z.mean() - half)), float(np.tanh(z.mean() + half))


def _permuted(a: np.ndarray, b: np.ndarray) -> float:
    """How often a mean correlation is as far from 0 once whole columns of `b` have changed places, the same in all."""
    n = a.shape[1]
    products = a.T @ b / len(a)  # of column i of a with column j of b
    found = products[np.arange(n), orders(n)].sum(1)
    seen = abs(np.trace(products)) - 1e-9
    exact = factorial(n) <= DRAWS
    return float((np.abs(found) >= seen).mean() if exact else (1 + (np.abs(found) >= seen).sum()) / (1 + len(found)))


def orders(n: int) -> np.ndarray:
    """(permutations, n): all of them, or DRAWS at random."""
    if factorial(n) <= DRAWS:
        return np.array(list(permutations(range(n))))
    draw = np.random.default_rng(0)
    return np.argsort(draw.random((DRAWS, n)), axis=1)


# --- what separates supernets -----------------------------------------------------------------------------------------


def separated(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Per column: `share` of the variance of its ranks that lies between methods, less what chance puts there; p; n.

    Adjusted eta squared: 1 where a column knows the method, about 0 where seeds differ as much. p is of Kruskal and
    Wallis.
    """
    lines = []
    for column in columns:
        numbers = pd.to_numeric(table[column], errors="coerce")
        groups = [part.to_numpy() for _, part in numbers.dropna().groupby(table[METHOD]) if len(part) > 1]
        if len(groups) < 2 or np.ptp(np.concatenate(groups)) == 0:
            lines.append({"column": column, "share": np.nan, "p": np.nan, "methods": len(groups)})
            continue
        h, p = stats.kruskal(*groups)
        n, k = sum(map(len, groups)), len(groups)
        lines.append({"column": column, "share": float((h - k + 1) / (n - k)), "p": float(p), "methods": k})
    return pd.DataFrame(lines)


# --- how many things are they? ----------------------------------------------------------------------------------------


def factors(table: pd.DataFrame, columns: Sequence[str], *, draws: int = 500) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Principal components of the columns' ranks, and how the columns load on them.

    First: a line per component with its `share` of the variance and `chance`, the 95 % quantile of the same where each
    column's methods, and the seeds within them, are exchanged by themselves (a parallel analysis that keeps clusters).
    Second: loadings, a line per column. Lines of the table without all columns are left out.
    """
    numbers = table[list(columns)].apply(pd.to_numeric, errors="coerce")
    whole = numbers.notna().all(axis=1)
    ranks = _unit(stats.rankdata(numbers[whole].to_numpy(), axis=0).T)
    values, vectors = np.linalg.eigh(ranks @ ranks.T)
    values, vectors = values[::-1], vectors[:, ::-1]
    keys, rng = table.loc[whole, [METHOD, SEED]], np.random.default_rng(0)
    chance = [_shuffled_shares(ranks, keys, rng) for _ in range(draws)]
    n = len(columns)
    names = [f"factor {i + 1}" for i in range(n)]
    shares = pd.DataFrame({"factor": names, "share": values / n, "chance": np.quantile(chance, 0.95, axis=0)})
    loads = vectors * np.sqrt(np.clip(values, 0, None))
    loads *= np.where(loads.sum(0) < 0, -1, 1)
    return shares, pd.DataFrame(loads, index=list(columns), columns=names)


def _shuffled_shares(ranks: np.ndarray, keys: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    moved = np.stack([row[_exchanged(keys, rng)] for row in ranks])
    return np.linalg.eigvalsh(moved @ moved.T)[::-1] / len(ranks)


def _exchanged(keys: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Positions in which whole methods have changed places, and the seeds within them."""
    parts = list(keys.reset_index(drop=True).groupby(METHOD, sort=False).indices.values())
    if len(set(map(len, parts))) > 1:
        raise ValueError(f"methods have {', '.join(str(len(part)) for part in parts)} seeds: give each as many")
    target = np.stack(parts)
    found = np.empty(len(keys), dtype=int)
    found[target] = rng.permuted(target[rng.permutation(len(target))], axis=1)
    return found
