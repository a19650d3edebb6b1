"""Stable ranks of the candidates' last convolutions, and what MSR-DARTS reads off them (sections 3.1 and 3.2)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from nasnb.search.phase import Hook
from nasnb.search.state import SearchState
from nasnb.spectral import stacked_stable_ranks
from nasnb.supernet.network import Cell, FanOut
from nasnb.supernet.operations import SepConv
from nasnb.supernet.shapes import OpValues

OPTIONS = {"of": ("operator", "kernel"), "shape_rule": ("true", "published_code")}


def minimum_stable_rank(*, of: str = "operator", shape_rule: str = "true") -> Callable[[SearchState], dict]:
    """A score: the lower the stable rank, the better the operation and the stronger the edge (equations 7 to 9)."""

    def score(state: SearchState) -> dict[str, OpValues]:
        return {group: -ranks for group, ranks in stable_ranks(state, of=of, shape_rule=shape_rule).items()}

    return score


def maximum_stable_rank(
    *, of: str = "operator", shape_rule: str = "true", keep_edges: bool = False
) -> Callable[[SearchState], dict]:
    """The ablation of appendix B: the highest rank wins. `keep_edges`: among operations only, edges as the method."""

    def score(state: SearchState) -> dict[str, OpValues]:
        ranks = stable_ranks(state, of=of, shape_rule=shape_rule)
        return {group: with_edges_of_minimum(r) if keep_edges else r for group, r in ranks.items()}

    return score


def with_edges_of_minimum(ranks: OpValues) -> Tensor:
    """Scores (edges, ops) whose best operation has the maximum rank and whose edges are as strong as by the minimum."""
    return ranks - ranks.amax(1, keepdim=True) - ranks.amin(1, keepdim=True)


def stable_ranks(state: SearchState, *, of: str = "operator", shape_rule: str = "true") -> dict[str, OpValues]:
    """{group: (edges, ops)}: the mean over the cells of a type (equation 7), float64."""
    by_group: dict[str, list[Tensor]] = {group: [] for group in state.relaxation.choices.groups}
    for (group, _), ranks in cell_ranks(state, of=of, shape_rule=shape_rule).items():
        by_group[group].append(ranks)
    return {group: torch.stack(ranks).mean(0) for group, ranks in by_group.items()}


@torch.no_grad()
def cell_ranks(
    state: SearchState, *, of: str = "operator", shape_rule: str = "true"
) -> dict[tuple[str, int], OpValues]:
    """{(group, block): (edges, ops)}: the stable rank of each candidate's last convolution, cell by cell.

    `of` the convolution as operator on its maps, or of its kernel, which does not grow with the maps. `shape_rule`
    "published_code" takes the edges from the intermediate nodes of reduction cells to be twice as large as they are.
    Raises ValueError for candidates that do not end in a convolution.
    """
    for name, value in (("of", of), ("shape_rule", shape_rule)):
        if value not in OPTIONS[name]:
            raise ValueError(f"unknown {name} {value!r}; known: {', '.join(OPTIONS[name])}")
    return {
        (group, i): _ranks(cell, state.relaxation.choices.groups[group], size, of=of, shape_rule=shape_rule)
        for group, i, cell, size in cells_and_sizes(state)
    }


def cells_and_sizes(state: SearchState) -> Iterator[tuple[str, int, Cell, tuple[int, int]]]:
    """Every cell with its type, its block number and the (height, width) of its nodes."""
    channels, *_ = state.data.image_size
    stem = copy.deepcopy(state.net.stem).to("meta")
    maps = stem(torch.empty(2, channels, *state.data.image_size[1:], device="meta"))
    height, width = maps[1].shape[-2:]
    for i, (cell, group) in enumerate(zip(state.net.blocks, state.net.groups, strict=True)):
        # the blocks between the stages of NAS-Bench-201 are no cells: they halve what the next cells see
        stride = 2 if group is None else cell.stride
        height, width = -(-height // stride), -(-width // stride)
        if group is not None:
            yield group, i, cell, (height, width)


def _ranks(cell: Cell, edges, size: tuple[int, int], *, of: str, shape_rule: str) -> Tensor:
    ranks = torch.full((len(edges), max(len(edge.ops) for edge in edges)), torch.nan, dtype=torch.float64)
    for source, fan in enumerate(cell.fans):
        rows = [row for row, edge in enumerate(edges) if edge.source == source]
        later = shape_rule == "published_code" and source >= len(cell.inputs)
        assumed = tuple(length * cell.stride for length in size) if later else size
        for name, op in _inner(fan).ops.items():
            members = [rows[position] for position in _inner(fan).members[name]]
            values = stacked_stable_ranks(_last_convolution(name, op), op.edges, assumed, of=of)
            for row, value in zip(members, values.tolist(), strict=True):
                ranks[row, edges[row].ops.index(name)] = value
    return ranks


def _inner(fan: nn.Module) -> FanOut:
    return fan if isinstance(fan, FanOut) else fan.inner


def _last_convolution(name: str, op: nn.Module) -> Tensor:
    if not isinstance(op, SepConv):
        raise ValueError(f"{name!r} does not end in a convolution of its own: stable ranks need the space 'msr'")
    return op.units[-1].pointwise.weight


def rank_weighted(*, of: str = "operator", shape_rule: str = "published_code") -> Hook:
    """The published code's mixing: softmax of minus the stable rank, in each cell by itself, anew after every epoch.

    The paper sums (equation 2). Ranks of operators are in the thousands, so this is nearly one-hot.
    """

    def hook(state: SearchState) -> None:
        ranks = cell_ranks(state, of=of, shape_rule=shape_rule)
        device = state.train.images.device
        weights = {f"{group}/{i}": torch.softmax(-r, dim=1).float().to(device) for (group, i), r in ranks.items()}
        state.extra["cell_weights"] = weights

    return hook
