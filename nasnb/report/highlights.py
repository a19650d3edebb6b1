"""What the book found, in a few lines: the decided claims that say most, every chapter having its turn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain, zip_longest

from nasnb.plots.forest import ForestRow
from nasnb.report.answers import DECIDED, Answer, exact_doubt
from nasnb.report.claims import FALSE, NO_EFFECT, OPPOSITE, SUPPORTED, TRUE
from nasnb.report.evidence import KIND_WORDS, KINDS
from nasnb.report.findings import forest_row
from nasnb.report.overview import effect_words
from nasnb.report.retest import TEST_IMAGES


def highlights(answers: Sequence[Answer], n: int = 10) -> list[Answer]:
    """At most `n` decided claims, the most telling first: of each chapter its strongest, then each one's second, ...

    What an interval decides comes before what only had to be counted; of either primary claims, then the stronger kind
    of evidence, what speaks against the paper, and the effect that is larger against its margin. A chapter with many
    claims cannot crowd out the rest. What the exact test beside an interval does not bear out is no headline.
    """
    decided = [each for each in answers if each.verdict in DECIDED and not exact_doubt(each.best.finding)]
    chapters = dict.fromkeys(each.claim.chapter for each in decided)
    ranked = [sorted((e for e in decided if e.claim.chapter == chapter), key=_rank) for chapter in chapters]
    turns = (sorted(filter(None, turn), key=_rank) for turn in zip_longest(*ranked))
    return sorted(list(chain.from_iterable(turns))[:n], key=_rank)


def _rank(answer: Answer) -> tuple:
    finding, margin = answer.best.finding, answer.claim.margin
    against = answer.verdict in (OPPOSITE, NO_EFFECT, FALSE)
    size = abs(finding.estimate) / margin if math.isfinite(finding.estimate) and margin > 0 else 0.0
    counted = answer.verdict in (TRUE, FALSE)
    return counted, not answer.claim.primary, KINDS.index(answer.best.kind), not against, -size


def in_one_line(answer: Answer) -> str:
    """`The sentence: +1.2 points [0.3, 2.1], n = 8 (published numbers, tested again)`; its verdict is for the caller.

    A number without an interval says what it is a number of.
    """
    finding, effect, kind = answer.best.finding, effect_words(answer), KIND_WORDS[answer.best.kind]
    effect = "" if effect in ("", "exact") else f": {effect}"
    if finding.design != "exact":
        effect += f", n = {finding.n:,}" + " test images" * (finding.n in TEST_IMAGES.values())
    elif effect:
        kind += f": {answer.claim.effect}"
    return f"{answer.sentence}{effect} ({kind})"


def how_many_hold(answers: Sequence[Answer]) -> str:
    """`Of 174 claims 45 are decided. Of 30 that were measured 18 hold there, 12 do not; of 15 counted 9 are true`."""
    verdicts = [each.verdict for each in answers if each.verdict in DECIDED]
    hold, true = verdicts.count(SUPPORTED), verdicts.count(TRUE)
    counted = true + verdicts.count(FALSE)
    measured = len(verdicts) - counted
    words = f"Of {measured} that were measured {hold} hold there, {measured - hold} do not; of {counted} counted {true}"
    return f"Of {len(answers)} claims {len(verdicts)} are decided. {words} are true"


def forest_rows(answers: Sequence[Answer]) -> list[ForestRow]:
    """Rows of a forest plot of these claims, strongest evidence only, each with its paper before the sentence."""
    rows = [(each, forest_row(each._replace(others=()))) for each in answers]
    return [row._replace(label=f"{each.claim.paper}: {row.label}") for each, row in rows]
