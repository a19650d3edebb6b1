"""Analyses and plots of the chapter on sharpDARTS, against cases worked by hand and automatic differentiation."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from nasnb.analysis.sharpdarts.annealing import middle, time_between_improvements
from nasnb.analysis.sharpdarts.blocks import operation_layers, operation_sizes
from nasnb.analysis.sharpdarts.capacity import capacity_over_time
from nasnb.analysis.sharpdarts.weighting import alpha_gradient_of, softmax_of, weighting_gradients
from nasnb.data import load
from nasnb.methods import METHODS
from nasnb.plots.bands import plot_bands
from nasnb.search import begin
from nasnb.spaces.hypercuboid import HyperCuboid
from nasnb.spaces.paths import handmade_path
from nasnb.spaces.sharp import sharp_ops
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


@pytest.mark.parametrize("rule", [softmax, max_w], ids=lambda rule: rule.name)
def test_closed_form_in_a_supernet(rule):
    method = METHODS["sharpsepconv-darts"]
    data = load().resized(8)
    state = begin(method, data, replace(method.at("smoke"), train_images=32, batch_size=8))
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
