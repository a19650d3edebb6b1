"""How well spectral norms are estimated where it counts, in a supernet, and what a filter does to signal and noise."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from nasnb.analysis.fans import fans_of
from nasnb.analysis.msr_darts.ranks import last_convolutions
from nasnb.randomness import generator, seeded
from nasnb.spectral import ConvOperator, noise_sensitivity, stable_rank, stacked_norms
from nasnb.spectral.normalise import estimate
from nasnb.supernet.layers import StackedConv
from nasnb.supernet.network import Network


@torch.no_grad()
def rescaled_norms(net: Network, *, seed: int = 0, **changes: str) -> pd.DataFrame:
    """The true spectral norm of every normalised convolution, after rescaling by a fresh estimate as its rule makes it.

    Columns: block, op, conv (1x1, 3x3, 5x5), edge, norm: 1 if the estimate were exact, more where it was too low.
    `changes` are to the rule, such as `pointwise="pixel"`. The network must have seen an image. Raises ValueError for
    one without normalised convolutions.
    """
    rows = []
    for fan in fans_of(net):
        for name, op in fan.module.ops.items():
            for at, conv in enumerate(m for m in op.modules() if isinstance(m, StackedConv) and m.reparametrise):
                with seeded(seed, "rescaled norms", fan.block, fan.source, at):
                    norms = _norms(conv, **changes)
                kernel = "x".join(map(str, conv.weight.shape[2:]))
                edges = [fan.rows[edge] for edge in fan.module.members[name]]
                rows += [(fan.block, name, kernel, row, norm) for row, norm in zip(edges, norms, strict=True)]
    if not rows:
        raise ValueError("no convolution of this network is normalised; use a supernet of the space 'msr'")
    return pd.DataFrame(rows, columns=["block", "op", "conv", "edge", "norm"])


def _norms(conv: StackedConv, **changes: str) -> list[float]:
    part = copy.copy(conv.reparametrise)
    part.rule = replace(part.rule, **changes)
    operator, rule = part.operator(conv.weight.detach().double()), part.rule
    if rule.method == "exact":
        return [rule.target] * part.edges
    exact = stacked_norms(operator, part.edges)
    found = estimate(operator, part, edges=part.edges)
    return (exact / (found.sigma / rule.target + rule.eps)).tolist()


@torch.no_grad()
def rescaled_spectrum(net: Network) -> dict[str, np.ndarray]:
    """Singular values of the last convolution of the first candidate, as it is stored and as the network uses it.

    Of the 1x1 kernel, which is what its operator does at every pixel. The network must have seen an image.
    """
    conv = last_convolutions(net)[0].conv
    part = conv.reparametrise
    was, part.training = part.training, False  # the vectors that the last training step left
    try:
        used = part(conv.weight, part.image_size)
    finally:
        part.training = was
    kernels = {"as stored": conv.weight, "rescaled": used}
    return {
        n: torch.linalg.svdvals(w.detach().unflatten(0, (conv.edges, -1))[0, ..., 0, 0]).cpu().numpy()
        for n, w in kernels.items()
    }


class Filtered(NamedTuple):
    """A filter of one channel at work: its kernel, what it makes of an image and of the same with noise."""

    kernel: np.ndarray
    clean: np.ndarray
    noisy: np.ndarray
    singular_values: np.ndarray  # of the whole operator, falling
    stable_rank: float
    noise_sensitivity: float  # equation 3, on the image


FILTERS: Mapping[str, Tensor] = {
    "leave alone": torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]),
    "vertical edges": torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]) / 4,
    "random": torch.randn(3, 3, generator=generator(0, "filter")) / 3,
    "blur 3x3": torch.ones(3, 3) / 9,
    "blur 5x5": torch.ones(5, 5) / 25,
}


def filtered(
    image: Tensor, filters: Mapping[str, Tensor] = FILTERS, *, noise: float = 0.3, seed: int = 0
) -> dict[str, Filtered]:
    """Each filter on an image (height, width), alone and with Gaussian noise of this standard deviation."""
    clean = image.double()[None, None]
    noisy = clean + noise * torch.randn(clean.shape, generator=generator(seed, "noise"), dtype=clean.dtype)
    found = {}
    for name, kernel in filters.items():
        operator = ConvOperator(kernel.double()[None, None], tuple(image.shape), padding=kernel.shape[0] // 2)
        pictures = (operator.apply(x)[0, 0].numpy() for x in (clean, noisy))
        found[name] = Filtered(
            kernel.numpy(),
            *pictures,
            _singular_values(operator),
            float(stable_rank(operator, tuple(image.shape))),
            float(noise_sensitivity(operator, clean)),
        )
    return found


def _singular_values(operator: ConvOperator) -> np.ndarray:
    """Of the matrix that maps all pixels to all pixels, built column by column."""
    pixels = operator.image_size[0] * operator.image_size[1]
    units = torch.eye(pixels, dtype=operator.weight.dtype).reshape(pixels, 1, *operator.image_size)
    return torch.linalg.svdvals(operator.apply(units).reshape(pixels, -1)).numpy()
