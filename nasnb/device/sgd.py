"""Stochastic gradient descent whose learning rate is a tensor on the device: a replayed step reads it there."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


class ReplayedSGD(torch.optim.Optimizer):
    """torch.optim.SGD with momentum, whose own step reads its rate on the host, and so a recording would keep it.

    The state is named as there: checkpoints of one load into the other.
    """

    def __init__(self, params: Iterable[Tensor], lr: Tensor, *, momentum: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        """velocity = momentum * velocity + gradient + decay * weight; weight -= rate * velocity."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            gradients = [weight.grad for weight in weights]
            velocities = [self._velocity(weight) for weight in weights]
            torch._foreach_mul_(velocities, group["momentum"])
            torch._foreach_add_(velocities, torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
            torch._foreach_add_(weights, torch._foreach_mul(velocities, -group["lr"]))

    def _velocity(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if state.get("momentum_buffer") is None:
            state["momentum_buffer"] = torch.zeros_like(weight)
        return state["momentum_buffer"]
