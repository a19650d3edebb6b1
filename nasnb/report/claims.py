"""What may be said of a claim: `judge` is the one rule for all chapters, fixed before any number is seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nasnb.config import nearest
from nasnb.report import statistics
from nasnb.report.designs import DESIGNS, is_two_groups, numbers
from nasnb.report.statistics import Estimated

SUPPORTED, OPPOSITE, NO_EFFECT = "supported", "opposite", "no effect that matters"
OPEN, NOT_LEARNED, TRUE, FALSE = "open", "not learned", "true", "false"
VERDICTS = (SUPPORTED, OPPOSITE, NO_EFFECT, OPEN, NOT_LEARNED, TRUE, FALSE)
FEWEST = 3  # seeds that give an interval worth printing: two hardly know their own spread


@dataclass(frozen=True)
class Finding:
    """An answer: the effect (positive as claimed) with its 95 % interval, and the verdict that follows from both.

    `n_needed` is the n that would decide an open claim, else None; `p_holm` is set where a chapter corrects its primary
    claims; `points` are the effects seed by seed, where the design has them. What an exact claim lacks is nan.
    """

    design: str
    estimate: float
    low: float
    high: float
    n: int
    p: float
    verdict: str
    margin: float = math.nan
    n_needed: int | None = None
    p_robust: float = math.nan
    p_holm: float = math.nan
    narrow: tuple[float, float] = (math.nan, math.nan)
    points: tuple[float, ...] = ()

    def words(self, unit: str = "") -> str:
        """`+1.20 points [0.30, 2.10], n = 8`, with as many digits as the interval has sense."""
        unit = f" {unit}" if unit else ""
        if self.design == "exact":
            return "exact" if math.isnan(self.estimate) else f"{self.estimate:+.4g}{unit}, exact"
        if self.n == 0:
            return "nothing measured"
        write = _writer(self)
        if not math.isfinite(self.low):
            return f"{write(self.estimate, '+')}{unit}, no interval, n = {self.n}"
        return f"{write(self.estimate, '+')}{unit} [{write(self.low)}, {write(self.high)}], n = {self.n:,}"


def judge(
    values: Any,
    *,
    design: str = "paired",
    margin: float | None = None,
    null: float | Sequence[float] = 0.0,
    learned: bool = True,
) -> Finding:
    """What the values say of a claim whose effect they measure, positive as claimed.

    design          values
    `paired`        effects per seed, or two groups (first minus second) in the order of their seeds
    `one sample`    one number per seed, from which `null` is subtracted: one number, or one per seed
    `independent`   two groups of seeds, first minus second
    `means`         (mean, sd, n) of both groups, where their seeds are not known; after Welch
    `correlation`   one correlation per search
    `spread`        two groups of seeds: the first is claimed to vary more; a logarithm of variances
    `shares`        (hits, trials), or two such pairs; effect, null and margin in percent
    `agreement`     labels (seeds, edges) against chance, or two such groups of seeds; in percent
    `exact`         a truth, or a number that is true above the null; no margin

    >>> finding = judge([1.2, 0.9, 1.4, 1.1, 1.0, 1.3], design="paired", margin=0.5)
    >>> finding.verdict, finding.words("points")
    ('supported', '+1.15 points [0.95, 1.35], n = 6')
    >>> judge([0.4, -0.6, 0.9], design="paired", margin=0.5).verdict
    'open'

    Raises ValueError for an unknown design, a margin that is not above 0, fewer than two values, values that are not
    numbers, and groups that do not fit.
    """
    if design == "exact":
        return _exact(values, null)
    if design not in DESIGNS:
        known = (*DESIGNS, "exact")
        raise ValueError(f"unknown design {design!r}{nearest(design, known)}; there are {', '.join(known)}")
    return decide(DESIGNS[design](values, null), design=design, margin=checked_margin(margin), learned=learned)


def decide(estimate: Estimated, *, design: str, margin: float, learned: bool = True) -> Finding:
    """The verdict on an estimate, also on one that was made from published means and spreads.

    Fewer than FEWEST seeds leave it open, without interval, p, or a guess at how many would decide.
    """
    e, needed = estimate, None
    if e.n < FEWEST and design != "shares":  # whose n counts images
        few = left_open([e.value], design=design, margin=margin, learned=learned)
        return replace(few, n=e.n, points=e.points)
    (low, high), (low_90, high_90) = e.wide, e.narrow
    if not learned:
        verdict = NOT_LEARNED
    elif low > 0 or high < 0:
        verdict = SUPPORTED if low > 0 else OPPOSITE
    elif -margin < low_90 and high_90 < margin:
        verdict = NO_EFFECT
    else:
        verdict, needed = OPEN, max(e.needed(margin), e.n + 1)  # what was seen did not do
    return Finding(
        design, e.value, low, high, e.n, e.p, verdict, margin, needed, e.p_robust, narrow=e.narrow, points=e.points
    )


def answer(
    values: Any, *, design: str = "paired", margin: float | None = None, null: Any = 0.0, learned: bool = True
) -> Finding:
    """`judge` for a chapter that may be run small: seeds without a value are left out, and too few leave it open.

    Raises ValueError as `judge` does for whatever more seeds would not cure.
    """
    if design == "agreement" and min(map(len, values if np.ndim(values[0]) > 1 else [values])) < 2:
        return left_open([], design=design, margin=margin, learned=learned)
    if design in ("exact", "means", "shares", "agreement"):
        return judge(values, design=design, margin=margin, null=null, learned=learned)
    groups = _finite(values, null, paired=design == "paired")
    if min(map(len, groups[:-1])) < 2 or (design == "spread" and min(map(np.ptp, groups[:-1])) == 0):
        effects = [a - b for a, b in zip(groups[0], groups[1], strict=False)] if len(groups) == 3 else groups[0]
        return left_open(effects, design=design, margin=checked_margin(margin), learned=learned)
    kept = groups[0] if len(groups) == 2 else tuple(groups[:-1])
    return judge(kept, design=design, margin=margin, null=groups[-1], learned=learned)


def _finite(values: Any, null: Any, *, paired: bool) -> list[np.ndarray]:
    """The groups, without what is not finite (in a pair: without either), and at last the null that goes with them."""
    null = np.atleast_1d(np.asarray(null, dtype=float))
    groups = [np.asarray(g, dtype=float) for g in (values if is_two_groups(values) else [values])]
    fine = [np.isfinite(group) for group in groups]
    if paired and len(groups) == 2 and len(groups[0]) == len(groups[1]):
        fine = [fine[0] & fine[1]] * 2
    null = null[fine[0]] if len(null) == len(fine[0]) else null
    return [*(group[keep] for group, keep in zip(groups, fine, strict=True)), null]


def left_open(values: Sequence[float], *, design: str, margin: float | None, learned: bool = True) -> Finding:
    """What is said where no interval can be: the mean, if any, and that the claim is open."""
    seen = [float(v) for v in values if math.isfinite(v)]
    mean = float(np.mean(seen)) if seen else math.nan
    verdict = OPEN if learned else NOT_LEARNED
    return Finding(
        design, mean, math.nan, math.nan, len(seen), math.nan, verdict, margin or math.nan, points=tuple(seen)
    )


def corrected(findings: Sequence[Finding]) -> list[Finding]:
    """Holm over a chapter's primary claims: what one of them alone would say, all of them together may leave open."""
    tested = [i for i, f in enumerate(findings) if f.verdict not in (TRUE, FALSE, NOT_LEARNED) and math.isfinite(f.p)]
    found = list(findings)
    for i, p in zip(tested, statistics.holm([findings[i].p for i in tested]), strict=True):
        found[i] = replace(findings[i], p_holm=float(p))
        if p > 0.05 and found[i].verdict in (SUPPORTED, OPPOSITE):
            found[i] = replace(found[i], verdict=OPEN)
    return found


def checked_margin(margin: float | None) -> float:
    """Raises ValueError for a margin that is no number above 0."""
    if margin is None or not math.isfinite(margin) or margin <= 0:
        raise ValueError(f"the margin must be above 0, got {margin}: it is the smallest effect that would matter")
    return float(margin)


# --- parts ------------------------------------------------------------------------------------------------------------


def _exact(value: Any, null: Any) -> Finding:
    if isinstance(value, bool | np.bool_):
        return Finding("exact", math.nan, math.nan, math.nan, 1, math.nan, TRUE if value else FALSE)
    effect = float(numbers([value])[0]) - float(null)
    return Finding("exact", effect, effect, effect, 1, math.nan, TRUE if effect > 0 else FALSE)


def _writer(finding: Finding):
    """Numbers with two digits of the interval's width, or of the value where there is none."""
    width = finding.high - finding.low
    scale = width if math.isfinite(width) and width > 0 else abs(finding.estimate)
    digits = int(np.clip(1 - math.floor(math.log10(scale)), 0, 4)) if scale > 0 else 0
    return lambda value, sign="": f"{value:{sign},.{digits}f}"
