"""Published numbers, tested again: what a paper's own means, spreads and counts say of its claims, at no cost.

Which numbers are set against each other stands in published/retests.csv, the numbers themselves in numbers.csv. Where a
paper does not say how many runs are behind a number, or how they spread, there is no test, and the table says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from nasnb.published.claims import Claim, claim
from nasnb.published.numbers import published, retests
from nasnb.report import statistics
from nasnb.report.claims import Finding, decide
from nasnb.report.statistics import Estimated
from nasnb.report.summaries import Difference, Summary, mean_difference, not_stated, welch
from nasnb.report.tables import Table

TEST_IMAGES = {"CIFAR-10": 10_000, "CIFAR-10.1": 2_000}  # CIFAR-10.1: version 6


class Retest(NamedTuple):
    """A comparison tested again. Without a test `estimate` is None, and `words` says what the paper leaves out.

    `middle` is the mean of the two numbers that were compared (NaN for spreads), `difference` what Welch's test found.
    """

    test: str
    words: str
    estimate: Estimated | None = None
    middle: float = float("nan")
    difference: Difference | None = None


def from_means(better: Summary, worse: Summary) -> Retest:
    """Two means as printed, or why they cannot be tested."""
    words, missing = f"{worse} against {better}", not_stated(better, worse)
    if missing:
        return Retest("none", f"{words}: {missing}")
    found = welch(worse, better)
    return Retest("Welch", words, found.estimate(), (better.mean + worse.mean) / 2, found)


def from_counts(better: float, worse: float, images: int) -> Retest:
    """Two error rates in percent on test sets of so many images: Fisher's exact test.

    The luck of the training is in neither: a network trained again may differ by more.
    """
    wrong = [(round(rate * images / 100), images) for rate in (worse, better)]
    words = f"{wrong[0][0]:,} against {wrong[1][0]:,} wrong of {images:,}"
    return Retest("Fisher (test images only)", words, statistics.share_difference(*wrong), (better + worse) / 2)


def from_spreads(steadier: Sequence[float], wilder: Sequence[float]) -> Retest:
    """Two spreads from the runs themselves, as the logarithm of the ratio of variances.

    F supposes normal runs and is misled where they are not; Brown and Forsythe's test, which is not, stands beside it.
    """
    ours, theirs = (np.asarray(runs, dtype=float) for runs in (steadier, wilder))
    found = statistics.spread_ratio(theirs, ours)
    ratio, freedom = theirs.var(ddof=1) / ours.var(ddof=1), (len(theirs) - 1, len(ours) - 1)
    words = f"sd {theirs.std(ddof=1):.3f} against {ours.std(ddof=1):.3f} (n = {len(theirs)} and {len(ours)}): "
    words += (
        f"F = {ratio:.1f}, one-sided p = {stats.f.sf(ratio, *freedom):.2f}, Brown-Forsythe p = {found.p_robust:.2f}"
    )
    return Retest("F", words, found)


def tested_again(row: Any) -> Retest:
    """One line of retests.csv. Raises ValueError for a number that published() does not have."""
    sides = ((row.place, row.better), (row.against_place, row.worse))
    better, worse = (_numbers(row, place, name) for place, name in sides)
    if row.test == "means":
        return from_means(_summary(better), _summary(worse))
    if row.test == "counts":
        return from_counts(better.value.iloc[0], worse.value.iloc[0], TEST_IMAGES[row.dataset])
    if row.test == "runs":
        return from_means(_of_runs(better), _of_runs(worse))
    return from_spreads(better.value, worse.value)


def retested(paper: str) -> Table:
    """ "Published numbers, tested again", for one paper: a line per comparison."""
    lines = []
    for row in retests(paper).itertuples():
        lines.append([row.says, _where(row), *_told(tested_again(row), row.caution)])
    columns = ["the paper says", "where", "its numbers", "test", "effect [95 %]", "p", "which is"]
    return Table(pd.DataFrame(lines, columns=columns), style="retests")


@cache
def published_findings(paper: str) -> Mapping[str, tuple[Finding, str]]:
    """{claim: what the published numbers say of it in its own unit, and where they stand}.

    Where several rows of an ablation speak of one claim, their mean does. A paper without n or spread says nothing.
    """
    rows: dict[str, list] = {}
    for row in retests(paper).itertuples():
        if row.claim and (done := tested_again(row)).estimate is not None:
            caution = row.caution or ("the luck of training is not in it" if row.test == "counts" else "")
            rows.setdefault(row.claim, []).append((done, f"{paper}, {_where(row)}" + f" ({caution})" * bool(caution)))
    return {name: (_decided(claim(name), [r for r, _ in found]), found[0][1]) for name, found in rows.items()}


def _decided(of: Claim, found: Sequence[Retest]) -> Finding:
    estimate = mean_difference([r.difference for r in found]).estimate() if len(found) > 1 else found[0].estimate
    factor = 100 / np.mean([r.middle for r in found]) if of.unit == "% of the error" else 1.0
    design = "independent" if of.design == "paired" else of.design
    return decide(_scaled(estimate, factor), design=design, margin=of.margin)


def _scaled(e: Estimated, factor: float) -> Estimated:
    """The same in another unit."""
    wide, narrow = (tuple(factor * x for x in limits) for limits in (e.wide, e.narrow))
    return replace(e, value=factor * e.value, wide=wide, narrow=narrow, needed=lambda margin: e.needed(margin / factor))


def _where(row: Any) -> str:
    place = row.place if row.place == row.against_place else f"{row.place}, {row.against_place}"
    return f"{place}, {row.dataset}"


def _told(done: Retest, caution: str) -> list[str]:
    words = f"{done.words}; {caution}" if caution else done.words
    if done.estimate is None:
        return [words, "none", "–", "–", "–"]
    e, unit = done.estimate, "in ln of variances" if done.test == "F" else "points"
    verdict = decide(e, design="independent", margin=abs(e.value) / 2).verdict  # half of what was published
    return [words, done.test, f"{e.value:+.2f} [{e.wide[0]:.2f}, {e.wide[1]:.2f}] {unit}", f"{e.p:.2g}", verdict]


def _numbers(row: Any, place: str, name: str) -> pd.DataFrame:
    """The lines of published() that a comparison names; a name that ends in ", run" stands for all numbered runs."""
    table = published(paper=row.paper, table=place, metric=row.metric)
    table = table[table.dataset == row.dataset]
    runs = name.endswith(", run")
    found = table[table["row"].str.fullmatch(rf"{name} \d+") if runs else table["row"] == name]
    if found.empty:
        raise ValueError(f"retests.csv: {row.paper}, {place} has no {row.metric} of {name!r} on {row.dataset}")
    return found


def _summary(numbers: pd.DataFrame) -> Summary:
    """As printed; a quoted number has the n of the paper that it was taken from, where the two agree."""
    line = numbers.iloc[0]
    n = line.n
    if pd.isna(n) and line.quoted:
        same = published(metric=line.metric).query("not quoted")
        same = same[(same["row"] == line["row"]) & (same.dataset == line.dataset)]
        n = same[(same.value == line.value) & (same.spread == line.spread)].n.max()
    return Summary(float(line.value), float(line.spread), float("nan") if pd.isna(n) else float(n))


def _of_runs(numbers: pd.DataFrame) -> Summary:
    return Summary(round(numbers.value.mean(), 3), round(numbers.value.std(ddof=1), 4), len(numbers))
