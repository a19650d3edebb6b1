"""Noise on the mixing weights while the weights train (SDARTS-RS): a supernet that stands it depends less on alpha."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nasnb.device.cuda_graph import decided
from nasnb.search.state import SearchState
from nasnb.search.steps import Disturb
from nasnb.supernet.shapes import OpenOps, OpValues


def uniform_noise(eps_start: float = 0.03, eps_end: float = 0.3) -> Disturb:
    """Uniform in (-eps, eps) per entry, as both codes have it; eps grows with the epoch and stays at its end after."""
    return _noise(lambda like: 2 * torch.rand_like(like) - 1, eps_start, eps_end)


def gaussian_noise(eps_start: float = 0.03, eps_end: float = 0.3) -> Disturb:
    """Normal with standard deviation eps, as the DARTS-PT paper says."""
    return _noise(torch.randn_like, eps_start, eps_end)


def _noise(draw: Callable[[Tensor], Tensor], eps_start: float, eps_end: float) -> Disturb:
    def disturb(state: SearchState, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        grown = decided(lambda: min(1.0, state.stage_epoch / state.config.epochs))
        eps = eps_start + (eps_end - eps_start) * grown
        groups = {group: state.relaxation.open(group) for group in state.relaxation.alpha}
        noisy = {g: back_to_simplex(weights[g] + eps * draw(weights[g]), open) for g, open in groups.items()}
        return weights | noisy

    return disturb


def back_to_simplex(rows: OpValues, open: OpenOps) -> OpValues:
    """Rows (edges, ops) clipped to [0, 1] over their open candidates and divided by their sum.

    A row with nothing left becomes one at its largest entry before clipping. Decided and pruned rows come out as they
    were: a single open candidate is 1, none at all is 0.
    """
    tiny = torch.finfo(rows.dtype).tiny
    clipped = rows.clamp(0, 1) * open
    largest = torch.nn.functional.one_hot(rows.masked_fill(~open, -torch.inf).argmax(1), rows.shape[1]) * open
    kept = torch.where(clipped.sum(1, keepdim=True) >= tiny, clipped, largest.to(clipped.dtype))
    return kept / kept.sum(1, keepdim=True).clamp_min(tiny)
