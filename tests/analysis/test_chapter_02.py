"""Analyses and plots of the chapter on sharpDARTS, against cases worked by hand and automatic differentiation."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from nasnb.analysis.sharpdarts import ablation, capacity, kinds, rivals, sharp_plan, sizes
from nasnb.analysis.sharpdarts.annealing import (
    annealing_effects,
    compared_schedules,
    ends_of_trainings,
    middle,
    time_between_improvements,
)
from nasnb.analysis.sharpdarts.blocks import operation_layers, operation_sizes, table_of_candidates
from nasnb.analysis.sharpdarts.capacity import capacity_over_time, free_share, percent_skips
from nasnb.analysis.sharpdarts.weighting import (
    alpha_gradient_of,
    leaders_moved,
    pull_on_the_leader,
    softmax_of,
    weighting_gradients,
    worked_by_hand,
)
from nasnb.config import TRAINING, scaled
from nasnb.data import load
from nasnb.methods import METHODS
from nasnb.plots.bands import plot_bands
from nasnb.plots.sharpdarts import draw_macro, plot_kinds, plot_rivals
from nasnb.published.genotypes import GENOTYPES
from nasnb.search import begin
from nasnb.spaces import SPACES
from nasnb.spaces.hypercuboid import HyperCuboid
from nasnb.spaces.paths import handmade_path, released_weights
from nasnb.spaces.sharp import DARTS_SSC, sharp_ops
from nasnb.supernet.layers import Source, StackedNorm
from nasnb.supernet.operations import DARTS_OPS
from nasnb.supernet.relaxation import max_w, softmax

floats = st.floats(-3, 3)


# --- weighting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [("scalar", [-0.2, -0.2, 0.0, 0.4]), ("max_w detached", [-0.2, -0.2, 0.0, 0.4]), ("max_w", [0.2, 0.6, 1.2, -2.0])],
)
def test_gradients_worked_by_hand(weighting, expected):
    w = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    gradient = alpha_gradient_of(w, torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64), weighting=weighting)
    assert_close(gradient, torch.tensor(expected, dtype=torch.float64))


def test_unknown_weighting():
    with pytest.raises(ValueError, match="unknown weighting 'maxw'; known: scalar, max_w"):
        alpha_gradient_of(torch.ones(2) / 2, torch.ones(2), weighting="maxw")


@given(st.lists(st.tuples(st.integers(-30, 30), floats), min_size=2, max_size=6, unique_by=lambda pair: pair[0]))
def test_closed_form_is_what_differentiation_gives(pairs):
    alpha, worth = torch.tensor(pairs, dtype=torch.float64).T  # no two alphas alike: a tie has two leaders
    alpha = (alpha[None] / 10).requires_grad_()
    for rule, weighting in ((softmax, "scalar"), (max_w, "max_w")):
        factors = rule.weigh(alpha, torch.ones_like(alpha, dtype=torch.bool))
        (exact,) = torch.autograd.grad((factors * worth).sum(), alpha)
        closed = alpha_gradient_of(torch.softmax(alpha.detach(), 1), worth[None], weighting=weighting)
        assert_close(closed, exact)
        assert closed.sum().item() == pytest.approx(0, abs=1e-12)


@given(st.lists(floats, min_size=2, max_size=6))
def test_softmax_behind_factors(alpha):
    alpha = torch.tensor([alpha], dtype=torch.float64)
    w = torch.softmax(alpha, 1).numpy()
    for rule in (softmax, max_w):
        np.testing.assert_allclose(softmax_of(rule.weigh(alpha, torch.ones_like(alpha) > 0).numpy()), w, atol=1e-12)


@pytest.fixture
def small_state():
    method = METHODS["sharpsepconv-darts"]
    return begin(method, load().resized(8), replace(method.at("smoke"), train_images=32, batch_size=8))


@pytest.mark.parametrize("rule", [softmax, max_w], ids=lambda rule: rule.name)
def test_closed_form_in_a_supernet(rule, small_state):
    state = small_state
    before = {name: tensor.clone() for name, tensor in state.net.state_dict().items()}
    table = weighting_gradients(state, next(state.batches(state.valid, "alpha", 0)), rule)
    scale = table.autograd.abs().max()
    assert scale > 0
    np.testing.assert_allclose(table.closed_form, table.autograd, atol=1e-4 * scale)
    assert table.groupby(["group", "edge"]).leads.sum().eq(1).all()
    assert table.groupby(["group", "edge"]).weight.sum().tolist() == pytest.approx([1.0] * 28, abs=1e-5)
    assert all(torch.equal(before[name], tensor) for name, tensor in state.net.state_dict().items())


# --- capacity ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [softmax, max_w], ids=lambda rule: rule.name)
def test_capacity_of_a_grid_that_goes_from_even_to_pools(rule):
    grid = HyperCuboid("tiny", widths=(2, 4), strides=(1, 2), features=4)
    pools = torch.tensor([[0.0, 20.0] * 4])  # convolution, pool, convolution, ...
    alphas = [torch.zeros(1, 8), pools]
    weights = {f"stage {i}": np.stack([rule.weigh(a, a == a).numpy() for a in alphas]) for i in range(2)}
    paths = [handmade_path(grid), handmade_path(grid, convolution="max_pool_3x3")]
    table = capacity_over_time(grid, weights, paths, channels=2, cells=None, classes=3)
    assert table.epoch.tolist() == [1, 2]
    np.testing.assert_allclose(table.free_weight, [50, 100], atol=1e-3)
    assert table.free_picks.tolist() == [50, 100]
    np.testing.assert_allclose(table.entropy, [1, np.log(4) / np.log(8)], atol=1e-4)
    np.testing.assert_allclose(table.gap, [0, 0], atol=1e-5)
    assert table.expected[0] == pytest.approx(1) and table.expected[1] < 0.5
    assert table.derived[1] < table.derived[0]


# --- blocks -----------------------------------------------------------------------------------------------------------


def test_sizes_of_the_operations_of_darts_and_sharpdarts():
    darts = operation_sizes({n: DARTS_OPS[n] for n in ("sep_conv_3x3", "dil_conv_3x3")}, channels=36).set_index("op")
    sharp = operation_sizes(sharp_ops(), channels=36, side=8).set_index("op")
    assert darts.convolutions.to_dict() == {"sep_conv_3x3": 4, "dil_conv_3x3": 2}
    assert sharp.parameters[["dil_conv_3x3", "flood_conv_3x3", "choke_conv_3x3"]].tolist() == [3384, 12_348, 3052]
    assert sharp.loc["max_pool_3x3", ["convolutions", "parameters", "multiply_adds"]].tolist() == [0, 0, 0]
    assert sharp.multiply_adds["sep_conv_3x3"] == 2 * (36 * 9 + 36 * 36) * 64
    assert darts.multiply_adds["dil_conv_3x3"] == (36 * 9 + 36 * 36) * 32**2


def test_layers_of_a_block():
    op = sharp_ops()["dil_flood_conv_3x3"](channels=4, stride=1, edges=1, affine=True)
    layers = operation_layers(op)
    assert layers.layer.tolist() == 2 * ["depthwise convolution 3×3", "dense convolution 1×1", "BatchNorm"]
    assert layers["channels out"].tolist() == [4, 16, 16, 16, 4, 4]
    assert layers.how[0].endswith("dilation 2") and layers.how[3].endswith("dilation 1")
    assert layers.parameters.sum() == sum(p.numel() for p in op.parameters())


# --- annealing --------------------------------------------------------------------------------------------------------


def test_time_between_improvements_by_hand():
    gaps = time_between_improvements([10, 20, 20, 15, 30, 25, 25, 25])
    assert gaps.tolist() == [12.5, 37.5, 37.5, 37.5, 50, 50, 50, 50]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_every_gap_is_as_long_as_it_says(accuracy):
    gaps = time_between_improvements(accuracy)
    assert len(gaps) == len(accuracy)
    assert np.sum(100 / (gaps * len(accuracy))) == pytest.approx(len(set(np.maximum.accumulate(accuracy))))


def test_time_between_improvements_of_nothing():
    with pytest.raises(ValueError, match="no accuracy given"):
        time_between_improvements([])


def test_schedules_are_compared_run_by_run():
    history = pd.DataFrame({"epoch": range(1, 11), "lr": 0.1, "valid_accuracy": [1, 2, 3, 3, 3, 3, 4, 4, 4, 5.0]})
    slower = history.assign(valid_accuracy=[1.0] * 10)
    progress = compared_schedules({"cosine": [slower], "cosine_power": [history]}, [7])
    ends, shorter = ends_of_trainings(progress), np.mean([40, 40, 40, 30])  # in epochs 4 to 7
    assert len(progress) == 20 and ends.gap["cosine", 7] == 100 and ends.accuracy["cosine power", 7] == 5
    assert ends.gap["cosine power", 7] == pytest.approx(shorter)
    effects = annealing_effects(ends)
    assert effects["sharpdarts/annealing-gaps"] == pytest.approx([100 - shorter])
    assert effects["sharpdarts/annealing-accuracy"] == pytest.approx(100 * (99 - 95) / 97)


def test_middle_of_a_run():
    assert middle(range(10)).tolist() == [3, 4, 5, 6]
    assert middle([7]).tolist() == [7]


# --- plots ------------------------------------------------------------------------------------------------------------


def test_bands_show_mean_and_spread_of_each_group():
    table = pd.DataFrame({"epoch": [1, 2] * 4, "name": ["a"] * 4 + ["b"] * 4, "x": range(8), "y": range(1, 9)})
    fig = plot_bands(table, {"x": "ex", "y": "why"}, by="name", log=("y",))
    left, right = fig.axes
    assert [line.get_label() for line in left.lines] == ["a", "b"]
    assert [line.get_ydata().tolist() for line in left.lines] == [[1, 2], [5, 6]]
    assert len(left.collections) == 2
    assert (left.get_yscale(), right.get_yscale(), right.get_ylabel()) == ("linear", "log", "why")
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["a", "b"]


# --- released weights by kind -----------------------------------------------------------------------------------------

GRID = SPACES["hypercuboid"]


def test_kinds_of_the_last_stage_of_the_scalar_search():
    last = kinds.grid_kinds(GRID, released_weights("scalar")).query("stage == 8").set_index("kind")
    assert last.percent.sum() == pytest.approx(100)
    assert last.times_even.to_dict() == pytest.approx(
        {kinds.SAME_POOL: 7.56, kinds.WIDTH_POOL: 0.05, kinds.CONV: 0.07}, abs=0.005
    )


def test_times_of_the_even_share_in_words():
    table = kinds.times_even({"scalar": kinds.grid_kinds(GRID, released_weights("scalar"))})
    assert table["kind of entry"].tolist() == list(kinds.KINDS)
    assert table["last stage, times even"].tolist() == ["7.56", "0.05", "0.07"]


def test_both_searches_prefer_the_same_four_pools():
    best = [set(kinds.heaviest_entries(GRID, released_weights(name))) for name in ("scalar", "max_w")]
    assert best[0] == best[1] == {f"pool {width}→{width}" for width in GRID.widths}


def test_kinds_of_a_grid_with_even_weights_and_with_one_entry():
    even = {f"stage {i}": torch.full((1, 32), 1 / 32, dtype=torch.float64) for i in range(8)}
    assert kinds.grid_kinds(GRID, even).times_even.tolist() == pytest.approx([1.0] * 24)
    assert np.allclose(kinds.grid_table(GRID, even), 1)
    one = torch.zeros(1, 32, dtype=torch.float64)
    at = [kinds.kind_of(entry) for entry in GRID.entries].index(kinds.CONV)
    one[0, at] = 1.0
    found = kinds.grid_kinds(GRID, {"stage 0": one}).set_index("kind")
    assert found.percent[kinds.CONV] == 100 and found.times_even[kinds.CONV] == 2
    assert kinds.grid_table(GRID, {"stage 0": one})[0].argmax() < 16  # convolutions come first


def test_none_leads_the_logged_normal_cells():
    for search in ("darts-ssc", "sharp-code"):
        normal = kinds.cell_kinds(search).query("cell == 'normal'").set_index("kind")
        assert normal.leads["none"] == 13 and normal.leads.sum() == normal.leads_without_none.sum() == 14
        assert normal.without_none.sum() == pytest.approx(100) == pytest.approx(normal.even.sum())
    with pytest.raises(ValueError, match="no logged weights of 'darts': there are 'darts-ssc' and 'sharp-code'"):
        kinds.logged_weights("darts")


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_channels_bring_networks_to_equal_size():
    at = {"cells": 3, "classes": 10}
    target = sizes.millions(sizes.drawn_up(SPACES["darts"], GENOTYPES["DARTS_V2"], channels=8, **at))
    choices = range(2, 20, 2)
    assert sizes.channels_for(SPACES["darts"], GENOTYPES["DARTS_V2"], target, choices=choices, **at) == 8
    channels = sizes.channels_for(SPACES["darts"], GENOTYPES["DARTS_V1"], target, choices=choices, **at)
    found = {
        c: sizes.millions(sizes.drawn_up(SPACES["darts"], GENOTYPES["DARTS_V1"], channels=c, **at)) for c in choices
    }
    assert abs(np.log(found[channels] / target)) == min(abs(np.log(value / target)) for value in found.values())


def test_the_head_is_most_of_a_released_path():
    path = GENOTYPES["MULTI_CHANNEL_HANDMADE_PATH"]
    net = sizes.drawn_up(GRID, path, classes=10)
    head = 9 * 256 + 256 * 768 + 2 * 768 + 9 * 768 + 768 * 768 + 2 * 768 + 768 * 10 + 10  # SharpSepConv, classifier
    assert 1e6 * sizes.millions(net.head) == pytest.approx(head)
    assert sizes.millions(net) == pytest.approx(1.035882)


def test_relative_claims_by_hand():
    counted = {name: sizes.FinalSize(2.0, 400.0, 0.0) for name in sizes.CELLS} | {
        "sharpDARTS": sizes.FinalSize(1.0, 300.0, 0.0)
    }
    table = sizes.relative_claims(counted)
    rows = table.set_index("comparison")
    fewer = rows.loc["sharpDARTS: fewer parameters than DARTS (1st order)"]
    assert fewer["the text says"] == "32 %" and fewer["by the printed numbers"] == "31.7 % (1.98 and 2.9)"
    assert fewer["by the released cells"] == "50.0 %"
    assert rows.loc["SharpSepConvDARTS: lower error than DARTS (2nd order)", "by the released cells"] == "–"


# --- leaders, candidates, plans ---------------------------------------------------------------------------------------


def test_pull_on_the_leader_is_largest_at_a_half():
    pull = pull_on_the_leader(4, points=201)
    assert pull["scalar, leader"].abs().max() < 1e-12
    at = pull["Max-W, leader"].idxmax()
    assert pull["leader's weight"][at] == pytest.approx(0.5, abs=0.01)
    assert np.allclose(pull["Max-W, leader"] + 3 * pull["Max-W, each other"], 0)


def test_leaders_of_a_supernet_move_and_some_are_held(small_state):
    batch = next(small_state.batches(small_state.valid, "test", 0))
    found, rows = leaders_moved(small_state, batch), weighting_gradients(small_state, batch, max_w)
    leaders = rows[rows.leads]
    assert len(leaders) == 28 and found["leader_held"] == pytest.approx(100 * (leaders.autograd > 0).mean())
    assert 0 <= found["leader_moves"] <= 100


def test_candidates_of_table_1():
    table = table_of_candidates().set_index("operation")
    assert table["is"].value_counts().to_dict() == {"SharpSepConv": 6, "pooling": 2, "zero": 1, "identity": 1}
    assert table.loc["dil_flood_conv_3x3"].tolist() == ["SharpSepConv", "3×3", "2", "144"]
    assert table.loc["choke_conv_3x3", "channels in the middle, for 36"] == "32"


def test_effects_of_followed_searches_by_hand():
    columns = ["weighting", "epoch", "free_picks", "expected", "thousands", "skips", "leader_held"]
    names = ("scalar", "Max-W", "scalar, no max pool")
    rows = [(name, 1, 60.0, 1.0, 9.0, 0.0, 80.0) for name in names]
    ends = ((0.7, 8.0, 10.0, np.nan), (0.9, 12.0, 0.0, 60.0), (0.8, 8.0, 20.0, np.nan))
    rows += [(name, 2, 0.0, *end) for name, end in zip(names, ends, strict=True)]
    ends = capacity.ends_of_searches(pd.DataFrame(rows, columns=columns).assign(seed=7, leader_moves=100.0))
    found = capacity.leaning_effects(ends)
    expected = {
        "early-cells-free": 60 - 300 / 7,
        "scalar-leans-small": 0.3,
        "max-w-leans-less": 0.2,
        "no-pool-shifts-to-skip": 10 - (100 / 6 - 100 / 7),
        "max-w-larger-cells": 40,
        "leader-held-back": 20,
    }
    assert {name.partition("/")[2]: value.tolist() for name, value in found.items()} == {
        name: [pytest.approx(value)] for name, value in expected.items()
    }
    without = capacity.leaning_effects(ends.drop(index="scalar, no max pool"))
    assert {*found} - {*without} == {"sharpdarts/no-pool-shifts-to-skip"}


def test_larger_paths_by_hand():
    ends = pd.DataFrame({"weighting": ["scalar", "Max-W"] * 2, "seed": [3, 3, 4, 4], "thousands": [9.0, 11, 10, 10]})
    found = capacity.path_effects(ends.set_index(["weighting", "seed"]))
    assert found["sharpdarts/max-w-larger-paths"].tolist() == pytest.approx([20, 0])


def test_shares_of_operations():
    assert free_share(DARTS_SSC) == pytest.approx(300 / 7)
    assert percent_skips(GENOTYPES["DARTS_V2"]) == pytest.approx(100 * (2 + 3) / 16)


@pytest.mark.parametrize("preset", ["smoke", "laptop", "overnight", "gpu", "paper"])
def test_every_preset_has_a_plan_for_sharpdarts(preset):
    plan = sharp_plan(preset, searches=2)
    assert plan.searches == 2
    METHODS["sharpdarts"].at(preset, **plan.search)
    METHODS["hypercuboid"].at(preset, **plan.grid)
    for recipe, changes in (("sharpdarts-plain", plan.training), ("hypercuboid", plan.paths)):
        scaled(TRAINING[recipe], preset, **changes)
    scaled(TRAINING["sharpdarts-plain"], preset, **plan.annealing)


# --- rivals: none, BatchNorm, scale -----------------------------------------------------------------------------------


def test_unit_scale_changes_nothing_but_the_scale():
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    y = rivals.UnitScale()(7 * x.detach())
    assert y.square().mean().item() == pytest.approx(1)
    assert_close(y / x.detach(), (y / x.detach()).mean().expand_as(y))
    assert_close(rivals.UnitScale()(x, torch.tensor([0.25])), rivals.UnitScale()(x) / 4)
    (gradient,) = torch.autograd.grad(rivals.UnitScale()(x).sum(), x)
    assert_close(gradient, torch.full_like(x, float(gradient[0, 0, 0, 0])))  # the number is held constant


@pytest.mark.parametrize(("make", "has_norm"), [(rivals.unit_pool, False), (rivals.normed_pool, True)])
def test_controls_change_only_pools_that_keep_their_width(make, has_norm):
    x = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    same, wider = make(3, 3, 2), make(3, 6, 2)
    assert any(isinstance(part, StackedNorm) for part in same.modules()) == has_norm
    assert wider.then is None and wider.pool.norm is not None
    pooled = torch.nn.functional.max_pool2d(x, 3, 2, 1)
    spread, mean = torch.var_mean(pooled, (0, 2, 3), keepdim=True, correction=0)
    expected = (pooled - mean) / (spread + 1e-3).sqrt() if has_norm else pooled / pooled.square().mean().sqrt()
    assert_close(same(Source(x)), expected)


def test_controlled_grids_differ_in_their_pools_alone():
    tiny = HyperCuboid("tiny", widths=(2, 4), strides=(1, 2), features=4)
    grids = rivals.controlled_grids(tiny)
    assert [grid.name for grid in grids.values()] == ["tiny-unit_pool", "tiny-normed_pool"]
    assert all(grid.entries == tiny.entries for grid in grids.values())
    for grid in grids.values():
        net = grid.supernet(classes=3, image_channels=1)
        weights = {group: torch.full((1, 8), 1 / 8) for group in grid.choices.groups}
        assert net(torch.randn(2, 1, 6, 6), weights).shape == (2, 3)


def test_rivals_are_in_times_the_even_share():
    tiny = HyperCuboid("tiny", widths=(2, 4), strides=(1, 2), features=4)
    even = {f"stage {i}": np.full((3, 1, 8), 1 / 8) for i in range(2)}
    assert rivals.pool_times_even(tiny, even) == pytest.approx(1)
    even["stage 1"][-1, 0] = [0, 0.5, 0, 0, 0, 0, 0, 0.5]  # conv, pool by width in and out: both pools of one width
    assert rivals.pool_times_even(tiny, even) == pytest.approx(4)
    table = rivals.of_none({"a": kinds.cell_kinds("darts-ssc")}).set_index(["of", "case"]).times_even
    assert table["a, normal", "left out"] == pytest.approx((17.71 + 16.47) / (3 / 7) / 100, abs=1e-3)
    assert table["a, normal", "in the softmax"] == pytest.approx((5.19 + 4.83) / (3 / 8) / 100, abs=1e-3)
    norm = rivals.of_norm(kinds.released("scalar").kinds)
    assert len(norm) == 16 and set(norm.case) == {"without", "with it"}
    assert rivals.of_scale({"a": [1.0, 2.0]}, [5, 6])["of"].tolist() == ["seed 5", "seed 6"]
    drawn = plot_rivals(pd.concat([norm, rivals.of_scale({"a": [1.0, 2.0]}, [5, 6])]))
    assert [ax.get_title() for ax in drawn.axes] == ["BatchNorm", "scale"]


def test_logged_weights_as_bars_with_even_shares_below():
    fig = plot_kinds({"a": kinds.cell_kinds("darts-ssc")})
    left, right = fig.axes
    widths = [bar.get_width() for bar in left.patches]
    normal = [70.66, 5.19, 4.83, 19.31, 12.5, 25, 12.5, 50]  # weights, then even shares
    assert widths[:8] == pytest.approx(normal, abs=0.01) and sum(widths[8:]) == pytest.approx(200, abs=0.01)
    assert [round(bar.get_width(), 1) for bar in right.patches][:8] == [0, 17.7, 16.5, 65.8, 0, 28.6, 14.3, 57.1]
    assert [label.get_text() for label in left.get_yticklabels()] == ["a,\nnormal", "a,\nreduce"]


# --- ablation and networks --------------------------------------------------------------------------------------------


def test_the_paper_s_stack_of_cells():
    search, final = sizes.macros().values()
    assert [len(search), len(final)] == [8 + 2, 20 + 2]
    assert [i for i, block in enumerate(final, start=0) if block.kind == "reduce"] == [7, 14]  # after the stem
    assert final[0] == ("stem", 108, 32) and final[7] == ("reduce", 288, 16) and final[20] == ("normal", 576, 8)
    assert search[-2][1:] == (256, 8)
    fig = draw_macro({"final": final})
    assert [text.get_text() for text in fig.axes[0].texts] == ["108", "144", "288", "576"]


def test_entrants_are_of_equal_size_and_the_chokes_in_proportion():
    assert ablation.chokes(16, 36) == (32, 32) and ablation.chokes(4, 9) == (8, 8)
    recipe = scaled(TRAINING["sharpdarts-plain"], "smoke")
    at = {"classes": 10, "image_channels": 1}
    entered = ablation.entrants(None, [3], recipe, choke=4, **at)
    assert [each.row for each in entered] == [*ablation.PUBLISHED, *ablation.FINISHED]
    target = 1000 * ablation.size_of_all(recipe, cells=recipe.cells, **at)
    assert all(abs(each.thousands / target - 1) < 0.35 and each.config.seed == 3 for each in entered)
    assert entered[-2].thousands == pytest.approx(target)
    history = pd.DataFrame({"epoch": [1, 2], "valid_accuracy": [80.0, 70.0]})
    errors = ablation.errors_of(entered, [history] * len(entered))
    assert errors["last"].eq(30).all() and errors.best.eq(20).all()
    assert ablation.reported_errors(errors).networks.eq(1).all()


def test_searches_of_the_ablation_have_their_own_spaces():
    methods = ablation.searched_methods(8)
    assert methods["DARTS"].space is SPACES["darts"] and len({method.name for method in methods.values()}) == 5
    ops = methods["scalar, no max pool"].space.choices.groups["normal"][0].ops
    assert "max_pool_3x3" not in ops and "avg_pool_3x3" in ops


def test_lines_beside_the_tables_and_their_misses():
    lines = sizes.lines_of_cells("Table 2", {"sharpDARTS": sizes.FinalSize(1.98, 300.0, 290.0)})
    assert lines[0] == ("Table 2", "sharpDARTS", "parameters_millions", "1.980")
    assert sizes.misses(lines)["Table 2", "sharpDARTS", "parameters_millions"] == pytest.approx(0)
    path = sizes.PathSize("Scalar", "scalar path", sizes.FinalSize(0.8, 23.0, 22.0), 21.5, 0.6)
    (_, _, _, size), (_, row, _, words) = sizes.lines_of_paths([path])
    assert size == "0.800, 75 % of it head (scalar path)"
    assert row == "MultiChannelNet Scalar" and words == "23.0, without the last 21.5 (scalar path)"


def test_the_case_worked_by_hand_as_a_table():
    table = worked_by_hand().set_index("gradient of alpha")
    assert table.loc["Max-W"].tolist() == [0.2, 0.6, 1.2, -2.0]
    assert table.columns[0] == "operation 1, w = 0.1"
