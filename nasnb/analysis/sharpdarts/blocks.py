"""Candidate operations taken apart: their layers and what they cost (sharpDARTS, section 3 and table 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from torch import nn

from nasnb.spaces.sharp import SHARP_PAPER, sharp_ops
from nasnb.supernet.layers import StackedConv, StackedNorm
from nasnb.supernet.operations import DARTS_OPS, Builder


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


def table_of_candidates() -> pd.DataFrame:
    """The space of sharpDARTS (Table 1) as its modules are: what each is, kernel, first dilation, channels in between
    of 36.
    """
    rows, ops = [], sharp_ops()
    for name in SHARP_PAPER:
        if "conv" not in name:
            kind = {"none": "zero", "skip_connect": "identity"}.get(name, "pooling")
            rows.append((name, kind, "3×3" if kind == "pooling" else None, None, None))
            continue
        layers = operation_layers(ops[name](channels=36, stride=1, edges=1, affine=True))
        convolutions = layers[layers.layer != "BatchNorm"]
        kernel, dilation = convolutions.layer.iloc[0].split()[-1], convolutions.how.iloc[0].split()[-1]
        rows.append((name, "SharpSepConv", kernel, dilation, str(convolutions["channels out"].iloc[1])))
    return pd.DataFrame(rows, columns=["operation", "is", "kernel", "dilation", "channels in the middle, for 36"])


def compared_sizes(widths: Sequence[int] = (16, 36)) -> pd.DataFrame:
    """`operation_sizes` of the convolutions of DARTS and of all candidates of sharpDARTS: space and channels, too."""
    convolutions = [name for name in DARTS_OPS if name.startswith(("sep_conv", "dil_conv")) and "7" not in name]
    kinds = {
        "DARTS": {name: DARTS_OPS[name] for name in convolutions},
        "sharpDARTS": {name: sharp_ops()[name] for name in SHARP_PAPER if name not in ("none", "skip_connect")},
    }
    return pd.concat(
        operation_sizes(ops, channels=width).assign(space=kind, channels=width)
        for kind, ops in kinds.items()
        for width in widths
    ).reset_index(drop=True)
