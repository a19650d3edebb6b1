"""A look into a supernet as it runs: the states of its cells, and what every candidate makes of them.

A fan is the edges that leave one state of one cell. Nothing is stored here: whoever watches sees each fan as it passes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nasnb.architecture import Edge
from nasnb.supernet.network import Cell, FanOut, Network, Routed, Weights
from nasnb.supernet.operations import Source
from nasnb.supernet.partial_channels import PartialFan, RandomFan
from nasnb.supernet.shapes import Images, Maps, NewMaps


class Place(NamedTuple):
    """An edge of one cell: the cell's block in the network, and the edge's row of alpha."""

    block: int
    row: int


@dataclass(frozen=True, eq=False)
class Fan:
    """The edges that leave one state of one cell. `rows` are their rows of alpha, in the order of the module."""

    group: str
    block: int
    source: int
    stride: int
    rows: tuple[int, ...]
    edges: tuple[Edge, ...]
    module: FanOut

    def candidates(
        self, state: Maps, *, ops: Collection[str] | None = None, rows: Collection[int] | None = None
    ) -> dict[tuple[int, str], Tensor]:
        """{(row, operation): its own output, after its BatchNorm and not weighed}; all of them, or some.

        `none` makes nothing and is never among them. Operations without weights of their own give all edges one map.
        """
        source, found = Source(state), {}
        for name, op in self.module.ops.items():
            if ops is not None and name not in ops:
                continue
            members = [(at, self.rows[edge]) for at, edge in enumerate(self.module.members[name])]
            chosen = [(at, row) for at, row in members if rows is None or row in rows]
            if op.shared and chosen:
                found |= dict.fromkeys(((row, name) for _, row in chosen), op(source))
            elif chosen:
                some = None if len(chosen) == len(members) else torch.tensor([at for at, _ in chosen])
                parts = op(source, None, None if some is None else some.to(state.device)).chunk(len(chosen), dim=1)
                found |= {(row, name): part for (_, row), part in zip(chosen, parts, strict=True)}
        return found

    def mixture(self, row: int, state: Maps, weights: Float[Tensor, " ops"]) -> NewMaps:
        """The edge's mixed operation on any state, with weights (ops,) in the order of the edge's candidates."""
        ops = self.edges[self.rows.index(row)].ops
        outputs = self.candidates(state, rows=[row])
        return sum(weights[ops.index(name)].to(y.dtype) * y for (_, name), y in outputs.items())


See = Callable[[Fan, Tensor, list, Routed], list | None]


def fans_of(net: Network) -> list[Fan]:
    """Every fan of a supernet of cells, in the order of computation. Raises ValueError for a network without cells."""
    found = []
    for block, (cell, group) in enumerate(zip(net.blocks, net.groups, strict=True)):
        if not isinstance(cell, Cell):
            continue
        wiring = net.wirings[group]
        for source, (rows, module) in enumerate(zip(wiring.leaving, cell.fans, strict=True)):
            stride = cell.stride if source < len(cell.inputs) else 1
            for part, fan in _fan_outs(module, rows):
                edges = tuple(wiring.edges[row] for row in part)
                found.append(Fan(group, block, source, stride, part, edges, fan))
    if not found:
        raise ValueError(f"no block of this network is a cell with edges, but {_kinds(net)}; use a space of cells")
    return found


def _fan_outs(module: nn.Module, rows: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], FanOut]]:
    """With partial channels a fan-out lies inside another module; one per edge where edges draw their own channels."""
    if isinstance(module, RandomFan):
        yield from (((row,), fan) for row, fan in zip(rows, module.inner, strict=True))
    else:
        yield rows, module.inner if isinstance(module, PartialFan) else module


def _kinds(net: Network) -> str:
    return ", ".join(sorted({type(block).__name__ for block in net.blocks}))


def places(
    net: Network, *, group: str | None = None, block: int | None = None, rows: Sequence[int] | None = None
) -> list[Place]:
    """All edges of all cells, or of those of one type, one cell or some rows of alpha; by cell, then by row."""
    return sorted(
        Place(fan.block, row)
        for fan in fans_of(net)
        for row in fan.rows
        if group in (None, fan.group) and block in (None, fan.block) and (rows is None or row in rows)
    )


@contextmanager
def watching(net: Network, see: See):
    """Within the block, every pass calls `see(fan, state, mixtures, routed)` for each fan.

    `mixtures` has per edge a tuple with the edge's weighed sum, or None if all of the edge is closed. With partial
    channels, state and mixtures are the processed part. What `see` returns, if anything, takes the mixtures' place.
    """

    def hook_of(fan: Fan):
        return lambda module, args, mixtures: see(fan, args[0], mixtures, args[1])

    handles = [fan.module.register_forward_hook(hook_of(fan)) for fan in fans_of(net)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def run_until(net: Network, images: Images, weights: Weights, *, last: int | None = None) -> None:
    """Only as much of a pass as there is to see, blocks 0 to `last`."""
    stop = None if last is None else last + 1
    net.features(net.stem(images), net.route(weights), stop=stop)
