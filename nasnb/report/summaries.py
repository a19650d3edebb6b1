"""Means that others printed, with their spreads and numbers of runs, set against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from nasnb.report import statistics
from nasnb.report.statistics import Estimated


class Summary(NamedTuple):
    """Mean, sample standard deviation and number of runs, as printed; NaN for what is not said."""

    mean: float
    sd: float
    n: float

    def __str__(self) -> str:
        return (
            f"{self.mean:g}"
            + (f" ± {self.sd:g}" if self.sd >= 0 else "")
            + (f" (n = {self.n:g})" if self.n >= 0 else "")
        )


class Difference(NamedTuple):
    """A difference of means with its standard error, degrees of freedom, and runs in the smaller group."""

    value: float
    error: float
    freedom: float
    n: int

    def estimate(self) -> Estimated:
        """With t intervals and p."""
        (wide, narrow), sd = self.error * stats.t.ppf([0.975, 0.95], self.freedom), self.error * self.n**0.5
        return Estimated(
            self.value,
            (self.value - wide, self.value + wide),
            (self.value - narrow, self.value + narrow),
            self.n,
            float(2 * stats.t.sf(abs(self.value) / self.error, self.freedom)),
            needed=lambda margin: statistics.n_for_power(margin, sd, groups=2),
        )


def welch(first: Summary, second: Summary) -> Difference:
    """First mean less second, from what is printed of both, after Welch.

    Raises ValueError naming what is not known.
    """
    missing = not_stated(first, second)
    if missing:
        raise ValueError(f"{first} against {second}: {missing}, so there is nothing to test with")
    parts = first.sd**2 / first.n, second.sd**2 / second.n
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (first.n - 1) + parts[1] ** 2 / (second.n - 1))
    return Difference(first.mean - second.mean, sum(parts) ** 0.5, freedom, int(min(first.n, second.n)))


def mean_difference(differences: Sequence[Difference]) -> Difference:
    """The mean of independent differences, such as the rows of an ablation; degrees of freedom after Satterthwaite."""
    squares = [c.error**2 for c in differences]
    freedom = sum(squares) ** 2 / sum(q**2 / c.freedom for q, c in zip(squares, differences, strict=True))
    value, error = np.mean([c.value for c in differences]), sum(squares) ** 0.5 / len(differences)
    return Difference(float(value), error, freedom, min(c.n for c in differences))


def not_stated(*summaries: Summary) -> str:
    """ "n not stated", "spread and n not stated", or nothing."""
    names = [
        name
        for name, values in (("spread", [s.sd for s in summaries]), ("n", [s.n for s in summaries]))
        if np.isnan(values).any()
    ]
    return f"{' and '.join(names)} not stated" if names else ""
