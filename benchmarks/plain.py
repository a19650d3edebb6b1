"""The supernet as the papers' equations say it, one operation of one edge at a time: the judge of the fast one.

Module names are those of the official repositories, so `nasnb.spaces.official` moves weights between the two.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn


class Pooled(nn.Module):
    def __init__(self, kind, channels, stride):
        super().__init__()
        self.pool = nn.MaxPool2d(3, stride, 1) if kind == "max" else nn.AvgPool2d(3, stride, 1, count_include_pad=False)
        self.add_module("1", nn.BatchNorm2d(channels, affine=False))

    def forward(self, x):
        return getattr(self, "1")(self.pool(x))


class Dense(nn.Module):
    """ReLU, dense convolution, BatchNorm (NAS-Bench-201)."""

    def __init__(self, channels, kernel):
        super().__init__()
        conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False)
        self.op = nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(channels, affine=False))

    def forward(self, x):
        return self.op(x)


class Convs(nn.Module):
    """`units` times ReLU, depthwise, pointwise, BatchNorm."""

    def __init__(self, channels, kernel, stride, dilation, units):
        super().__init__()
        layers = []
        for i in range(units):
            d, s = (dilation, stride) if i == 0 else (1, 1)
            layers += [
                nn.ReLU(),
                nn.Conv2d(channels, channels, kernel, s, d * (kernel - 1) // 2, d, groups=channels, bias=False),
                nn.Conv2d(channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels, affine=False),
            ]
        self.op = nn.Sequential(*layers)

    def forward(self, x):
        return self.op(x)


class FactorizedReduce(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv_1 = nn.Conv2d(c_in, c_out // 2, 1, stride=2, bias=False)
        self.conv_2 = nn.Conv2d(c_in, c_out // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(c_out, affine=False)

    def forward(self, x):
        x = F.relu(x)
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])], 1))


class Zero(nn.Module):
    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return x[:, :, :: self.stride, :: self.stride] * 0.0


def make_op(name, channels, stride):
    if name == "none":
        return Zero(stride)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
    if name.endswith("pool_3x3"):
        return Pooled(name[:3], channels, stride)
    kind, _, size = name.split("_")
    return Convs(channels, int(size[0]), stride, *((1, 2) if kind == "sep" else (2, 1)))


def make_bench201_op(name, channels, stride):
    if name.startswith("nor_conv"):
        return Dense(channels, int(name[-1]))
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride, 1, count_include_pad=False)
    return make_op(name, channels, stride)


class MixedOp(nn.Module):
    def __init__(self, ops, channels, stride, make=None):
        super().__init__()
        self._ops = nn.ModuleList((make or make_op)(name, channels, stride) for name in ops)

    def forward(self, x, weights):
        return sum(w * op(x) for w, op in zip(weights, self._ops, strict=False))


class PartialMixedOp(nn.Module):
    """PC-DARTS equation 1 on the first channels, the rest past them, then the shuffle, all on one edge."""

    def __init__(self, ops, channels, stride, k):
        super().__init__()
        self._ops = nn.ModuleList(make_op(name, channels // k, stride) for name in ops)
        self.k, self.stride = k, stride

    def forward(self, x, weights):
        c = x.shape[1] // self.k
        mixed = sum(w * op(x[:, :c]) for w, op in zip(weights, self._ops, strict=False))
        rest = x[:, c:] if self.stride == 1 else F.max_pool2d(x[:, c:], 2, 2)
        y = torch.cat([mixed, rest], 1)
        n, _, h, w = y.shape
        return y.view(n, self.k, c, h, w).transpose(1, 2).reshape(n, -1, h, w)


def reader(c_in, c_out, halve):
    if halve:
        return FactorizedReduce(c_in, c_out)
    module = nn.Module()
    module.op = nn.Sequential(nn.ReLU(), nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out, affine=False))
    module.forward = module.op.forward
    return module


def scaled(x, edge_weights, row):
    return x if edge_weights is None else edge_weights[row] * x


class PlainCell(nn.Module):
    def __init__(self, edges, before, last, channels, reduction, halved, k):
        super().__init__()
        self.preprocess0, self.preprocess1 = reader(before, channels, halved), reader(last, channels, False)
        self.edges = edges
        strides = [2 if reduction and edge.source < 2 else 1 for edge in edges]
        self._ops = nn.ModuleList(
            MixedOp(e.ops, channels, s) if k == 1 else PartialMixedOp(e.ops, channels, s, k)
            for e, s in zip(edges, strides, strict=True)
        )

    def forward(self, s0, s1, weights, edge_weights):
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        for target in range(2, max(edge.target for edge in self.edges) + 1):
            states.append(
                sum(
                    scaled(self._ops[row](states[edge.source], weights[row]), edge_weights, row)
                    for row, edge in enumerate(self.edges)
                    if edge.target == target
                )
            )
        return torch.cat(states[2:], 1)


class PlainSupernet(nn.Module):
    def __init__(self, choices, channels, cells, classes, k=1, image_channels=3):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(image_channels, 3 * channels, 3, padding=1, bias=False), nn.BatchNorm2d(3 * channels)
        )
        before = last = 3 * channels
        self.cells, self.groups, halved = nn.ModuleList(), [], False
        for i in range(cells):
            reduction = i in (cells // 3, 2 * cells // 3)
            channels *= 2 if reduction else 1
            group = "reduce" if reduction else "normal"
            self.cells.append(PlainCell(choices.groups[group], before, last, channels, reduction, halved, k))
            self.groups.append(group)
            nodes = len({edge.target for edge in choices.groups[group]})
            before, last, halved = last, nodes * channels, reduction
        self.classifier = nn.Linear(last, classes)

    def forward(self, images, weights):
        s0 = s1 = self.stem(images)
        for cell, group in zip(self.cells, self.groups, strict=True):
            s0, s1 = s1, cell(s0, s1, weights[group], weights.get(f"{group}/edges"))
        return self.classifier(s1.mean((2, 3)))


def normalise(net, iterations=5):
    """From now on every convolution of a candidate has spectral norm 1, one at a time: MSR-DARTS, algorithm 1."""
    for op in [module for module in net.modules() if isinstance(module, Convs)]:
        for conv in [layer for layer in op.op if isinstance(layer, nn.Conv2d)]:
            conv.forward = partial(normalised, conv, iterations)


def normalised(conv, iterations, x):
    with torch.no_grad():
        right = torch.randn_like(x[:1])
        for _ in range(iterations):
            left = conv._conv_forward(right, conv.weight, None)
            left = left / left.norm()
            how = conv.stride, conv.padding, conv.dilation, conv.groups
            right = torch.nn.grad.conv2d_input(x[:1].shape, conv.weight, left, *how)
            right = right / right.norm()
    sigma = (left * conv._conv_forward(right, conv.weight, None)).sum()
    return conv._conv_forward(x, conv.weight / sigma, None)


class PlainBench201(nn.Module):
    """NAS-Bench-201: three stages of cells with nodes 0 to 3, a residual block before the second and the third."""

    def __init__(self, edges, channels, cells, classes, residual, image_channels=3):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(image_channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        self.edges, self.blocks = edges, nn.ModuleList()
        for stage in range(3):
            if stage:
                self.blocks.append(residual(channels))
                channels *= 2
            for _ in range(cells):
                self.blocks.append(nn.ModuleList(MixedOp(edge.ops, channels, 1, make_bench201_op) for edge in edges))
        self.last = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, classes)

    def cell(self, x, ops, weights):
        states = [x]
        for target in range(1, 4):
            into = [row for row, edge in enumerate(self.edges) if edge.target == target]
            states.append(sum(ops[row](states[self.edges[row].source], weights[row]) for row in into))
        return states[-1]

    def forward(self, images, weights):
        x = self.stem(images)
        for block in self.blocks:
            x = self.cell(x, block, weights["cell"]) if isinstance(block, nn.ModuleList) else block(x)
        return self.classifier(F.relu(self.last(x)).mean((2, 3)))
