"""The table of claims: complete, unambiguous, and fixed before any number is seen."""

import math
import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

from nasnb.published import published, retests
from nasnb.published.claims import FIELDS, Claim, claim, claims
from nasnb.report.designs import DESIGNS

ROOT = Path(__file__).resolve().parents[2]
ALL = claims()


def test_every_column_is_explained():
    assert list(FIELDS) == [field.name for field in fields(Claim)]


def test_ids_are_unique_and_belong_to_their_chapter():
    assert [name for name, n in Counter(each.id for each in ALL).items() if n > 1] == []
    for each in ALL:
        assert re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", each.id), each.id
        assert each.id.split("/")[0] == each.chapter.partition("-")[2], each.id
        assert (ROOT / f"notebooks/{each.chapter}.ipynb").exists(), each.id


def test_margins_are_positive_and_exact_claims_have_none():
    for each in ALL:
        if each.design == "exact":
            assert math.isnan(each.margin), each.id
        else:
            assert each.design in DESIGNS and each.margin > 0, each.id


def test_every_claim_says_what_and_where():
    for each in ALL:
        assert each.paper and each.where and each.sentence and each.effect, each.id
        assert not each.sentence.endswith("."), each.id


def test_a_margin_is_half_the_published_effect_or_less():
    stated = [each for each in ALL if each.margin > 0 and abs(each.published) > 0.05]
    wide = [each.id for each in stated if each.margin > abs(each.published) / 2 + 0.051]  # published ones are rounded
    assert set(wide) <= {"darts-pt/swaps-hurt-resnet-more"}  # 5 points of one's accuracy: less is no difference


def test_at_most_one_primary_claim_per_figure_or_table():
    primary = [each for each in ALL if each.primary and not each.unjudged]
    places = Counter((each.chapter, *re.findall(r"(?:[Tt]able|[Ff]igure) \d+", each.where)[:1]) for each in primary)
    assert [place for place, n in places.items() if n > 1 and len(place) > 1] == []
    assert not any(each.design == "exact" for each in primary), "an exact claim has no p to correct"


def test_a_claim_that_was_tested_again_is_in_the_table():
    assert {name for name in retests().claim if name} <= {each.id for each in ALL}
    others = {"RobustDARTS", "SDARTS-RS", "LoRA-DARTS"}  # claims of more papers, in the chapters on several
    assert {each.paper for each in ALL} <= set(published().paper) | others


def test_a_claim_by_its_name():
    assert claim(ALL[0].id) == ALL[0]
    with pytest.raises(ValueError, match=rf"no claim 'x{ALL[0].id}'.*{ALL[0].id}"):
        claim("x" + ALL[0].id)
    with pytest.raises(ValueError, match=r"no claim of chapter '3-pc-darts'.*03-pc-darts"):
        claims("3-pc-darts")
    assert {each.chapter for each in claims("03-pc-darts")} == {"03-pc-darts"}


def test_published_effects_in_words():
    one = Claim("a/b", "a", "p", "w", "s", "e", "points", "paired", 1.0, 0.18, 0.07, 5.0, "", "", False, "")
    assert one.published_words() == "0.18 points ± 0.07 (n = 5)"
