"""Analyses of the chapter on StacNAS: families of operations, and networks that differ in one operation."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from supernets import batches_of, tiny_supernet
from torch.testing import assert_close

from nasnb.analysis.collapse import cell_of
from nasnb.analysis.stacnas import beside
from nasnb.analysis.stacnas.alphas import go_together
from nasnb.analysis.stacnas.amounts import amounts
from nasnb.analysis.stacnas.confusion import (
    by_batches,
    effects_of_depth,
    is_bracketed,
    matches_by_seed,
    ratio_table,
    sensitivity_of_match,
)
from nasnb.analysis.stacnas.correlation import operator_correlation, operator_groups
from nasnb.analysis.stacnas.families import (
    as_pairs,
    contrast,
    correlation_views,
    effects_of_readings,
    families_over_training,
    fitting_taus,
    of_families,
    published_correlation,
    recorded_families,
    summary_of_readings,
)
from nasnb.analysis.stacnas.multicollinearity import (
    TWICE,
    UNEQUAL,
    beyond_count,
    pool_effects,
    share_by_count,
    toy_table,
    variant_effects,
    variant_table,
)
from nasnb.analysis.stacnas.published_confusion import published_ratios, table_1
from nasnb.analysis.stacnas.skips import RULES, head_start
from nasnb.analysis.stacnas.standalone import (
    FirstEdge,
    beyond_trainings,
    by_search,
    ceiling,
    correlations_by_search,
    published_worth,
    with_first_edge,
    worth_effects,
)
from nasnb.architecture import Genotype
from nasnb.config import scaled
from nasnb.data import load
from nasnb.methods import METHODS
from nasnb.published.genotypes import GENOTYPES
from nasnb.randomness import seeded
from nasnb.search import begin, search
from nasnb.spaces import SPACES, random_genotype
from nasnb.spaces.stacnas import STACNAS_GROUPS

GENOTYPE = GENOTYPES["STACNAS_CIFAR10"]
SIZE = {"channels": 4, "cells": 3, "classes": 3}


def matrix(rows, names="abc"):
    return pd.DataFrame(rows, list(names), list(names), dtype=float)


def test_contrast_worked_by_hand():
    found = contrast(matrix([[1, 0.5, 0.1], [0.5, 1, 0.3], [0.1, 0.3, 1]]), [("a", "b"), ("c",), ("not there",)])
    assert found.within == pytest.approx(0.5)
    assert found.across == pytest.approx(0.2)


def test_contrast_needs_pairs_of_both_kinds():
    with pytest.raises(ValueError, match="within a group and pairs across"):
        contrast(matrix([[1, 0], [0, 1]], "ab"), [("a",), ("b",)])


def test_table_6_is_symmetric_and_its_families_are_those_of_the_text():
    table = published_correlation()
    assert (table.to_numpy() == table.to_numpy().T).all()
    assert table.loc["max_pool_3x3", "dil_conv_3x3"] == -0.13
    assert {frozenset(group) for group in operator_groups(table)} == {
        frozenset(g) for g in STACNAS_GROUPS if len(g) > 1
    }
    assert contrast(table, STACNAS_GROUPS).within == pytest.approx((0.52 + 0.38 + 0.27) / 3)
    assert fitting_taus(table, STACNAS_GROUPS) == (0.11, 0.27)
    with pytest.raises(ValueError, match=r"at no tau are the groups dil_conv_3x3 \+ max_pool_3x3"):
        fitting_taus(table, [("max_pool_3x3", "dil_conv_3x3")])


def test_views_are_the_single_correlations():
    net, weights, images = tiny_supernet("s2")
    ops = ["sep_conv_3x3", "skip_connect"]
    views = correlation_views(net, lambda: batches_of(images), weights, ops=ops)
    assert len(views) == 4
    alone = operator_correlation(net, batches_of(images), weights, ops=ops, center="global", statistics="batch")
    pd.testing.assert_frame_equal(views["first edge, global"], alone.loc[ops, ops])
    assert not np.allclose(views["first edge, global"], views["all edges, global"])


def test_claims_on_maps_take_the_first_edge_and_the_untrained_control():
    told = pd.DataFrame(
        [(0, "first edge, per feature", 0.5, 0.3, 0.7), (0, "untrained", 0.4, 0.1, 0.2), (0, "test images", 9, 9, 9)],
        columns=["search", "reading", "apart", "convolutions", "rand"],
    )
    found = effects_of_readings(told)
    assert found["stacnas/families-alike"] == [0.5] and found["stacnas/groups-found"] == [0.7]
    assert found["stacnas/convolutions-alike"] == pytest.approx([0.2])


def test_only_the_first_edge_changes():
    other = with_first_edge(GENOTYPE, "max_pool_3x3")
    changed = [(a, b) for a, b in zip(GENOTYPE.picks["normal"], other.picks["normal"], strict=True) if a != b]
    assert [(a.op, b.op, b.source, b.target) for a, b in changed] == [("skip_connect", "max_pool_3x3", 0, 2)]
    assert other.picks["reduce"] == GENOTYPE.picks["reduce"]


def test_a_genotype_without_a_first_edge_is_refused():
    picks = {**GENOTYPE.picks, "normal": GENOTYPE.picks["normal"][2:]}
    with pytest.raises(ValueError, match="0 picks of 'normal' go from state 0 to state 2"):
        with_first_edge(Genotype(picks, GENOTYPE.concat), "max_pool_3x3")


def test_first_edge_changes_the_first_cell_alone():
    space = FirstEdge(SPACES["stacnas"], "dil_conv_5x5")
    nets = [s.network(GENOTYPE, **SIZE) for s in (space, SPACES["stacnas"])]
    sizes = [[sum(p.numel() for p in block.parameters()) for block in net.blocks] for net in nets]
    assert sizes[0][0] > sizes[1][0]
    assert sizes[0][1:] == sizes[1][1:]


def test_first_edge_computes_what_a_network_of_the_changed_genotype_computes_in_its_first_cell():
    cells = SPACES["stacnas"]
    with seeded(0, "first edge"):
        net = FirstEdge(cells, "dil_conv_3x3").network(GENOTYPE, **SIZE).eval()
        whole = cells.network(with_first_edge(GENOTYPE, "dil_conv_3x3"), **SIZE).eval()
        images = torch.randn(2, 3, 8, 8)
    whole.stem.load_state_dict(net.stem.state_dict())
    whole.blocks[0].load_state_dict(net.blocks[0].state_dict())
    with torch.no_grad():
        found, expected = (n.features(n.stem(images), n.route(None), stop=1)[1] for n in (net, whole))
        assert net(images).shape == (2, 3)
    assert_close(found, expected)


def test_what_counting_alone_makes_of_a_share():
    assert share_by_count(np.array([0.5, 0.0, 1.0])).tolist() == pytest.approx([1 / 3, 0, 1])
    assert share_by_count(0.5, copies=3) == pytest.approx(0.25)


def test_copies_share_what_one_would_get():
    table = toy_table(steps=200).pivot(index="candidates", columns="weight of", values="weight")
    assert table.strongest["1 convolution"] > table.pool["1 convolution"]
    assert table.strongest["3 convolutions"] == pytest.approx(table.together["3 convolutions"] / 3)


def test_a_depth_is_matched_only_between_depths():
    confusions = {8: [1.0, 2.0], 20: [3.0, 4.0]}
    assert matches_by_seed(confusions, [1.2, 5.0]) == [8, None]
    assert is_bracketed({8: 1.0, 20: 3.0}, 3.0) and not is_bracketed({8: 1.0, 20: 3.0}, 0.5)


def test_one_correlation_per_search():
    rows = [(s, a, r) for s, sign in ((0, 1), (1, -1)) for a, r in ((0.1, sign), (0.2, 2 * sign), (0.3, 3 * sign))]
    assert by_search(pd.DataFrame(rows, columns=["seed", "alpha", "relative"])) == pytest.approx([1, -1])
    assert len(published_worth("StacNAS")) == 4 and len(published_worth("DARTS")) == 7


def test_alpha_is_held_against_what_two_trainings_share():
    accuracies = {0: [80, 70, 60], 1: [82, 71, 57]}  # of two trainings of the networks with operations a, b, c
    rows = [
        {
            "method": method,
            "seed": 4,
            "op": op,
            "chosen": op == "b",
            "alpha": alpha,
            "training": k,
            "accuracy": accuracy,
        }
        for method, alphas in {"StacNAS": (3, 2, 1), "DARTS": (1, 2, 3)}.items()
        for k, of in accuracies.items()
        for op, alpha, accuracy in zip("abc", alphas, of, strict=True)
    ]
    rows += [{"method": "random", "seed": 4, "chosen": True, "training": k, "accuracy": 69.0} for k in (0, 1)]
    table = pd.DataFrame(rows)
    found = correlations_by_search(table)
    assert found.alpha.tolist() == pytest.approx([-1, 1], abs=0.01) and found.trainings.min() > 0.99
    effects = worth_effects(table)
    assert effects["stacnas/follows-more-than-darts"] == pytest.approx([2], abs=0.01)
    assert effects["stacnas/darts-no-better-than-random"] == pytest.approx([200 * (29.5 - 31) / (29.5 + 31)])
    part = table[table.method == "DARTS"]
    assert ceiling(part) == pytest.approx(1, abs=0.01)
    backwards = part.assign(accuracy=np.where(part.training == 1, -part.accuracy, part.accuracy))
    assert ceiling(backwards) == 0


def test_published_accuracies_of_operations_beside_the_noise_of_trainings():
    assert beyond_trainings(published_worth("DARTS"), 0.08) == pytest.approx(0.74, abs=0.03)
    assert beyond_trainings(published_worth("StacNAS"), 0.08) < 0.01


def test_families_by_hand():
    table = matrix([[1, 0.5, 0.1], [0.5, 1, 0.3], [0.1, 0.3, 1]])
    assert of_families(table, [("a", "b"), ("c",)]) == {"a": 0.5}


@pytest.mark.slow
def test_families_are_followed_from_before_the_training():
    data = load("fashion-sample").resized(8)
    method = METHODS["darts-1st"]
    config = method.at("smoke", epochs=1, train_images=64, batch_size=16)
    images = data.test.images[:16].float()
    method = replace(method, hook=recorded_families(lambda: batches_of(images), groups=STACNAS_GROUPS))
    state = begin(method, data, config)
    for _ in search(method, data, config, state=state):
        pass
    table = families_over_training(state)
    assert table.step.unique().tolist() == [0, 2] and table.family.nunique() == 3


# --- what the page tells ----------------------------------------------------------------------------------------------


def test_summary_of_a_view_by_hand():
    view = {"a reading": np.array([[1, 0.8, 0.1, 0.1], [0.8, 1, 0.1, 0.1], [0.1, 0.1, 1, 0.4], [0.1, 0.1, 0.4, 1]])}
    ops = ["max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "sep_conv_5x5"]
    groups = (("max_pool_3x3", "avg_pool_3x3"), ("sep_conv_3x3", "sep_conv_5x5"))
    found = summary_of_readings([view], ops, groups, tau=0.2).iloc[0]
    assert found[["max_pool_3x3", "sep_conv_3x3", "apart", "convolutions", "rand"]].tolist() == pytest.approx(
        [0.8, 0.4, 0.5, 0.3, 1]
    )
    assert as_pairs(view, ops).correlation.tolist() == pytest.approx([0.8, 0.1, 0.1, 0.1, 0.1, 0.4])


def test_what_is_left_beyond_counting_is_of_the_same_seed():
    rows = [("one", 0, 0.5, 0), ("one", 1, 0.0, 0), ("two", 0, 0.5, 0.25), ("two", 1, 0.0, 0)]
    contest = pd.DataFrame(rows, columns=["candidates", "seed", "pool_share", "flipped"])
    left = beyond_count(contest, "one")
    assert left.left.tolist() == pytest.approx([100 * (1 / 2 - 1 / 3), 0])
    assert left.flipped.tolist() == [25, 0]


def test_pools_of_a_variant_beside_the_number_of_its_candidates():
    space = SPACES["stacnas-v1"]  # four candidates and none
    cell = random_genotype(space, seed=0)
    run = SimpleNamespace(genotype=cell, record={"seed": 7})
    row = variant_table({"StacNAS": [run]}, {"StacNAS": space}).iloc[0]
    share = 100 * cell.ops("normal").count("max_pool_3x3") / 8
    assert (row.seed, row.share, row.counted, row.left) == (7, share, 25, share - 25)


def test_claims_on_pools_are_judged_seed_by_seed():
    names = (TWICE, UNEQUAL, "DARTS", "StacNAS")
    left = {0: (1, 2, 30, 10), 1: (3, 4, 5, 7)}
    rows = [(name, seed, x) for seed, values in left.items() for name, x in zip(names, values, strict=True)]
    table = pd.DataFrame(rows, columns=["candidates", "seed", "left"])
    assert [list(each) for each in pool_effects(table).values()] == [[1, 3], [2, 4], [20, -2]]
    of_methods = variant_effects(table[table.candidates.isin(["DARTS", "StacNAS"])])
    assert {id: list(each) for id, each in of_methods.items()} == {"stacnas/darts-pools-more": [20, -2]}


def test_claims_on_depth_are_judged_seed_by_seed():
    values = {"stage 1, 3 cells": [1, 2], "stage 1, 8 cells": [4, 3], "stage 2, 8 cells": [2, 5], "final": [1, 1]}
    ratios = [(name, seed, x) for name, both in values.items() for seed, x in enumerate(both)]
    skips = pd.DataFrame([(8, 1, 5), (3, 1, 4), (3, 0, 2), (8, 0, 1)], columns=["cells", "seed", "skips"])
    found = effects_of_depth(pd.DataFrame(ratios, columns=["network", "seed", "ratio"]), skips)
    assert {id: list(each) for id, each in found.items()} == {
        "stacnas/deeper-more-skips": [-1, 1],
        "stacnas/deeper-more-confused": [3, 1],
        "stacnas/stage-two-less-confused": [2, -2],
    }


def test_how_sure_a_depth_is():
    both = lambda *values: np.array([values, values], dtype=float)  # noqa: E731
    table = sensitivity_of_match({"as it is": {8: both(1, 2), 20: both(3, 4), "final": both(1.2, 5)}}, "final")
    assert table["matching cells, by seed"].tolist() == ["8, not bracketed"] * 2
    assert ratio_table({"final": [2, 4], "other": [3, 6]}, "final", seed=5).ratio.tolist() == pytest.approx(
        [2 / 3, 4 / 3, 1, 2]
    )


def test_table_1_with_and_without_its_division():
    table = table_1()
    marked = [table.network[table[column].str.contains("nearest")].item() for column in table.columns[2:]]
    assert marked == ["stage 1, 14 cells", "stage 1, 20 cells"]
    assert published_ratios()["stage 1, 20 cells"] == pytest.approx(1.02 / 0.57)


def test_a_softmax_gives_skip_a_head_start():
    shares = head_start(30).groupby("rule").share.mean()
    assert shares[RULES[0]] > 32 > 25 > shares[RULES[1]]  # a quarter of the edges are skips
    won = {cell: ["sep_conv_3x3"] * 14 for cell in ("normal", "reduce")}
    assert head_start(2, won=won).share.eq(0).all(), "what did not win is not kept"


@pytest.mark.slow
def test_confusion_grows_with_the_number_of_batches():
    method = METHODS["stacnas"]  # which holds no images out
    state = begin(method, load("fashion-sample").resized(8), method.at("smoke", train_images=16, channels=2))
    table = by_batches(state, sizes=(2,), most=4, rounds=1)
    assert table.m.tolist() == [2, 3, 4] and table.confusion.is_monotonic_increasing


@pytest.mark.parametrize("preset", ["smoke", "laptop", "overnight", "gpu", "paper"])
def test_every_preset_has_amounts_that_the_method_can_follow(preset):
    own = amounts(preset)
    METHODS["stacnas"].at(preset, **own.search)
    assert list(own.depths) == sorted(own.depths) and own.training.get("cells", 20) == own.depths[-1]
    scaled(METHODS["stacnas"].training, preset, **own.training)


def logged(r, seed=0):
    """Weights of a run on 400 edges, whose logarithms of sep 3x3 and sep 5x5 correlate at r, others do not."""
    draw = np.random.default_rng(seed).standard_normal((400, 5))
    draw[:, 1] = r * draw[:, 0] + np.sqrt(1 - r**2) * draw[:, 1]
    names = ["sep_conv_3x3", "sep_conv_5x5", "max_pool_3x3", "skip_connect", "none"]
    table = pd.DataFrame(np.exp(draw), columns=names)
    return table.assign(run="a run", epoch=1, cell="normal", edge=range(400), source=0, target=2)


@pytest.mark.parametrize("r", [-0.8, 0.8])
def test_alphas_that_go_together_or_trade_off(r):
    runs = pd.DataFrame({"run": ["a run"], "draw": ["a draw"], "method": [""], "space": [""]})
    line = go_together(logged(r), runs, STACNAS_GROUPS).iloc[0]
    assert np.sign(line.within - line.across) == np.sign(r)
    assert go_together(logged(r), runs, ()).empty  # no two of one group


# --- beside what an alpha stands --------------------------------------------------------------------------------------


def searches_by_hand():
    rows = [
        (arm, seed, edge, op, alpha, accuracy)
        for arm, spread in ((beside.SIMILAR, 2.0), (beside.OTHER, 1.0), (beside.BOTH, 1.0))
        for seed, away in ((0, 1.0), (1, -1.0))
        for edge in (0, 1)
        for op, alpha, accuracy in (
            ("skip_connect", 0.0, 80.0),
            ("nor_conv_3x3", 3 + spread * away, 90.0),
            ("nor_conv_1x1", 3 - spread * away, 85.0),
        )
        if op != "nor_conv_1x1" or arm != beside.OTHER
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "edge", "op", "alpha", "accuracy"])


def test_what_stands_beside_an_alpha_by_hand():
    table = searches_by_hand()
    assert beside.erratic(table).groupby("arm").away.mean().to_dict() == {
        beside.SIMILAR: 2,
        beside.OTHER: 1,
        beside.BOTH: 1,
    }
    assert beside.trade_off(table, "nor_conv_3x3", "nor_conv_1x1").to_list() == pytest.approx([-1, -1])
    worth = beside.worth_by_search(table).set_index(["arm", "seed"]).correlation
    assert worth[beside.OTHER].tolist() == pytest.approx([1, 1])
    assert worth[beside.SIMILAR].tolist() == pytest.approx([1, 0.5])
    assert beside.effects_beside(table)["stacnas/similar-makes-erratic-201"] == pytest.approx(np.log([2, 2]))


def test_equally_many_candidates_with_a_similar_one_and_with_another():
    sizes = {arm: beside.method_of(arm).space.choices.shape("cell") for arm in beside.CANDIDATES}
    assert sizes == {beside.SIMILAR: (6, 4), beside.OTHER: (6, 4), beside.BOTH: (6, 5)}
    changed = beside.with_op(cell_of("012340"), 2, "nor_conv_3x3")
    assert changed == cell_of("013340")
