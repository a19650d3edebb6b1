"""Curvature of the validation loss in alpha: its largest eigenvalue grows before a search goes wrong (RobustDARTS)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from nasnb import evaluation
from nasnb.search.state import Batch, SearchState


def alpha_hessian(
    state: SearchState, batches: Iterable[Batch], *, weight_decay: float = 0.0
) -> Float[np.ndarray, "n n"]:
    """(n, n), symmetric: second derivatives of the mean loss over the batches, by differentiating twice.

    Rows are the entries of alpha, group after group, operations fastest. `weight_decay` goes on the diagonal, as in
    RobustDARTS' files. One backward pass per entry and batch.
    """
    found = []
    with _only_alpha(state):
        for alphas, gradient in _gradients(state, batches):
            rows = [torch.autograd.grad(g, alphas, retain_graph=True, materialize_grads=True) for g in gradient]
            found.append(torch.stack([_flat(row) for row in rows]).double().cpu().numpy())
    hessian = _of_numbers(np.mean(found, axis=0))
    return (hessian + hessian.T) / 2 + weight_decay * np.eye(len(hessian))


def dominant_eigenvalue(
    state: SearchState,
    batches: Iterable[Batch],
    *,
    method: str = "lanczos",
    weight_decay: float = 0.0,
    tolerance: float = 1e-4,
    vectors: int = 20,
) -> float:
    """The largest eigenvalue of `alpha_hessian`, "exact" or by "lanczos", which takes a few tens of products only.

    There are as many products as Lanczos `vectors` before the first look at the tolerance; few do where it is rough.
    Weights and statistics of the network stay as they are. Raises ValueError where alpha is not learnt.
    """
    if method not in ("exact", "lanczos"):
        raise ValueError(f"unknown method {method!r}; known: exact, lanczos")
    batches = list(batches)
    if method == "exact":
        return float(np.linalg.eigvalsh(alpha_hessian(state, batches, weight_decay=weight_decay))[-1])
    n = sum(alpha.numel() for alpha in state.relaxation.alpha.values())
    operator = LinearOperator((n, n), matvec=lambda v: _product(state, batches, v.ravel()), dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(n)
    how = {"which": "LA", "tol": tolerance, "v0": start, "ncv": min(vectors, n), "return_eigenvectors": False}
    return float(eigsh(operator, k=1, **how)[0]) + weight_decay


def _product(state: SearchState, batches: Sequence[Batch], vector: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The Hessian times a vector."""
    total = 0.0
    with _only_alpha(state):
        for alphas, gradient in _gradients(state, batches):
            direction = torch.as_tensor(vector, dtype=gradient.dtype, device=gradient.device)
            second = torch.autograd.grad(gradient @ direction, alphas, materialize_grads=True)
            total = total + _flat(second).double().cpu().numpy()
    return _of_numbers(total / len(batches))


def _of_numbers(curvature: np.ndarray) -> np.ndarray:
    if not np.isfinite(curvature).all():
        raise FloatingPointError("the curvature in alpha is no number: alpha, weights or images hold NaN or infinities")
    return curvature


def _gradients(state: SearchState, batches: Iterable[Batch]) -> Iterator[tuple[list[Tensor], Tensor]]:
    alphas = list(state.relaxation.alpha.values())
    for batch in batches:
        loss = state.loss(batch, state.relaxation())
        yield alphas, _flat(torch.autograd.grad(loss, alphas, create_graph=True))


def _flat(parts: Sequence[Tensor]) -> Float[Tensor, " n"]:
    return torch.cat([part.flatten() for part in parts])


@contextmanager
def _only_alpha(state: SearchState):
    if not state.relaxation.rule.learns:
        raise ValueError(f"alpha is fixed under the rule {state.relaxation.rule.name!r}: there is no curvature in it")
    learns = [parameter.requires_grad for parameter in state.net.parameters()]
    state.net.requires_grad_(False)
    try:
        with evaluation.statistics(state.net, "batch"):
            yield
    finally:
        for parameter, flag in zip(state.net.parameters(), learns, strict=True):
            parameter.requires_grad_(flag)
