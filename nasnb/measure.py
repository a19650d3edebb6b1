"""What a network does (loss, accuracy) and what it costs (parameters, multiply-adds)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from nasnb.architecture import Choices
from nasnb.data import Data, Split, batches


class Score(NamedTuple):
    """Mean cross entropy and top-1 accuracy in percent over a split."""

    loss: float
    accuracy: float


class Counts(NamedTuple):
    """Trainable parameters, and multiply-adds of one image (convolutions and linear layers, no auxiliary head)."""

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
        self.sums += torch.stack([loss.detach().double() * len(labels), correct.double(), n.double()])

    def score(self) -> Score:
        """Means so far; NaN if nothing was counted."""
        loss, correct, images = self.sums.tolist()
        return Score(loss / images, 100 * correct / images) if images else Score(float("nan"), float("nan"))


@torch.no_grad()
def evaluate(forward: Callable[[Tensor], Tensor], split: Split, data: Data, *, batch_size: int = 256) -> Score:
    """Score of `forward(images) -> logits` on a split, unaugmented. The caller chooses the network's mode."""
    tally = Tally(split.images.device)
    for images, labels in batches(
        split, batch_size, mean=data.mean, std=data.std, seed=0, purpose="evaluate", epoch=0, shuffle=False
    ):
        logits = forward(images).float()
        tally.add(F.cross_entropy(logits, labels), logits, labels)
    return tally.score()


@contextmanager
def statistics(net: nn.Module, mode: str):
    """Within the block, BatchNorms use "running" statistics, or the "batch" ones and leave the running ones alone."""
    if mode not in ("running", "batch"):
        raise ValueError(f"unknown BatchNorm statistics {mode!r}: choose 'running' or 'batch'")
    was_training, buffers = net.training, [buffer.clone() for buffer in net.buffers()]
    net.train(mode == "batch")
    try:
        yield net
    finally:
        net.train(was_training)
        with torch.no_grad():
            for buffer, value in zip(net.buffers(), buffers, strict=True):
                buffer.copy_(value)


def count(net: nn.Module, image_size: tuple[int, int, int] = (3, 32, 32), choices: Choices | None = None) -> Counts:
    """Cost of one image of (channels, height, width); a supernet needs its space's `choices` to be run.

    One multiply-add counts once. Runs on the meta device: nothing is computed, the network is not touched.
    """
    heads = [p for name, p in net.named_parameters() if name.startswith("auxiliary.")]
    parameters = sum(p.numel() for p in net.parameters()) - sum(p.numel() for p in heads)
    ghost = copy.deepcopy(net).to("meta").eval()
    weights = None
    if choices is not None:
        weights = {group: torch.ones(choices.shape(group), device="meta") for group in choices.groups}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ghost(torch.empty(1, *image_size, device="meta"), *([] if weights is None else [weights]))
    flops = counter.get_flop_counts().get("Global", {})
    # matrix products of the mixing itself (aten.mm) are no layer of the network
    layers = (torch.ops.aten.convolution, torch.ops.aten.addmm)
    return Counts(parameters, sum(n for op, n in flops.items() if op in layers) // 2)
