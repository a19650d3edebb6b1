from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from conftest import tiny_data
from hypothesis import given, settings
from hypothesis import strategies as st
from supernets import tiny_supernet
from torch import nn

from nasnb.analysis.stacnas import confusion_of, fresh_batches, gradient_confusion, matching_depth
from nasnb.analysis.stacnas.confusion import confusion_of_state
from nasnb.config import SearchConfig
from nasnb.methods import METHODS
from nasnb.published.numbers import published
from nasnb.search import begin
from nasnb.spaces import SPACES

T1 = torch.tensor([[1.0, 0.0], [-1.0, 1.0], [0.0, 2.0]])


def test_confusion_by_hand():
    assert gradient_confusion(T1) == 1
    assert gradient_confusion(list(T1)) == 1
    assert gradient_confusion(gram=T1 @ T1.T) == 1
    assert gradient_confusion(torch.tensor([[1.0, 0], [1, 1], [0, 1]])) == 0
    assert gradient_confusion(T1[:1]) == 0
    assert gradient_confusion(T1, rule="row") == pytest.approx(2 / 3)


@given(seed=st.integers(0, 10**6), m=st.integers(1, 6), scale=st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_order_means_nothing_and_scale_counts_squared(seed, m, scale):
    draw = torch.Generator().manual_seed(seed)
    g = torch.randn(m, 3, generator=draw, dtype=torch.float64)
    pairs = [-float(g[i] @ g[j]) for i in range(m) for j in range(i)]
    assert gradient_confusion(g) == pytest.approx(max([0.0, *pairs]))
    assert gradient_confusion(g[torch.randperm(m, generator=draw)]) == pytest.approx(gradient_confusion(g))
    assert gradient_confusion(scale * g) == pytest.approx(scale**2 * gradient_confusion(g))


def test_errors_say_what_to_give():
    with pytest.raises(ValueError, match="either the gradients or their Gram matrix"):
        gradient_confusion()
    with pytest.raises(ValueError, match="unknown rule 'all'; known: set, row"):
        gradient_confusion(T1, rule="all")


class Number(nn.Module):
    """One parameter w, loss (w - a)^2 / 2 for a batch whose images are the number a."""

    def __init__(self, w):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([float(w)]))

    def loss(self, images, labels):
        return 0.5 * (self.w - images).square().sum()


def confusion_at(w, **options):
    net = Number(w)
    batches = [(torch.tensor(a), None) for a in (1.0, -2.0) * 3]
    return confusion_of(net, batches, loss=net.loss, m=2, **options)


@pytest.mark.parametrize(("w", "zeta"), [(0, 2), (3, 0), (-0.5, 2.25)])
def test_confusion_of_a_model_by_hand(w, zeta):
    found = confusion_at(w, iterations=3)
    assert found.iterations == pytest.approx((zeta,) * 3)
    assert found.parameters == 1
    assert found.value == pytest.approx(zeta * 1e6)
    assert confusion_at(w, iterations=3, reduction="sum").value == pytest.approx(3 * zeta * 1e6)


def test_mean_and_sum_by_hand():
    """Losses that are linear in two million weights: confusions 1, 2 and 3 make a mean of 1.0 and a sum of 3.0."""
    net = nn.Linear(2_000_000, 1, bias=False)

    def loss(images, labels):
        return net.weight[0, 0] * images[0] + net.weight[0, 1] * images[1]

    pairs = [((1.0, 0.0), (-z, 5.0)) for z in (1.0, 2.0, 3.0)]
    drawn = [(torch.tensor(g), None) for pair in pairs for g in pair]
    found = confusion_of(net, drawn, loss=loss, m=2, iterations=3)
    assert found.iterations == (1.0, 2.0, 3.0)
    assert found.value == pytest.approx(1.0)
    assert confusion_of(net, drawn, loss=loss, m=2, iterations=3, reduction="sum").value == pytest.approx(3.0)
    rows = confusion_of(net, drawn, loss=loss, m=6, rule="row")
    assert rows.iterations == (3.0, 1.0, 3.0, 2.0, 3.0, 3.0)
    assert rows.value == pytest.approx(2.5 / 2)


def test_a_network_is_left_as_it_was_and_the_gram_matrix_is_that_of_whole_gradients():
    net, weights, _ = tiny_supernet("s2")
    data = tiny_data()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}

    def loss(images, labels):
        return F.cross_entropy(net(images, weights), labels)

    found = confusion_of(net, fresh_batches(data, batch_size=24), loss=loss, m=3, iterations=2)
    after = net.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert not net.training
    assert all(p.grad is None for p in net.parameters())
    net.train()
    stream = fresh_batches(data, batch_size=24)
    rows = []
    for _ in range(3):
        gradients = torch.autograd.grad(loss(*next(stream)), list(net.parameters()), materialize_grads=True)
        rows.append(torch.cat([g.flatten() for g in gradients]))
    assert found.iterations[0] == pytest.approx(gradient_confusion(rows), rel=1e-4)
    assert len(found.iterations) == 2
    assert found.iterations[0] != found.iterations[1]


def test_alpha_can_take_part_and_only_parameters_with_a_gradient_count():
    config = SearchConfig(channels=4, cells=3, batch_size=16)
    state = begin(replace(METHODS["darts-1st"], space=SPACES["s2"]), tiny_data(), config)
    alphas = list(state.relaxation.parameters())
    stream = [next(fresh_batches(state.data, batch_size=16))] * 2

    def loss(images, labels):
        return state.loss((images, labels), state.relaxation())

    plain = confusion_of(state.net, stream, loss=loss, m=2, iterations=1)
    with_alpha = confusion_of(state.net, stream, loss=loss, m=2, iterations=1, include=alphas)
    assert with_alpha.parameters - plain.parameters == 2 * 14 * 2
    assert plain.iterations == (0.0,)  # a batch agrees with itself
    assert all(a.grad is None for a in alphas)
    how = {"seed": 3, "batch_size": 16, "m": 2, "iterations": 1}  # of a supernet that was never trained
    drawn = fresh_batches(state.data, batch_size=16, seed=3)
    assert confusion_of_state(state, state.data, state.data.train, **how) == confusion_of(
        state.net, drawn, loss=loss, m=2, iterations=1
    )


def test_batches_that_run_out_are_refused_and_fresh_ones_do_not():
    net = Number(0)
    with pytest.raises(ValueError, match="ran out: 10 x 10 are needed"):
        confusion_of(net, [(torch.tensor(1.0), None)] * 12, loss=net.loss)
    stream = fresh_batches(tiny_data(n=40), batch_size=32)
    drawn = [next(stream) for _ in range(3)]
    assert [len(labels) for _, labels in drawn] == [32] * 3
    assert not torch.equal(drawn[0][0], drawn[1][0])


def test_depth_that_matches():
    table = published("StacNAS", "Table 1").set_index("row").value
    stage_one = {depth: table[f"stage 1, {depth} cells"] for depth in (14, 17, 20)}
    for rule in ("difference", "log_ratio"):
        assert matching_depth(stage_one, table["final network, 20 cells"], rule=rule) == 14
        assert matching_depth({14: 0.25, 8: 0.75}, 0.5, rule=rule) == 8
    assert matching_depth({8: 0.2, 14: 0.9}, 0.5) == 8
    assert matching_depth({8: 0.2, 14: 0.9}, 0.5, rule="log_ratio") == 14
    with pytest.raises(ValueError, match="unknown rule 'ratio'"):
        matching_depth(stage_one, 0.5, rule="ratio")
