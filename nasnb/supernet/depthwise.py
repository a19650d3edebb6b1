"""Depthwise convolutions with gradients that are fast on a CPU, made of ordinary torch operations.

The library's own gradients are slow there for dilated kernels and for kernels wider than 3: up to 25 times the forward.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nasnb.supernet.shapes import Kernels, Maps, NewMaps

WIDEST = 3  # kernel columns for which the library's weight gradient is fast; rows do not matter


def depthwise(x: Maps, weight: Kernels, *, stride: int = 1, padding: int = 0, dilation: int = 1) -> NewMaps:
    """F.conv2d with one group per channel; `weight` is (channels, 1, k, k). Differentiable as often as one likes."""
    cast = x.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    if cast and dilation > 1:  # the library's bf16 gradient of these weights is NaN at some sizes
        with torch.autocast("cpu", enabled=False):
            exact = depthwise(x.float(), weight.float(), stride=stride, padding=padding, dilation=dilation)
        return exact.to(torch.get_autocast_dtype("cpu"))
    if (
        cast
        or x.device.type != "cpu"
        or (dilation > 1 and (stride > 1 or x.shape[-1] % dilation or x.shape[-2] % dilation))
    ):
        return F.conv2d(x, weight, None, stride, padding, dilation, len(weight))
    return _Depthwise.apply(x, weight, stride, padding, dilation)


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Maps, weight: Kernels, stride: int, padding: int, dilation: int) -> NewMaps:
        ctx.save_for_backward(x, weight)
        ctx.walk = stride, padding, dilation
        return F.conv2d(x, weight, None, stride, padding, dilation, len(weight))

    @staticmethod
    def backward(ctx, gradient: Maps):
        x, weight = ctx.saved_tensors
        for_x = _data_gradient(gradient, x, weight, *ctx.walk) if ctx.needs_input_grad[0] else None
        for_weight = _weight_gradient(gradient, x, weight, *ctx.walk) if ctx.needs_input_grad[1] else None
        return for_x, for_weight, None, None, None


def _data_gradient(gradient: NewMaps, x: Maps, weight: Kernels, stride: int, padding: int, dilation: int) -> Maps:
    if stride > 1:
        return _library(gradient, x, weight, stride, padding, data=True)
    # a pixel collects from wherever it gave to: a forward convolution with the kernel turned by 180 degrees
    around = dilation * (weight.shape[-1] - 1) - padding
    return F.conv2d(gradient, weight.flip(2, 3), None, 1, around, dilation, len(weight))


def _weight_gradient(gradient: NewMaps, x: Maps, weight: Kernels, stride: int, padding: int, dilation: int) -> Kernels:
    size = weight.shape[-1]
    if size <= WIDEST and dilation == 1:
        return _library(gradient, x, weight, stride, padding, data=False)
    x, reach = F.pad(x, (padding,) * 4), stride * (gradient.shape[-1] - 1) + 1
    gradient, parts = _phases(gradient, dilation), []
    for first in range(0, size, WIDEST):
        columns = weight[..., first : first + WIDEST]
        seen = x[..., first * dilation : (first + columns.shape[-1] - 1) * dilation + reach]
        parts.append(_library(gradient, _phases(seen, dilation), columns, stride, 0, data=False))
    return torch.cat(parts, dim=-1)


def _phases(x: Maps, dilation: int) -> Float[Tensor, "phases channels new_height new_width"]:
    """(dilation² * batch, channels, height / dilation, width / dilation): every dilation-th pixel, from each start.

    Pixels of different phases never meet under a dilated kernel, so each phase is a map of its own under the dense one.
    """
    if dilation == 1:
        return x
    pixels = x.permute(0, 2, 3, 1).unflatten(2, (-1, dilation)).unflatten(1, (-1, dilation))
    return pixels.permute(2, 4, 0, 1, 3, 5).flatten(0, 2).permute(0, 3, 1, 2)


def _library(gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, *, data: bool) -> Tensor:
    """One of torch's own two gradients of a dense depthwise convolution."""
    wanted = data, not data, False
    gradients = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], len(weight), wanted
    )
    return gradients[0 if data else 1]
