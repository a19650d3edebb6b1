"""What a network does (loss, accuracy) and what it costs (parameters, multiply-adds)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from nasnb.architecture import Choices
from nasnb.data import Data, Split, batches
from nasnb.distributed import apart, dealt, total
from nasnb.fanout import FanOut
from nasnb.spectral import SpectralNormalised
from nasnb.stacked import Source, StackedConv


class Score(NamedTuple):
    """Mean cross entropy and top-1 accuracy in percent over a split."""

    loss: float
    accuracy: float


class Counts(NamedTuple):
    """Trainable parameters, and multiply-adds of one image, both without auxiliary head."""

    parameters: int
    multiply_adds: int


class Tally:
    """Loss and accuracy summed on the device; reading them is the only synchronisation."""

    def __init__(self, device: torch.device | str = "cpu"):
        self.sums = torch.zeros(3, dtype=torch.float64, device=device)  # loss, correct, images

    @torch.no_grad()
    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count a batch; `loss` is its mean."""
        correct = (logits.argmax(1) == labels).sum()
        n = torch.full_like(correct, len(labels))
        self.sums += total(torch.stack([loss.detach().double() * len(labels), correct.double(), n.double()]))

    def check(self, epoch: int, step: int, lr: float) -> None:
        """Raises FloatingPointError if the loss has stopped being a number. `epoch` and `step` count from 0."""
        if not torch.isfinite(self.sums[0]):
            raise FloatingPointError(
                f"the training loss is not a number any more in epoch {epoch + 1}, at or before step {step}, "
                f"learning rate {lr:.3g}; try a smaller lr or clip, or precision='float32'"
            )

    def score(self) -> Score:
        """Means so far; NaN if nothing was counted."""
        loss, correct, images = self.sums.tolist()
        return Score(loss / images, 100 * correct / images) if images else Score(float("nan"), float("nan"))


@torch.no_grad()
def evaluate(forward: Callable[[Tensor], Tensor], split: Split, data: Data, *, batch_size: int = 256) -> Score:
    """Score of `forward(images) -> logits` on a split, unaugmented. The caller chooses the network's mode."""
    tally = Tally(split.images.device)
    mine = dealt(batches(
        split, batch_size, mean=data.mean, std=data.std, seed=0, purpose="evaluate", epoch=0, shuffle=False
    ))  # fmt: skip
    with apart():
        for images, labels in mine:
            logits = forward(images).float()
            tally.add(F.cross_entropy(logits, labels), logits, labels)
    total(tally.sums)
    return tally.score()


@contextmanager
def statistics(net: nn.Module, mode: str):
    """Within the block, BatchNorms use "running" statistics, or the "batch" ones and leave the running ones alone.

    Spectral norms are those of the last training step in both: looking takes no iterations, and draws no numbers.
    """
    if mode not in ("running", "batch"):
        raise ValueError(f"unknown BatchNorm statistics {mode!r}: choose 'running' or 'batch'")
    was_training, buffers = net.training, [buffer.clone() for buffer in net.buffers()]
    net.train(mode == "batch")
    for part in net.modules():
        if isinstance(part, SpectralNormalised):
            part.eval()
    try:
        yield net
    finally:
        net.train(was_training)
        with torch.no_grad():
            for buffer, value in zip(net.buffers(), buffers, strict=True):
                if buffer.shape == value.shape:  # else it was given its size inside
                    buffer.copy_(value)


def count(net: nn.Module, image_size: tuple[int, int, int] = (3, 32, 32), choices: Choices | None = None, *,
          how: str = "layers") -> Counts:  # fmt: skip
    """Cost of one image of (channels, height, width); a supernet needs its space's `choices` to be run.

    One multiply-add counts once. `how="layers"` counts convolutions and linear layers, "elementwise" normalisations,
    ReLUs and pools too, as the tables of sharpDARTS and PC-DARTS do (final networks only). Runs on the meta device:
    nothing is computed, the network is not touched.
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
