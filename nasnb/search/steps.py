"""How one training batch moves weights and alpha. A step is `step(state, train, next_valid) -> (loss, logits)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from nasnb.device.cuda_graph import decided
from nasnb.device.distributed import average_gradients, averaged
from nasnb.search.state import Batch, SearchState
from nasnb.supernet.shapes import Logits, Scalar

NextBatch = Callable[[], Batch]
Step = Callable[[SearchState, Batch, NextBatch], tuple[Tensor, Tensor]]
Disturb = Callable[[SearchState, dict[str, Tensor]], dict[str, Tensor]]


def bilevel(*, order: int = 1, warmup: int = 0, exact: bool = False, disturb: Disturb | None = None) -> Step:
    """Alpha on a validation batch, then weights on a training batch (DARTS, algorithm 1).

    Order 1 takes the weights as they are, order 2 looks one weight step ahead, by finite differences as published or
    by `exact` differentiation. Alpha rests for the first `warmup` epochs (times the config's pace); `disturb` changes
    the mixing weights that the weights are trained under (SDARTS).
    """
    if order not in (1, 2):
        raise ValueError(f"order={order}: bilevel search is of first (1) or second order (2)")

    def step(state: SearchState, train: Batch, next_valid: NextBatch) -> tuple[Scalar, Logits]:
        learns = decided(lambda: state.stage_epoch >= warmup * state.config.pace)
        if learns and state.alpha_optimizer is not None:
            gradient = alpha_gradient if order == 1 else exact_unrolled_gradient if exact else unrolled_gradient
            update_alpha(state, gradient(state, train, next_valid()))
        weights = state.weights()
        return update_weights(state, train, weights if disturb is None else disturb(state, weights))

    return step


def weights_only() -> Step:
    """No alpha: only the weights learn (MSR-DARTS, equation 2)."""
    return lambda state, train, next_valid: update_weights(state, train, state.weights())


def one_level() -> Step:
    """One batch and one pass: both gradients at the same point, then both updates (StacNAS, equations 8 and 9)."""

    def step(state: SearchState, train: Batch, next_valid: NextBatch) -> tuple[Scalar, Logits]:
        logits = state.logits(train[0], state.relaxation())
        loss = F.cross_entropy(logits, train[1])
        alphas, weights = list(state.relaxation.parameters()), list(state.net.parameters())
        gradients = averaged(torch.autograd.grad(loss, alphas + weights, allow_unused=True))
        for weight, gradient in zip(weights, gradients[len(alphas) :], strict=True):
            weight.grad = gradient
        torch.nn.utils.clip_grad_norm_(weights, state.config.clip)
        state.weight_optimizer.step()
        update_alpha(state, list(gradients[: len(alphas)]))
        return loss.detach(), logits.detach()

    return step


def update_weights(state: SearchState, batch: Batch, weights: Mapping[str, Tensor]) -> tuple[Scalar, Logits]:
    """One clipped SGD step on the weights; no gradient for alpha is computed."""
    logits = state.logits(batch[0], weights)
    loss = F.cross_entropy(logits, batch[1])
    state.weight_optimizer.zero_grad(set_to_none=True)
    loss.backward()
    average_gradients(state.net)
    torch.nn.utils.clip_grad_norm_(state.net.parameters(), state.config.clip)
    state.weight_optimizer.step()
    return loss.detach(), logits.detach()


def update_alpha(state: SearchState, gradients: list[Tensor]) -> None:
    """One Adam step on alpha (and beta); that of decided edges stays."""
    for parameter, gradient in zip(state.relaxation.parameters(), gradients, strict=True):
        parameter.grad = gradient
    if state.config.alpha_clip is not None:
        torch.nn.utils.clip_grad_norm_(state.relaxation.parameters(), state.config.alpha_clip)
    held = state.relaxation.held()
    state.alpha_optimizer.step()
    state.relaxation.put_back(held)


def alpha_gradient(state: SearchState, train: Batch, valid: Batch) -> list[Tensor]:
    """First order: gradient of the validation loss at the current weights. No weight gradient is computed."""
    state.net.requires_grad_(False)
    loss = state.loss(valid, state.relaxation())
    # zeros where alpha has lost its say: behind cells that were decided to be nothing but noise (S4)
    gradients = torch.autograd.grad(loss, list(state.relaxation.parameters()), materialize_grads=True)
    state.net.requires_grad_(True)
    return averaged(gradients)


def unrolled_gradient(state: SearchState, train: Batch, valid: Batch, *, radius: float = 0.01) -> list[Tensor]:
    """Second order as published: DARTS equations 7 and 8, the product with the Hessian by central differences.

    The two sides lie `radius` from the weights. ReLUs and max pools make the loss kinked, so at the published 0.01
    the difference is a rough estimate; it tends to the exact one as the radius shrinks.
    """
    alphas = list(state.relaxation.parameters())
    params, ahead = _one_step_ahead(state, train)
    direct, v = _gradients_ahead(state, valid, ahead)
    distance = radius / torch.sqrt(sum((x * x).sum() for x in v.values()))
    sides = []
    for sign in (1, -1):
        moved = {name: (p + sign * distance * v[name]).detach() for name, p in params.items()}
        sides.append(averaged(torch.autograd.grad(state.loss_at(moved, train), alphas)))
    return [d - state.lr * (p - m) / (2 * distance) for d, p, m in zip(direct, *sides, strict=True)]


def exact_unrolled_gradient(state: SearchState, train: Batch, valid: Batch) -> list[Tensor]:
    """Second order without the finite difference: the mixed second derivative by differentiating twice."""
    alphas = list(state.relaxation.parameters())
    params, ahead = _one_step_ahead(state, train)
    direct, v = _gradients_ahead(state, valid, ahead)
    live = {name: p.detach().requires_grad_() for name, p in params.items()}
    gradients = torch.autograd.grad(state.loss_at(live, train), list(live.values()), create_graph=True)
    product = sum((g * v[name]).sum() for g, name in zip(gradients, live, strict=True))
    mixed = averaged(torch.autograd.grad(product, alphas))
    return [d - state.lr * m for d, m in zip(direct, mixed, strict=True)]


def _one_step_ahead(state: SearchState, train: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The weights, and what one SGD step on the training batch (with momentum and decay, unclipped) makes them."""
    params = dict(state.net.named_parameters())
    gradients = averaged(torch.autograd.grad(state.loss(train, state.weights()), list(params.values())))
    c, optimizer = state.config, state.weight_optimizer
    ahead = {}
    for (name, p), g in zip(params.items(), gradients, strict=True):
        velocity = optimizer.state[p].get("momentum_buffer") if p in optimizer.state else None
        velocity = g + c.weight_decay * p if velocity is None else c.momentum * velocity + g + c.weight_decay * p
        ahead[name] = (p - state.lr * velocity).detach()
    return {name: p.detach() for name, p in params.items()}, ahead


def _gradients_ahead(state: SearchState, valid: Batch, ahead: dict[str, Tensor]) -> tuple[list[Tensor], dict]:
    """Gradients of the validation loss at the unrolled weights: for alpha, and by name for the weights."""
    ahead = {name: p.requires_grad_() for name, p in ahead.items()}
    alphas = list(state.relaxation.parameters())
    gradients = averaged(torch.autograd.grad(state.loss_at(ahead, valid), alphas + list(ahead.values())))
    return gradients[: len(alphas)], dict(zip(ahead, gradients[len(alphas) :], strict=True))
