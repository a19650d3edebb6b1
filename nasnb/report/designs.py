"""The designs of claims: what was given, checked, and handed to the statistics.

Every function takes (values, null) and returns an Estimated; `nasnb.report.judge` says what values each takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nasnb.report import statistics
from nasnb.report.statistics import Estimated
from nasnb.report.summaries import Summary, welch


def _paired(values: Any, null: Any) -> Estimated:
    if is_two_groups(values):
        first, second = map(numbers, values)
        if len(first) != len(second):
            raise ValueError(
                f"paired groups must be equally long, got {len(first)} and {len(second)}: pair them by "
                "seed, or use design='independent'"
            )
        values = first - second
    return _one_sample(values, null)


def _one_sample(values: Any, null: Any) -> Estimated:
    return statistics.mean(_several(values) - _null_of(null, len(values)))


def _correlation(values: Any, null: Any) -> Estimated:
    r = _several(values)
    if np.abs(r).max() > 1:
        raise ValueError(f"a correlation lies between -1 and 1, got {r[np.abs(r).argmax()]:g}: give one per search")
    return statistics.correlation(r, _null_of(null, len(r)))


def _independent(values: Any, null: Any) -> Estimated:
    first, second = _groups(values, "independent")
    return statistics.difference(first - _null_of(null, 1), second)


def _means(values: Any, null: Any) -> Estimated:
    first, second = map(_summary, values)
    return welch(first._replace(mean=first.mean - float(null)), second).estimate()


def _spread(values: Any, null: Any) -> Estimated:
    groups = _groups(values, "spread")
    for name, group in zip(("first", "second"), groups, strict=True):
        if np.ptp(group) == 0:
            raise ValueError(
                f"the {name} group does not vary at all: {group[0]:g} in all of {len(group)} values; a "
                "ratio of spreads needs two"
            )
    return statistics.spread_ratio(*groups)


def _shares(values: Any, null: Any) -> Estimated:
    if not is_two_groups(values):
        return statistics.counted_share(*_counts(values), float(null))
    return statistics.share_difference(*map(_counts, values))


def _agreement(values: Any, null: Any) -> Estimated:
    if np.ndim(values[0]) == 1:
        return statistics.seeds_agreement(_labels(values))
    first, second = map(_labels, values)
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"groups that agree on different edges: {first.shape[1]} and {second.shape[1]} columns")
    return statistics.seeds_agreement_difference(first, second)


DESIGNS = {
    "paired": _paired,
    "one sample": _one_sample,
    "independent": _independent,
    "means": _means,
    "correlation": _correlation,
    "spread": _spread,
    "shares": _shares,
    "agreement": _agreement,
}


# --- checks -----------------------------------------------------------------------------------------------------------


def is_two_groups(values: Any) -> bool:
    return len(values) == 2 and all(np.ndim(group) > 0 for group in values)


def numbers(values: Any) -> np.ndarray:
    """A vector of finite numbers. Raises ValueError naming the first that is none."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"not numbers: {str(values)[:80]!r}; give one effect per seed") from None
    if array.ndim != 1:
        raise ValueError(f"values of shape {array.shape}: give one effect per seed")
    if not np.isfinite(array).all():
        bad = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"value {bad + 1} of {len(array)} is {array[bad]}: leave out the seeds that have no value")
    return array


def _several(values: Any) -> np.ndarray:
    array = numbers(values)
    if len(array) < 2:
        raise ValueError(
            f"n = {len(array)}: one run has no spread; an effect needs at least 2 seeds, a verdict 3, better 6"
        )
    return array


def _groups(values: Any, design: str) -> tuple[np.ndarray, np.ndarray]:
    if not is_two_groups(values):
        raise ValueError(f"design {design!r} compares two groups of seeds, got {str(values)[:80]!r}")
    first, second = map(_several, values)
    return first, second


def _null_of(null: Any, n: int) -> np.ndarray:
    """One number for all seeds, or one per seed."""
    array = numbers(np.atleast_1d(null))
    if len(array) not in (1, n):
        raise ValueError(f"{len(array)} null values for {n} seeds: give one for all, or one per seed")
    return array


def _counts(pair: Any) -> tuple[int, int]:
    counts = numbers(pair)
    if len(counts) != 2 or (counts % 1).any() or not 0 <= counts[0] <= counts[1] or counts[1] == 0:
        raise ValueError(f"counts must be whole numbers (hits, trials) with hits <= trials, got {tuple(pair)}")
    return int(counts[0]), int(counts[1])


def _summary(triple: Any) -> Summary:
    found = numbers(triple)
    if len(found) != 3 or found[1] <= 0 or found[2] < 2 or found[2] % 1:
        raise ValueError(f"a mean comes as (mean, sd, n) with sd above 0 and n of 2 or more, got {tuple(triple)}")
    return Summary(*map(float, found))


def _labels(rows: Any) -> np.ndarray:
    lengths = {len(row) for row in rows}
    if len(rows) < 2 or len(lengths) != 1:
        raise ValueError(
            f"agreement needs two or more seeds with a label per edge, got rows of {sorted(lengths)} "
            f"labels from {len(rows)} seeds"
        )
    return np.asarray(rows)
