"""One wiring of cells for supernets and final networks: `logits = net(images, weights)`.

A supernet is told the mixing weights of its edges, {group: (edges, ops)}; a final network takes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasnb.architecture import Edge
from nasnb.ops import Builder, FactorizedReduce, Source

Weights = Mapping[str, Tensor]
Open = Mapping[str, Sequence[Sequence[bool]]]


class Routed(NamedTuple):
    """What the edges leaving one state need to know about their mixing."""

    mix: Tensor | None  # (edges, names)
    edge_scale: Tensor | None  # (edges,), of edge-normalised methods
    open: tuple[tuple[bool, ...], ...] | None  # (edges, names), on the host; None: all open


class Wiring(nn.Module):
    """The edges of one cell type, sorted by the state they leave, and the way from alpha's rows to them."""

    def __init__(self, edges: Sequence[Edge]):
        super().__init__()
        self.sources = tuple(range(max((edge.target for edge in edges), default=0)))
        self.leaving = tuple(tuple(row for row, e in enumerate(edges) if e.source == s) for s in self.sources)
        self.edges = tuple(edges)
        self.names = tuple(dict.fromkeys(op for edge in edges for op in edge.ops if op != "none"))
        n_ops = max((len(edge.ops) for edge in edges), default=0)
        nowhere = len(edges) * n_ops  # where an edge lacks an op, point at an appended zero
        self.position = [
            [edges[row].ops.index(name) + row * n_ops if name in edges[row].ops else nowhere for name in self.names]
            for rows in self.leaving
            for row in rows
        ]
        self.register_buffer("index", torch.tensor(self.position, dtype=torch.long), persistent=False)
        rows = [row for rows in self.leaving for row in rows]
        self.register_buffer("rows", torch.tensor(rows, dtype=torch.long), persistent=False)

    def forward(self, weights: Tensor | None, edge_scale: Tensor | None, open: Sequence | None) -> list[Routed]:
        """Hands every state the weights of its outgoing edges: one gather per cell type and pass."""
        if weights is None:
            return [Routed(None, None, None)] * len(self.sources)
        mix = torch.cat([weights.flatten(), weights.new_zeros(1)])[self.index]
        scales: Sequence[Tensor | None] = [None] * len(self.sources)
        sizes = [len(rows) for rows in self.leaving]
        if edge_scale is not None:
            mix = mix * edge_scale[self.rows, None]
            scales = edge_scale[self.rows].split(sizes)
        return [Routed(*parts) for parts in zip(mix.split(sizes), scales, self._open(open), strict=True)]

    def _open(self, open: Sequence[Sequence[bool]] | None) -> list[tuple[tuple[bool, ...], ...] | None]:
        if open is None:
            return [None] * len(self.sources)
        flat = [bool(o) for row in open for o in row] + [False]
        rows = iter(tuple(flat[at] for at in row) for row in self.position)
        return [tuple(next(rows) for _ in leaving) for leaving in self.leaving]


class FanOut(nn.Module):
    """Every candidate on the edges that leave one state, one kind of operation at a time instead of one edge at a time.

    Returns for each edge a one-part tuple with its (batch, channels, height, width) mixture, or None if nothing of the
    edge is open.
    """

    def __init__(self, edges: Sequence[Edge], names: Sequence[str], ops: Mapping[str, Builder], *, channels: int,
                 stride: int, affine: bool):  # fmt: skip
        super().__init__()
        self.n_edges = len(edges)
        self.members = {name: tuple(e for e, edge in enumerate(edges) if name in edge.ops) for name in names}
        self.columns = {name: column for column, name in enumerate(names)}
        self.ops = nn.ModuleDict(
            {
                name: ops[name](channels=channels, stride=stride, edges=len(members), affine=affine)
                for name, members in self.members.items()
                if members
            }
        )

    def forward(self, x: Tensor, routed: Routed, drop_path: float | Tensor = 0.0) -> list[tuple[Tensor] | None]:
        source = Source(x)
        parts: list[list[Tensor]] = [[] for _ in range(self.n_edges)]
        stacks: dict[tuple[int, ...], Tensor] = {}
        maps: list[tuple[str, tuple[int, ...], Tensor]] = []
        for name, op in self.ops.items():
            edges, positions = self._open_edges(name, routed.open)
            if not edges:
                continue
            if op.shared:
                maps.append((name, edges, op(source)))
            else:
                open = None if positions is None else torch.tensor(positions, device=x.device)
                y = op(source, self._scale(routed.mix, name, edges), open)
                stacks[edges] = stacks[edges] + y if edges in stacks else y
        for edges, stack in stacks.items():
            for edge, y in zip(edges, stack.chunk(len(edges), dim=1), strict=True):
                parts[edge].append(dropped(y, drop_path, self.training))
        self._add_maps(parts, maps, routed.mix, drop_path)
        return [(torch.stack(p).sum(0) if len(p) > 2 else sum(p[1:], p[0]),) if p else None for p in parts]

    def _open_edges(self, name: str, open: tuple | None) -> tuple[tuple[int, ...], list[int] | None]:
        """The open edges that have this op, and their positions in the op's own stack (None: the whole stack)."""
        members = self.members[name]
        if open is None:
            return members, None
        positions = [at for at, edge in enumerate(members) if open[edge][self.columns[name]]]
        whole = len(positions) == len(members)
        return tuple(members[at] for at in positions), None if whole else positions

    def _scale(self, mix: Tensor | None, name: str, edges: tuple[int, ...]) -> Tensor | None:
        if mix is None:
            return None
        column = mix[:, self.columns[name]]
        return column if len(edges) == self.n_edges else column[list(edges)]

    def _add_maps(self, parts: list, maps: list, mix: Tensor | None, drop_path: float | Tensor) -> None:
        """Add the maps that edges share: as they are in a final network, weighed by one matrix product in a supernet."""
        if not maps:
            return
        if mix is None:
            for name, edges, y in maps:
                for edge in edges:
                    whole = getattr(self.ops[name], "is_identity", False)
                    parts[edge].append(y if whole else dropped(y, drop_path, self.training))
            return
        columns = [self.columns[name] for name, _, _ in maps]
        stacked = torch.stack([y.permute(0, 2, 3, 1) for _, _, y in maps])  # channels last: (maps, n, h, w, c)
        weight = mix[:, columns].to(stacked.dtype)
        mixed = (weight @ stacked.flatten(1)).unflatten(1, stacked.shape[1:]).permute(0, 1, 4, 2, 3)
        for edge in sorted({edge for _, edges, _ in maps for edge in edges}):
            parts[edge].append(mixed[edge])


def dropped(x: Tensor, probability: float | Tensor, training: bool) -> Tensor:
    """Drop path: the whole map of a sample, with this probability, and 1 / keep for the others. In training only."""
    if not training or (isinstance(probability, float | int) and probability == 0):
        return x
    keep = 1 - torch.as_tensor(probability, device=x.device, dtype=x.dtype)
    return x / keep * torch.rand(x.shape[0], 1, 1, 1, device=x.device, dtype=torch.float32).lt(keep).to(x.dtype)


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


class Cell(nn.Module):
    """Input states, then nodes that sum their incoming edges; the output concatenates some of the states."""

    def __init__(self, wiring: Wiring, inputs: Sequence[nn.Module], ops: Mapping[str, Builder], *, mix: FullMix,
                 channels: int, reduction: bool, affine: bool, concat: Sequence[int]):  # fmt: skip
        super().__init__()
        self.inputs = nn.ModuleList(inputs)
        self.mix, self.concat = mix, tuple(concat)
        self.targets = [[wiring.edges[row].target for row in rows] for rows in wiring.leaving]
        self.fans = nn.ModuleList(
            mix.fan([wiring.edges[row] for row in rows], wiring.names, ops, channels=channels, affine=affine,
                    stride=2 if reduction and source < len(inputs) else 1)
            for source, rows in enumerate(wiring.leaving)
        )  # fmt: skip
        self.stride = 2 if reduction else 1

    def forward(self, s0: Tensor, s1: Tensor, routed: Sequence[Routed], drop_path: float | Tensor = 0.0) -> Tensor:
        states = [read(s) for read, s in zip(self.inputs, (s0, s1)[-len(self.inputs) :], strict=True)]
        sums: dict[int, tuple[Tensor, ...]] = {}
        for source, fan in enumerate(self.fans):
            if source == len(states):
                states.append(self._node(sums, source, states[0]))
            for target, parts in zip(self.targets[source], fan(states[source], routed[source], drop_path), strict=True):
                if parts is not None:
                    before = sums.get(target)
                    sums[target] = parts if before is None else tuple(map(torch.add, before, parts))
        states += [self._node(sums, node, states[0]) for node in range(len(states), max(self.concat) + 1)]
        return torch.cat([states[node] for node in self.concat], dim=1) if len(self.concat) > 1 else states[-1]

    def _node(self, sums: dict, node: int, like: Tensor) -> Tensor:
        if node in sums:
            return self.mix.join(sums[node])
        return torch.zeros_like(like[:, :, :: self.stride, :: self.stride])  # nothing open leads here


class ReLUConvNorm(nn.Sequential):
    """ReLU, 1 x 1 convolution, BatchNorm: how a cell reads a state of the same resolution."""

    def __init__(self, channels_in: int, channels_out: int, *, affine: bool):
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out, affine=affine),
        )


class Halve(nn.Module):
    """How a cell reads the state before a reduction cell: factorised reduction to half the resolution."""

    def __init__(self, channels_in: int, channels_out: int, *, affine: bool):
        super().__init__()
        self.reduce = FactorizedReduce(channels_in, channels_out, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        return self.reduce(Source(x))


class CifarStem(nn.Module):
    """3 x 3 convolution and (always affine) BatchNorm; both inputs of the first cell."""

    halves = False

    def __init__(self, image_channels: int, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(image_channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.channels = (channels, channels)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
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

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        s0 = self.stem0(images)
        return s0, self.stem1(s0)


class Head(nn.Module):
    """Global average pool and a linear layer."""

    def __init__(self, channels: int, classes: int, before: nn.Module | None = None):
        super().__init__()
        self.before = before
        self.linear = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.before is None else self.before(x)
        # avg_pool2d, not mean: its gradient keeps the memory format (channels last), mean's does not
        return self.linear(F.avg_pool2d(x, x.shape[-2:]).flatten(1))


class AuxiliaryHead(nn.Module):
    """A second classifier in training, on the output of the second reduction cell (8 x 8 or 7 x 7 maps)."""

    def __init__(self, channels: int, classes: int, *, last_norm: bool):
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(channels, 128, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU())
        # DARTS' ImageNet head has no BatchNorm here, and says so in a comment: its experiments ran without
        norm = [nn.BatchNorm2d(768)] if last_norm else []
        self.expand = nn.Sequential(nn.Conv2d(128, 768, 2, bias=False), *norm, nn.ReLU())
        self.linear = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] < 7:
            raise ValueError(
                f"the auxiliary head needs maps of at least 7 pixels, got {x.shape[-1]}: "
                "take images of 28 pixels or more, or auxiliary_weight=0"
            )
        x = F.avg_pool2d(F.relu(x), 5, stride=3 if x.shape[-1] >= 8 else 2, count_include_pad=False)
        return self.linear(self.expand(self.reduce(x)).flatten(1))


class Network(nn.Module):
    """Stem, blocks, head. A block is a cell (its group names the mixing weights it uses) or a plain module (None)."""

    def __init__(self, stem: nn.Module, blocks: Sequence[nn.Module], groups: Sequence[str | None],
                 wirings: Mapping[str, Wiring], head: nn.Module, *, auxiliary: AuxiliaryHead | None = None,
                 auxiliary_after: int | None = None):  # fmt: skip
        super().__init__()
        self.stem, self.blocks, self.head = stem, nn.ModuleList(blocks), head
        self.groups = tuple(groups)
        self.wirings = nn.ModuleDict(wirings)
        self.auxiliary, self.auxiliary_after = auxiliary, auxiliary_after

    def forward(self, images: Tensor, weights: Weights | None = None, *, open: Open | None = None,
                drop_path: float | Tensor = 0.0) -> Tensor:  # fmt: skip
        """Logits (batch, classes). `open` (host booleans, as the weights) spares what closed candidates would cost."""
        return self.head(self.features(self.stem(images), self.route(weights, open), drop_path=drop_path)[1])

    def with_auxiliary(self, images: Tensor, *, drop_path: float | Tensor = 0.0) -> tuple[Tensor, Tensor]:
        """Logits and the auxiliary head's logits."""
        assert self.auxiliary is not None, "built without auxiliary head"
        routed = self.route(None)
        states = self.features(self.stem(images), routed, stop=self.auxiliary_after + 1, drop_path=drop_path)
        auxiliary = self.auxiliary(states[1])
        return self.head(self.features(states, routed, start=self.auxiliary_after + 1, drop_path=drop_path)[1]), auxiliary

    def route(self, weights: Weights | None, open: Open | None = None) -> dict[str, list[Routed]]:
        """The mixing weights of every cell type, as its cells want them; "normal/3" is of the cell at block 3 alone."""
        if weights is None:
            return {group: wiring(None, None, None) for group, wiring in self.wirings.items()}
        cells = {f"{group}/{i}": group for i, group in enumerate(self.groups)}
        own = {key: group for key, group in cells.items() if key in weights}
        return {
            key: self.wirings[group](
                weights[key], weights.get(f"{group}/edges"), None if open is None else open[group]
            )
            for key, group in ({group: group for group in self.wirings} | own).items()
        }

    def features(self, states: tuple[Tensor, Tensor], routed: Mapping[str, list[Routed]], *, start: int = 0,
                 stop: int | None = None, drop_path: float | Tensor = 0.0) -> tuple[Tensor, Tensor]:  # fmt: skip
        """The last two states after blocks `start` to `stop`: evaluations that differ late share what comes before."""
        s0, s1 = states
        blocks = list(enumerate(zip(self.blocks, self.groups, strict=True)))
        for i, (block, group) in blocks[start:stop]:
            own = None if group is None else routed.get(f"{group}/{i}", routed[group])
            s0, s1 = s1, block(s1) if own is None else block(s0, s1, own, drop_path)
        return s0, s1
