"""Partial channels and edge weights: counts worked by hand, costs against the published supernets, decoding cases."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from nasnb.analysis import pc_darts
from nasnb.config import SearchConfig
from nasnb.data import balanced_subsets, load, split
from nasnb.methods import METHODS
from nasnb.plots import pc_darts as drawn
from nasnb.published.genotypes import GENOTYPES
from nasnb.search import begin
from nasnb.spaces import SPACES
from nasnb.supernet.partial_channels import full_mix, partial_channels

SPACE, METHOD = SPACES["darts"], METHODS["pc-darts"]


@pytest.fixture(scope="module")
def data():
    return load("fashion-sample").resized(16)


# --- variants and costs -----------------------------------------------------------------------------------------------


def test_variants_change_one_part_each():
    assert pc_darts.variant(METHOD) == METHOD
    plain = pc_darts.variant(METHOD, k=1, beta=False)
    assert plain.mix is full_mix and plain.relax.name == "softmax" and plain.name == "pc-darts-k1-no-beta"
    assert pc_darts.variant(METHOD, k=2) == replace(METHOD, name="pc-darts-k2", mix=partial_channels(2))


def test_batch_and_rate_of_darts_follow_from_those_of_pc_darts():
    one = pc_darts.in_proportion(METHOD.config, 1)
    assert (one.batch_size, one.lr) == (SearchConfig().batch_size, pytest.approx(SearchConfig().lr))


def test_costs_of_the_published_supernet():
    costs = pc_darts.supernet_costs(
        SPACE, ks=(4,), channels=16, cells=8, classes=10, image_size=(3, 32, 32), capacity=12 * 2**30
    ).iloc[0]
    assert costs.parameters == 299_578
    assert round(costs.multiply_adds / 1e6, 3) == 56.597
    assert costs.batch_size * costs.bytes_per_image <= 12 * 2**30
    assert costs.batch_size >= 256, "the paper trains with 256 in less than 12 GB"


def test_a_real_step_keeps_what_the_count_says(data):
    config = METHOD.at("smoke", channels=8, batch_size=8)
    state = begin(METHOD, data, config)
    batch = next(state.batches(state.train, "costs", 0))
    exact = pc_darts.supernet_costs(SPACE, ks=(4,), channels=8, cells=3, classes=10, image_size=(1, 16, 16), capacity=1)
    assert pc_darts.saved_bytes(state, batch) == pytest.approx(8 * exact.bytes_per_image[0], rel=0.25)


def test_step_costs_fall_with_k(data):
    costs = pc_darts.step_costs(METHOD, data, METHOD.at("smoke", channels=8, batch_size=8), ks=(1, 4), repeats=1)
    assert costs.k.tolist() == [1, 4] and (costs.seconds > 0).all()
    assert costs.peak_bytes[1] < 0.6 * costs.peak_bytes[0]


# --- edges ------------------------------------------------------------------------------------------------------------


def closed_form():
    """Recorded weights of one epoch: alpha[e, o] = sin(1 + 3e + 5o), beta[e] = sin(2e), in both groups."""
    e, o = torch.arange(14.0)[:, None], torch.arange(8.0)
    alpha, beta = torch.sin(1 + 3 * e + 5 * o).softmax(1), torch.sin(2 * torch.arange(14.0))
    shares = torch.cat([part.softmax(0) for part in beta.split((2, 3, 4, 5))])
    return {
        "normal": alpha[None].numpy(),
        "reduce": alpha[None].numpy(),
        "normal/edges": shares[None].numpy(),
        "reduce/edges": shares[None].numpy(),
    }


def test_decoding_with_and_without_beta():
    weights = closed_form()
    assert pc_darts.decoded(SPACE, weights, beta=False).short("normal") == "ap1 s30 / s32 s30 / s31 s33 / sk3 sk1"
    assert pc_darts.decoded(SPACE, weights).short("normal") == "ap1 s30 / s32 ap1 / d32 s33 / sk1 mp4"


def test_share_of_edges_that_beta_exchanges():
    changes = pc_darts.beta_effect(SPACE, closed_form())
    # of two kept edges per node: none of node 2, one of nodes 3, 4 and 5 each
    assert changes[changes.group == "normal"].changed.tolist() == [3 / 8]
    plain = {group: weights for group, weights in closed_form().items() if "/" not in group}
    assert (pc_darts.beta_effect(SPACE, plain).changed == 0).all()


def test_beta_table_lists_every_edge_and_nodes_add_up():
    table = pc_darts.beta_table(SPACE, closed_form())
    assert len(table) == 14
    assert table.groupby(["epoch", "node"]).weight.sum().to_numpy() == pytest.approx(np.ones(4), abs=1e-6)


def test_edges_kept_in_common():
    one, other = GENOTYPES["PC_DARTS_cifar"], GENOTYPES["DARTS_V1"]
    shares = pc_darts.kept_in_common([one, one, other])
    assert shares[0] == 1 and shares[1] == shares[2] < 1


# --- claims and subsets -----------------------------------------------------------------------------------------------


def test_edges_kept_are_those_of_the_genotype_in_the_order_of_alpha():
    space = METHODS["pc-darts"].space
    kept = pc_darts.edges_kept(space, GENOTYPES["PC_DARTS_cifar"])
    assert len(kept) == 28 and sum(kept) == 16
    edges = [(g, e.source, e.target) for g, edges in space.choices.groups.items() for e in edges]
    cell = GENOTYPES["PC_DARTS_cifar"].picks
    assert {edge for edge, keeps in zip(edges, kept, strict=True) if keeps} == {
        (g, pick.source, pick.target) for g, picks in cell.items() for pick in picks
    }


def test_subsets_are_balanced_disjoint_and_split_where_they_meet(data):
    proxy, share = pc_darts.on_subsets(data, (0.1, 0.025), seed=0)
    state = begin(METHOD, proxy, METHOD.at("smoke", channels=8, train_images=len(proxy.train), train_fraction=share))
    assert state.train.labels.bincount().tolist() == [40] * 10
    assert state.valid.labels.bincount().tolist() == [10] * 10
    assert proxy.checksum != pc_darts.on_subsets(data, (0.1, 0.025), seed=1)[0].checksum != data.checksum
    assert proxy.name == "fashion-sample@16/10%+2.5%"


@pytest.mark.parametrize("first", [17, 39, 131])
def test_no_image_for_the_weights_reaches_alpha_whatever_a_class_gives(data, first):
    uneven = replace(data, train=data.train.take(torch.arange(first, len(data.train))))  # classes of unequal size
    fractions = (0.1, 0.025)
    parts = balanced_subsets(uneven.train.labels, fractions, seed=0)
    proxy, share = pc_darts.on_subsets(uneven, fractions)
    weights, alpha = split(proxy.train, share)
    for part, chosen in zip((weights, alpha), parts, strict=True):
        assert torch.equal(part.images, uneven.train.images[chosen])


# --- figures ----------------------------------------------------------------------------------------------------------


def test_figures_show_what_they_are_given():
    fig = drawn.plot_edge_weights(pc_darts.beta_table(SPACE, closed_form()))
    assert [len(ax.get_lines()) for ax in fig.axes[1:]] == [4, 5, 6]  # the edges, and the equal share

    table = pd.DataFrame({"x": [1, 2, 1, 2], "y": [1.0, 2.0, 3.0, 4.0], "by": list("aabb")})
    ax = drawn.plot_lines(table, x="x", y="y", hue="by", xlabel="x", ylabel="y").axes[0]
    assert ax.get_lines()[1].get_ydata().tolist() == [3, 4]


def test_boxes_drawn_are_those_above_the_score():
    box = {"boxes": np.array([[1, 2, 5, 7]]), "labels": np.array([2])}
    found = {"boxes": [[1, 2, 5, 7], [0, 0, 3, 3]], "labels": [2, 1], "scores": [0.9, 0.1]}
    fig = drawn.draw_boxes([np.zeros((1, 9, 9))], [box], [found], names=("shirt", "bag"), columns=1)
    assert len(fig.axes[0].patches) == 2 and [text.get_text() for text in fig.axes[0].texts] == ["bag"]


@pytest.mark.parametrize(
    ("given", "made"), [([2, 4], (1, 2, 4)), ([1, 2], (1, 2, 4)), ((8, 1, 4), (1, 4, 8)), ([], (1, 4))]
)
def test_every_k_is_compared_with_one_and_four(given, made):
    assert pc_darts.compared(given) == made
