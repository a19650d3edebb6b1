"""The answer to a claim: its strongest evidence, the verdict that follows, and both in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from nasnb.published import retests
from nasnb.published.claims import Claim, claims
from nasnb.report.claims import (
    FALSE,
    NO_EFFECT,
    NOT_LEARNED,
    OPEN,
    OPPOSITE,
    SUPPORTED,
    TRUE,
    VERDICTS,
    Finding,
    corrected,
)
from nasnb.report.evidence import EXACT, KIND_WORDS, PUBLISHED, Evidence, evidence, ranking, read_evidence
from nasnb.report.retest import TEST_IMAGES, published_findings

AFFORDABLE = 100  # seeds
UNJUDGED = "not judged"
SAID = (*VERDICTS, UNJUDGED)
DECIDED = (SUPPORTED, OPPOSITE, NO_EFFECT, TRUE, FALSE)
TOLD_IN = (*DECIDED, OPEN, NOT_LEARNED, UNJUDGED)  # what is known comes first


class Answer(NamedTuple):
    """A claim, its strongest evidence if there is any, and the weaker kinds beside it, in their order."""

    claim: Claim
    best: Evidence | None
    others: tuple[Evidence, ...] = ()

    @property
    def verdict(self) -> str:
        """One of VERDICTS, or that nothing was judged."""
        return UNJUDGED if self.best is None else self.best.finding.verdict

    @property
    def sentence(self) -> str:
        """The claim with a capital letter."""
        return self.claim.sentence[:1].upper() + self.claim.sentence[1:]

    def told(self) -> str:
        """What is known, after the verdict: effect, interval, n, kind of evidence, scale, what would decide."""
        if self.best is None:
            return self.claim.unjudged or "not measured yet"
        finding, kind = self.best.finding, self.best.kind
        learned = finding.verdict != NOT_LEARNED  # numbers of a network at chance are not shown
        words = [finding.words(self.claim.unit) if learned else f"needs {self.claim.needs or 'a network that learnt'}"]
        if kind != EXACT:
            words.append(KIND_WORDS[kind] + (f": {self.best.scale.rstrip('.')}" if self.best.scale else ""))
        words += filter(None, [exact_doubt(finding)])
        if finding.verdict == OPEN and finding.n_needed:
            words.append(f"{n_that_would_decide(finding)} would decide")
        if finding.verdict == OPEN and finding.p_holm > 0.05 and (finding.low > 0 or finding.high < 0):
            words.append(f"alone it would decide, not among the primary claims (Holm: p = {finding.p_holm:.2f})")
        return "; ".join(words + [self._beside(each) for each in self.others])

    def _beside(self, other: Evidence) -> str:
        """Kind, n and verdict of what does not speak; of the same kind as what does, its name and effect as well."""
        if other.kind == EXACT:
            return f"{EXACT}: {other.finding.verdict}"
        if other.kind == self.best.kind and other.finding.verdict != NOT_LEARNED:
            name = "" if other.called in ("", other.kind.lower()) else f" ({other.called})"
            return f"{other.kind}{name}: {other.finding.verdict}, {other.finding.words(self.claim.unit)}"
        return f"{other.kind}, n = {other.finding.n:,}: {other.finding.verdict}"


def exact_doubt(finding: Finding) -> str:
    """What an interval's verdict needs beside it where the exact sign-flip test does not bear it out, else nothing.

    The interval supposes normal values; of few seeds with two or three outcomes they are not.
    """
    flipped = finding.design in ("paired", "one sample", "correlation")
    if not (flipped and finding.verdict in (SUPPORTED, OPPOSITE) and finding.p_robust > 0.05):
        return ""
    return f"by the interval alone, which supposes normal values: exact sign-flip p = {finding.p_robust:.2g}"


def n_that_would_decide(finding: Finding) -> str:
    """`n = 14`, or `more than 100 seeds`: beyond that another measure is wanted, not more of them."""
    if finding.n in TEST_IMAGES.values():
        return f"{finding.n_needed:,} test images"
    return f"n = {finding.n_needed}" if finding.n_needed <= AFFORDABLE else f"more than {AFFORDABLE} seeds"


def answers_of(asked: Sequence[Claim], found: Sequence[Evidence]) -> list[Answer]:
    """For each claim the strongest of what was found, Holm's correction done over those that are primary."""
    ranked = [ranking(each for each in found if each.claim.id == of.id) for of in asked]
    primary = [i for i, of in enumerate(asked) if of.primary and ranked[i]]
    for i, finding in zip(primary, corrected([ranked[i][0].finding for i in primary]), strict=True):
        ranked[i][0] = replace(ranked[i][0], finding=finding)
    return [Answer(of, each[0] if each else None, tuple(each[1:])) for of, each in zip(asked, ranked, strict=True)]


def decided_first(answers: Sequence[Answer]) -> list[Answer]:
    """In the order in which they are told: what is known before what is not, else as in the table of claims."""
    return sorted(answers, key=lambda each: TOLD_IN.index(each.verdict))


def known(chapter: str, found: Sequence[Evidence] = (), *, figures_dir: str | Path = "figures") -> list[Answer]:
    """The answers to all claims of a chapter: from what was found now, what was kept, and the published numbers."""
    asked = claims(chapter)
    printed = [
        evidence(id, finding, kind=PUBLISHED, scale=where)
        for paper in sorted({of.paper for of in asked} & set(retests().paper))
        for id, (finding, where) in published_findings(paper).items()
    ]
    return answers_of(asked, [*found, *_older(found, [*read_evidence(chapter, figures_dir=figures_dir), *printed])])


def _older(found: Sequence[Evidence], kept: Sequence[Evidence]) -> list[Evidence]:
    """What was kept, without what was measured anew in the same way."""
    new = {each.key for each in found}
    return [each for each in kept if each.key not in new]


def counts_in_words(answers: Sequence[Answer]) -> str:
    """`17 claims: 3 supported, 2 opposite, 12 open`: numbers that add up."""
    counted = Counter(answer.verdict for answer in answers)
    parts = [f"{counted[verdict]} {verdict}" for verdict in SAID if counted[verdict]]
    return f"{len(answers)} claim{'s' * (len(answers) != 1)}: {', '.join(parts)}"
