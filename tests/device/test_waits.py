"""Within a step no method waits for the device, copies from the host, or changes its shapes: what a graph asks for."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.steps import META, ready
from nasnb.methods import METHODS
from nasnb.spaces import with_nodes

aten = torch.ops.aten
READS = ("item", "tolist", "cpu", "numpy", "__bool__", "__int__", "__float__", "__index__", "__array__", "nonzero")
READING = {getattr(Tensor, name) for name in READS} | {torch.nonzero, torch.unique, torch.masked_select, torch.equal}
MAKING = {torch.tensor, torch.as_tensor, torch.from_numpy, Tensor.new_tensor}
SIZED_BY_VALUES = {aten.nonzero, aten.masked_select, aten._unique2, aten.bincount, aten._local_scalar_dense, aten.equal}


class NoReading(TorchFunctionMode):
    """What Python asks of tensors: numbers of a host tensor, such as Adam's count of steps, cost no wait."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        on_device = not (args and isinstance(args[0], Tensor) and args[0].device.type == "cpu")
        assert function not in READING or not on_device, f"{function} reads from the device"
        assert function not in MAKING, f"{function} copies from the host"
        return function(*args, **(kwargs or {}))


class NoWaiting(TorchDispatchMode):
    """What is launched in the end, with the shapes: no sizes that depend on values, no two devices at once."""

    def __init__(self):
        super().__init__()
        self.launched = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        on_device = any(t.is_meta for t in tensors)
        assert not (on_device and function.overloadpacket in SIZED_BY_VALUES), f"{function} waits"
        if function.overloadpacket in (aten.index, aten.index_put, aten.index_put_):
            assert all(i is None or i.dtype != torch.bool for i in args[1]), f"{function} by booleans waits"
        result = function(*args, **(kwargs or {}))
        places = {t.device for t in [*tensors, *tree_leaves(result)] if isinstance(t, Tensor) and t.dim()}
        assert len(places) < 2, f"{function} moves between host and device"
        self.launched.append((str(function), [tuple(t.shape) for t in tensors]))
        return result


def step_on_meta(name, monkeypatch):
    """One step past every warm-up on a device that has no numbers; `name` may be followed by a space."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # there is none for the meta device
    name, _, space = name.partition(" ")
    method = METHODS[name].on(space) if space else METHODS[name]
    if method.space.name in ("darts", "darts-no-none", "msr", "stacnas"):
        method = replace(method, space=with_nodes(method.space, 2))
    sizes = {"cells": 3, "channels": 8 if "pc-darts" in name else 4, "batch_size": 4, "second_stage_cells": None}
    config = replace(method.config, **sizes)
    state = ready(method, config, META)
    side = 32 if config.stem == "imagenet" or "hypercuboid" in name else 16
    batch = torch.empty(4, 3, side, side, device=META), torch.zeros(4, dtype=torch.long, device=META)
    step = lambda: method.step(state, batch, lambda: batch)  # noqa: E731
    step()  # what is only made once
    return step


FAST = ("sdarts-rs", "pc-darts", "stacnas", "msr-darts", "darts-1st bench201")
NAMES = (*METHODS, "darts-1st s1", "darts-1st s4", "darts-1st bench201", "darts-2nd bench201")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in FAST)) for n in NAMES])
def test_no_step_waits_and_every_step_is_the_same(name, monkeypatch):
    step = step_on_meta(name, monkeypatch)
    seen = []
    for _ in range(2):
        with NoReading(), NoWaiting() as watch:
            step()
        seen.append(watch.launched)
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("wait", "message"),
    [
        (lambda x: x.sum().item(), "reads from the device"),
        (lambda x: x.tolist(), "reads from the device"),
        (lambda x: x.cpu(), "reads from the device"),
        (lambda x: bool(x.sum() > 0), "reads from the device"),
        (lambda x: x[x > 0], "waits"),
        (lambda x: x * torch.tensor([1.0], device=META), "copies from the host"),
        (lambda x: x + torch.ones(4).to(META), "moves between host and device"),
    ],
)
def test_a_wait_that_is_put_in_is_found(wait, message):
    x = torch.empty(4, device=META)
    with pytest.raises(AssertionError, match=message), NoReading(), NoWaiting():
        wait(x)
