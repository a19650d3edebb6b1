"""The batched supernet computes what a plain one does, one operation of one edge at a time (tests/plain.py)."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.plain import PlainSupernet
from nasnb.spaces import SPACES
from nasnb.spaces.official import load_official, to_official
from nasnb.spaces.stacnas import stage_two
from nasnb.supernet.edges import Routed
from nasnb.supernet.network import full_mix
from nasnb.supernet.partial_channels import PartialMix, partial_channels, shuffled
from nasnb.supernet.relaxation import Relaxation, edge_normalised, softmax

GROUPS = ("normal", "reduce")
SIZE = {"channels": 4, "cells": 3, "classes": 3}  # cells 1 and 2 are reduction cells: every stride is met
MIXED_WINNERS = ["max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3"] * 3 + ["skip_connect"] * 2
STAGE_TWO = stage_two(SPACES["stacnas"], dict.fromkeys(GROUPS, MIXED_WINNERS), singleton="duplicate")


def relaxed(space, rule=softmax):
    return Relaxation(space.choices, rule, std=1.0).double()


def both(space, *, k=1, channels=4):
    """Ours and the plain supernet with the same weights, in float64."""
    torch.manual_seed(0)
    ours = space.supernet(**{**SIZE, "channels": channels}, mix=partial_channels(k)).double()
    plain = PlainSupernet(space.choices, channels, SIZE["cells"], SIZE["classes"], k=k).double()
    plain.load_state_dict(to_official(ours), strict=False)
    return ours, plain


def passed(net, relaxation, **options):
    """Logits, and the gradients of alpha and beta; those of the weights stay in the network."""
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    relaxation.zero_grad()
    logits = net(images, relaxation(), **options)
    logits.square().sum().backward()
    return logits, [p.grad for p in relaxation.parameters()]


def compare(space, *, rule=softmax, **size):
    """Logits, gradients of alpha and of all weights, and running statistics."""
    ours, plain = both(space, **size)
    relaxation = relaxed(space, rule)
    torch.testing.assert_close(passed(ours, relaxation), passed(plain, relaxation))
    state, expected = to_official(ours), plain.state_dict()
    torch.testing.assert_close(state, {key: expected[key] for key in state})
    with torch.no_grad():
        for parameter in ours.parameters():  # so that the official names show gradients
            parameter.copy_(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
    state = to_official(ours)
    gradients = {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in plain.named_parameters()}
    torch.testing.assert_close({name: state[name] for name in gradients}, gradients)


@pytest.mark.parametrize("name", ["darts", "s1", "s2", "s3", "darts-no-none", "stacnas"])
def test_space(name):
    compare(SPACES[name])


def test_edges_with_different_numbers_of_candidates():
    assert {len(edge.ops) for edge in STAGE_TWO.choices.groups["normal"]} == {3}
    compare(stage_two(SPACES["stacnas"], dict.fromkeys(GROUPS, MIXED_WINNERS)))


def test_edges_with_the_same_operation_twice(monkeypatch):
    from benchmarks import plain

    make_op = plain.make_op
    monkeypatch.setattr(plain, "make_op", lambda name, *size: make_op(name.partition("#")[0], *size))
    compare(STAGE_TWO)


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("rule", [softmax, edge_normalised(softmax)], ids=lambda rule: rule.name)
def test_partial_channels(k, rule):
    compare(SPACES["darts"], k=k, rule=rule, channels=8)


def test_edge_weights():
    compare(SPACES["darts"], rule=edge_normalised(softmax))


CLOSED = [(group, edge, op) for group in GROUPS for edge in (0, 3, 4, 9) for op in range(8) if op != edge % 8]
CLOSED += [("normal", 6, op) for op in range(8)]  # a whole edge


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("skipped", [False, True], ids=["as weights of zero", "not computed"])
def test_closed_candidates(k, skipped):
    """Only values and alpha's gradients: what is not computed keeps its running statistics."""
    space = SPACES["darts"]
    ours, plain = both(space, k=k)
    relaxation = relaxed(space)
    for group, edge, op in CLOSED:
        relaxation.open(group)[edge, op] = False
    options = {"open": relaxation.is_open()} if skipped else {}
    torch.testing.assert_close(passed(ours, relaxation, **options), passed(plain, relaxation))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_any_set_of_open_candidates(seed):
    space, draw = SPACES["s3"], torch.Generator().manual_seed(seed)
    relaxation = relaxed(space)
    for group in GROUPS:
        relaxation.open(group).copy_(torch.rand(14, 3, generator=draw) < 0.5)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = space.supernet(**SIZE).double()
        images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    weights = relaxation()
    torch.testing.assert_close(net(images, weights, open=relaxation.is_open()), net(images, weights))


def test_none_counts_only_through_the_softmax():
    torch.manual_seed(0)
    space = SPACES["darts"]
    net, weights = space.supernet(**SIZE).double(), relaxed(space)()
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    without = {group: weight.clone() for group, weight in weights.items()}
    without["normal"][:, 0] = 0
    assert torch.equal(net(images, weights), net(images, without))


def test_noise_is_fresh_every_time_and_nothing_else_is():
    images = torch.randn(2, 3, 8, 8)
    for name, fresh in (("s4", True), ("s3", False)):
        space = SPACES[name]
        net, weights = space.supernet(**SIZE).eval(), Relaxation(space.choices, softmax)()
        assert torch.equal(net(images, weights), net(images, weights)) is not fresh


def test_noise_sends_no_gradient_back():
    space = SPACES["s4"]
    net = space.supernet(**SIZE)
    noise_only = {group: torch.eye(2)[[0] * 14] for group in GROUPS}
    net(torch.randn(2, 3, 8, 8), noise_only).sum().backward()
    assert net.stem.conv.weight.grad is None or not net.stem.conv.weight.grad.any()


# --- partial channels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channels", "k", "order"),
    [
        (8, 2, "0 4 1 5 2 6 3 7"),
        (12, 4, "0 3 6 9 1 4 7 10 2 5 8 11"),
        (16, 4, "0 4 8 12 1 5 9 13 2 6 10 14 3 7 11 15"),
        (16, 8, "0 2 4 6 8 10 12 14 1 3 5 7 9 11 13 15"),
    ],
)
def test_channel_shuffle(channels, k, order):
    x = torch.arange(channels).float().view(1, -1, 1, 1)
    got = shuffled(x[:, : channels // k], x[:, channels // k :], k)
    assert got.flatten().tolist() == [float(c) for c in order.split()]


def one_edge(k=4, stride=1, channels=16, **how):
    mix, space = partial_channels(k, **how), SPACES["darts"]
    edge = space.choices.groups["normal"][0]
    names = tuple(op for op in edge.ops if op != "none")
    fan = mix.fan([edge], names, space.ops, channels=channels, stride=stride, affine=False)
    return mix, fan.double(), len(names)


def routed(mix=None, scale=None):
    return Routed(mix, scale, None)


@pytest.mark.parametrize("stride", [1, 2])
def test_bypass(stride):
    mix, fan, n = one_edge(stride=stride)
    x = torch.randn(2, 16, 8, 8, dtype=torch.float64)
    ((processed, bypass),) = fan(x, routed(torch.zeros(1, n, dtype=torch.float64)))
    assert not processed.any()
    expected = x[:, 4:] if stride == 1 else torch.nn.functional.max_pool2d(x[:, 4:], 2, 2)
    assert torch.equal(bypass, expected)
    assert mix.join((processed, bypass)).shape == (2, 16, 8 // stride, 8 // stride)


def test_skip_alone_permutes_its_input():
    mix, fan, n = one_edge()
    x = torch.randn(2, 16, 4, 4, dtype=torch.float64)
    (parts,) = fan(x, routed(torch.eye(n, dtype=torch.float64)[2:3]))  # skip_connect
    order = [4 * (c % 4) + c // 4 for c in range(16)]
    assert torch.equal(mix.join(parts), x[:, order])


@pytest.mark.parametrize(("mixing", "order"), [("shift", [*range(4, 16), *range(4)]), ("none", list(range(16)))])
def test_other_mixings(mixing, order):
    mix, fan, n = one_edge(mixing=mixing)
    x = torch.randn(2, 16, 4, 4, dtype=torch.float64)
    (parts,) = fan(x, routed(torch.eye(n, dtype=torch.float64)[2:3]))
    assert torch.equal(mix.join(parts), x[:, order])


def test_random_subsets():
    torch.manual_seed(0)
    mix, fan, n = one_edge(select="random")
    x = torch.ones(1, 16, 4, 4, dtype=torch.float64)
    nothing = torch.zeros(1, n, dtype=torch.float64)  # processed channels become 0
    counts = torch.zeros(16)
    for _ in range(400):
        (parts,) = fan(x, routed(nothing))
        processed = mix.join(parts)[0, :, 0, 0] == 0
        assert processed.sum() == 4
        counts += processed
    assert (counts / 400 - 0.25).abs().max() < 0.08  # 3.7 standard deviations


def test_random_subset_of_the_first_channels_is_the_published_selection(monkeypatch):
    one, other = one_edge(select="random")[:2], one_edge(mixing="none")[:2]
    other[1].inner.load_state_dict(one[1].inner[0].state_dict())
    x = torch.randn(2, 16, 8, 8, dtype=torch.float64)
    weights = routed(torch.rand(1, 7, dtype=torch.float64))
    monkeypatch.setattr(torch, "rand", lambda n, **_: torch.arange(n))
    torch.testing.assert_close(*(mix.join(fan(x, weights)[0]) for mix, fan in (one, other)))


def test_random_subset_leaves_channels_in_their_place():
    mix, fan, n = one_edge(select="random")
    x = torch.randn(2, 16, 4, 4, dtype=torch.float64)
    (parts,) = fan(x, routed(torch.eye(n, dtype=torch.float64)[2:3], torch.tensor([1.0], dtype=torch.float64)))
    assert torch.equal(mix.join(parts), x)


def test_random_selection_trains_a_supernet():
    space = SPACES["s1"]
    net = space.supernet(channels=8, cells=3, classes=3, mix=partial_channels(2, select="random"))
    relaxation = Relaxation(space.choices, edge_normalised(softmax))
    images = torch.randn(4, 3, 8, 8)
    assert not torch.equal(net(images, relaxation()), net(images, relaxation()))
    net(images, relaxation()).square().sum().backward()
    assert all(p.grad.any() for p in relaxation.parameters())
    official = space.supernet(channels=8, cells=3, classes=3, mix=partial_channels(2))
    load_official(net, to_official(official))


def test_all_channels_are_the_full_mix():
    assert partial_channels(1) is full_mix
    assert partial_channels(4) == PartialMix(4, "first", "shuffle")


def test_channels_that_do_not_divide():
    with pytest.raises(ValueError, match="channels=16 cannot be parted by k=3: choose a multiple of 3"):
        SPACES["darts"].supernet(channels=16, cells=3, classes=10, mix=partial_channels(3))
    with pytest.raises(ValueError, match="channels=12 cannot be parted by k=4 at stride 2: choose a multiple of 8"):
        one_edge(channels=12, stride=2)
    assert SPACES["darts"].supernet(channels=12, cells=3, classes=10, mix=partial_channels(4)), "reductions double it"


@pytest.mark.parametrize("wrong", [{"k": 0}, {"k": 2, "select": "last"}, {"k": 2, "mixing": "shufle"}])
def test_unknown_partial_channels(wrong):
    with pytest.raises(ValueError, match="k is at least 1, select 'first' or 'random', mixing 'shuffle', 'shift' or"):
        partial_channels(**wrong)


# --- official weights ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "k"), [("s1", 1), ("s4", 1), ("darts", 4)])
def test_official_weights_come_back(name, k):
    torch.manual_seed(0)
    one, other = (SPACES[name].supernet(channels=8, cells=3, classes=3, mix=partial_channels(k)) for _ in range(2))
    load_official(other, to_official(one))
    state = other.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in one.state_dict().items())


def test_official_weights_that_do_not_fit():
    net = SPACES["s2"].supernet(**SIZE)
    state = to_official(net)
    with pytest.raises(ValueError, match=r"key 'stem.0.weight' has shape \(12, 3, 3, 3\), this supernet has \(24,"):
        load_official(SPACES["s2"].supernet(channels=8, cells=3, classes=3), state)
    with pytest.raises(ValueError, match=r"key 'cells\.1\._ops\.0\._ops\.0\.conv_1\.weight' .* another space"):
        load_official(SPACES["s4"].supernet(**SIZE), state)
