"""One run on several devices: every process of torchrun computes its share of each batch, all take the same steps.

The processes hold equal copies of weights and alpha. A batch is cut into equal shares; gradients, BatchNorm statistics
and scores are those of the whole batch, so the numbers are those of one process, up to rounding. Without torchrun, and
outside `together()`, everything here does nothing.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

PATIENCE = timedelta(days=7)  # the first process may compute an analysis on its own; torchrun ends those left alone

_sharing = False


def n_processes() -> int:
    """That torchrun started for this run; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Number of this process, from 0; process 0 writes."""
    return int(os.environ.get("RANK", "0")) if n_processes() > 1 else 0


def is_shared() -> bool:
    """Whether batches are being shared right now."""
    return _sharing


@contextmanager
def together() -> Iterator[None]:
    """Within the block batches are shared among the processes, and normalisations see whole batches."""
    global _sharing
    if n_processes() == 1:
        yield
        return
    _join()
    _sharing = True
    try:
        with _WholeBatchNorms():
            yield
    finally:
        _sharing = False


@contextmanager
def apart() -> Iterator[None]:
    """Within the block, inside of `together()`, each process computes on its own."""
    global _sharing
    before, _sharing = _sharing, False
    try:
        yield
    finally:
        _sharing = before


def _join() -> None:
    if dist.is_initialized():
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    atexit.register(dist.destroy_process_group)
    kinds = [None] * n_processes()
    dist.all_gather_object(kinds, "cuda" if torch.cuda.is_available() else "cpu")
    if len(set(kinds)) > 1:
        raise ValueError(
            f"the {len(kinds)} processes compute on {', '.join(kinds)}: --nproc-per-node can be at most "
            f"the number of graphics cards, {kinds.count('cuda')}"
        )


# --- what the processes tell each other -------------------------------------------------------------------------------


def first_says(value: Any) -> Any:
    """The value of process 0, in all of them; also a place where all meet."""
    if n_processes() == 1:
        return value
    _join()
    told = [value]
    dist.broadcast_object_list(told, src=0)
    return told[0]


@contextmanager
def first_alone() -> Iterator[None]:
    """The block runs in process 0, and in the others when it is done there."""
    if rank() > 0:
        first_says(None)
    with apart():
        yield
    if rank() == 0:
        first_says(None)


def any_says(flag: bool) -> bool:
    """Whether the flag is set in one of the processes."""
    if not _sharing:
        return flag
    flags = torch.tensor(int(flag))
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    return bool(flags)


# --- shares of a batch ------------------------------------------------------------------------------------------------


def check_shares(n_images: int, batch_size: int) -> None:
    """Raises ValueError if a batch, or the smaller last one of `n_images`, cannot be cut into equal shares."""
    n, last = n_processes(), n_images % batch_size
    if last == 1 and n_images > batch_size:
        last += batch_size  # it joins the batch before
    if _sharing and (batch_size % n or last % n):
        raise ValueError(
            f"batches of {batch_size} images and a last one of {last or batch_size} cannot be shared equally by {n} "
            "processes: choose another batch_size, train_images or --nproc-per-node"
        )


def share(batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """This process's part of a batch of images and labels."""
    if not _sharing:
        return batch
    return tuple(tensor.chunk(n_processes())[rank()] for tensor in batch)


def dealt(batches: Iterable) -> Iterator:
    """Whole batches in turn: this process's ones, for scores whose tally is summed afterwards."""
    return islice(batches, rank(), None, n_processes()) if _sharing else iter(batches)


def drawn_for(n: int, draw: Callable[[int], Tensor]) -> Tensor:
    """`draw(images)` makes random numbers for so many images: those of this process's `n`, out of the whole batch's."""
    if not _sharing:
        return draw(n)
    return draw(n * n_processes())[rank() * n : (rank() + 1) * n]


def total(values: Tensor) -> Tensor:
    """Summed over the processes."""
    if _sharing:
        dist.all_reduce(values)
    return values


def averaged(gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Means over the processes: gradients of the loss of the whole batch from those of the shares."""
    if not _sharing:
        return list(gradients)
    known = [gradient for gradient in gradients if gradient is not None]
    flat = total(torch.cat([gradient.detach().flatten() for gradient in known])) / n_processes()
    parts = iter(flat.split([gradient.numel() for gradient in known]))
    return [None if gradient is None else next(parts).view(gradient.shape) for gradient in gradients]


def average_gradients(net: nn.Module) -> None:
    """The same for what a backward pass left in `.grad`."""
    if _sharing:
        parameters = list(net.parameters())
        for parameter, gradient in zip(parameters, averaged([p.grad for p in parameters]), strict=True):
            parameter.grad = gradient


# --- normalisation over the whole batch -------------------------------------------------------------------------------


class _WholeBatchNorms(TorchFunctionMode):
    """Every BatchNorm in training, of whatever module, takes its statistics from the shares of all processes."""

    def __torch_function__(self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if function is nn.functional.batch_norm and _sharing:
            return _batch_norm(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))


def _batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As torch's; in training the statistics are exact over all shares, and gradients go through them."""
    if not training or x.is_meta:
        return nn.functional.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    n = x.numel() // x.shape[1] * n_processes()
    at_least_float32 = x.to(torch.promote_types(x.dtype, torch.float32))
    shares = torch.stack(torch.var_mean(at_least_float32, dim=(0, 2, 3), correction=0))
    variances, means = _Gathered.apply(shares).unbind(1)
    mean = means.mean(0)
    var = variances.mean(0) + (means - mean).square().mean(0)  # stable, unlike the mean square less the squared mean
    if running_mean is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((var * (n / max(1, n - 1))).to(running_var.dtype), momentum)
    scale = torch.rsqrt(var + eps) if weight is None else torch.rsqrt(var + eps) * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return (at_least_float32 * scale[:, None, None] + shift[:, None, None]).to(x.dtype)


class _Gathered(torch.autograd.Function):
    """(processes, ...): the values of all processes. Gradients of each come back to it, also of gradients."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        everyone = [torch.empty_like(own) for _ in range(n_processes())]
        dist.all_gather(everyone, own.contiguous())
        return torch.stack(everyone)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _OwnSum.apply(gradient)


class _OwnSum(torch.autograd.Function):
    """(processes, ...) summed over the processes, of which this one's entry is kept."""

    @staticmethod
    def forward(ctx: Any, everyone: Tensor) -> Tensor:
        return total(everyone.clone(memory_format=torch.contiguous_format))[rank()]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Gathered.apply(gradient)
