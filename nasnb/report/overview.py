"""All claims of the book at once: the table that the page, the command line and the files beside them show."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from nasnb.analysis.collapse import arms_of
from nasnb.config import nearest
from nasnb.published.claims import FIELDS, claim, claims
from nasnb.report.answers import Answer, counts_in_words, decided_first, known
from nasnb.report.claims import NOT_LEARNED
from nasnb.report.evidence import EXACT, KIND_WORDS, Evidence

GPU, KEPT_ON_TABLE = "needs a GPU", "kept runs on NAS-Bench-201"  # what the column `unjudged` may say
ON_TABLE = "nas-bench-201"  # the run of `nasnb.workflow.crowd`


def all_answers(*, figures_dir: str | Path = "figures") -> list[Answer]:
    """The answer to every claim from what was kept and from the published numbers, in the order of the chapters."""
    chapters = dict.fromkeys(of.chapter for of in claims())
    return [answer for chapter in chapters for answer in known(chapter, figures_dir=figures_dir)]


def counted(answers: list[Answer]) -> str:
    """How many claims have which verdict, how many say why they are not judged, and over how many Holm corrected."""
    reasons = pd.Series([each.claim.unjudged or "not measured yet" for each in answers if each.best is None], dtype=str)
    why = ", ".join(f"{n} {reason}" for reason, n in reasons.value_counts(sort=True).items())
    primary = sum(each.claim.primary and each.best is not None for each in answers)
    words = f"{counts_in_words(answers)}" + (f" ({why})" if why else "")
    return f"{words}. {primary} answered claims are primary; Holm's correction is done chapter by chapter."


def overview(answers: list[Answer]) -> pd.DataFrame:
    """One line per claim, as plain values: what CSV and JSON hold."""
    return pd.DataFrame([_line(each) for each in answers])


def _line(answer: Answer) -> dict[str, Any]:
    of, best = answer.claim, answer.best
    line = {name: getattr(of, name) for name in FIELDS}
    numbers = dict.fromkeys(("estimate", "low", "high", "n", "p", "p_holm", "p_robust", "n_needed"))
    if best is not None and best.finding.verdict != NOT_LEARNED:
        numbers = {name: _plain(getattr(best.finding, name)) for name in numbers}
    origin = {name: getattr(best, name, "") for name in ("scale", "run", "commit", "date")}
    others = "; ".join(f"{each.kind}: {each.finding.verdict}" for each in answer.others)
    return {
        **{name: _plain(value) for name, value in line.items()},
        "verdict": answer.verdict,
        "evidence": "" if best is None else best.kind,
        **numbers,
        **origin,
        "other_evidence": others,
        "command": command(answer),
    }


def command(answer: Answer) -> str:
    """What measures a claim again, at the scale of its strongest evidence or at the one that it needs."""
    of, kind, run = answer.claim, getattr(answer.best, "kind", ""), getattr(answer.best, "run", "")
    if run == "08-full-scale" != of.chapter:
        return "python figures/08-full-scale/tell_chapters.py"
    if run.split("/")[0] == ON_TABLE or of.unjudged == KEPT_ON_TABLE:
        size = "--size small " if "small" in run else ""
        return (
            f"python -m nasnb.workflow.crowd runs/bench201 --data cifar10-16.npz {size}"
            f"--plan {','.join(arms_of(of.id))}@0-7 --to out && python -m nasnb.workflow.kept_bench201 "
            f"out/rows.csv.gz --seconds 0 {size}--figures-dir out/figures"
        )
    preset = "paper" if of.unjudged == GPU else kind if kind in ("gpu", "paper", "overnight") else "overnight"
    preset = "laptop" if of.design == EXACT or kind == "full scale" else preset  # read and counted, not trained
    return f"papermill notebooks/{of.chapter}.ipynb out.ipynb -p preset {preset} -p keep True"


def effect_words(answer: Answer) -> str:
    """`+1.2 points [0.3, 2.1]`, without what other columns say."""
    if answer.best is None or answer.verdict == NOT_LEARNED:
        return ""
    return answer.best.finding.words(answer.claim.unit).rpartition(", ")[0] or answer.best.finding.words()


def chosen(answers: list[Answer], *, paper: str | None = None, verdict: str | None = None) -> list[Answer]:
    """Those of one paper or verdict. Raises ValueError naming the nearest one that there is."""
    for what, wanted, there in (
        ("paper", paper, {each.claim.paper for each in answers}),
        ("verdict", verdict, {each.verdict for each in answers}),
    ):
        if wanted not in (None, *there):
            known_ones = ", ".join(sorted(there))
            raise ValueError(f"no claim with {what} {wanted!r}{nearest(wanted, there)}; there are {known_ones}")
    return [each for each in answers if paper in (None, each.claim.paper) and verdict in (None, each.verdict)]


def in_lines(answers: list[Answer]) -> str:
    """A line per claim for a terminal, what is known first, and the count."""
    lines = []
    for each in decided_first(answers):
        kind = (each.claim.unjudged or "not measured") if each.best is None else each.best.kind
        n = "" if each.best is None or kind == EXACT else f", n = {each.best.finding.n:,}"
        lines.append(f"{each.claim.id:42} {each.verdict:23} {kind:15} {effect_words(each)}{n}".rstrip())
    return "\n".join([*lines, counted(answers)])


def in_full(id: str, *, figures_dir: str | Path = "figures") -> str:
    """One claim with all its evidence, seed by seed. Raises ValueError naming the nearest claim."""
    of = claim(id)
    (answer,) = [each for each in known(of.chapter, figures_dir=figures_dir) if each.claim == of]
    lines = [of.id, f"    {answer.sentence} ({of.paper}, {of.where})", f"    {answer.verdict}: {answer.told()}", ""]
    lines += [
        f"{name:>18}  {_plain(getattr(of, name))}" for name in FIELDS if _plain(getattr(of, name)) not in ("", None)
    ]
    for each in (answer.best, *answer.others):
        lines += [] if each is None else ["", *_evidence_lines(each)]
    return "\n".join([*lines, "", f"measure it again: {command(answer)}"])


def _evidence_lines(each: Evidence) -> list[str]:
    """Kind, numbers and origin of one piece of evidence, then a line per seed."""
    origin = ", ".join(filter(None, (each.scale, each.run, each.commit and f"commit {each.commit}", each.date)))
    shown = each.finding.verdict != NOT_LEARNED
    words = each.finding.words(each.claim.unit) if shown else "no numbers from networks at chance"
    lines = [f"{KIND_WORDS[each.kind]}: {each.finding.verdict}, {words}", f"    {origin}"]
    points = each.finding.points if shown else ()
    seeds = each.seeds if len(each.seeds) == len(points) else range(len(points))
    return lines + [f"    seed {seed}: {point:+.4g}" for seed, point in zip(seeds, points, strict=True)]


def _plain(value: Any) -> Any:
    """None for nan, so that JSON stays JSON."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
