"""What a network does (loss, accuracy) and what it costs (parameters, multiply-adds)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasnb.data import Augment, Data, Split, batches
from nasnb.device.distributed import apart, dealt, total
from nasnb.spectral import SpectralNormalised


class Score(NamedTuple):
    """Mean cross entropy and top-1 accuracy in percent over a split."""

    loss: float
    accuracy: float


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
def evaluate(
    forward: Callable[[Tensor], Tensor], split: Split, data: Data, *, batch_size: int = 256, side: int | None = None
) -> Score:
    """Score of `forward(images) -> logits` on a split, unaugmented. The caller chooses the network's mode.

    Of images larger than `side` the middle is seen.
    """
    tally, plain = Tally(split.images.device), Augment(crop_padding=0, flip=False, side=side)
    how = {"seed": 0, "purpose": "evaluate", "epoch": 0, "shuffle": False, "augment": plain}
    mine = dealt(batches(split, batch_size, mean=data.mean, std=data.std, **how))
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
