"""What the weighting of a mixture does to alpha: scalar (DARTS) against Max-W (sharpDARTS, section 4.3, equation 3)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nasnb.evaluation import statistics
from nasnb.search import Epoch
from nasnb.search.state import Batch, SearchState
from nasnb.supernet.relaxation import Rule, max_w, softmax


def softmax_of(weights: Float[np.ndarray, "*rows ops"]) -> Float[np.ndarray, "*rows ops"]:
    """The softmax w behind recorded mixing weights (..., ops), whether these are w itself or 1 - max(w) + w.

    The n factors of equation 3 add up to n (1 - max(w)) + 1, and differ from w by the same constant. Every candidate
    must still be open.
    """
    return weights - (weights.sum(-1, keepdims=True) - 1) / weights.shape[-1]


def alpha_gradient_of(
    w: Float[Tensor, "... ops"], worth: Float[Tensor, "... ops"], *, weighting: str = "scalar"
) -> Float[Tensor, "... ops"]:
    """dL/dalpha (..., ops) of a mixture in closed form.

    `worth` is g_i = <dL/dy, op_i(x)>, the derivative by the factor of each operation. Scalar mixing gives
    w_j (g_j - sum_i w_i g_i), and so does Max-W with the maximum held constant ("max_w detached"). "max_w" adds
    w_m (w_j - [j = m]) sum_i g_i, m being the leader (of equal ones, the first).
    """
    if weighting not in ("scalar", "max_w", "max_w detached"):
        raise ValueError(f"unknown weighting {weighting!r}; known: scalar, max_w, max_w detached")
    plain = w * (worth - (w * worth).sum(-1, keepdim=True))
    if weighting != "max_w":
        return plain
    leader = F.one_hot(w.argmax(-1), w.shape[-1]).to(w.dtype)
    return plain + w.amax(-1, keepdim=True) * (w - leader) * worth.sum(-1, keepdim=True)


def weighting_gradients(state: SearchState, batch: Batch, rule: Rule) -> pd.DataFrame:
    """dL/dalpha of every candidate of a supernet under the rule softmax or max_w: a row per edge and operation.

    Columns: group, edge, op, weight (of the softmax), leads, worth, closed_form, autograd. The supernet is mixed by
    the rule, with BatchNorm statistics of the batch; nothing about it is changed.
    """
    open_ = {group: state.relaxation.open(group) for group in state.relaxation.alpha}
    alphas = {group: alpha.detach().clone().requires_grad_() for group, alpha in state.relaxation.alpha.items()}
    factors = {group: rule.weigh(alpha, open_[group]) for group, alpha in alphas.items()}
    with statistics(state.net, "batch"):
        loss = state.loss(batch, factors)
        worths = torch.autograd.grad(loss, list(factors.values()), retain_graph=True)
        exact = torch.autograd.grad(loss, list(alphas.values()))
    tables = [
        _rows(group, softmax.weigh(alphas[group].detach(), open_[group]), worth, gradient, rule, state)
        for group, worth, gradient in zip(alphas, worths, exact, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)


def _rows(group: str, w: Tensor, worth: Tensor, exact: Tensor, rule: Rule, state: SearchState) -> pd.DataFrame:
    weighting = "max_w" if rule.name == "max_w" else "scalar"
    closed = alpha_gradient_of(w, worth, weighting=weighting)
    edges = state.relaxation.choices.groups[group]
    leader = w.argmax(1).tolist()
    return pd.DataFrame(
        [
            (
                group,
                row,
                op,
                w[row, k].item(),
                k == leader[row],
                worth[row, k].item(),
                closed[row, k].item(),
                exact[row, k].item(),
            )
            for row, edge in enumerate(edges)
            for k, op in enumerate(edge.ops)
        ],
        columns=["group", "edge", "op", "weight", "leads", "worth", "closed_form", "autograd"],
    )


def leaders_moved(state: SearchState, batch: Batch, *, least: float = 1e-3) -> dict[str, float]:
    """Under Max-W, on one batch, percent of the edges: leader_moves (its alpha has a gradient of more than `least` of
    the largest), and leader_held (descent lowers it). Nothing about the state is changed.
    """
    rows = weighting_gradients(state, batch, max_w)
    leaders = rows[rows.leads].autograd
    moves = leaders.abs() > least * rows.autograd.abs().max()
    return {"leader_moves": 100 * float(moves.mean()), "leader_held": 100 * float((leaders > 0).mean())}


def watch_leaders(epoch: Epoch) -> dict[str, float]:
    """`leaders_moved` on a held-out batch of every epoch: for `observe` of a Max-W search."""
    state = epoch.state
    return leaders_moved(state, next(state.batches(state.valid, "leader", epoch.number)))


def worked_by_hand() -> pd.DataFrame:
    """The gradient of alpha of four operations with w = 0.1, 0.2, 0.3, 0.4 and g = 1, 2, 3, 4, in closed form."""
    w, worth = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    ways = {"scalar": "scalar", "Max-W, detached": "max_w detached", "Max-W": "max_w"}
    rows = [[name, *alpha_gradient_of(w, worth, weighting=way).tolist()] for name, way in ways.items()]
    columns = ["gradient of alpha", *(f"operation {i}, w = {value:.1f}" for i, value in enumerate(w.tolist(), 1))]
    return pd.DataFrame(rows, columns=columns).round(6)


def pull_on_the_leader(n: int = 8, *, points: int = 100) -> pd.DataFrame:
    """Gradient of alpha of the leader and of each other operation, over the leader's weight, if all are worth the same.

    Scalar and Max-W; more of any operation would lower the loss (worth -1). A positive gradient lowers alpha.
    """
    lead = torch.linspace(1 / n + 1e-6, 1, points, dtype=torch.float64)
    w = torch.cat([lead[:, None], ((1 - lead) / (n - 1))[:, None].expand(-1, n - 1)], dim=1)
    rows = {"leader's weight": lead.numpy()}
    for way, words in (("scalar", "scalar"), ("max_w", "Max-W")):
        slopes = alpha_gradient_of(w, -torch.ones_like(w), weighting=way)
        rows |= {f"{words}, leader": slopes[:, 0].numpy(), f"{words}, each other": slopes[:, 1].numpy()}
    return pd.DataFrame(rows)
