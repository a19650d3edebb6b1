"""The sharpDARTS family: every convolution a SharpSepConv, with a wide (flood) or narrow (choke) middle (Table 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from nasnb.spaces.cells import DARTS_NAMES, CellSpace, every_edge
from nasnb.supernet.operations import DARTS_OPS, Builder, SepConv, pool

# the paper's Table 1, in the order of the code with the average pool where DARTS has it
SHARP_PAPER = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "dil_conv_3x3",
    "flood_conv_3x3",
    "dil_flood_conv_3x3",
    "choke_conv_3x3",
    "dil_choke_conv_3x3",
)
# what was really searched: the code has the average pool commented out
SHARP_CODE = tuple(name for name in SHARP_PAPER if name != "avg_pool_3x3")
DARTS_SSC = DARTS_NAMES
SHARPER = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "flood_conv_3x3",
    "flood_conv_5x5",
    "dil_flood_conv_3x3",
)


def sharp_sep_conv(kernel: int, *, dilation: int = 1, flood: int = 1, choke: int | None = None) -> Builder:
    """Two separable convolutions, `flood` times wider in between, or `choke` channels there (paper, section 3.1).

    Stride and dilation act in the first depthwise convolution alone.
    """

    def build(*, channels: int, stride: int, edges: int, affine: bool) -> nn.Module:
        middle = flood * channels if choke is None else choke
        return SepConv(
            kernel, channels=channels, stride=stride, edges=edges, affine=affine, dilation=dilation, middle=middle
        )

    return build


def sharp_ops(*, choke: int = 32, include_pad: bool = False) -> Mapping[str, Builder]:
    """All operations of the family. The code's average pool lets the padding count (`include_pad`), DARTS' does not."""
    return {
        "max_pool_3x3": pool("max"),
        "avg_pool_3x3": pool("avg", include_pad=include_pad),
        "skip_connect": DARTS_OPS["skip_connect"],
        **{f"sep_conv_{k}x{k}": sharp_sep_conv(k) for k in (3, 5, 7)},
        **{f"dil_conv_{k}x{k}": sharp_sep_conv(k, dilation=2) for k in (3, 5)},
        **{f"flood_conv_{k}x{k}": sharp_sep_conv(k, flood=4) for k in (3, 5)},
        "dil_flood_conv_3x3": sharp_sep_conv(3, dilation=2, flood=4),
        "choke_conv_3x3": sharp_sep_conv(3, choke=choke),
        "dil_choke_conv_3x3": sharp_sep_conv(3, dilation=2, choke=choke),
    }


def sharp_space(
    name: str, names: Sequence[str] = SHARP_PAPER, *, choke: int = 32, include_pad: bool = False
) -> CellSpace:
    """DARTS' cells with these candidates. At reduced scale choose a choke below the channels: 32 would be a flood."""
    return CellSpace(name, every_edge(names), sharp_ops(choke=choke, include_pad=include_pad), auxiliary_norm=True)


sharp = sharp_space("sharp")
sharp_code = sharp_space("sharp-code", SHARP_CODE, include_pad=True)
darts_ssc = sharp_space("darts-ssc", DARTS_SSC)
sharper = sharp_space("sharper", SHARPER)
