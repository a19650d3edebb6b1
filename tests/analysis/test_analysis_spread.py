import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from supernets import tiny_supernet

import nasnb.analysis
from nasnb.analysis import (
    agreement_over_time,
    candidate_parameters,
    cell_depth,
    cell_width,
    correlation_with_interval,
    edge_agreement,
    expected_parameters,
    parameter_free_picks,
    parameter_free_share,
    weight_entropy,
    weight_gap,
)
from nasnb.analysis.correlations import rank_correlation
from nasnb.analysis.stacnas import duplicated, flipped, joined, toy_search
from nasnb.architecture import Edge, Genotype
from nasnb.published.genotypes import GENOTYPES
from nasnb.published.numbers import published
from nasnb.spaces import SPACES, random_genotype


def test_every_exported_name_exists():
    for name in nasnb.analysis.__all__:
        assert hasattr(nasnb.analysis, name), name
    with pytest.raises(AttributeError, match="no attribute 'gradient_confusio'"):
        _ = nasnb.analysis.gradient_confusio


# --- correlations ---------------------------------------------------------------------------------------------------


def test_figure_five_of_stacnas():
    """StacNAS specification, case T10: the digitised points have the printed correlations."""
    points = published("StacNAS", "Figure 5")
    for panel, pearson, spearman, kendall in (("StacNAS", 0.9077, 0.80, 0.67), ("DARTS", 0.1986, 0.29, 0.14)):
        rows = points[points.row.str.startswith(f"{panel}: ")].pivot_table(
            index="row", columns="metric", values="value"
        )
        for kind, value in (("pearson", pearson), ("spearman", spearman), ("kendall", kendall)):
            found = correlation_with_interval(rows.accuracy_percent, rows.alpha, kind, draws=50)
            assert found.value == pytest.approx(value, abs=0.006)


def test_fisher_by_hand_and_against_scipy():
    """r = 0.5 of n = 28: artanh(0.5) = 0.5493, standard error 0.2, so 0.1572 to 0.7370."""
    draw = np.random.default_rng(0)
    x, e = draw.standard_normal((2, 28))
    x, e = x - x.mean(), e - e.mean()
    e -= x * (x @ e) / (x @ x)
    y = 0.5 * x / np.linalg.norm(x) + np.sqrt(0.75) * e / np.linalg.norm(e)
    found = correlation_with_interval(x, y, "pearson", method="fisher")
    assert found == pytest.approx((0.5, 0.1559, 0.7353, 28), abs=2e-3)
    assert found[1:3] == pytest.approx(tuple(stats.pearsonr(x, y).confidence_interval(0.95)))
    wider = [correlation_with_interval(x, y, kind, method="fisher") for kind in ("spearman", "kendall")]
    assert all(w.low < w.value < w.high for w in wider)
    assert np.isnan(correlation_with_interval(x, 2 * x, method="fisher")[1:3]).all(), "a perfect one has no interval"


def test_a_rank_correlation_covers_the_truth():
    rng, covered = np.random.default_rng(3), 0
    for _ in range(300):
        x = rng.standard_normal(60)
        y = 0.5 * x + np.sqrt(0.75) * rng.standard_normal(60)
        found = rank_correlation(x, y)
        covered += found["low"] <= 6 / np.pi * np.arcsin(0.25) <= found["high"]
    assert covered / 300 > 0.92


@pytest.mark.parametrize("kind", ["pearson", "spearman", "kendall"])
def test_bootstrap_has_the_same_statistic_as_scipy(kind):
    """Every resample by our vectorised way, against scipy one by one (with ties)."""
    draw = np.random.default_rng(1)
    x = draw.integers(0, 6, 12).astype(float)
    y = x + draw.integers(0, 6, 12)
    found = correlation_with_interval(x, y, kind, draws=40, seed=3)
    chosen = np.random.default_rng(3).integers(0, 12, (40, 12))
    one_by_one = [
        {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}[kind](
            x[rows], y[rows]
        ).statistic
        for rows in chosen
    ]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(one_by_one, [0.025, 0.975])))


def test_bootstrap_covers_and_narrows_with_points():
    draw = np.random.default_rng(2)
    x, e = draw.standard_normal((2, 400))
    wide = correlation_with_interval(x[:20], (x + e)[:20], "pearson", draws=500)
    narrow = correlation_with_interval(x, x + e, "pearson", draws=500)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert narrow.low < np.sqrt(0.5) < narrow.high


def test_points_that_say_nothing():
    for found in (
        correlation_with_interval([1, 1, 1, 1], [1, 2, 3, 4]),
        correlation_with_interval([1, 2], [1, 2], "kendall", method="fisher")[1:3],
        correlation_with_interval([], []),
    ):
        assert np.isnan(found[0])
    assert correlation_with_interval([1, 2, 3, np.nan], [2, 4, 7, 1], "pearson").n == 3
    with pytest.raises(ValueError, match="kind='cosine'"):
        correlation_with_interval([1, 2], [1, 2], "cosine")
    with pytest.raises(ValueError, match="rows of the same length"):
        correlation_with_interval([1, 2], [1, 2, 3])


# --- cells -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "group", "depth", "width"),
    [
        ("DARTS_V2", "normal", 3, 3.5),
        ("DARTS_V2", "reduce", 3, 2.5),
        ("MSRDARTS", "normal", 4, 2.5),
        ("MSRDARTS", "reduce", 2, 4.0),
    ],
)
def test_depth_and_width_of_published_cells(name, group, depth, width):
    """MSR-DARTS specification, case T16."""
    genotype = GENOTYPES[name]
    assert (cell_depth(genotype, group), cell_width(genotype, group)) == (depth, width)


def test_depth_leaves_none_out():
    genotype = Genotype.from_notation("|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|")
    assert cell_depth(genotype, "cell") == 2
    assert cell_width(genotype, "cell") == 2.0


def test_agreement_by_hand():
    first = Genotype.from_short(normal="s30 s31 / s30 s32", reduce="sk0 sk1 / sk0 sk1")
    second = Genotype.from_short(normal="s30 s51 / s31 s32", reduce="sk0 sk1 / sk1 sk2")
    assert edge_agreement(first, second) == {2: 1.0, 3: 0.5}
    assert edge_agreement(first, second, ops=True) == {2: 0.5, 3: 0.5}
    assert agreement_over_time([first, second, second]).tolist() == [0.75, 1.0]


@given(st.integers(0, 1000), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_agreement_is_symmetric_and_full_with_itself(a, b):
    first, second = (random_genotype(SPACES["darts"], seed=seed) for seed in (a, b))
    assert edge_agreement(first, second, ops=True) == edge_agreement(second, first, ops=True)
    assert set(edge_agreement(first, first, ops=True).values()) == {1.0}


# --- weights ---------------------------------------------------------------------------------------------------------

EDGES = [Edge(0, 2, ("none", "skip_connect", "sep_conv_3x3")), Edge(1, 2, ("max_pool_3x3", "sep_conv_3x3"))]
WEIGHTS = np.array([[[0.5, 0.3, 0.2], [0.25, 0.75, 0]], [[0, 0, 1], [0.5, 0.5, 0]]])


def test_shares_entropy_and_gap_by_hand():
    assert parameter_free_share(WEIGHTS, EDGES) == pytest.approx([(0.6 + 0.25) / 2, 0.25])
    entropy = weight_entropy(WEIGHTS, EDGES)
    assert entropy[1] == pytest.approx([0, 1])
    assert entropy[0, 0] == pytest.approx(stats.entropy([0.5, 0.3, 0.2]) / np.log(3))
    assert weight_gap(WEIGHTS) == pytest.approx(np.array([[0.2, 0.5], [1, 0]]))
    genotype = Genotype.from_short(normal="sk0 s31 / mp0 ap1", reduce="s30 s31 / s30 s31")
    assert parameter_free_picks(genotype) == 0.75
    assert parameter_free_picks(genotype, "reduce") == 0


@pytest.mark.parametrize("name", ["darts", "bench201"])
def test_candidates_of_a_supernet_add_up(name):
    options = {"cells": 1} if name == "bench201" else {}
    net, _, _ = tiny_supernet(name, **options)
    sizes = candidate_parameters(net)
    ops = [p.numel() for fans in (b.fans for b in net.blocks if hasattr(b, "fans")) for p in fans.parameters()]
    assert sum(rows.sum() for rows in sizes.values()) == sum(ops)
    if name == "darts":
        row = dict(zip(SPACES[name].choices.groups["normal"][5].ops, sizes["normal"][5], strict=True))
        c = 4  # one normal cell: two depthwise and two pointwise convolutions, no affine BatchNorm
        assert row["sep_conv_5x5"] == 2 * 25 * c + 2 * c * c
        assert row["dil_conv_3x3"] == 9 * c + c * c
        assert row["none"] == row["skip_connect"] == row["max_pool_3x3"] == 0


def test_expected_parameters_by_hand_and_of_a_path_space():
    sizes = {"normal": np.array([[0, 0, 100.0], [0, 40, 0]])}
    assert expected_parameters({"normal": WEIGHTS}, sizes) == pytest.approx([20 + 30, 100 + 20])
    assert expected_parameters({"normal": 3 * WEIGHTS}, sizes) == pytest.approx([50, 120])
    space = SPACES["hypercuboid"]
    found = candidate_parameters(space.supernet(channels=2, classes=4))
    assert {group: rows.shape for group, rows in found.items()} == {g: space.choices.shape(g) for g in found}
    names = space.choices.groups["stage 0"][0].ops
    assert found["stage 0"][0, names.index("max_pool_3x3 32-32")] == 0
    assert found["stage 0"][0, names.index("sep_conv_3x3 256-256")] == found["stage 0"].max()


# --- multicollinearity ---------------------------------------------------------------------------------------------


def test_two_copies_flip_the_choice_by_hand():
    """StacNAS specification, case T8: 0.4256 for the pool, 0.5744 for the convolution or half of it for each copy."""
    one = np.exp([[0.5, 0.8]])
    two = np.exp([[0.5, 0.8 - np.log(2), 0.8 - np.log(2)]])
    edges = [Edge(0, 2, ("max_pool_3x3", "sep_conv_3x3", "sep_conv_3x3#2"))]
    two /= two.sum()
    table = joined(two, edges).set_index("op")
    assert table.weight.tolist() == pytest.approx((one / one.sum())[0].tolist())
    assert table.loc["sep_conv_3x3"].tolist() == pytest.approx([0, 0.5744, 0.2872], abs=1e-4)
    assert flipped(two, edges) == [0]
    assert flipped(one / one.sum(), [Edge(0, 2, edges[0].ops[:2])]) == []


def test_a_search_on_a_toy_shares_what_one_would_get():
    draw = np.random.default_rng(0)
    pool, conv = draw.standard_normal((2, 500))
    target = 0.4256 * pool + 0.5744 * conv
    one = toy_search(np.stack([pool, conv]), target)
    two = toy_search(np.stack([pool, conv]), target, copies={1: 2})
    assert one[-1] == pytest.approx([0.4256, 0.5744], abs=1e-4)
    assert two[-1] == pytest.approx([0.4256, 0.2872, 0.2872], abs=1e-4)
    assert one[-1].argmax() == 1
    assert two[-1].argmax() == 0
    assert two[:, 1] == pytest.approx(two[:, 2])


def test_duplicated_space_builds_and_reads_back():
    space = duplicated(SPACES["s2"], "sep_conv_3x3", copies=3)
    assert space.choices.groups["normal"][4].ops == ("skip_connect", "sep_conv_3x3", "sep_conv_3x3#2", "sep_conv_3x3#3")
    net, weights, images = tiny_supernet(space)
    assert net(images, weights).shape == (12, 4)
    scores = {group: torch.tensor([0, 1, 3, 2.0]).expand_as(rows) for group, rows in weights.items()}
    assert set(space.discretise(scores).ops("normal")) == {"sep_conv_3x3"}
    one = duplicated(SPACES["s2"], "skip_connect", edges={"normal": [2]})
    lengths = [len(edge.ops) for edge in one.choices.groups["normal"]]
    assert lengths == [3 if row == 2 else 2 for row in range(14)]
    assert all(len(edge.ops) == 2 for edge in one.choices.groups["reduce"])
    with pytest.raises(ValueError, match="has 'sep_conv_5x5', did you mean 'sep_conv_3x3'"):
        duplicated(SPACES["s2"], "sep_conv_5x5")
