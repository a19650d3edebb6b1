"""How many channels the candidates of an edge see: all of them, or a part while the rest passes by (PC-DARTS)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nasnb.architecture import Edge
from nasnb.supernet.edges import FanOut, Routed
from nasnb.supernet.network import FullMix, full_mix
from nasnb.supernet.operations import Builder
from nasnb.supernet.shapes import Maps, NewMaps, Share

__all__ = ["FullMix", "PartialMix", "full_mix", "partial_channels"]

Parts = tuple[Tensor, ...]


def partial_channels(k: int, *, select: str = "first", mixing: str = "shuffle") -> FullMix | PartialMix:
    """Candidates see 1/k of the channels, the others pass by (PC-DARTS, equation 1).

    `select="first"`: the first channels, and every node is mixed so that others come first next time: "shuffle" as
    published, "shift" by as many as were processed, or "none". `select="random"`: a subset drawn per edge and pass, as
    equation 1 says; it needs no mixing and gets none. One k for all channels (k=1) is DARTS.
    """
    if k < 1 or select not in ("first", "random") or mixing not in ("shuffle", "shift", "none"):
        raise ValueError(
            f"partial_channels({k}, select={select!r}, mixing={mixing!r}): k is at least 1, "
            "select 'first' or 'random', mixing 'shuffle', 'shift' or 'none'"
        )
    return full_mix if k == 1 else PartialMix(k, select, mixing)


@dataclass(frozen=True)
class PartialMix:
    """Made by `partial_channels`."""

    k: int
    select: str
    mixing: str

    def fan(
        self,
        edges: Sequence[Edge],
        names: Sequence[str],
        ops: Mapping[str, Builder],
        *,
        channels: int,
        stride: int,
        affine: bool,
    ) -> nn.Module:
        """The module that computes the edges leaving one state."""
        part, multiple = channels // self.k, self.k if stride == 1 else 2 * self.k  # a stride-2 skip halves the part
        if channels % multiple:
            at = "" if stride == 1 else " at stride 2"
            raise ValueError(f"channels={channels} cannot be parted by k={self.k}{at}: choose a multiple of {multiple}")
        size = {"channels": part, "stride": stride, "affine": affine}
        if self.select == "random":
            return RandomFan([FanOut([edge], names, ops, **size) for edge in edges], self.k, stride)
        return PartialFan(FanOut(edges, names, ops, **size), self.k, stride)

    def join(self, parts: Parts) -> NewMaps:
        """A node's value from the sum of what its edges brought: mixing the node is mixing each of its edges."""
        if self.select == "random":
            return parts[0]
        if self.mixing == "shuffle":
            return shuffled(*parts, self.k)
        return torch.cat(parts if self.mixing == "none" else parts[::-1], dim=1)


def shuffled(
    processed: Maps, bypass: Float[Tensor, "batch others height width"], k: int
) -> Float[Tensor, "batch all height width"]:
    """Channel c of the k-th part goes to position c * k + part. One copy, channels last."""
    first = processed.permute(0, 2, 3, 1).unsqueeze(-1)
    others = bypass.permute(0, 2, 3, 1).unflatten(-1, (k - 1, -1)).mT
    return torch.cat([first, others], dim=-1).flatten(-2).permute(0, 3, 1, 2)


class PartialFan(nn.Module):
    """The fan-out on the first channels; each edge brings (processed, bypass)."""

    def __init__(self, inner: FanOut, k: int, stride: int):
        super().__init__()
        self.inner, self.k, self.stride = inner, k, stride

    def forward(self, x: Maps, routed: Routed, drop_path: Share = 0.0) -> list[Parts]:
        part = x.shape[1] // self.k
        first, others = x.split([part, x.shape[1] - part], dim=1)  # unlike two slices, one copy on the way back
        bypass = _passed(others, self.stride)
        outputs = self.inner(first, routed, drop_path)
        scaled = [bypass] * len(outputs) if routed.edge_scale is None else [s * bypass for s in routed.edge_scale]
        # an edge with every candidate closed still lets the bypass through: closed means weight 0
        return [
            (bypass.new_zeros(bypass[:, :part].shape) if y is None else y[0], rest)
            for y, rest in zip(outputs, scaled, strict=True)
        ]


class RandomFan(nn.Module):
    """One fan-out per edge, each on channels of its own draw; each edge brings its whole output."""

    def __init__(self, inner: Sequence[FanOut], k: int, stride: int):
        super().__init__()
        self.inner, self.k, self.stride = nn.ModuleList(inner), k, stride

    def forward(self, x: Maps, routed: Routed, drop_path: Share = 0.0) -> list[Parts]:
        passed, part = _passed(x, self.stride), x.shape[1] // self.k
        outputs = []
        for edge, fan in enumerate(self.inner):
            chosen = torch.rand(x.shape[1], device=x.device).argsort()[:part].sort().values
            y = fan(x[:, chosen], _only(routed, edge), drop_path)[0]
            rest = passed if routed.edge_scale is None else routed.edge_scale[edge] * passed
            outputs.append(
                (rest.index_fill(1, chosen, 0.0) if y is None else rest.index_copy(1, chosen, y[0].to(rest.dtype)),)
            )
        return outputs


def _passed(x: Maps, stride: int) -> NewMaps:
    # the paper is silent on stride 2, its code pools; the last pixel of an odd map alone, as the candidates see it
    return x if stride == 1 else F.max_pool2d(x, 2, 2, ceil_mode=True)


def _only(routed: Routed, edge: int) -> Routed:
    """What one edge of the fan-out needs."""
    one = slice(edge, edge + 1)
    return Routed(*(None if part is None else part[one] for part in routed))
