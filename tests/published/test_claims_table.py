"""The table of claims: what every row must have before a number is seen."""

from importlib import resources

import pandas as pd
import pytest

from nasnb.published import published, retests


@pytest.fixture(scope="module")
def claims():
    return pd.read_csv(resources.files("nasnb.published") / "claims.csv", keep_default_na=True)


def test_ids_are_unique_and_begin_with_their_chapter(claims):
    assert claims.id.is_unique and claims.id.str.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+").all()
    assert (claims.id.str.split("/").str[0] == claims.chapter.str[3:]).all()


def test_margins_are_positive_and_exact_claims_have_none(claims):
    exact = claims.design == "exact"
    assert (claims.margin[~exact] > 0).all() and claims.margin[exact].isna().all()


def test_a_margin_is_half_the_published_effect_or_less(claims):
    effects = claims[claims.published.notna() & claims.margin.notna() & (claims.published.abs() > 0.05)]
    wide = effects[effects.margin > effects.published.abs() / 2 + 0.051]  # published effects are rounded
    assert set(wide.id) <= {"darts-pt/swaps-hurt-resnet-more"}  # 5 points of one's accuracy: less is no difference


def test_at_most_one_primary_claim_per_figure_or_table(claims):
    primary = claims[claims.primary & claims.unjudged.isna()]
    of = primary["where"].str.findall(r"(?:[Tt]able|[Ff]igure) \d+").str[0]
    assert not pd.concat([primary.chapter, of], axis=1).duplicated().any()


def test_a_claim_that_was_tested_again_is_in_the_table(claims):
    named = {claim for claim in retests().claim if claim}
    assert named <= set(claims.id)
    papers = set(published().paper) | {
        "RobustDARTS",
        "SDARTS-RS",
    }  # claims of two more papers, on the page across papers
    assert set(claims.paper) <= papers
