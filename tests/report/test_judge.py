"""The rule of what may be said: against cases worked by hand, slow plain versions, and simulations of its errors."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from nasnb.report.claims import answer, corrected, decide, judge, left_open
from nasnb.report.designs import DESIGNS
from nasnb.report.statistics import holm, mean, n_for_power, power_of, share_difference, sign_flip_p, variance_ratio
from nasnb.training import clopper_pearson

DECIDED = ("supported", "opposite")


def drawn(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


# --- the simulation: how often the rule is wrong, and how often it sees -----------------------------------------------


@pytest.mark.parametrize("n", [3, 5, 8, 20])
def test_noise_alone_is_called_an_effect_at_most_6_times_in_100(n):
    verdicts = [judge(x, margin=1.0).verdict for x in drawn(n, 1500, n)]
    assert 0.03 <= np.isin(verdicts, DECIDED).mean() <= 0.06


@pytest.mark.parametrize("n", [3, 5, 8, 20])
def test_two_groups_of_noise_are_called_different_at_most_6_times_in_100(n):
    verdicts = [judge(x, design="independent", margin=1.0).verdict for x in drawn(n, 1000, 2, n)]
    assert np.isin(verdicts, DECIDED).mean() <= 0.06


def test_power_at_two_standard_deviations_grows_with_n_to_certainty():
    power = [
        np.mean([judge(x + 2, margin=1.0).verdict == "supported" for x in drawn(n, 400, n)]) for n in (3, 5, 8, 20)
    ]
    assert power == sorted(power)
    assert power[0] == pytest.approx(power_of(3, 2, 1), abs=0.06) and power[1] > 0.85 and power[2:] == [1, 1]


@pytest.mark.parametrize("n", [3, 5, 8, 20])
def test_equivalence_is_wrong_at_most_5_times_in_100_where_the_effect_just_matters(n):
    verdicts = [judge(x + 0.7, margin=0.7).verdict for x in drawn(n, 1500, n)]
    assert np.mean(np.array(verdicts) == "no effect that matters") <= 0.055


def test_equivalence_is_found_where_there_is_nothing():
    verdicts = [judge(x, margin=1.0).verdict for x in drawn(1, 300, 20)]
    assert np.mean(np.array(verdicts) == "no effect that matters") > 0.9


def test_the_rule_that_this_one_replaced_had_these_figures():
    """A mean above the (joint) standard deviation is a t above the root of n: false verdicts, and power that falls."""
    assert 2 * stats.t.sf(math.sqrt(3), 2) == pytest.approx(0.225, abs=0.001)  # paired, n = 3
    assert 2 * stats.t.sf(math.sqrt(3), 4) == pytest.approx(0.158, abs=0.001)  # unpaired
    theirs = [stats.nct.sf(math.sqrt(n), 2 * n - 2, math.sqrt(n / 2)) for n in (3, 10, 30)]
    assert theirs == pytest.approx([0.37, 0.22, 0.08], abs=0.03)
    ours = [power_of(n, 1, math.sqrt(2), groups=2) for n in (3, 10, 30)]
    assert ours == sorted(ours) and ours[-1] > 0.95


# --- designs against what cannot share the bug ------------------------------------------------------------------------


def test_paired_by_hand():
    found = judge([1.0, 2.0, 3.0], margin=0.5)
    half = 4.302652729911275 / math.sqrt(3)  # t(2) at 97.5 % times sd / sqrt(n), with sd = 1
    assert (found.estimate, found.n, found.points) == (2, 3, (1, 2, 3))
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))
    assert found.verdict == "open" and found.n_needed > 3
    assert judge(([3, 5, 7], [2, 3, 4]), margin=0.5) == found


def test_each_verdict():
    assert judge([2.0, 2.1, 1.9, 2.0], margin=1).verdict == "supported"
    assert judge([-2.0, -2.1, -1.9, -2.0], margin=1).verdict == "opposite"
    assert judge([0.1, -0.1, 0.05, -0.06], margin=1).verdict == "no effect that matters"
    assert judge([3.0, -2.0, 1.0, -1.0], margin=1).verdict == "open"
    assert judge([2.0, 2.1, 1.9, 2.0], margin=1, learned=False).verdict == "not learned"
    assert judge(True, design="exact").verdict == "true"
    assert judge(3.4, design="exact", null=4).verdict == "false"


@pytest.mark.parametrize(
    ("values", "design"),
    [
        ([2.0, 2.01], "paired"),
        ([0.5, 0.51], "correlation"),
        (([2.0, 2.01], [1.0, 1.01, 1.02]), "independent"),
        (([1.0, 9.0], [1.0, 1.01, 1.02]), "spread"),
        (((2.0, 0.01, 2), (1.0, 0.01, 8)), "means"),
        ([["a", "b", "c", "d"]] * 2, "agreement"),
    ],
)
def test_two_seeds_give_no_interval_and_no_verdict(values, design):
    found = judge(values, design=design, margin=0.5)
    assert (found.verdict, found.n, found.n_needed) == ("open", 2, None)
    assert np.isnan([found.low, found.high, found.p, *found.narrow]).all()
    assert found.words().endswith("no interval, n = 2")
    assert judge(values, design=design, margin=0.5, learned=False).verdict == "not learned"


def test_two_images_are_no_two_seeds():
    assert math.isfinite(judge((1, 2), design="shares", margin=1).low)


def test_null_is_subtracted_seed_by_seed():
    at_once = judge([5.0, 6.0, 8.0], design="one sample", null=4, margin=1)
    assert at_once == judge([5.0, 6.0, 8.0], design="one sample", null=[4, 4, 4], margin=1)
    assert at_once.estimate == pytest.approx(19 / 3 - 4)
    each = judge([5.0, 6.0, 8.0], design="one sample", null=[4, 5, 6], margin=1)
    assert each.points == (1, 1, 2)


def test_independent_is_welch():
    a, b = drawn(0, 6) + 1, 3 * drawn(1, 9)
    found = judge((a, b), design="independent", margin=1)
    variances = a.var(ddof=1) / 6, b.var(ddof=1) / 9
    degrees = sum(variances) ** 2 / (variances[0] ** 2 / 5 + variances[1] ** 2 / 8)
    half = stats.t.ppf(0.975, degrees) * math.sqrt(sum(variances))
    assert (found.low, found.high) == pytest.approx((found.estimate - half, found.estimate + half))
    assert found.n == 6


def test_means_alone_say_what_their_runs_would():
    a, b = drawn(0, 6) + 1, 3 * drawn(1, 9)
    printed = [(x.mean(), x.std(ddof=1), len(x)) for x in (a, b)]
    found, runs = (judge(x, design=of, margin=1) for x, of in ((printed, "means"), ((a, b), "independent")))
    for name in ("estimate", "low", "high", "p", "n", "verdict"):
        assert getattr(found, name) == pytest.approx(getattr(runs, name)), name
    assert judge(printed, design="means", margin=1, null=0.5).estimate == pytest.approx(found.estimate - 0.5)


def test_correlations_are_averaged_as_fisher_z():
    r = [0.3, 0.5, 0.8, 0.4]
    found = judge(r, design="correlation", margin=0.2)
    z = mean(np.arctanh(r))
    assert (found.estimate, found.low, found.high) == pytest.approx(tuple(np.tanh([z.value, *z.wide])))
    assert found.points == pytest.approx(r)
    assert judge([1.0, 0.9, 0.95], design="correlation", margin=0.2).high < 1  # a perfect rank order has no z


def test_spread_by_hand():
    a, b = np.array([0.0, 0.0, 4.0, 4.0]), np.array([0.0, 1.0, 2.0])  # variances 16 / 3 and 1
    found = judge((a, b), design="spread", margin=math.log(2))
    assert found.estimate == pytest.approx(math.log(16 / 3))
    assert found.low == pytest.approx(math.log(16 / 3 / stats.f.ppf(0.975, 3, 2)))
    assert found.high == pytest.approx(math.log(16 / 3 * stats.f.ppf(0.975, 2, 3)))
    assert found.p == pytest.approx(2 * stats.f.sf(16 / 3, 3, 2))


def test_brown_forsythe_stands_beside_the_ratio():
    a, b = drawn(3, 7), 2 * drawn(4, 8)
    away = [abs(x - np.median(x)) for x in (a, b)]
    assert judge((a, b), design="spread", margin=1).p_robust == pytest.approx(stats.f_oneway(*away).pvalue)


def test_published_spreads_of_pc_darts():
    """Variances of five runs each, as Table 4 prints them: the ratio of EVIDENCE, F = 4.3 with p = .09 two-sided."""
    assert variance_ratio(4.3, 1, (4, 4)).p == pytest.approx(2 * stats.f.sf(4.3, 4, 4))


def test_one_share_is_clopper_and_pearson():
    _, low, high, _ = clopper_pearson(8, 10)
    assert stats.binom.sf(7, 10, low / 100) == pytest.approx(0.025)
    assert stats.binom.cdf(8, 10, high / 100) == pytest.approx(0.025)
    found = judge((8, 10), design="shares", null=50, margin=10)
    assert (found.estimate, found.low, found.high) == pytest.approx((30, low - 50, high - 50))


def test_an_interval_of_two_shares_never_says_more_than_fisher():
    """Over all tables of 12 and 9 trials: where the interval excludes 0, Fisher's p is below 0.05."""
    for a, b in product(range(13), range(10)):
        e = share_difference((a, 12), (b, 9))
        assert e.wide[0] <= e.value <= e.wide[1]
        if e.wide[0] > 0 or e.wide[1] < 0:
            assert e.p < 0.05


def test_seeds_that_agree():
    same = judge([[0, 1, 2, 3, 4, 5]] * 4, design="agreement", margin=10)
    assert same.verdict == "supported" and same.estimate == pytest.approx(100 - 100 / 6, abs=1)
    rng = np.random.default_rng(0)
    noise = [judge(rng.integers(0, 4, (5, 14)), design="agreement", margin=10).verdict for _ in range(100)]
    assert np.isin(noise, DECIDED).mean() <= 0.1


def test_a_group_whose_seeds_agree_more_than_another():
    rng = np.random.default_rng(0)
    alike, apart = np.tile(np.arange(14), (5, 1)), rng.integers(0, 8, (5, 14))
    found = judge((alike, apart), design="agreement", margin=10)
    assert found.verdict == "supported" and found.n == 5 and 70 < found.estimate < 100
    assert found.p == pytest.approx(2 / math.comb(10, 5))
    assert judge((alike[:3], apart[:3]), design="agreement", margin=10).verdict == "open"  # 20 orders: p >= 0.1


def test_sign_flips_against_every_choice_of_signs():
    for n in (1, 4, 7, 10):
        x = drawn(n, n) + 0.5
        sums = [abs(np.dot(signs, x)) for signs in product((-1, 1), repeat=n)]
        assert sign_flip_p(x) == pytest.approx(np.mean(np.array(sums) >= abs(x.sum()) - 1e-9))
    assert sign_flip_p(np.ones(6)) == 2 / 64
    assert sign_flip_p(np.zeros(6)) == 1


def test_values_without_spread_speak_from_six_on():
    assert judge([1.0] * 5, margin=0.5).verdict == "open"
    assert judge([1.0] * 6, margin=0.5).verdict == "supported"
    assert judge([0.0] * 6, margin=0.5).verdict == "no effect that matters"


# --- n that would decide, Holm ----------------------------------------------------------------------------------------


def test_n_needed_has_the_power_that_it_promises():
    n = n_for_power(0.5, 1.0)
    assert power_of(n, 0.5, 1.0) >= 0.8 > power_of(n - 1, 0.5, 1.0)
    seen = np.mean([judge(x + 0.5, margin=0.1).verdict == "supported" for x in drawn(5, 600, n)])
    assert seen == pytest.approx(0.8, abs=0.05)
    two = n_for_power(0.8, math.sqrt(2), groups=2)
    assert two == 26  # Cohen's table: d = 0.8, 80 %, 5 % two-sided
    assert n_for_power(1e-3, 1.0) == pytest.approx(7.849 * 1e6, rel=1e-3)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]).size == 0


def test_a_primary_claim_must_survive_its_companions():
    weak = judge([1.0, 2.0, 2.5, 0.3, 1.8], margin=0.5)
    assert weak.verdict == "supported"
    strong = judge([2.0, 2.1, 1.9, 2.0], margin=0.5)
    others = [judge([3.0, -2.0, 1.0, -1.0], margin=0.5)] * 5
    first, second, *rest = corrected([weak, strong, *others, judge(True, design="exact")])
    assert (first.verdict, second.verdict, rest[-1].verdict) == ("open", "supported", "true")
    assert second.p_holm == pytest.approx(7 * strong.p) and math.isnan(rest[-1].p_holm)
    assert first.p_holm == pytest.approx(6 * weak.p) and first.p_holm > 0.05


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        ([1.0, 2.0], {"margin": 0}, "margin must be above 0, got 0"),
        ([1.0, 2.0], {"margin": None}, "smallest effect that would matter"),
        ([1.0, 2.0], {"margin": math.nan}, "got nan"),
        ([1.0], {"margin": 1}, "n = 1.*needs at least 2 seeds, a verdict 3"),
        ([], {"margin": 1}, "n = 0"),
        ([1.0, math.nan], {"margin": 1}, "value 2 of 2 is nan"),
        (["a", "b"], {"margin": 1}, "not numbers"),
        (([1.0, 2.0], [1.0]), {"margin": 1}, "equally long, got 2 and 1.*independent"),
        ([1.0, 2.0, 3.0], {"margin": 1, "design": "independent"}, "compares two groups"),
        (([1.0, 2.0], [1.0]), {"margin": 1, "design": "independent"}, "n = 1"),
        ([1.0, 2.0], {"margin": 1, "design": "pared"}, "unknown design 'pared'.*paired"),
        ([0.2, 1.4], {"margin": 1, "design": "correlation"}, "between -1 and 1, got 1.4"),
        (([1.0, 1.0], [1.0, 2.0]), {"margin": 1, "design": "spread"}, "first group does not vary"),
        (
            ((1, 0.1, 8), (1, 0, 8)),
            {"margin": 1, "design": "means"},
            r"\(mean, sd, n\) with sd above 0.*got \(1, 0, 8\)",
        ),
        (((1, 0.1, 8), (1, 0.1)), {"margin": 1, "design": "means"}, r"got \(1, 0.1\)"),
        (((1, 0.1, 8), (1, math.nan, 8)), {"margin": 1, "design": "means"}, "value 2 of 3 is nan"),
        ((11, 10), {"margin": 1, "design": "shares"}, "hits <= trials"),
        ((1, 2, 3), {"margin": 1, "design": "shares"}, "whole numbers"),
        ([1.0, 2.0, 3.0], {"margin": 1, "design": "one sample", "null": [1, 2]}, "2 null values for 3 seeds"),
        ([[1, 2], [1]], {"margin": 1, "design": "agreement"}, "label per edge"),
        (([[1, 2]] * 2, [[1]] * 2), {"margin": 1, "design": "agreement"}, "2 and 1 columns"),
    ],
)
def test_refusals(values, options, words):
    with pytest.raises(ValueError, match=words):
        judge(values, **options)


def test_every_design_is_tried_here():
    tried = "paired, one sample, independent, means, correlation, spread, shares, agreement"
    assert list(DESIGNS) == tried.split(", ")


# --- words ------------------------------------------------------------------------------------------------------------


def test_words_have_the_digits_of_the_interval():
    assert judge([1.0, 2.0, 3.0], margin=0.5).words("points") == "+2.0 points [-0.5, 4.5], n = 3"
    assert judge(3.4, design="exact").words("times") == "+3.4 times, exact"
    assert left_open([1.5, math.nan], design="paired", margin=1).words() == "+1.5, no interval, n = 1"
    assert left_open([], design="paired", margin=1).words() == "nothing measured"


def test_published_summaries_are_decided_by_the_same_rule():
    found = decide(variance_ratio(9.0, 1.0, (4, 4)), design="spread", margin=0.7)
    assert found.verdict == ("supported" if found.low > 0 else "open")


# --- chapters that are run small --------------------------------------------------------------------------------------


def test_seeds_without_a_value_are_left_out_and_too_few_leave_it_open():
    assert answer([1.0, math.nan, 2.0, 3.0], margin=0.5) == judge([1.0, 2.0, 3.0], margin=0.5)
    assert answer(([3, math.nan, 7, 5], [2, 1, math.nan, 3]), margin=0.5) == judge([1.0, 2.0], margin=0.5)
    assert answer([1.0, math.nan], margin=0.5).words() == "+1.0, no interval, n = 1"
    alone = answer([[1, 2, 3]], design="agreement", margin=5)
    assert (alone.verdict, alone.n, answer(([1.0], [2.0, 3.0]), design="independent", margin=1).verdict) == (
        "open",
        0,
        "open",
    )
    assert answer(([1.0, 1.0], [2.0, 3.0]), design="spread", margin=1).verdict == "open"
    with_null = answer([5.0, math.nan, 8.0, 9.0], design="one sample", null=[4, 5, 6, 6], margin=1)
    assert with_null == judge([1.0, 2.0, 3.0], margin=1, design="one sample")


def test_more_seeds_cure_no_mistake():
    with pytest.raises(ValueError, match="margin must be above 0"):
        answer([1.0], margin=0)
    with pytest.raises(ValueError, match="unknown design"):
        answer([1.0, 2.0], design="pared", margin=1)
