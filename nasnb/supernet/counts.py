"""What a network costs: parameters and multiply-adds of one image."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from nasnb.architecture import Choices
from nasnb.supernet.edges import FanOut
from nasnb.supernet.layers import Source, StackedConv


class Counts(NamedTuple):
    """Trainable parameters, and multiply-adds of one image, both without auxiliary head."""

    parameters: int
    multiply_adds: int


def count(
    net: nn.Module,
    image_size: tuple[int, int, int] = (3, 32, 32),
    choices: Choices | None = None,
    *,
    how: str = "layers",
) -> Counts:
    """Cost of one image of (channels, height, width); a supernet needs its space's `choices` to be run.

    One multiply-add counts once. `how="layers"` counts convolutions and linear layers, "elementwise" normalisations,
    ReLUs and pools too, as the tables of sharpDARTS and PC-DARTS do (final networks only). Runs on the meta device:
    nothing is computed, the network is not touched.

    >>> from nasnb import GENOTYPES, SPACES, count
    >>> net = SPACES["darts"].network(GENOTYPES["DARTS_V2"], channels=36, cells=20, classes=10, auxiliary=False)
    >>> f"{count(net).parameters:,}"
    '3,349,342'
    """
    if how not in ("layers", "elementwise"):
        raise ValueError(f"unknown way to count {how!r}: choose 'layers' or 'elementwise'")
    heads = [p for name, p in net.named_parameters() if name.startswith("auxiliary.")]
    parameters = sum(p.numel() for p in net.parameters()) - sum(p.numel() for p in heads)
    ghost = copy.deepcopy(net).to("meta").eval()
    for conv in [module for module in ghost.modules() if isinstance(module, StackedConv)]:
        conv.reparametrise = None  # finding a spectral norm is not the network's own work
    inputs: list = [torch.empty(1, *image_size, device="meta")]
    if choices is not None:
        inputs.append({group: torch.ones(choices.shape(group), device="meta") for group in choices.groups})
    counter = _Counter(elements=how == "elementwise")
    if counter.elements:
        for fan in [module for module in ghost.modules() if isinstance(module, FanOut)]:
            fan.register_forward_pre_hook(counter.run_alone)
            fan.register_forward_hook(counter.go_on)
    with counter, torch.no_grad():
        ghost(*inputs)
    return Counts(parameters, counter.total)


class _Counter(TorchDispatchMode):
    """Multiply-adds of convolutions and linear layers.

    With `elements`, also those that normalisations (twice if affine), ReLUs and pools (their input) touch. The papers'
    networks share nothing between edges, so each edge's operation is then run on its own instead of the fan-out.
    """

    def __init__(self, *, elements: bool) -> None:
        super().__init__()
        self.elements, self.total, self.paused = elements, 0, False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name == "native_batch_norm":  # torch's own way on the meta device is very slow
            out = torch.empty_like(args[0]), args[0].new_empty(0), args[0].new_empty(0)
        elif name == "relu":
            out = torch.empty_like(args[0])
        else:
            out = func(*args, **(kwargs or {}))
        if self.paused:
            return out
        if name == "convolution":
            self.total += out.numel() * args[1][0].numel()
        elif name == "addmm":  # (bias, input, weight); aten.mm is the mixing, no layer of the network
            self.total += out.numel() * args[1].shape[-1]
        elif self.elements and ("batch_norm" in name or "pool2d" in name or name == "relu"):
            affine = "batch_norm" in name and args[1] is not None
            self.total += args[0].numel() * (2 if affine else 1)
        return out

    def run_alone(self, fan: FanOut, args: tuple) -> None:
        for name, op in fan.ops.items():
            for position in range(len(fan.members[name])):
                source = Source(args[0])
                op(source) if op.shared else op(source, None, torch.tensor([position], device="meta"))
        self.paused = True

    def go_on(self, *_: object) -> None:
        self.paused = False
