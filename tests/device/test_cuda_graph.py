"""Recorded steps without a graphics card: a recorder that replays operation by operation, on tensors of a processor."""

import sys
from dataclasses import replace

import pytest
import torch
from conftest import tiny_data
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nasnb.config import SearchConfig
from nasnb.device.cuda_graph import Captured, decided
from nasnb.device.sgd import ReplayedSGD
from nasnb.methods import METHODS
from nasnb.search import loop, search, state
from nasnb.spaces import with_nodes
from nasnb.supernet.relaxation import softmax

TINY = SearchConfig(epochs=4, batch_size=16, channels=4, cells=3, train_images=80, pace=0.1)


class Trace(TorchDispatchMode):
    """Operations as a graph holds them: the very tensors that they read and wrote, host numbers as they were."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def replay(self):
        """All of it again, into the same memory."""
        for function, args, kwargs, result in self.calls:
            if function.is_view:
                continue
            again = function(*args, **kwargs)
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class Recorder:
    """Instead of `record_graph`. Recording computes here, so the replay that follows it at once does nothing."""

    def __init__(self):
        self.recorded = 0

    def __call__(self, compute):
        self.recorded += 1
        with Trace() as trace:
            result = compute()
        replays = iter([lambda: None])
        return lambda: next(replays, trace.replay)(), result


@pytest.fixture
def as_on_a_card(monkeypatch):
    """Optimisers as they are built for a graph: rate and step count are tensors that kernels read."""

    def sgd(net, config):
        how = {"momentum": config.momentum, "weight_decay": config.weight_decay}
        return ReplayedSGD(net.parameters(), torch.tensor(config.lr), **how)

    def adam(relaxation, config):
        if relaxation.rule.learns:
            how = {"betas": config.alpha_betas, "weight_decay": config.alpha_weight_decay}
            return torch.optim.Adam(relaxation.parameters(), config.alpha_lr, capturable=True, foreach=True, **how)
        return None

    monkeypatch.setattr(sys.modules["torch.optim.adam"], "_get_capturable_supported_devices", lambda **_: ["cpu"])
    monkeypatch.setattr(state, "sgd", sgd)
    monkeypatch.setattr(state, "adam", adam)


# how often a search of four epochs is recorded: anew only where something is decided anew
RECORDINGS = {
    "darts-1st": 1,
    "darts-2nd": 1,
    "pc-darts": 2,  # alpha rests at first
    "stacnas": 2,  # two stages
    "msr-darts": 1,
    "sdarts-rs": 4,  # the noise grows with every epoch
    "sgas": None,
    "msr-darts-published-code": 4,  # mixing weights are new in every epoch
}


SLOW = ("darts-2nd", "msr-darts", "msr-darts-published-code")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in RECORDINGS])
def test_a_replayed_search_is_the_plain_one(name, as_on_a_card, monkeypatch):
    method = replace(METHODS[name], space=with_nodes(METHODS[name].space, 2))
    config = replace(TINY, channels=8) if name == "pc-darts" else TINY
    runs, recorder = ends(method, config), Recorder()
    make = lambda step, _: Captured(step, warm_up=lambda compute: compute(), record=recorder)  # noqa: E731
    monkeypatch.setattr(loop, "captured", make)
    for one, other in zip(runs, ends(method, config), strict=True):
        assert one.train == other.train and one.valid == other.valid and one.lr == other.lr
        assert all((one.weights[group] == other.weights[group]).all() for group in one.weights)
    assert recorder.recorded == (RECORDINGS[name] or recorder.recorded)


def ends(method, config):
    return list(search(method, tiny_data(), config))


def test_what_is_decided_otherwise_is_recorded_anew():
    rate, recorder = [1.0], Recorder()
    step = Captured(
        lambda state, train, _: (decided(lambda: rate[0]) * train[0],) * 2,
        warm_up=lambda compute: compute(),
        record=recorder,
    )
    answers = []
    for rate[0] in (1.0, 1.0, 1.0, 3.0, 3.0, 3.0):
        answers.append(step(None, (torch.ones(1),), None)[0].item())
    assert answers == [1.0, 1.0, 1.0, 3.0, 3.0, 3.0] and recorder.recorded == 2


def test_what_nobody_tells_is_replayed_as_it_was():
    """The other side of the test before: so the recorder does hold host numbers."""
    rate = [1.0]
    step = Captured(lambda state, train, _: (rate[0] * train[0],) * 2, warm_up=lambda c: c(), record=Recorder())
    answers = []
    for rate[0] in (1.0, 1.0, 3.0):
        answers.append(step(None, (torch.ones(1),), None)[0].item())
    assert answers == [1.0, 1.0, 1.0]


def test_its_gradient_descent_is_that_of_torch():
    """Weights and velocities, over steps with other rates; what has no gradient stays."""
    draw = torch.Generator().manual_seed(0)
    ours, theirs = (torch.nn.ParameterList(torch.ones(n, 2, dtype=torch.float64) for n in (1, 2, 3)) for _ in range(2))
    how = {"momentum": 0.9, "weight_decay": 0.01}
    mine = ReplayedSGD(ours, torch.tensor(0.0, dtype=torch.float64), **how)
    judge = torch.optim.SGD(theirs, 0.0, **how)
    for rate in (0.1, 0.3, 0.2):
        mine.param_groups[0]["lr"].fill_(rate)
        judge.param_groups[0]["lr"] = rate
        for one, other in list(zip(ours, theirs, strict=True))[:2]:
            one.grad = torch.randn(one.shape, generator=draw, dtype=torch.float64)
            other.grad = one.grad.clone()
        mine.step(), judge.step()
    torch.testing.assert_close(list(ours), list(theirs))
    assert (ours[2] == 1).all()
    mine.load_state_dict(judge.state_dict())
    torch.testing.assert_close(*(list(o.state.values())[1]["momentum_buffer"] for o in (mine, judge)))


def test_optimisers_are_made_for_recording_on_a_card_that_records():
    """With fake tensors of a card: rate and step count are there, whatever this machine has."""
    config = replace(TINY, capture=True)
    with FakeTensorMode():
        weight = torch.nn.Parameter(torch.empty(2, 3, device="cuda"))
        holder = torch.nn.ParameterList([weight])
        holder.rule = softmax
        alpha, weights = state.adam(holder, config), state.sgd(holder, config)
        weight.grad = torch.empty_like(weight)
        alpha.step(), weights.step()
        assert alpha.state[weight]["step"].is_cuda and weights.param_groups[0]["lr"].is_cuda
        assert isinstance(state.sgd(holder, TINY).param_groups[0]["lr"], float)
