"""The findings of a chapter: what is known of each of its claims, from the strongest evidence there is."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from nasnb.plots.forest import ForestRow, Mark, plot_forest
from nasnb.plots.style import figure_html
from nasnb.published.claims import claim, claims
from nasnb.report.answers import DECIDED, Answer, counts_in_words, decided_first, known
from nasnb.report.claims import FALSE, NOT_LEARNED, TRUE, Finding
from nasnb.report.evidence import EXACT, KINDS, RUN, Evidence, evidence, write_evidence
from nasnb.report.tables import glue
from nasnb.runs.record import environment, now

NOTHING_TRAINED = "Computed; nothing is trained."


class Findings:
    """`findings = Findings("03-pc-darts", preset=preset, scale=where)`, then `findings.add(id, values)` per claim.

    `scale` says where this run's numbers come from, `seed` is the first of them. `keep` writes to
    `figures/<chapter>/claims.csv`: what is exact or from elsewhere at any preset, this run's own from `overnight` on.
    Raises ValueError for an unknown chapter.
    """

    def __init__(
        self,
        chapter: str,
        *,
        preset: str,
        scale: str = "",
        seed: int = 0,
        keep: bool = False,
        figures_dir: str | Path = "figures",
    ):
        claims(chapter)  # refuses an unknown one
        self.chapter, self.scale, self.seed, self.keep, self.figures_dir = chapter, scale, seed, keep, figures_dir
        self.kind = preset if preset in KINDS else RUN
        self.found: list[Evidence] = []

    def add(
        self,
        id: str,
        values: Any,
        *,
        learned: bool = True,
        evidence_from: str | None = None,
        null: float | Sequence[float] = 0.0,
        scale: str | None = None,
        run: str = "",
    ) -> Finding:
        """Judge a claim: `values` as `judge` takes them for its design, or a Finding made from published summaries.

        `evidence_from` names the kind of evidence where it is not this run itself. Raises ValueError for a claim of
        another chapter.
        """
        of = claim(id)
        if of.chapter != self.chapter:
            raise ValueError(f"{id!r} is a claim of {of.chapter}, not of {self.chapter}: judge it there")
        kind = evidence_from or (EXACT if of.design == EXACT else self.kind)
        made = environment(torch.device("cpu"))
        new = evidence(
            id,
            values,
            kind=kind,
            null=null,
            learned=bool(learned),
            scale=(NOTHING_TRAINED if kind == EXACT else self.scale) if scale is None else scale,
            run=run,
            date=now()[:10],
            commit=(made["commit"] or "")[:10],
        )
        n = new.finding.n if of.design != EXACT else 1
        self.found = [old for old in self.found if old.key != new.key]
        self.found.append(replace(new, seeds=tuple(range(self.seed, self.seed + n))))
        return new.finding

    def judged(self, values: Mapping[str, Any], **options: Any) -> dict[str, Finding]:
        """`add` for several claims that share everything but their values."""
        return {id: self.add(id, each, **options) for id, each in values.items()}

    def __getitem__(self, id: str) -> Finding:
        """What this run of the chapter says, whatever stronger evidence says."""
        mine = [each for each in self.found if each.claim.id == id]
        if not mine:
            raise ValueError(
                f"{id!r} was not judged in this run; judged were {', '.join(e.claim.id for e in self.found)}"
            )
        return min(mine, key=lambda each: KINDS.index(each.kind)).finding

    def answers(self) -> list[Answer]:
        """Of all claims of the chapter, from this run and from what was kept."""
        return known(self.chapter, self.found, figures_dir=self.figures_dir)

    def show(self) -> None:
        """Display the head of the chapter and glue it as `findings`; keep the evidence if that was asked for."""
        from IPython.display import display

        if self.keep:
            write_evidence(self.chapter, self.found, figures_dir=self.figures_dir)
        head = Opening(self.answers())
        glue(findings=head)
        display(head)


class Opening:
    """The head of a chapter: a count, a sentence of findings per claim, the forest plot of all."""

    def __init__(self, answers: Sequence[Answer]):
        self.answers = decided_first(answers)

    def __repr__(self) -> str:
        lines = [f"{each.verdict}: {each.sentence}. {each.told()}." for each in self.answers]
        return "\n".join([f"{counts_in_words(self.answers)}.", *lines])

    def _repr_html_(self) -> str:
        looked = sum(each.claim.primary and each.best is not None for each in self.answers)
        note = (
            f"An effect is positive as claimed; [ , ] is its 95 % interval. Holm's correction is over the {looked} "
            "primary claims. A claim's answer is its strongest evidence; its name leads to the page of all claims."
        )
        count = counts_in_words(self.answers)
        decided = "".join(_item(each) for each in self.answers if each.verdict in DECIDED)
        rest = [each for each in self.answers if each.verdict not in DECIDED]
        folded = f"<details><summary>{_rest(rest)}</summary><ul>{''.join(map(_item, rest))}</ul></details>"
        lists = (f"<ul>{decided}</ul>" if decided else "") + (folded if rest else "")
        return f'<div class="findings"><p><strong>{count}.</strong> {note}</p>{lists}</div>{self.figure_html()}'

    def figure_html(self) -> str:
        """The forest plot of the claims that have an answer, drawn for wide pages and for phones."""
        rows = [forest_row(each) for each in self.answers if each.best is not None]
        if not rows:
            return ""
        alt = (
            f"Forest plot of {len(rows)} claims, each effect with its 95 percent interval in units of the smallest "
            f"effect that would matter. {counts_in_words(self.answers)}."
        )
        caption = (
            "Right of 0: as claimed. The band is what would be too small to matter. Weaker kinds of evidence "
            "stand below the strongest, thin."
        )
        return figure_html(plot_forest(rows), alt, caption, narrow=plot_forest(rows, narrow=True))


def _rest(answers: Sequence[Answer]) -> str:
    return f"Not decided: {counts_in_words(answers).partition(': ')[2]}"


def _item(answer: Answer) -> str:
    of, words = answer.claim, html.escape(f"{answer.told()}.")
    link = f'<a href="../claims.html#{of.anchor}">{of.id.partition("/")[2]}</a>'
    return f"<li><strong>{answer.verdict}</strong>: {html.escape(answer.sentence)}. {words} {link}</li>"


def forest_row(answer: Answer) -> ForestRow:
    """An answered claim in units of its margin."""
    of, best, verdict = answer.claim, answer.best, answer.verdict
    if verdict in (TRUE, FALSE):
        return ForestRow(answer.sentence, f"{best.finding.words(of.unit)}, {of.where}", word=verdict)
    if verdict == NOT_LEARNED:
        return ForestRow(answer.sentence, f"needs {of.needs}", word=verdict)
    note = f"{verdict}: {best.finding.words(of.unit)}, {best.kind}"
    marks = tuple(mark_of(each) for each in (best, *answer.others) if is_drawn(each.finding))
    return ForestRow(answer.sentence, note, marks, of.published / of.margin)


def is_drawn(finding: Finding) -> bool:
    """Numbers of networks at chance are not shown."""
    return finding.n > 0 and finding.verdict not in (NOT_LEARNED, TRUE, FALSE)


def mark_of(each: Evidence) -> Mark:
    """An estimate in units of its own margin."""
    f = each.finding
    scale = f.margin if math.isfinite(f.margin) and f.margin > 0 else math.nan
    return Mark(each.kind, f.estimate / scale, f.low / scale, f.high / scale, tuple(x / scale for x in f.points))
