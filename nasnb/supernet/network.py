"""One wiring of cells for supernets and final networks: `logits = net(images, weights)`.

A supernet is told the mixing weights of its edges, {group: (edges, ops)}; a final network takes none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nasnb.architecture import Edge
from nasnb.supernet.edges import FanOut, Open, Routed, Weights, Wiring
from nasnb.supernet.layers import Source
from nasnb.supernet.operations import Builder, FactorizedReduce
from nasnb.supernet.shapes import Images, Logits, Maps, NewMaps, Share


@dataclass(frozen=True)
class FullMix:
    """Every candidate sees all channels (DARTS)."""

    def fan(self, edges: Sequence[Edge], names: Sequence[str], ops: Mapping[str, Builder], **size) -> nn.Module:
        """The module that computes the edges leaving one state."""
        return FanOut(edges, names, ops, **size)

    def join(self, parts: tuple[Tensor, ...]) -> Tensor:
        """A node's value from the sum of what its edges brought."""
        return parts[0]


full_mix = FullMix()


def each_time(function: Callable, *inputs: Any) -> Any:
    """The call itself."""
    return function(*inputs)


class Once:
    """Calls whose inputs are all known are made once; what they return is known from then on. Known by identity.

    For passes that differ in a part of the network: `Once(what they share)` is given to each of them.
    """

    def __init__(self, known: Any):
        self.known: dict[int, Any] = {}  # keeps what is known alive, so that no other object takes its identity
        self.results: dict[tuple, Any] = {}
        self._know(known)

    def __call__(self, function: Callable, *inputs: Any) -> Any:
        if not all(id(each) in self.known or isinstance(each, float) for each in inputs):
            return function(*inputs)
        # identity, not equality: comparing maps would cost more than it saves, and make the host wait
        key = (function, *(each if isinstance(each, float) else id(each) for each in inputs))
        if key not in self.results:
            self.results[key] = function(*inputs)
            self._know(self.results[key])
        return self.results[key]

    def _know(self, value: Any) -> None:
        self.known[id(value)] = value
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
        for part in parts:
            self._know(part)


def _added(before: tuple[Tensor, ...], parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(map(torch.add, before, parts))


class Cell(nn.Module):
    """Input states, then nodes that sum their incoming edges; the output concatenates some of the states."""

    def __init__(
        self,
        wiring: Wiring,
        inputs: Sequence[nn.Module],
        ops: Mapping[str, Builder],
        *,
        mix: FullMix,
        channels: int,
        reduction: bool,
        affine: bool,
        concat: Sequence[int],
    ):
        super().__init__()
        self.inputs = nn.ModuleList(inputs)
        self.mix, self.concat = mix, tuple(concat)
        self.targets = [[wiring.edges[row].target for row in rows] for rows in wiring.leaving]
        self.fans = nn.ModuleList(
            mix.fan(
                [wiring.edges[row] for row in rows],
                wiring.names,
                ops,
                channels=channels,
                affine=affine,
                stride=2 if reduction and source < len(inputs) else 1,
            )
            for source, rows in enumerate(wiring.leaving)
        )
        self.stride = 2 if reduction else 1

    def forward(
        self,
        s0: Float[Tensor, "batch channels_0 height_0 width_0"],
        s1: Maps,
        routed: Sequence[Routed],
        drop_path: Share = 0.0,
        call: Callable = each_time,
    ) -> NewMaps:
        states = [call(read, s) for read, s in zip(self.inputs, (s0, s1)[-len(self.inputs) :], strict=True)]
        sums: dict[int, tuple[Tensor, ...]] = {}
        for source, fan in enumerate(self.fans):
            if source == len(states):
                states.append(self._node(sums, source, states[0], call))
            # by source, not by node: what leaves a state is one batched computation, its outputs wait in `sums`
            outputs = call(fan, states[source], routed[source], drop_path)
            for target, parts in zip(self.targets[source], outputs, strict=True):
                if parts is not None:
                    before = sums.get(target)
                    sums[target] = parts if before is None else call(_added, before, parts)
        states += [self._node(sums, node, states[0], call) for node in range(len(states), max(self.concat) + 1)]
        return torch.cat([states[node] for node in self.concat], dim=1) if len(self.concat) > 1 else states[-1]

    def _node(self, sums: dict, node: int, like: Maps, call: Callable) -> NewMaps:
        if node in sums:
            return call(self.mix.join, sums[node])
        return torch.zeros_like(like[:, :, :: self.stride, :: self.stride])  # nothing open leads here


class ReLUConvNorm(nn.Sequential):
    """ReLU, 1 x 1 convolution, BatchNorm: how a cell reads a state of the same resolution."""

    def __init__(self, channels_in: int, channels_out: int, *, affine: bool):
        super().__init__(
            nn.ReLU(), nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out, affine=affine)
        )


class Halve(nn.Module):
    """How a cell reads the state before a reduction cell: factorised reduction to half the resolution."""

    def __init__(self, channels_in: int, channels_out: int, *, affine: bool):
        super().__init__()
        self.reduce = FactorizedReduce(channels_in, channels_out, affine=affine)

    def forward(self, x: Maps) -> NewMaps:
        return self.reduce(Source(x))


class CifarStem(nn.Module):
    """3 x 3 convolution and (always affine) BatchNorm; both inputs of the first cell."""

    halves = False

    def __init__(self, image_channels: int, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(image_channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.channels = (channels, channels)

    def forward(self, images: Images) -> tuple[Tensor, Tensor]:
        y = self.norm(self.conv(images))
        return y, y


class ImageNetStem(nn.Module):
    """Three stride-2 convolutions: 224 pixels to 56 (first input of the first cell) and 28 (second)."""

    halves = True

    def __init__(self, image_channels: int, channels: int):
        super().__init__()
        self.stem0 = nn.Sequential(
            nn.Conv2d(image_channels, channels // 2, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels // 2),
            nn.ReLU(),
            nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.stem1 = nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, channels, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        self.channels = (channels, channels)

    def forward(self, images: Images) -> tuple[Tensor, Tensor]:
        s0 = self.stem0(images)
        return s0, self.stem1(s0)


class Head(nn.Module):
    """Global average pool and a linear layer."""

    def __init__(self, channels: int, classes: int, before: nn.Module | None = None):
        super().__init__()
        self.before = before
        self.linear = nn.Linear(channels, classes)

    def forward(self, x: Maps) -> Logits:
        x = x if self.before is None else self.before(x)
        # avg_pool2d, not mean: its gradient keeps the memory format (channels last), mean's does not
        return self.linear(F.avg_pool2d(x, x.shape[-2:]).flatten(1))


class AuxiliaryHead(nn.Module):
    """A second classifier in training, on the output of the second reduction cell, pooled to 2 x 2.

    The papers have 8 x 8 maps (CIFAR) or 7 x 7 ones (ImageNet); maps of other sizes are pooled adaptively.
    """

    def __init__(self, channels: int, classes: int, *, last_norm: bool):
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(channels, 128, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU())
        # DARTS' ImageNet head has no BatchNorm here, and says so in a comment: its experiments ran without
        norm = [nn.BatchNorm2d(768)] if last_norm else []
        self.expand = nn.Sequential(nn.Conv2d(128, 768, 2, bias=False), *norm, nn.ReLU())
        self.linear = nn.Linear(768, classes)

    def forward(self, x: Maps) -> Logits:
        return self.linear(self.expand(self.reduce(_to_two(F.relu(x)))).flatten(1))


def _to_two(x: Tensor) -> Tensor:
    strides = [{7: 2, 8: 3}.get(length) for length in x.shape[-2:]]
    return F.adaptive_avg_pool2d(x, 2) if None in strides else F.avg_pool2d(x, 5, strides, count_include_pad=False)


class Network(nn.Module):
    """Stem, blocks, head. A block is a cell (its group names the mixing weights it uses) or a plain module (None)."""

    def __init__(
        self,
        stem: nn.Module,
        blocks: Sequence[nn.Module],
        groups: Sequence[str | None],
        wirings: Mapping[str, Wiring],
        head: nn.Module,
        *,
        auxiliary: AuxiliaryHead | None = None,
        auxiliary_after: int | None = None,
    ):
        super().__init__()
        self.stem, self.blocks, self.head = stem, nn.ModuleList(blocks), head
        self.groups = tuple(groups)
        self.wirings = nn.ModuleDict(wirings)
        self.auxiliary, self.auxiliary_after = auxiliary, auxiliary_after

    def forward(
        self, images: Images, weights: Weights | None = None, *, open: Open | None = None, drop_path: Share = 0.0
    ) -> Logits:
        """Logits (batch, classes). `open` (host booleans, as the weights) spares what closed candidates would cost."""
        return self.head(self.features(self.stem(images), self.route(weights, open), drop_path=drop_path)[1])

    def with_auxiliary(self, images: Images, *, drop_path: Share = 0.0) -> tuple[Tensor, Tensor]:
        """Logits and the auxiliary head's logits."""
        assert self.auxiliary is not None, "built without auxiliary head"
        routed = self.route(None)
        states = self.features(self.stem(images), routed, stop=self.auxiliary_after + 1, drop_path=drop_path)
        auxiliary = self.auxiliary(states[1])
        states = self.features(states, routed, start=self.auxiliary_after + 1, drop_path=drop_path)
        return self.head(states[1]), auxiliary

    def route(self, weights: Weights | None, open: Open | None = None) -> dict[str, list[Routed]]:
        """The mixing weights of every cell type, as its cells want them; "normal/3" is of the cell at block 3 alone."""
        if weights is None:
            return {group: wiring(None, None, None) for group, wiring in self.wirings.items()}
        cells = {f"{group}/{i}": group for i, group in enumerate(self.groups)}
        own = {key: group for key, group in cells.items() if key in weights}
        return {
            key: self.wirings[group](weights[key], weights.get(f"{group}/edges"), None if open is None else open[group])
            for key, group in ({group: group for group in self.wirings} | own).items()
        }

    def features(
        self,
        states: tuple[Tensor, Tensor],
        routed: Mapping[str, list[Routed]],
        *,
        start: int = 0,
        stop: int | None = None,
        drop_path: Share = 0.0,
        call: Callable = each_time,
    ) -> tuple[Tensor, Tensor]:
        """The last two states after blocks `start` to `stop`: evaluations that differ late share what comes before.

        With `call=Once(...)` they also share, within the blocks, what does not see the difference.
        """
        s0, s1 = states
        blocks = list(enumerate(zip(self.blocks, self.groups, strict=True)))
        for i, (block, group) in blocks[start:stop]:
            own = None if group is None else routed.get(f"{group}/{i}", routed[group])
            s0, s1 = s1, call(block, s1) if own is None else block(s0, s1, own, drop_path, call)
        return s0, s1
