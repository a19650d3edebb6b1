"""Decoding of released weights, the exact best path, and the supernet against its own stand-alone paths."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nasnb.analysis.sharpdarts.kinds import logged_weights
from nasnb.architecture import Genotype, Pick
from nasnb.published.genotypes import GENOTYPES
from nasnb.spaces import SPACES
from nasnb.spaces.hypercuboid import HyperCuboid, gated
from nasnb.spaces.paths import best_paths, graph, greedy_path, handmade_path, path_score, random_path, released_weights
from nasnb.supernet.partial_channels import partial_channels
from nasnb.supernet.relaxation import Relaxation, max_w, softmax

SPACE = SPACES["hypercuboid"]
TINY = HyperCuboid(widths=(4, 8), strides=(1, 2) * 2, features=24)


@pytest.mark.parametrize(
    ("search", "published", "score", "second"),
    [
        ("scalar", "MULTI_CHANNEL_SCALAR_PATH", 1.2040, 1.2016),
        ("max_w", "MULTI_CHANNEL_MAX_W_PATH", 0.272844, 0.272826),
    ],
)
def test_released_weights_lead_to_the_released_path(search, published, score, second):
    weights = released_weights(search)
    assert [tuple(w.shape) for w in weights.values()] == [(1, 32)] * 8
    assert torch.cat(list(weights.values())).sum(1) == pytest.approx(torch.ones(8), abs=1e-3)
    best, runner_up = best_paths(SPACE, weights, n=2)
    assert best.genotype == SPACE.discretise(weights) == GENOTYPES[published]
    digits = 4 if search == "scalar" else 5
    assert (round(best.score, digits), round(runner_up.score, digits)) == (round(score, digits), round(second, digits))
    again = {stage: torch.softmax(w, 1) for stage, w in weights.items()}
    assert SPACE.discretise(again) == GENOTYPES[published]


def test_released_weights_in_the_released_order_swap_every_primitive():
    swapped = {stage: w.unflatten(1, (16, 2)).flip(2).flatten(1) for stage, w in released_weights("scalar").items()}
    other = {"sep_conv_3x3": "max_pool_3x3", "max_pool_3x3": "sep_conv_3x3"}
    picks = GENOTYPES["MULTI_CHANNEL_SCALAR_PATH"].picks["path"]
    assert SPACE.discretise(swapped).picks["path"] == tuple(Pick(other[op], i, o) for op, i, o in picks)


def test_share_of_convolutions_falls_in_the_scalar_search_only():
    def shares(search):
        return [float(w[0, ::2].sum()) for w in released_weights(search).values()]

    scalar = shares("scalar")
    assert (round(scalar[0], 2), round(scalar[-1], 2)) == (0.66, 0.04)
    assert all(0.48 < share < 0.51 for share in shares("max_w"))


def brute_force(space, scores):
    tables = space.tables(scores)
    paths = [
        path
        for path in itertools.product(space.entries, repeat=len(space.strides))
        if all(a.target == b.source for a, b in itertools.pairwise(path))
    ]
    return max(paths, key=lambda path: sum(table[pick] for table, pick in zip(tables, path, strict=True))), len(paths)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_best_path_is_the_best_of_all(seed):
    space = HyperCuboid(widths=(4, 8, 16), strides=(1, 2, 1))
    draw = torch.Generator().manual_seed(seed)
    scores = {stage: torch.rand(space.choices.shape(stage), generator=draw) for stage in space.choices.groups}
    best, n_paths = brute_force(space, scores)
    assert n_paths == 3 * (3 * 2) ** 3
    assert space.discretise(scores).picks["path"] == best
    ranked = best_paths(space, scores, n=5)
    assert [p.score for p in ranked] == sorted((p.score for p in ranked), reverse=True)
    assert len({p.genotype for p in ranked}) == 5
    for bottom_up in (False, True):
        greedy = greedy_path(space, scores, bottom_up=bottom_up)
        assert greedy.score <= ranked[0].score + 1e-9
        assert path_score(space, scores, greedy.genotype) == pytest.approx(greedy.score)


def test_greedy_paths_by_hand():
    scores = {stage: torch.zeros(1, 8) for stage in TINY.choices.groups}
    at = {pick: i for i, pick in enumerate(TINY.entries)}
    scores["stage 0"][0, at[Pick("max_pool_3x3", 4, 8)]] = 1.0
    scores["stage 1"][0, at[Pick("sep_conv_3x3", 4, 4)]] = 9.0  # out of reach from the top
    scores["stage 3"][0, at[Pick("sep_conv_3x3", 8, 4)]] = 1.0
    down, up = (greedy_path(TINY, scores, bottom_up=b) for b in (False, True))
    assert down.genotype.picks["path"][0] == Pick("max_pool_3x3", 4, 8)
    assert up.genotype.picks["path"][1] == Pick("sep_conv_3x3", 4, 4)
    assert (down.score, up.score, best_paths(TINY, scores)[0].score) == (1.0, 10.0, 10.0)


def test_ties_go_to_the_narrowest_and_first():
    scores = {stage: torch.zeros(1, 8) for stage in TINY.choices.groups}
    assert TINY.discretise(scores).picks["path"] == (Pick("sep_conv_3x3", 4, 4),) * 4


def test_handmade_path_is_the_released_one():
    assert handmade_path(SPACE) == GENOTYPES["MULTI_CHANNEL_HANDMADE_PATH"]


@given(st.integers(0, 10**9))
def test_random_path_is_legal(seed):
    picks = random_path(TINY, seed).picks["path"]
    assert len(picks) == 4
    assert all(a.target == b.source for a, b in itertools.pairwise(picks))


@pytest.mark.parametrize(
    ("widths", "pairs", "nodes", "edges", "weights"),
    [((32, 64, 128, 256), 4, 304, 530, 256), ((32, 64, 128, 256), 3, 232, 402, 192), ((32, 64), 2, 50, 74, 32)],
)
def test_size_of_the_graph(widths, pairs, nodes, edges, weights):
    space = HyperCuboid(widths=widths, strides=(1, 2) * pairs)
    found = graph(space)
    assert (len(found[0]), len(found[1])) == (nodes, edges)
    assert sum(math.prod(space.choices.shape(stage)) for stage in space.choices.groups) == weights


def copy_path(supernet, net, space, path):
    """Give the stand-alone network of `path` the supernet's weights."""
    first, last = str(path[0].source), str(path[-1].target)
    net.stem.stems[first].load_state_dict(supernet.stem.stems[first].state_dict())
    net.head.joins[last].load_state_dict(supernet.head.joins[last].state_dict())
    net.head.linear.load_state_dict(supernet.head.linear.state_dict())
    for stage, pick in enumerate(path):
        net.blocks[stage].ops[0].load_state_dict(supernet.blocks[stage].ops[space.entries.index(pick)].state_dict())


@pytest.mark.parametrize("closing", ["weights", "open"])
def test_supernet_with_one_path_on_is_the_stand_alone_network(closing):
    torch.manual_seed(0)
    supernet = TINY.supernet(classes=3).double()
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    path = random_path(TINY, 5)
    net = TINY.network(path, classes=3).double()
    copy_path(supernet, net, TINY, path.picks["path"])
    one = {}
    for stage, pick in zip(TINY.choices.groups, path.picks["path"], strict=True):
        one[stage] = torch.zeros(1, 8, dtype=torch.float64)
        one[stage][0, TINY.entries.index(pick)] = 1.0
    open = {stage: weights.bool().tolist() for stage, weights in one.items()} if closing == "open" else None
    got = supernet(images, one, open=open)
    # without `open` the other widths are zeros, and stay so through normalisations whose bias is still 0
    torch.testing.assert_close(got, net(images))


@pytest.mark.parametrize("rule", [softmax, max_w], ids=lambda rule: rule.name)
def test_weights_reach_every_alpha(rule):
    torch.manual_seed(0)
    relaxation = Relaxation(TINY.choices, rule)
    net = TINY.supernet(classes=3)
    weights = relaxation()
    total = sum(float(w.sum().detach()) for w in weights.values())
    assert total == pytest.approx(4.0 if rule is softmax else 4 * 8, rel=1e-2)
    net(torch.randn(4, 3, 8, 8), weights).square().sum().backward()
    assert all(alpha.grad.abs().min() > 0 for alpha in relaxation.alpha.values())


@pytest.mark.parametrize("rule", [softmax, max_w], ids=lambda rule: rule.name)
def test_gate_of_the_published_code(rule):
    w = torch.tensor([[0.9, 0.06, 0.03, 0.01]]).log()  # all but the first are at most 1 / 16
    open = torch.ones(1, 4, dtype=torch.bool)
    expected = rule.weigh(w, open) * torch.tensor([1.0, 0.0, 0.0, 0.0])
    torch.testing.assert_close(gated(rule).weigh(w, open), expected)
    assert gated(rule).name == f"gated({rule.name})"


def test_channels_scale_every_width():
    net = TINY.supernet(channels=2, classes=3)
    assert net(torch.randn(2, 3, 8, 8), {s: torch.ones(1, 8) for s in TINY.choices.groups}).shape == (2, 3)
    assert [stem[0].out_channels for stem in net.stem.stems.values()] == [2, 4]
    assert net.head.linear.in_features == 12


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ([Pick("sep_conv_3x3", 4, 8), Pick("sep_conv_3x3", 4, 8)], "does not fit stage 1: it starts from 8"),
        ([Pick("sep_conv_5x5", 4, 8)], r"'sep_conv_5x5' from 4 to 8 channels .* primitives sep_conv_3x3, max_pool_3x3"),
        ([Pick("sep_conv_3x3", 4, 4)] * 5, "needs a path of 1 to 4 stages, not 5"),
    ],
)
def test_impossible_paths(path, message):
    with pytest.raises(ValueError, match=message):
        TINY.network(Genotype({"path": tuple(path)}, {"path": ()}), classes=3)


def test_what_the_space_does_not_offer():
    with pytest.raises(ValueError, match="no auxiliary head: train with auxiliary_weight=0"):
        TINY.network(handmade_path(TINY), classes=3, auxiliary=True)
    with pytest.raises(ValueError, match="its entries see all channels"):
        TINY.supernet(classes=3, mix=partial_channels(2))
    with pytest.raises(ValueError, match="no released weights of 'max-w': there are 'scalar' and 'max_w'"):
        released_weights("max-w")


@pytest.mark.parametrize(("search", "published"), [("darts-ssc", "SHARPSEPCONV_DARTS"), ("sharp-code", "SHARP_DARTS")])
def test_logged_cell_searches_decode_to_the_published_cells(search, published):
    assert SPACES[search].discretise(logged_weights(search)) == GENOTYPES[published]
