from functools import partial
from itertools import pairwise

import pandas as pd
import pytest
import torch
from conftest import tiny_data
from supernets import tiny_supernet
from torch.testing import assert_close

from benchmarks.plain import PlainSupernet
from nasnb.analysis.darts_pt.handmade import ConvLayer, ResidualBlock, Stack, prepare_stack, resnet, vgg16
from nasnb.analysis.darts_pt.shuffling import (
    edge_shuffling,
    layer_shuffling,
    share_lost,
    shuffling_summary,
    swappable,
    swapped_edges,
    swapped_layers,
)
from nasnb.config import TrainConfig
from nasnb.randomness import generator
from nasnb.spaces import SPACES
from nasnb.spaces.official import to_official
from nasnb.supernet.partial_channels import partial_channels
from nasnb.training import train


def plain_logits(net, images, matrices):
    """The plain supernet's pass with mixing weights of every cell's own."""
    s0 = s1 = net.stem(images)
    for cell, matrix in zip(net.cells, matrices, strict=True):
        s0, s1 = s1, cell(s0, s1, matrix, torch.ones(len(matrix)))
    return net.classifier(s1.mean((2, 3)))


@pytest.mark.parametrize("with_weights", [True, False])
def test_swapped_edges_are_modules_swapped_in_the_plain_supernet(with_weights):
    """Edges 1 (from state 1) and 7 (from state 2), in the reduction cell two of stride 2, with pools and skips."""
    net, weights, images = tiny_supernet("darts")
    plain = PlainSupernet(SPACES["darts"].choices, 4, 3, 4).eval()
    plain.load_state_dict(to_official(net), strict=False)
    pairs = {0: (1, 7), 1: (0, 6), 2: (4, 13)}
    matrices = [weights[group].clone() for group in plain.groups]
    with torch.no_grad(), swapped_edges(net, weights, pairs, with_weights=with_weights):
        found = net(images, weights)
    for block, (i, j) in pairs.items():
        ops = plain.cells[block]._ops
        ops[i], ops[j] = ops[j], ops[i]
        if with_weights:
            matrices[block][[i, j]] = matrices[block][[j, i]]
    with torch.no_grad():
        expected = plain_logits(plain, images, matrices)
        untouched = net(images, weights)
    assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found, untouched, atol=1e-3)


def test_only_edges_of_one_stride_swap():
    net, _, _ = tiny_supernet("s2")
    pairs = swappable(net)
    assert len(pairs[0]) == 14 * 13 // 2
    edges = SPACES["s2"].choices.groups["reduce"]
    assert len(pairs[1]) == 8 * 7 // 2 + 6 * 5 // 2
    assert all((edges[i].source < 2) == (edges[j].source < 2) for i, j in pairs[1])


def test_edges_with_other_candidates_swap_with_their_weights_only():
    net, weights, images = tiny_supernet("s1")
    with swapped_edges(net, weights, {0: (0, 6)}), torch.no_grad():
        assert torch.isfinite(net(images, weights)).all()
    with (
        pytest.raises(ValueError, match=r"edges 0 and 6 have different candidates.*move their weights"),
        swapped_edges(net, weights, {0: (0, 6)}, with_weights=False),
    ):
        pass


def test_table_of_a_supernet_repeats_and_leaves_no_trace():
    net, weights, images = tiny_supernet("s2")
    data = tiny_data()
    with torch.no_grad():
        before = net(images, weights)
    table = edge_shuffling(net, weights, data, draws=3)
    assert table.draw.tolist() == [0, 1, 2, 3]
    assert table.equals(edge_shuffling(net, weights, data, draws=3))
    with torch.no_grad():
        assert torch.equal(net(images, weights), before)
    summary = shuffling_summary(table.assign(network="S2"), ["network"]).iloc[0]
    assert summary.before == table.accuracy[0]
    assert summary.after == pytest.approx(table.accuracy[1:].mean())
    assert summary.n == 3


def test_partial_channels_and_bench201():
    for name, options in (("s2", {"channels": 16, "mix": partial_channels(4)}), ("bench201", {"cells": 2})):
        net, weights, images = tiny_supernet(name, **options)
        block, pairs = next(iter(swappable(net).items()))
        with torch.no_grad():
            before = net(images, weights)
            with swapped_edges(net, weights, {block: pairs[-1]}):
                assert not torch.allclose(net(images, weights), before, atol=1e-3)


# --- layers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("build", "swappable_layers"), [(vgg16, [1, 1, 2, 2, 3]), (resnet, [9, 8, 8])])
def test_the_layers_that_may_swap(build, swappable_layers):
    net = build(classes=10, channels=2)
    kept = [[x for x in stage if isinstance(x, ConvLayer | ResidualBlock) and x.keeps_shape] for stage in net.stages]
    assert list(map(len, kept)) == swappable_layers
    assert net(torch.zeros(2, 3, 16, 16)).shape == (2, 10)


def test_parameter_counts_of_the_usual_networks():
    """ResNet-56 by hand: 3x3 convolutions, 1x1 shortcuts, BatchNorms, a linear layer; VGG-16 likewise."""
    blocks = [(16, 16)] * 9 + [(16, 32)] + [(32, 32)] * 8 + [(32, 64)] + [(64, 64)] * 8
    convs = sum(9 * a * b + 9 * b * b + 4 * b + (0 if a == b else a * b + 2 * b) for a, b in blocks)
    assert sum(p.numel() for p in resnet(classes=10).parameters()) == 27 * 16 + 32 + convs + 650
    widths = [3, 64, 64, 128, 128, *[256] * 3, *[512] * 6]
    expected = sum(9 * a * b + 2 * b for a, b in pairwise(widths)) + 5130
    assert sum(p.numel() for p in vgg16(classes=10).parameters()) == expected
    with pytest.raises(ValueError, match="depth=18: a ResNet for small images"):
        resnet(classes=10, depth=18)


def test_layers_swap_and_come_back():
    net = resnet(classes=4, depth=20, channels=4).eval()
    order = [list(stage) for stage in net.stages]
    with swapped_layers(net, generator(0, "test")):
        stages = zip(net.stages, order, strict=True)
        moved = [[i for i, layer in enumerate(stage) if layer is not was[i]] for stage, was in stages]
    assert list(map(len, moved)) == [2, 2, 2]
    assert all(0 not in stage for stage in moved)  # the stem, and the blocks that halve
    assert [list(stage) for stage in net.stages] == order
    with pytest.raises(ZeroDivisionError), swapped_layers(net, generator(0, "test")):
        raise ZeroDivisionError
    assert [list(stage) for stage in net.stages] == order


def test_stacks_train_and_are_shuffled():
    config = TrainConfig(epochs=1, batch_size=32, cutout=0, auxiliary_weight=0, drop_path=0, train_images=64)
    data = tiny_data()
    state = prepare_stack(partial(resnet, depth=14, channels=4), data, config)
    assert isinstance(state.net, Stack)
    assert [epoch.number for epoch in train(state)] == [1]
    table = layer_shuffling(state.net, data, draws=2)
    assert table.accuracy.between(0, 100).all()
    assert table.equals(layer_shuffling(state.net, data, draws=2))


def test_of_the_accuracy_above_chance_a_fall_to_chance_loses_all():
    table = pd.DataFrame({"before": [90.0, 50.0, 60.0], "after": [10.0, 10.0, 35.0]})
    assert share_lost(table, classes=10).tolist() == [100, 100, 50]
