"""Of trained networks: how good a cell is expected to be from its operations, and which gaps can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from nasnb.analysis.full_scale.cells import FAMILIES

COUNTED = tuple(f"{family}_{group}" for group in ("normal", "reduce") for family in FAMILIES if family != "dil")


@dataclass(frozen=True)
class ByCounts:
    """Accuracy (percent) as a straight line in how many operations of each family a cell has: `COUNTED`.

    Dilated convolutions are the rest, as a cell has eight operations.
    """

    intercept: float
    slopes: tuple[float, ...]

    @staticmethod
    def fit(table: pd.DataFrame, accuracy: str) -> ByCounts:
        """Least squares over networks: a line per network, with the columns of `COUNTED`."""
        found = np.linalg.lstsq(_design(table), table[accuracy].to_numpy(float), rcond=None)[0]
        return ByCounts(float(found[0]), tuple(map(float, found[1:])))

    def expect(self, table: pd.DataFrame) -> np.ndarray:
        """The expected accuracies of networks."""
        return _design(table) @ np.array([self.intercept, *self.slopes])


def _design(table: pd.DataFrame) -> np.ndarray:
    return np.column_stack([np.ones(len(table)), table[list(COUNTED)].to_numpy(float)])


def explained_left_out(table: pd.DataFrame, accuracy: str) -> float:
    """The share of the variance of accuracy that the counts explain in networks left out of the fit, one at a time."""
    design, y = _design(table), table[accuracy].to_numpy(float)
    hat = design @ np.linalg.pinv(design)
    left_out = (y - hat @ y) / (1 - np.diag(hat))
    return float(1 - (left_out**2).sum() / ((y - y.mean()) ** 2).sum())


def percentile(value: float, quantiles: Sequence[float]) -> float:
    """Percent that are not better, of networks of which only evenly spaced quantiles are known."""
    return float(np.interp(value, quantiles, np.linspace(0, 100, len(quantiles))))


def visible_gap(sd: float, n: int, *, power: float = 0.8) -> float:
    """The smallest true gap of two means over n runs each that a two-sided t test at 5 % sees with this power."""
    if n < 2:
        return float("nan")
    degrees = 2 * (n - 1)
    limit = stats.t.ppf(0.975, degrees)
    low, high = 0.0, 100.0
    for _ in range(60):  # the power grows with the shift
        middle = (low + high) / 2
        low, high = (middle, high) if stats.nct.sf(limit, degrees, middle) < power else (low, middle)
    return float(high * sd * np.sqrt(2 / n))


def repeat_noise(pairs: pd.DataFrame) -> dict[str, float]:
    """Of networks trained twice (columns first, second): sd of one training, and the correlation of the two.

    No measure can correlate with one training more than the root of the latter.
    """
    apart = pairs["first"] - pairs["second"]
    reliability = float(np.corrcoef(pairs["first"], pairs["second"])[0, 1])
    return {"sd": float(np.sqrt((apart**2).mean() / 2)), "reliability": reliability, "n": len(pairs)}
