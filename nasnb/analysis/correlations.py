"""Correlations with their intervals: a chapter never shows one without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped
from scipy import stats

# variance of Fisher's z = artanh(r) with n points: Fisher 1921; Bonett, Wright 2000; Fieller, Hartley, Pearson 1957
_VARIANCE = {
    "pearson": lambda n, r: 1 / (n - 3),
    "spearman": lambda n, r: (1 + r**2 / 2) / (n - 3),
    "kendall": lambda n, r: 0.437 / (n - 4),
}
_ESTIMATE: dict[str, Callable] = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}


class Interval(NamedTuple):
    """A correlation and the ends of its interval; NaN where the points are too few, do not vary, or agree perfectly."""

    value: float
    low: float
    high: float
    n: int


def correlation_with_interval(
    x: Sequence[float],
    y: Sequence[float],
    kind: str = "spearman",
    *,
    level: float = 0.95,
    method: str = "bootstrap",
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """Correlation of pairs, kind "pearson", "spearman" or "kendall"; pairs with a NaN are left out.

    The interval is of "bootstrap" percentiles, or "fisher": normal in artanh(r), which needs five points.
    """
    if kind not in _ESTIMATE or method not in ("bootstrap", "fisher"):
        raise ValueError(f"kind={kind!r}, method={method!r}: choose {', '.join(_ESTIMATE)}, and bootstrap or fisher")
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"x and y must be rows of the same length, got {x.shape} and {y.shape}")
    known = ~(np.isnan(x) | np.isnan(y))
    x, y = x[known], y[known]
    value = _correlation(x, y, kind)
    fisher = method == "fisher"
    ends = _fisher(value, len(x), kind, level) if fisher else _bootstrap(x, y, kind, level, draws, seed)
    return Interval(value, *ends, len(x))


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> dict[str, float]:
    """Spearman's correlation by Fisher's interval as a line of a table: rho, low, high, n."""
    value, low, high, n = correlation_with_interval(x, y, method="fisher")
    return {"rho": value, "low": low, "high": high, "n": n}


def _correlation(x: Shaped[np.ndarray, " n"], y: Shaped[np.ndarray, " n"], kind: str) -> float:
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(_ESTIMATE[kind](x, y).statistic)


def _fisher(value: float, n: int, kind: str, level: float) -> tuple[float, float]:
    if n < 5 or not abs(value) < 1 - 1e-12:  # Fisher's z of a perfect correlation is infinite, whatever n is
        return float("nan"), float("nan")
    reach = stats.norm.ppf((1 + level) / 2) * sqrt(_VARIANCE[kind](n, value))
    z = np.arctanh(value)
    return float(np.tanh(z - reach)), float(np.tanh(z + reach))


def _bootstrap(
    x: Shaped[np.ndarray, " n"], y: Shaped[np.ndarray, " n"], kind: str, level: float, draws: int, seed: int
) -> tuple[float, float]:
    if len(x) < 3:
        return float("nan"), float("nan")
    chosen = np.random.default_rng(seed).integers(0, len(x), (draws, len(x)))
    values = _kendall(x, y, chosen) if kind == "kendall" else _rowwise(x[chosen], y[chosen], kind)
    values = values[~np.isnan(values)]  # a draw of one point again and again has no correlation
    if len(values) < draws / 2:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _rowwise(x: np.ndarray, y: np.ndarray, kind: str) -> np.ndarray:
    if kind == "spearman":
        x, y = stats.rankdata(x, axis=1), stats.rankdata(y, axis=1)
    x, y = x - x.mean(1, keepdims=True), y - y.mean(1, keepdims=True)
    spread = np.sqrt((x * x).sum(1) * (y * y).sum(1))
    return (x * y).sum(1) / np.where(spread > 0, spread, np.nan)


def _kendall(x: np.ndarray, y: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Tau-b of every resample, by the signs of all pairs of the original points."""
    sign_x, sign_y = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    values = []
    for rows in chosen:
        a, b = sign_x[np.ix_(rows, rows)], sign_y[np.ix_(rows, rows)]
        spread = np.sqrt((a * a).sum() * (b * b).sum())
        values.append((a * b).sum() / spread if spread else np.nan)
    return np.array(values)
