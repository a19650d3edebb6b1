"""Candidate operations taken apart: their layers and what they cost (sharpDARTS, section 3 and table 1)."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from torch import nn

from nasnb.supernet.layers import StackedConv, StackedNorm
from nasnb.supernet.operations import Builder


def operation_layers(op: nn.Module) -> pd.DataFrame:
    """A row per convolution and BatchNorm of an operation built for one edge, in the order in which they run."""
    rows = []
    for layer in op.modules():
        if isinstance(layer, StackedConv):
            out, per_group, kernel, _ = layer.weight.shape
            kind = f"{'depthwise' if layer.groups > 1 else 'dense'} convolution {kernel}×{kernel}"
            how = f"stride {layer.stride}, dilation {layer.dilation}" if kernel > 1 else ""
            rows.append((kind, how, per_group * layer.groups, out, layer.weight.numel()))
        elif isinstance(layer, StackedNorm):
            rows.append(("BatchNorm", "", layer.channels, layer.channels, sum(p.numel() for p in layer.parameters())))
    return pd.DataFrame(rows, columns=["layer", "how", "channels in", "channels out", "parameters"])


def operation_sizes(builders: Mapping[str, Builder], *, channels: int, side: int = 32) -> pd.DataFrame:
    """A row per operation: op, convolutions, parameters, multiply_adds of a map of side × side pixels at stride 1.

    Multiply-adds are those of convolutions, which all keep the size of the map; BatchNorm is affine.
    """
    rows = []
    for name, build in builders.items():
        op = build(channels=channels, stride=1, edges=1, affine=True)
        convolutions = [layer.weight.numel() for layer in op.modules() if isinstance(layer, StackedConv)]
        parameters = sum(p.numel() for p in op.parameters())
        rows.append((name, len(convolutions), parameters, sum(convolutions) * side**2))
    return pd.DataFrame(rows, columns=["op", "convolutions", "parameters", "multiply_adds"])
