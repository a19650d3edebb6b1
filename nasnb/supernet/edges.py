"""The edges that leave one state, computed together, and how the mixing weights of a cell type reach them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nasnb.architecture import Edge
from nasnb.device.distributed import drawn_for
from nasnb.supernet.layers import Source
from nasnb.supernet.operations import Builder
from nasnb.supernet.shapes import EdgeValues, Maps, OpValues, Positions, Share

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

    def forward(self, weights: OpValues | None, edge_scale: EdgeValues | None, open: Sequence | None) -> list[Routed]:
        """Hands every state the weights of its outgoing edges: one gather per cell type and pass."""
        if weights is None:
            return [Routed(None, None, None)] * len(self.sources)
        # `none` and what an edge lacks read the appended zero, so that no branch depends on alpha's layout
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

    def __init__(
        self,
        edges: Sequence[Edge],
        names: Sequence[str],
        ops: Mapping[str, Builder],
        *,
        channels: int,
        stride: int,
        affine: bool,
    ):
        super().__init__()
        self.n_edges = len(edges)
        self.members = {name: tuple(e for e, edge in enumerate(edges) if name in edge.ops) for name in names}
        self.columns = {name: column for column, name in enumerate(names)}
        self._indices: dict[tuple[tuple[int, ...], torch.device], Tensor] = {}
        self.ops = nn.ModuleDict(
            {
                name: ops[name](channels=channels, stride=stride, edges=len(members), affine=affine)
                for name, members in self.members.items()
                if members
            }
        )

    def forward(self, x: Maps, routed: Routed, drop_path: Share = 0.0) -> list[tuple[Tensor] | None]:
        source = Source(x)  # what candidates share, such as the ReLU, is computed once for the whole fan-out
        # One column per operation, with a row per edge: an operation is computed for all its edges in one kernel.
        scales = None if routed.mix is None else dict(zip(self.columns, routed.mix.unbind(1), strict=True))
        # Operations on the same edges are added up while still side by side: one sum instead of one per edge.
        stacks: dict[tuple[int, ...], Tensor] = {}
        maps: list[tuple[str, tuple[int, ...], Tensor]] = []
        for name, op in self.ops.items():
            edges, positions = self._open_edges(name, routed.open)
            if not edges:
                continue
            if op.shared:  # a pool or a skip has no weights: every edge sees the same map, only its share differs
                maps.append((name, edges, op(source)))
            else:
                open = None if positions is None else self._index(positions, x.device)
                y = op(source, None if scales is None else self._of(scales[name], edges), open)
                stacks[edges] = stacks[edges] + y if edges in stacks else y
        parts: list[list[Tensor]] = [[] for _ in range(self.n_edges)]
        for edges, stack in stacks.items():
            # Drop path draws per edge, so the edges are taken apart before it; chunks are views and cost nothing.
            for edge, y in zip(edges, stack.chunk(len(edges), dim=1), strict=True):
                parts[edge].append(dropped(y, drop_path, self.training))
        self._add_maps(parts, maps, scales, drop_path)
        return [(sum(p[1:], p[0]),) if p else None for p in parts]

    def _open_edges(self, name: str, open: tuple | None) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """The open edges that have this op, and their positions in the op's own stack (None: the whole stack)."""
        members = self.members[name]
        if open is None:
            return members, None
        positions = tuple(at for at, edge in enumerate(members) if open[edge][self.columns[name]])
        whole = len(positions) == len(members)
        return tuple(members[at] for at in positions), None if whole else positions

    def _of(self, scale: EdgeValues, edges: tuple[int, ...]) -> Float[Tensor, " open"]:
        return scale if len(edges) == self.n_edges else scale[self._index(edges, scale.device)]

    def _index(self, positions: tuple[int, ...], device: torch.device) -> Positions:
        """Made once: a copy from the host in every step would make a GPU wait."""
        if (positions, device) not in self._indices:
            self._indices[positions, device] = torch.tensor(positions, device=device)
        return self._indices[positions, device]

    def _add_maps(self, parts: list, maps: list, scales: Mapping | None, drop_path: Share) -> None:
        """Add the maps that edges share: as they are in a final network, in a supernet weighed by a matrix product."""
        if not maps:
            return
        if scales is None:
            for name, edges, y in maps:
                for edge in edges:
                    whole = getattr(self.ops[name], "is_identity", False)
                    parts[edge].append(y if whole else dropped(y, drop_path, self.training))
            return
        # channels last throughout, so that nothing is copied: (maps, batch, height, width, channels)
        stacked = torch.stack([y.permute(0, 2, 3, 1) for _, _, y in maps])
        weight = torch.stack([scales[name] for name, _, _ in maps], dim=1).to(stacked.dtype)
        mixed = (weight @ stacked.flatten(1)).unflatten(1, stacked.shape[1:]).unbind()
        for edge in sorted({edge for _, edges, _ in maps for edge in edges}):
            parts[edge].append(mixed[edge].permute(0, 3, 1, 2))


def dropped(x: Maps, probability: Share, training: bool) -> Maps:
    """Drop path: the whole map of a sample, with this probability, and 1 / keep for the others. In training only."""
    if not training or (isinstance(probability, float | int) and probability == 0):
        return x
    keep = 1 - probability
    draws = drawn_for(len(x), lambda n: torch.rand(n, 1, 1, 1, device=x.device, dtype=torch.float32))
    return x / keep * draws.lt(keep).to(x.dtype)
