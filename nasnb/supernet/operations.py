"""Candidate operations, each computed for all edges that leave a state at once.

An operation is built as `build(channels=, stride=, edges=, affine=)` and called as `op(source, scale, open)`:

- `source` is the state that the edges leave, with the derived maps they share;
- `scale` holds the mixing weight of every open edge; `open` lists which of the op's edges to compute.

It returns (batch, n_open * channels, height, width), edge after edge. A `shared` operation has no weights of its own
per edge: it returns one (batch, channels, height, width) map for all of them and leaves the weighing to the caller.
With one edge and no scale this is the plain operation of the papers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from nasnb.device.distributed import drawn_for
from nasnb.supernet.layers import Source, StackedConv, StackedNorm, repeated
from nasnb.supernet.shapes import Maps, NewMaps, Positions, Scale

Builder = Callable[..., nn.Module]


class SepUnit(nn.Module):
    """Depthwise k x k, pointwise 1 x 1, BatchNorm: the building block of separable and dilated convolutions.

    Its input has been through ReLU.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *,
        edges: int,
        stride: int = 1,
        dilation: int = 1,
        affine: bool = False,
    ):
        super().__init__()
        padding = (kernel - 1) * dilation // 2
        self.depthwise = StackedConv(
            channels_in,
            channels_in,
            kernel,
            edges=edges,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=channels_in,
        )
        self.pointwise = StackedConv(channels_in, channels_out, 1, edges=edges)
        self.norm = StackedNorm(channels_out, edges=edges, affine=affine)

    def forward(self, x: Maps, scale: Scale = None, open: Positions = None) -> NewMaps:
        return self.norm(self.pointwise(self.depthwise(x, open), open), scale, open)


class SepConv(nn.Module):
    """Units of ReLU, depthwise, pointwise, BatchNorm in a row; stride and dilation act in the first.

    Two units without dilation are the separable convolution of DARTS, one dilated unit its dilated convolution, two
    units with a width of their own in the middle the SharpSepConv of sharpDARTS (section 3.1).
    """

    shared = False

    def __init__(
        self,
        kernel: int,
        *,
        channels: int,
        stride: int,
        edges: int,
        affine: bool,
        dilation: int = 1,
        units: int = 2,
        middle: int | None = None,
    ):
        super().__init__()
        # dilation 2 with stride 2 only ever meets even pixels: on those alone it is a dense convolution of stride 1
        self.every = stride if stride == dilation else 1
        stride, dilation = stride // self.every, dilation // self.every
        widths = [channels] + [middle or channels] * (units - 1) + [channels]
        self.units = nn.ModuleList(
            SepUnit(
                widths[i],
                widths[i + 1],
                kernel,
                edges=edges,
                stride=stride if i == 0 else 1,
                dilation=dilation if i == 0 else 1,
                affine=affine,
            )
            for i in range(units)
        )
        self.edges = edges

    def forward(self, source: Source, scale: Scale = None, open: Positions = None) -> NewMaps:
        y = source.relu_for(self.edges if open is None else len(open), self.every)
        for unit in self.units[:-1]:
            y = F.relu(unit(y, None, open))
        return self.units[-1](y, scale, open)


class Conv(nn.Module):
    """ReLU, dense k x k convolution, BatchNorm: the convolutions of NAS-Bench-201."""

    shared = False

    def __init__(self, kernel: int, *, channels: int, stride: int, edges: int, affine: bool):
        super().__init__()
        self.conv = StackedConv(
            channels, channels, kernel, edges=edges, stride=stride, padding=kernel // 2, shared_input=True
        )
        self.norm = StackedNorm(channels, edges=edges, affine=affine)

    def forward(self, source: Source, scale: Scale = None, open: Positions = None) -> NewMaps:
        return self.norm(self.conv(source.relu(), open), scale, open)


class Conv7x1(nn.Module):
    """ReLU, 1 x 7 then 7 x 1 convolution, BatchNorm (AmoebaNet only, so one edge at a time)."""

    shared = False

    def __init__(self, *, channels: int, stride: int, edges: int, affine: bool):
        super().__init__()
        if edges != 1:
            raise ValueError(f"conv_7x1_1x7 serves one edge at a time, not {edges}")
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, (1, 7), (1, stride), (0, 3), bias=False),
            nn.Conv2d(channels, channels, (7, 1), (stride, 1), (3, 0), bias=False),
        )
        self.norm = StackedNorm(channels, affine=affine)

    def forward(self, source: Source, scale: Scale = None, open: Positions = None) -> NewMaps:
        return self.norm(self.conv(source.relu()), scale)


class FactorizedReduce(nn.Module):
    """Halves the resolution: two 1 x 1 stride-2 convolutions to half the channels each, one shifted by a pixel."""

    shared = False

    def __init__(self, channels_in: int, channels_out: int, *, edges: int = 1, affine: bool = False):
        super().__init__()
        if channels_out % 2:
            raise ValueError(f"a factorised reduction needs an even number of output channels, got {channels_out}")
        self.straight = StackedConv(channels_in, channels_out // 2, 1, edges=edges, stride=2, shared_input=True)
        self.shifted = StackedConv(channels_in, channels_out // 2, 1, edges=edges, stride=2, shared_input=True)
        self.norm = StackedNorm(channels_out, edges=edges, affine=affine)
        self.edges = edges

    def forward(self, source: Source, scale: Scale = None, open: Positions = None) -> NewMaps:
        x = source.relu()
        edges = self.edges if open is None else len(open)
        whole = F.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2))  # an odd map lacks a pixel from 1 on
        halves = self.straight(x, open), self.shifted(whole[:, :, 1:, 1:], open)
        halves = [half.permute(0, 2, 3, 1).unflatten(-1, (edges, -1)) for half in halves]
        y = torch.cat(halves, dim=-1).flatten(-2).permute(0, 3, 1, 2)  # the halves of each edge side by side
        return self.norm(y, scale, open)


class Identity(nn.Module):
    """Skip connection at stride 1: the state itself. Drop path leaves it alone."""

    shared = True
    is_identity = True

    def forward(self, source: Source) -> NewMaps:
        return source.x


class Pool(nn.Module):
    """3 x 3 pooling; in the supernet followed by an affine-free BatchNorm (official code of DARTS; paper silent).

    All edges pool the same state, so the map and its normalisation are computed once and shared.
    """

    shared = True

    def __init__(self, kind: str, stride: int, *, norm: StackedNorm | None = None, include_pad: bool = False):
        super().__init__()
        self.kind, self.stride, self.norm, self.include_pad = kind, stride, norm, include_pad

    def forward(self, source: Source) -> NewMaps:
        if self.kind == "max":
            y = F.max_pool2d(source.x, 3, self.stride, 1)
        else:
            y = F.avg_pool2d(source.x, 3, self.stride, 1, count_include_pad=self.include_pad)
        return y if self.norm is None else self.norm(y)


class NormedPool(nn.Module):
    """Pooling with an affine BatchNorm of every edge's own: final networks of StacNAS' published code."""

    shared = False

    def __init__(self, pool: Pool, channels: int, edges: int):
        super().__init__()
        self.pool, self.edges = pool, edges
        self.norm = StackedNorm(channels, edges=edges, affine=True)

    def forward(self, source: Source, scale: Scale = None, open: Positions = None) -> NewMaps:
        edges = self.edges if open is None else len(open)
        return self.norm(repeated(self.pool(source), edges), scale, open)


class Noise(nn.Module):
    """Fresh N(0, 1) values of the output's shape on every pass (space S4); no gradient reaches the input."""

    shared = False

    def __init__(self, *, stride: int, edges: int):
        super().__init__()
        self.stride, self.edges = stride, edges

    def forward(self, source: Source, scale: Scale = None, open: Positions = None) -> NewMaps:
        x = source.x[:, :, :: self.stride, :: self.stride]
        edges = self.edges if open is None else len(open)
        like = repeated(x, edges)
        noise = drawn_for(len(x), lambda n: _normal_like(torch.cat([like] * (n // len(x)))))
        if scale is None:
            return noise
        return noise * scale.to(noise.dtype).repeat_interleave(x.shape[1]).view(1, -1, 1, 1)


def _normal_like(x: Maps) -> Maps:
    """N(0, 1) in shape and layout of `x`, drawn in plain order: other orders are several times slower on a CPU."""
    return torch.empty_like(x).copy_(torch.randn_like(x, memory_format=torch.contiguous_format))


class PerEdge(nn.Module):
    """Any ordinary module as a candidate: one copy per edge, each called on the state itself."""

    shared = False

    def __init__(self, make: Callable[[], nn.Module], edges: int):
        super().__init__()
        self.copies = nn.ModuleList(make() for _ in range(edges))

    def forward(self, source: Source, scale: Scale = None, open: Positions = None) -> NewMaps:
        chosen = range(len(self.copies)) if open is None else open.tolist()
        outputs = [self.copies[edge](source.x) for edge in chosen]
        if scale is not None:
            outputs = [weight * y for weight, y in zip(scale, outputs, strict=True)]
        return torch.cat(outputs, dim=1)


def per_edge(make: Callable[..., nn.Module]) -> Builder:
    """The short way to an operation of one's own: `make(channels, stride, affine)` returns an ordinary module."""
    return lambda *, channels, stride, edges, affine: PerEdge(lambda: make(channels, stride, affine), edges)


def _skip(*, channels: int, stride: int, edges: int, affine: bool) -> nn.Module:
    return Identity() if stride == 1 else FactorizedReduce(channels, channels, edges=edges, affine=affine)


def pool(kind: str, *, norm: bool | None = None, include_pad: bool = False) -> Builder:
    """Pools are normalised where BatchNorms have no affine part (the supernet), unless `norm` decides.

    `include_pad`: the zeros around the map count in the mean of an average pool.
    """

    def build(*, channels: int, stride: int, edges: int, affine: bool) -> nn.Module:
        normed = not affine if norm is None else norm
        after = StackedNorm(channels) if normed and not affine else None
        op = Pool(kind, stride, norm=after, include_pad=include_pad)
        return NormedPool(op, channels, edges) if normed and affine else op

    return build


# `none` has no entry: it contributes nothing but its share of the softmax, so nothing is built for it.
DARTS_OPS: Mapping[str, Builder] = {
    "max_pool_3x3": pool("max"),
    "avg_pool_3x3": pool("avg"),
    "skip_connect": _skip,
    "sep_conv_3x3": partial(SepConv, 3),
    "sep_conv_5x5": partial(SepConv, 5),
    "sep_conv_7x7": partial(SepConv, 7),
    "dil_conv_3x3": partial(SepConv, 3, dilation=2, units=1),
    "dil_conv_5x5": partial(SepConv, 5, dilation=2, units=1),
    "conv_7x1_1x7": Conv7x1,
    "noise": lambda *, channels, stride, edges, affine: Noise(stride=stride, edges=edges),
}

BENCH201_OPS: Mapping[str, Builder] = {
    "skip_connect": _skip,
    "nor_conv_1x1": partial(Conv, 1),
    "nor_conv_3x3": partial(Conv, 3),
    "avg_pool_3x3": pool("avg", norm=False),
}
