"""What a chapter says of its claims: evidence kept and read back, the strongest of it, the head of the chapter."""

import math

import numpy as np
import pandas as pd
import pytest

from nasnb.published.claims import claims
from nasnb.report import Findings
from nasnb.report.answers import UNJUDGED, answers_of, counts_in_words
from nasnb.report.claims import judge
from nasnb.report.evidence import KIND_WORDS, KINDS, evidence, ranking, read_evidence, write_evidence
from nasnb.report.findings import Opening, forest_row
from nasnb.report.highlights import highlights

CHAPTER, PAIRED, SPREAD = "03-pc-darts", "pc-darts/partial-lowers-error", "pc-darts/beta-narrows-spread"
AGREEMENT, EXACT, MEANS = "pc-darts/seeds-agree-on-edges", "pc-darts/sizes", "full-scale/darts-beats-random"
EFFECTS = [4.0, 5.5, 3.0, 6.0, 4.5, 5.0]


def made(values, id=PAIRED, kind="overnight", **origin):
    return evidence(id, values, kind=kind, **origin)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "figures"


# --- the file ---------------------------------------------------------------------------------------------------------


def test_evidence_comes_back_as_it_was(folder):
    rng = np.random.default_rng(0)
    origin = {"scale": "CIFAR-10, 16 px", "run": "r", "commit": "abc", "date": "2026-01-02"}
    all_kinds = [
        made(EFFECTS, seeds=(3, 4, 5, 6, 7, 8), **origin),
        made(([1.0, 2.5, 4.0], [1.0, 1.5, 1.25]), SPREAD, **origin),
        made((rng.integers(0, 2, (3, 9)), rng.integers(0, 2, (4, 9))), AGREEMENT, **origin),
        made(True, EXACT, kind="exact", **origin),
        made(((97.24, 0.2, 8), (96.92, 0.19, 8)), MEANS, kind="full scale", **origin),
        made([1.0, 2.0, 3.0], kind="gpu", learned=False, **origin),
    ]
    write_evidence(CHAPTER, all_kinds, figures_dir=folder)
    back = {(each.claim.id, each.kind): each for each in read_evidence(CHAPTER, figures_dir=folder)}
    assert len(back) == len(all_kinds)
    for each in all_kinds:
        again = back[each.claim.id, each.kind]
        assert repr(again.finding) == repr(each.finding)  # nan is not equal to itself
        assert (again.scale, again.run, again.commit, again.date) == ("CIFAR-10, 16 px", "r", "abc", "2026-01-02")
    assert back[PAIRED, "overnight"].seeds == (3, 4, 5, 6, 7, 8)


def test_values_with_labels_are_kept_in_their_order(folder):
    labelled = pd.Series(EFFECTS, index=[*"abcdef"])
    write_evidence(CHAPTER, [made(labelled)], figures_dir=folder)
    (back,) = read_evidence(CHAPTER, figures_dir=folder)
    assert back.values == EFFECTS


def test_a_new_run_replaces_its_own_lines_only(folder):
    write_evidence(CHAPTER, [made(EFFECTS), made(EFFECTS, kind="gpu"), made(True, EXACT, "exact")], figures_dir=folder)
    write_evidence(CHAPTER, [made([1.0, 2.0, 3.0])], figures_dir=folder)
    n = {(each.claim.id, each.kind): each.finding.n for each in read_evidence(CHAPTER, figures_dir=folder)}
    assert n == {(PAIRED, "overnight"): 3, (PAIRED, "gpu"): 6, (EXACT, "exact"): 1}


def test_runs_of_one_kind_stand_beside_each_other_and_the_one_with_more_seeds_speaks(folder):
    few, many = made([1.0, 2.0, 3.0], run="large"), made(EFFECTS, run="small")
    for each in (few, many, few):
        write_evidence(CHAPTER, [each], figures_dir=folder)
    (answer,) = [each for each in answers_of(claims(CHAPTER), read_evidence(CHAPTER, figures_dir=folder)) if each.best]
    assert (answer.best.run, [each.run for each in answer.others]) == ("small", ["large"])
    assert "; overnight (large): no effect that matters, +2.0 % of the error [-0.5, 4.5], n = 3" in answer.told()


def test_this_runs_small_numbers_are_not_kept(folder):
    write_evidence(CHAPTER, [made(EFFECTS, kind="this run")], figures_dir=folder)
    assert read_evidence(CHAPTER, figures_dir=folder) == []


def test_a_foreign_file_is_refused_by_line(folder):
    path = write_evidence(CHAPTER, [made(EFFECTS)], figures_dir=folder)
    path.write_text(path.read_text().replace("overnight", "over night"))
    with pytest.raises(ValueError, match="line 2: no evidence of kind 'over night'"):
        read_evidence(CHAPTER, figures_dir=folder)


def test_refusals():
    with pytest.raises(ValueError, match=r"unknown kind of evidence 'overnigt'.*overnight"):
        made(EFFECTS, kind="overnigt")
    with pytest.raises(ValueError, match="no claim 'pc-darts/sizs'"):
        made(EFFECTS, "pc-darts/sizs")


# --- which counts -----------------------------------------------------------------------------------------------------


def test_the_strongest_evidence_answers_unless_it_is_empty():
    small, large = made([1.0, 2.0], kind="this run"), made(EFFECTS)
    assert ranking([small, large]) == [large, small]
    assert ranking([made([math.nan, math.nan]), small])[0] is small
    assert ranking([]) == []
    at_chance = made([*EFFECTS, 1.0], learned=False)
    assert ranking([at_chance, large]) == [large, at_chance]
    whole, fifth = (made(EFFECTS, run=run) for run in ("nas-bench-201", "nas-bench-201/small-arms"))
    assert ranking([fifth, whole]) == [whole, fifth]
    assert set(KIND_WORDS) == set(KINDS)


def test_holm_is_over_the_primary_claims_of_the_chapter():
    weak = [1.0, 2.0, 2.5, 0.3, 1.8]
    asked = claims(CHAPTER)
    primary = [of for of in asked if of.primary and of.design == "paired" and not of.unjudged]
    assert len(primary) >= 2 and judge(weak, margin=1).verdict == "supported"
    found = [made([w - 1.2 * (i > 0) for w in weak], of.id) for i, of in enumerate(primary)]
    answers = {each.claim.id: each for each in answers_of(asked, found)}
    assert answers[primary[0].id].best.finding.p_holm == pytest.approx(len(primary) * judge(weak, margin=1).p)
    assert sum(each.verdict == UNJUDGED for each in answers.values()) == len(asked) - len(primary)


# --- the chapter ------------------------------------------------------------------------------------------------------


def test_a_chapter_speaks_with_its_strongest_evidence_and_shows_its_own(folder):
    large = Findings(CHAPTER, preset="overnight", scale="CIFAR-10", keep=True, figures_dir=folder)
    assert large.add(PAIRED, EFFECTS).verdict == "supported"
    large.show()
    small = Findings(CHAPTER, preset="laptop", scale="Fashion", figures_dir=folder)
    small.judged({PAIRED: [-9.0, 4.0, 2.0], EXACT: True})
    assert small[PAIRED].verdict == "open"
    (answer,) = [each for each in small.answers() if each.claim.id == PAIRED]
    assert (answer.verdict, answer.best.kind) == ("supported", "overnight")
    assert [each.kind for each in answer.others] == ["this run"] and "this run, n = 3: open" in answer.told()
    row = forest_row(answer)
    assert [mark.kind for mark in row.marks] == ["overnight", "this run"]
    assert row.marks[0].estimate == pytest.approx(answer.best.finding.estimate / answer.claim.margin)
    assert row.published == pytest.approx(answer.claim.published / answer.claim.margin)


def test_two_outcomes_that_only_normal_values_would_decide_are_told_so_and_are_no_headline():
    """One value twice, another four times: 8 of 64 choices of signs lie as far out, while t says p = 0.03."""
    for values, doubted in (([0.44, -32.77, -32.77, -32.77, -32.77, 0.44], True), (EFFECTS, False)):
        found = made(values)
        (answer,) = answers_of([found.claim], [found])
        assert answer.verdict == ("opposite" if doubted else "supported")
        assert ("exact sign-flip p = 0.12" in answer.told()) == doubted == (not highlights([answer]))


def test_published_numbers_speak_before_small_ones(folder):
    steady = "pc-darts/steadier-than-v1"
    small = Findings(CHAPTER, preset="overnight", figures_dir=folder)
    small.add(steady, ([1.0, 2.0, 4.0], [1.0, 1.5, 1.25]))
    (answer,) = [each for each in small.answers() if each.claim.id == steady]
    assert answer.best.kind == "published" and [each.kind for each in answer.others] == ["overnight"]
    assert "Table 4" in answer.told()


def test_a_small_chapter_keeps_nothing_of_its_own(folder):
    small = Findings(CHAPTER, preset="laptop", keep=True, figures_dir=folder)
    small.judged({PAIRED: EFFECTS, EXACT: True})
    small.show()
    assert [each.claim.id for each in read_evidence(CHAPTER, figures_dir=folder)] == [EXACT]


def test_the_head_counts_and_tells_every_claim(folder):
    findings = Findings(CHAPTER, preset="laptop", figures_dir=folder)
    findings.add(PAIRED, [1.0])
    findings.add(SPREAD, ([1.0, 2.0, 4.0], [1.0, 1.5, 1.25]), learned=False)
    head = Opening(findings.answers())
    text, html = repr(head), head._repr_html_()
    assert counts_in_words(findings.answers()) in text
    counted = [int(part.split()[0]) for part in counts_in_words(findings.answers()).partition(": ")[2].split(", ")]
    assert sum(counted) == len(claims(CHAPTER))
    for of in claims(CHAPTER):
        assert f"../claims.html#{of.anchor}" in html and of.sentence[1:] in text
    assert "needs a GPU" in text and "no interval, n = 1" in text
    assert html.count("<img") == 2 and "Forest plot of " in html  # for wide pages and for phones
    (not_learned,) = [each for each in findings.answers() if each.verdict == "not learned"]
    assert "ln of variances" not in not_learned.told() and forest_row(not_learned).marks == ()


def test_claims_are_judged_in_their_own_chapter(folder):
    findings = Findings("06-darts-pt", preset="smoke", figures_dir=folder)
    with pytest.raises(ValueError, match="a claim of 03-pc-darts, not of 06-darts-pt"):
        findings.add(PAIRED, EFFECTS)
    with pytest.raises(ValueError, match="was not judged in this run"):
        findings["darts-pt/tuning-helps"]
    with pytest.raises(ValueError, match="no claim of chapter '3-pc-darts'"):
        Findings("3-pc-darts", preset="smoke")
