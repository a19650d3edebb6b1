"""Which number of a finished search foretells the real accuracy of its cell, where a table has it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

# what can be read from a search without training its cell; the sign says which end is meant to be good
SIGNALS: Mapping[str, tuple[str, int]] = {
    "eigenvalue": ("dominant eigenvalue in alpha", -1),
    "valid_accuracy": ("supernet's held-out accuracy", 1),
    "gap": ("its gap to training images", -1),
    "largest": ("largest mixing weight", -1),
    "skips": ("skips in the cell", -1),
}


def signals(rows: pd.DataFrame) -> pd.DataFrame:
    """A line per finished search: `SIGNALS` at its end (of the eigenvalue, the last look) and the cell's `cifar10`."""
    rows = rows[rows.finished.astype(bool)].sort_values("epoch")
    looks = rows.groupby(["arm", "seed"], sort=False)  # last() passes over what nobody looked at
    ends = looks[["eigenvalue", "train_accuracy", "valid_accuracy", "largest", "skips", "cifar10"]].last()
    return ends.assign(gap=ends.train_accuracy - ends.valid_accuracy).reset_index()


def foretelling_on_table(ends: pd.DataFrame, *, given: str = "valid_accuracy") -> pd.DataFrame:
    """Per signal: Spearman's correlation with the cell's accuracy, its sign as meant, 95 % interval (Fisher's z), n;
    and `beside`, the same once the rank of `given` is partialled out of both.

    The interval's spread is that of Bonett and Wright (2000). NaN where a signal never changes; a
    perfect correlation has no interval.
    """
    lines = []
    for name, (words, sign) in SIGNALS.items():
        part = ends.dropna(subset=[name, "cifar10", given])
        ranks = part[[name, "cifar10", given]].rank() if name != given else part[[name, "cifar10"]].rank()
        r = ranks.corr()
        rho, n = sign * r.loc[name, "cifar10"], len(part)
        half = stats.norm.ppf(0.975) * np.sqrt((1 + rho**2 / 2) / (n - 3)) if n > 3 and abs(rho) < 1 else np.nan
        low, high = np.tanh(np.arctanh(rho) - half), np.tanh(np.arctanh(rho) + half)
        beside = np.nan if name == given else sign * _partial(r, name, "cifar10", given)
        lines.append({"signal": words, "n": n, "correlation": rho, "low": low, "high": high, "beside": beside})
    return pd.DataFrame(lines)


def _partial(r: pd.DataFrame, x: str, y: str, z: str) -> float:
    return (r.loc[x, y] - r.loc[x, z] * r.loc[y, z]) / np.sqrt((1 - r.loc[x, z] ** 2) * (1 - r.loc[y, z] ** 2))
