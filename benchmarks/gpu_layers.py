"""Which memory layout and precision a graphics card likes: the supernet's kinds of layer, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.bench import timed


class Row(NamedTuple):
    """One number. `case` and `variant` say of what; `quantity` carries its unit."""

    case: str
    variant: str
    quantity: str
    value: float | str | None


def layers(device: torch.device, toy: bool) -> Iterator[Row]:
    """Forward and backward of the supernet's kinds of layer, 8 edges of 16 channels at 32 px, batch 64."""
    batch, edges, channels, side = (2, 2, 4, 8) if toy else (64, 8, 16, 32)
    shape = (batch, edges * channels, side, side)
    for dtype in (torch.float32, torch.bfloat16):
        for memory_format in (torch.channels_last, torch.contiguous_format):
            x = torch.randn(shape, device=device, dtype=dtype).contiguous(memory_format=memory_format)
            kind = f"{dtype} {memory_format}".replace("torch.", "")
            for name, function, weight in _kinds(edges, channels, device, dtype):
                try:
                    forward, both = _timed_layer(function, x, weight, device, 2 if toy else 10)
                except RuntimeError as error:
                    yield Row(name, kind, "error", str(error)[:300])
                    continue
                yield Row(name, kind, "forward ms", 1e3 * forward)
                yield Row(name, kind, "forward and backward ms", 1e3 * both)


def _kinds(edges: int, channels: int, device, dtype) -> Iterator[tuple[str, Callable, Tensor]]:
    whole = edges * channels

    def weight(*shape: int) -> Tensor:
        return torch.randn(shape, device=device, dtype=dtype, requires_grad=True)

    for kernel, dilation in ((3, 1), (5, 1), (3, 2), (5, 2)):
        padding = dilation * (kernel - 1) // 2
        depthwise = partial(F.conv2d, padding=padding, dilation=dilation, groups=whole)
        yield f"depthwise {kernel} x {kernel}, dilation {dilation}", depthwise, weight(whole, 1, kernel, kernel)
    yield "1 x 1 in groups", partial(F.conv2d, groups=edges), weight(whole, channels, 1, 1)
    yield "1 x 1 as a batched product", partial(_product, edges), weight(edges, channels, channels)
    yield "1 x 1 dense", F.conv2d, weight(whole, whole, 1, 1)
    yield "batch norm", _norm, weight(whole)
    yield "max pool", lambda x, w: F.max_pool2d(x, 3, 1, 1) * w[0], weight(1)
    yield "average pool", lambda x, w: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) * w[0], weight(1)
    yield "relu", lambda x, w: F.relu(x) * w[0], weight(1)


def _product(edges: int, x: Tensor, weight: Tensor) -> Tensor:
    n, _, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(n * height * width, edges, -1)
    y = torch.einsum("pei,eio->peo", pixels, weight)
    return y.reshape(n, height, width, -1).permute(0, 3, 1, 2)


def _norm(x: Tensor, weight: Tensor) -> Tensor:
    weight = weight.float()
    zeros = torch.zeros_like(weight)
    return F.batch_norm(x, zeros.clone(), torch.ones_like(zeros), weight, zeros, True, 0.1, 1e-5)


def _timed_layer(function: Callable, x: Tensor, weight: Tensor, device, repeats: int) -> tuple[float, float]:
    x = x.detach().requires_grad_()
    gradient = torch.ones_like(function(x, weight))

    def forward() -> None:
        with torch.no_grad():
            function(x, weight)

    def both() -> None:
        torch.autograd.grad(function(x, weight), (x, weight), gradient)

    times = timed({"forward": forward, "both": both}, device, repeats)
    return tuple(sorted(seconds)[repeats // 2] for seconds in times.values())
