"""How good the gradient for alpha is: first order and the published finite difference against the exact one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

from nasnb.search.state import SearchState
from nasnb.search.steps import alpha_gradient, exact_unrolled_gradient, unrolled_gradient


def hypergradient_errors(
    state: SearchState, *, radii: Sequence[float], batches: int, dtype: torch.dtype = torch.float32
) -> dict:
    """Errors of the gradient estimates on some batches of a search as it stands, in `dtype`; none is followed.

    Returns {"errors": table of gradient, batch, measure ("relative error", "cosine", or processor "seconds", those of
    the exact one too) and value}. A radius is how far the finite difference moves the weights (DARTS, equation 8;
    published: 0.01).
    """
    state = state.copied()
    state.config = replace(state.config, precision="float32")
    state.net.to(dtype), state.relaxation.to(dtype)
    train = state.batches(state.train, "train", 0)
    valid = state.batches(state.valid, "valid 0", 0)
    rows = []
    for number, pair in zip(range(batches), zip(train, valid, strict=False), strict=False):
        pair = [(images.to(dtype), labels) for images, labels in pair]
        ways = {
            "exact": partial(exact_unrolled_gradient, state, *pair),
            "first order": partial(alpha_gradient, state, *pair),
            **{f"radius {radius:g}": partial(unrolled_gradient, state, *pair, radius=radius) for radius in radii},
        }
        found = {}
        alpha_gradient(state, *pair)  # so that no timed one pays for a warm-up
        for name, way in ways.items():
            began = time.process_time()
            found[name] = _flat(way())
            rows.append((name, number, "seconds", time.process_time() - began))
        exact = found.pop("exact")
        rows += [line for name, g in found.items() for line in _errors(name, number, g, exact)]
    return {"errors": pd.DataFrame(rows, columns=["gradient", "batch", "measure", "value"])}


def _flat(gradients: Sequence[Tensor]) -> Float[Tensor, " n"]:
    return torch.cat([g.flatten() for g in gradients])


def _errors(
    name: str, batch: int, estimate: Float[Tensor, " n"], exact: Float[Tensor, " n"]
) -> list[tuple[str, int, str, float]]:
    return [
        (name, batch, "relative error", float((estimate - exact).norm() / exact.norm())),
        (name, batch, "cosine", float(cosine_similarity(estimate, exact, dim=0))),
    ]
