"""Estimates with their intervals, one function per design: thin over scipy, so that every chapter measures alike.

Every function returns an `Estimated` in the unit of its effect, positive as claimed, with the null subtracted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from scipy import stats

from nasnb.training import clopper_pearson

FEWEST_FLIPS, MOST_FLIPS = 6, 24  # with fewer no p is below 0.05, with more t says the same
_LIMIT_Z = np.arctanh(0.99)  # a rank correlation over few points may be exactly 1, whose Fisher z is infinite
_RESAMPLES = 4999


@dataclass(frozen=True)
class Estimated:
    """An effect and what is known of it.

    `wide` is its 95 % interval, `narrow` the 90 % one (equivalence), `p_robust` a second test's p where the design has
    one, `points` the effect seed by seed, and `needed(margin)` the n that would see an effect of the margin with 80 %
    power at the spread seen: per group where there are two.
    """

    value: float
    wide: tuple[float, float]
    narrow: tuple[float, float]
    n: int
    p: float
    needed: Callable[[float], int] = field(repr=False, compare=False)
    p_robust: float = np.nan
    points: tuple[float, ...] = ()


def mean(values: np.ndarray) -> Estimated:
    """Of effects per seed: t intervals; from 6 values on (up to 24) also the exact sign-flip p."""
    n, value, sd = len(values), float(values.mean()), float(values.std(ddof=1))
    flips = sign_flip_p(values) if FEWEST_FLIPS <= n <= MOST_FLIPS else np.nan
    points, needed = tuple(map(float, values)), lambda margin: n_for_power(margin, sd)
    if np.ptp(values) == 0:  # equal values give t no scale: only their signs can speak, and few signs say nothing
        limits = (value, value) if n >= FEWEST_FLIPS else (-np.inf, np.inf)
        return Estimated(value, limits, limits, n, float(np.nan_to_num(flips, nan=1.0)), needed, flips, points)
    test = stats.ttest_1samp(values, 0)
    return Estimated(value, _limits(test, 0.95), _limits(test, 0.90), n, float(test.pvalue), needed, flips, points)


def difference(first: np.ndarray, second: np.ndarray) -> Estimated:
    """Mean of the first group minus that of the second, independent of each other: Welch's intervals."""
    value, n = float(first.mean() - second.mean()), min(len(first), len(second))
    sd = float(np.hypot(first.std(ddof=1), second.std(ddof=1)))
    points, needed = tuple(map(float, first - second.mean())), lambda margin: n_for_power(margin, sd, groups=2)
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return Estimated(value, (-np.inf, np.inf), (-np.inf, np.inf), n, 1.0, needed, points=points)
    test = stats.ttest_ind(first, second, equal_var=False)
    return Estimated(value, _limits(test, 0.95), _limits(test, 0.90), n, float(test.pvalue), needed, points=points)


def correlation(values: np.ndarray, null: np.ndarray | float = 0.0) -> Estimated:
    """Of one correlation per search: their Fisher z, less that of the null, and t over searches."""
    of_z = mean(fisher_z(values) - fisher_z(np.asarray(null, dtype=float)))
    wide, narrow = (tuple(map(float, np.tanh(limits))) for limits in (of_z.wide, of_z.narrow))
    points = tuple(map(float, np.tanh(of_z.points)))
    needed = lambda margin: of_z.needed(float(fisher_z(np.asarray(margin))))  # noqa: E731
    return Estimated(float(np.tanh(of_z.value)), wide, narrow, of_z.n, of_z.p, needed, of_z.p_robust, points)


def fisher_z(r: np.ndarray) -> np.ndarray:
    """The inverse hyperbolic tangent, where a correlation beyond 0.99 counts as 0.99."""
    return np.clip(np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)), -_LIMIT_Z, _LIMIT_Z)


def spread_ratio(first: np.ndarray, second: np.ndarray) -> Estimated:
    """Logarithm of the first group's variance over the second's: F intervals, and Brown-Forsythe as `p_robust`."""
    degrees = len(first) - 1, len(second) - 1
    return variance_ratio(
        first.var(ddof=1),
        second.var(ddof=1),
        degrees,
        p_robust=float(stats.levene(first, second, center="median").pvalue),
    )


def variance_ratio(first: float, second: float, degrees: tuple[int, int], *, p_robust: float = np.nan) -> Estimated:
    """`spread_ratio` of two variances and their degrees of freedom, as a paper prints them."""
    ratio, law = float(np.log(first / second)), stats.f(*degrees)

    def limits(level: float) -> tuple[float, float]:
        outside = (1 - level) / 2
        return ratio - float(np.log(law.ppf(1 - outside))), ratio - float(np.log(law.ppf(outside)))

    p = float(min(1, 2 * min(law.cdf(first / second), law.sf(first / second))))
    return Estimated(ratio, limits(0.95), limits(0.90), min(degrees) + 1, p, _n_for_variances, p_robust)


def counted_share(hits: int, trials: int, null: float = 0.0) -> Estimated:
    """A share counted on a test set, in percent, less the null: Clopper-Pearson and the exact binomial test."""
    value = 100 * hits / trials
    test = stats.binomtest(hits, trials, null / 100)
    wide, narrow = (
        (low - null, high - null) for low, high in (_limits_of_share((hits, trials), x) for x in (0.95, 0.90))
    )
    needed = lambda margin: _n_for_shares(margin, (hits, trials))  # noqa: E731
    return Estimated(value - null, wide, narrow, trials, float(test.pvalue), needed)


def share_difference(first: tuple[int, int], second: tuple[int, int]) -> Estimated:
    """The first share minus the second, in points: p is Fisher's, the interval joins the two of Clopper and Pearson.

    Newcombe's way to join them: as far from the difference as both limits are, squared and summed.
    """
    shares = [100 * hits / trials for hits, trials in (first, second)]
    value = shares[0] - shares[1]

    def limits(level: float) -> tuple[float, float]:
        (low_1, high_1), (low_2, high_2) = (_limits_of_share(counts, level) for counts in (first, second))
        below, above = (shares[0] - low_1, high_2 - shares[1]), (high_1 - shares[0], shares[1] - low_2)
        return value - float(np.hypot(*below)), value + float(np.hypot(*above))

    p = float(stats.fisher_exact([[hits, trials - hits] for hits, trials in (first, second)]).pvalue)
    needed = lambda margin: _n_for_shares(margin, first, second)  # noqa: E731
    return Estimated(value, limits(0.95), limits(0.90), min(first[1], second[1]), p, needed)


def _limits_of_share(counts: tuple[int, int], level: float) -> tuple[float, float]:
    found = clopper_pearson(*counts, level=level)
    return found.low, found.high


def seeds_agreement(labels: np.ndarray) -> Estimated:
    """In how many of the columns two rows (seeds) agree, in percent, above what each row's labels in any order give."""
    rows = tuple(np.unique(labels, return_inverse=True)[1].reshape(labels.shape))

    def agreed(*rows: np.ndarray, axis: int = -1) -> np.ndarray:
        return 100 * np.mean([(a == b).mean(axis=axis) for a, b in combinations(rows, 2)], axis=0)

    test = stats.permutation_test(
        rows,
        agreed,
        permutation_type="pairings",
        n_resamples=_RESAMPLES,
        vectorized=True,
        random_state=np.random.default_rng(0),
    )
    chance = float(test.null_distribution.mean())
    each = (alike(labels).sum(axis=1) - 100) / (len(labels) - 1) - chance
    return _permuted(float(test.statistic) - chance, test.null_distribution - chance, test.pvalue, each)


def seeds_agreement_difference(first: np.ndarray, second: np.ndarray) -> Estimated:
    """How much more the seeds (rows) of one group agree than those of another: seeds change groups at random."""
    n, same = len(first), alike(np.concatenate([first, second]))

    def more(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
        return _within(same, np.asarray(a, dtype=int)) - _within(same, np.asarray(b, dtype=int))

    seeds = np.arange(len(same))
    test = stats.permutation_test(
        (seeds[:n], seeds[n:]),
        more,
        permutation_type="independent",
        n_resamples=_RESAMPLES,
        vectorized=True,
        random_state=np.random.default_rng(0),
    )
    each = (same[:n, :n].sum(axis=1) - 100) / (n - 1) - _within(same, seeds[n:])
    return _permuted(float(test.statistic), test.null_distribution, test.pvalue, each, n=min(n, len(second)))


def alike(labels: np.ndarray) -> np.ndarray:
    """(rows, rows): in how many percent of the columns two rows agree."""
    return 100 * (labels[:, None] == labels[None]).mean(axis=-1)


def _within(same: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Mean agreement over the pairs of seeds in the last axis."""
    n = seeds.shape[-1]
    total = same[seeds[..., :, None], seeds[..., None, :]].sum(axis=(-1, -2))
    return (total - 100 * n) / (n * (n - 1))


def _permuted(value: float, chance: np.ndarray, p: float, each: np.ndarray, *, n: int | None = None) -> Estimated:
    """Limits as far from the estimate as chance reaches; quantiles rounded outwards, as few seeds have few orders."""

    def limits(level: float) -> tuple[float, float]:
        low = np.quantile(chance, (1 - level) / 2, method="lower")
        high = np.quantile(chance, (1 + level) / 2, method="higher")
        return value - float(high), value - float(low)

    n, sd = len(each) if n is None else n, float(chance.std())
    needed = lambda margin: n_for_power(margin, sd * np.sqrt(n))  # noqa: E731
    return Estimated(value, limits(0.95), limits(0.90), n, float(p), needed, points=tuple(map(float, each)))


# --- parts ------------------------------------------------------------------------------------------------------------


def sign_flip_p(values: Sequence[float]) -> float:
    """The share of all 2^n choices of signs whose sum is at least as far from 0 as that of the values: exact.

    The sums of one half of the values are looked up among those of the other, so that 24 values are quick.
    """
    values = np.asarray(values, dtype=float)
    half = len(values) // 2
    first, second = _signed_sums(values[:half]), np.sort(_signed_sums(values[half:]))
    limit = abs(values.sum()) - 1e-9 * np.abs(values).sum()  # equal sums in another order differ in their last digit
    beyond = len(second) * len(first) - np.searchsorted(second, limit - first).sum()
    return min(1.0, 2 * float(beyond) / 2.0 ** len(values))


def _signed_sums(values: np.ndarray) -> np.ndarray:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums - value, sums + value])
    return sums


def holm(p: Sequence[float]) -> np.ndarray:
    """Holm's adjusted p values, in the given order: each may be compared with 0.05 whatever their number."""
    p = np.asarray(p, dtype=float)
    order = np.argsort(p, kind="stable")
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(1, adjusted)[np.argsort(order, kind="stable")]


def n_for_power(effect: float, sd: float, *, groups: int = 1, power: float = 0.8) -> int:
    """How many values (per group) let a two-sided t test at 5 % see `effect`, at the spread `sd` of one difference."""
    n = max(2, math.ceil(_rough_n(effect, sd, power)))  # never too many: t has less power than the normal law
    while n < 1000 and power_of(n, effect, sd, groups=groups) < power:  # beyond, t is normal
        n += 1
    return n


def power_of(n: int, effect: float, sd: float, *, groups: int = 1) -> float:
    """Of a two-sided t test at 5 % with n values, or n in each of two groups."""
    if sd == 0:
        return float(n >= FEWEST_FLIPS)
    degrees, shift = groups * (n - 1), effect * np.sqrt(n) / sd
    limit = stats.t.ppf(0.975, degrees)
    return float(stats.nct.sf(limit, degrees, shift))  # the other side hardly counts once there is any power


def _rough_n(effect: float, sd: float, power: float) -> float:
    return (stats.norm.ppf([0.975, power]).sum() * sd / effect) ** 2


def _n_for_variances(margin: float) -> int:
    n = 2
    while n < 1000 and stats.f.sf(stats.f.ppf(0.975, n - 1, n - 1) / np.exp(margin), n - 1, n - 1) < 0.8:
        n += 1
    return n


def _n_for_shares(margin: float, *counts: tuple[int, int]) -> int:
    shares = [(hits + 1) / (trials + 2) for hits, trials in counts]  # Laplace: none of 10 is not never
    return math.ceil(_rough_n(margin, 100 * np.sqrt(sum(s * (1 - s) for s in shares)), 0.8))


def _limits(test, level: float) -> tuple[float, float]:
    found = test.confidence_interval(level)
    return float(found.low), float(found.high)
