"""The table of all diagnostics on all supernets, compared: means, spreads, what agrees, what foretells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np
import pandas as pd
from scipy import stats

from nasnb.analysis.across.measures import NOT_DEFINED


def means(table: pd.DataFrame, columns: Sequence[str], *, by: str = "method") -> pd.DataFrame:
    """A line per supernet and seed to a line per method: numbers averaged over seeds; NaN where none is defined."""
    return _numbers(table, columns).groupby(table[by], sort=False).mean()


def spreads(table: pd.DataFrame, columns: Sequence[str], *, by: str = "method") -> pd.DataFrame:
    """The standard deviations that belong to `means`; NaN of fewer than two seeds."""
    return _numbers(table, columns).groupby(table[by], sort=False).std()


def half_widths(table: pd.DataFrame, columns: Sequence[str], *, by: str = "method") -> pd.DataFrame:
    """Of the 95 % t intervals of `means`; NaN of fewer than two numbers, and 0 where all are the same."""
    groups = _numbers(table, columns).groupby(table[by], sort=False)
    n = groups.count()
    return groups.std() / np.sqrt(n) * stats.t.ppf(0.975, (n - 1).where(n > 1))


def reasons(table: pd.DataFrame, columns: Sequence[str], *, by: str = "method") -> dict[tuple[str, str], str]:
    """{(method, column): why it is not defined}, where it is so for every seed."""
    found = {}
    for method, part in table.groupby(by, sort=False):
        for column in columns:
            words = [value for value in part[column] if isinstance(value, str)]
            if len(words) == len(part):
                found[method, column] = words[0].removeprefix(NOT_DEFINED)
    return found


def _numbers(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    return table[list(columns)].apply(pd.to_numeric, errors="coerce")


def separation(table: pd.DataFrame, columns: Sequence[str], *, by: str = "method") -> pd.Series:
    """How well each column tells methods apart: spread of their means over the mean spread of their seeds.

    Unrelated numbers come out near 1 / sqrt(seeds). NaN with a single seed.
    """
    middle, noise = means(table, columns, by=by), spreads(table, columns, by=by)
    return middle.std() / np.sqrt((noise**2).mean())


def column_correlations(means: pd.DataFrame, *, fewest: int = 5) -> pd.DataFrame:
    """Rank correlation of every two columns over the methods that have both; NaN for fewer than `fewest` of them."""
    return means.corr(method="spearman", min_periods=fewest)


def common(means: pd.DataFrame, a: str, b: str) -> int:
    """How many methods have both columns."""
    return int(means[[a, b]].notna().all(axis=1).sum())


def critical_correlation(n: int, *, level: float = 0.95) -> float:
    """The rank correlation that `n` unrelated pairs stay below, in size, with this probability; NaN below four."""
    return float(np.tanh(stats.norm.ppf((1 + level) / 2) * sqrt(1.06 / (n - 3)))) if n > 3 else float("nan")


def foretelling(table: pd.DataFrame, measure: str, *, sign: int, fewest: int = 5) -> pd.Series:
    """Per seed, the rank correlation over the methods of a measure and the accuracy of the methods' own cells.

    `sign` is -1 where a small value is said to be good. Seeds with fewer than `fewest` methods are left out.
    """
    both = table.assign(**{name: pd.to_numeric(table[name], errors="coerce") for name in (measure, "own")})
    both = both[both[[measure, "own"]].notna().all(axis=1)]
    found = {
        seed: sign * stats.spearmanr(rows[measure], rows.own).statistic
        for seed, rows in both.groupby("seed")
        if len(rows) >= fewest and rows[measure].nunique() > 1 and rows.own.nunique() > 1
    }
    return pd.Series(found, dtype=float)


def in_words(verdicts: Mapping[str, str]) -> str:
    """`supported for A and B; open for C`: names sorted by their verdict."""
    found = {verdict: [name for name, given in verdicts.items() if given == verdict] for verdict in verdicts.values()}
    return "; ".join(f"{verdict} for {listed(names)}" for verdict, names in found.items())


def listed(names: Sequence[str]) -> str:
    """`A, B and C`; `none` if there are none."""
    names = list(names)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "none"
