"""How steady the gradient of alpha is: do two batches agree on where alpha should go? (PC-DARTS, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nasnb.data import batches
from nasnb.evaluation import statistics
from nasnb.search.state import Batch, SearchState


def gradient_of_alpha(state: SearchState, batch: Batch) -> Float[Tensor, " entries"]:
    """dL/dalpha of all cells in a row, with BatchNorm statistics of the batch; nothing about the state changes."""
    alphas = list(state.relaxation.alpha.values())
    with statistics(state.net, "batch"):
        gradients = torch.autograd.grad(state.loss(batch, state.relaxation()), alphas)
    return torch.cat([gradient.flatten() for gradient in gradients])


def agreement_of_gradients(rows: Float[Tensor, "draws entries"]) -> float:
    """Mean cosine of every two rows: 1 where all point the same way, 0 where they are noise."""
    unit = F.normalize(rows.double(), dim=1)
    n = len(rows)
    return float((unit.sum(0).square().sum() - unit.square().sum()) / (n * (n - 1)))


def alpha_noise(state: SearchState, *, batch_sizes: Sequence[int], draws: int, seed: int = 0) -> pd.DataFrame:
    """A row per batch size: agreement, and the draws behind it. The images are test images, which no search has seen.

    No image is in two batches, so at most as many are drawn as the set fills. Raises ValueError for fewer than two.
    """
    rows, data = [], state.data
    for size in batch_sizes:
        n = min(draws, len(data.test) // size)
        if n < 2:
            raise ValueError(f"{len(data.test)} test images do not fill two batches of {size}: choose a smaller one")
        how = {"mean": data.mean, "std": data.std, "seed": seed, "purpose": "alpha noise", "epoch": 0}
        drawn = batches(data.test, size, drop_last=True, **how)
        found = torch.stack([gradient_of_alpha(state, batch) for batch, _ in zip(drawn, range(n), strict=False)])
        rows.append((size, n, agreement_of_gradients(found)))
    return pd.DataFrame(rows, columns=["batch_size", "draws", "agreement"])
