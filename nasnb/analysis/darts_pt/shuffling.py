"""Edge and layer shuffling: what a swap of two edges, or two layers, costs a trained network (DARTS-PT, Table 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations

import pandas as pd
import torch
from torch import Tensor, nn

from nasnb import evaluation
from nasnb.analysis.darts_pt.handmade import ConvLayer, ResidualBlock, Stack
from nasnb.analysis.fans import Fan, Place, fans_of, watching
from nasnb.data import Data
from nasnb.randomness import generator
from nasnb.supernet.network import Network, Routed, Weights

SWAPPABLE = (ConvLayer, ResidualBlock)
Pairs = Mapping[int, tuple[int, int]]  # {block: the two rows of alpha whose edges change places}


def swappable(net: Network) -> dict[int, list[tuple[int, int]]]:
    """{block: all pairs of edges with the same stride}, as rows of alpha."""
    strides: dict[int, dict[int, int]] = {}
    for fan in fans_of(net):
        strides.setdefault(fan.block, {}).update(dict.fromkeys(fan.rows, fan.stride))
    return {b: [(i, j) for i, j in combinations(sorted(rows), 2) if rows[i] == rows[j]] for b, rows in strides.items()}


@contextmanager
def swapped_edges(net: Network, weights: Weights, pairs: Pairs, *, with_weights: bool = True):
    """Within the block, in each cell the two edges of `pairs` have exchanged their whole mixed operations.

    Sources and targets stay. Mixing weights move with the operations unless `with_weights` is False, which takes edges
    with the same candidates. With partial channels this is of the processed part, with beta of the operations alone.
    """
    fans = {Place(fan.block, row): fan for fan in fans_of(net) for row in fan.rows}
    others = {b: {i: j, j: i} for b, (i, j) in pairs.items()}
    for b, (i, j) in pairs.items():
        ops = [_ops(fans[Place(b, row)], row) for row in (i, j)]
        if not with_weights and ops[0] != ops[1]:
            raise ValueError(f"edges {i} and {j} have different candidates, {ops[0]} and {ops[1]}: move their weights")

    def see(fan: Fan, state: Tensor, mixtures: list, routed: Routed) -> list | None:
        moved = {row: others[fan.block][row] for row in fan.rows if row in others.get(fan.block, ())}
        if not moved:
            return None
        matrix, mixtures = weights.get(f"{fan.group}/{fan.block}", weights[fan.group]), list(mixtures)
        for row, other in moved.items():
            at = fan.rows.index(row)
            y = fans[Place(fan.block, other)].mixture(other, state, matrix[other if with_weights else row])
            mixtures[at] = (y if routed.edge_scale is None else routed.edge_scale[at] * y,)
        return mixtures

    with watching(net, see):
        yield


def _ops(fan: Fan, row: int) -> tuple[str, ...]:
    return fan.edges[fan.rows.index(row)].ops


def edge_shuffling(
    net: Network, weights: Weights, data: Data, *, draws: int = 20, seed: int = 0, with_weights: bool = True
) -> pd.DataFrame:
    """Test accuracy with two random edges of equal stride swapped in every cell, each cell for itself.

    Columns: draw (0 for the network as it is) and accuracy in percent.
    """
    allowed = {block: pairs for block, pairs in swappable(net).items() if pairs}

    def swapped(draw: torch.Generator):
        pairs = {b: options[_choice(len(options), draw)] for b, options in allowed.items()}
        return swapped_edges(net, weights, pairs, with_weights=with_weights)

    return _table(net, lambda images: net(images, weights), swapped, data, draws=draws, seed=seed)


def layer_shuffling(net: Stack, data: Data, *, draws: int = 20, seed: int = 0) -> pd.DataFrame:
    """The same for a ResNet or VGG: in every stage two layers with equal shapes swap, where there are two."""
    return _table(net, net, lambda draw: swapped_layers(net, draw), data, draws=draws, seed=seed)


@contextmanager
def swapped_layers(net: Stack, draw: torch.Generator):
    """Within the block, two layers that keep their input's shape have changed places in every stage."""
    swaps = []
    for stage in net.stages:
        alike = [i for i, layer in enumerate(stage) if isinstance(layer, SWAPPABLE) and layer.keeps_shape]
        pairs = list(combinations(alike, 2))
        if pairs:
            swaps.append((stage, *pairs[_choice(len(pairs), draw)]))
    try:
        for stage, i, j in swaps:
            _swap(stage, i, j)
        yield
    finally:
        for stage, i, j in swaps:
            _swap(stage, i, j)


def _swap(stage: nn.ModuleList, i: int, j: int) -> None:
    stage[i], stage[j] = stage[j], stage[i]


def _choice(n: int, draw: torch.Generator) -> int:
    return int(torch.randint(n, (), generator=draw))


def _table(
    net: nn.Module, forward: Callable[[Tensor], Tensor], swapped, data: Data, *, draws: int, seed: int
) -> pd.DataFrame:
    with evaluation.statistics(net, "running"):
        rows = [(0, evaluation.evaluate(forward, data.test, data).accuracy)]
        for draw in range(1, draws + 1):
            with swapped(generator(seed, "shuffling", draw)):
                rows.append((draw, evaluation.evaluate(forward, data.test, data).accuracy))
    return pd.DataFrame(rows, columns=["draw", "accuracy"])


def share_lost(table: pd.DataFrame, *, classes: int) -> pd.Series:
    """Of the accuracy above chance, how much a swap costs, in percent; columns before and after, in percent.

    A network that falls to chance has lost all it had: no more, however good it was.
    """
    return 100 * (table.before - table.after) / (table.before - 100 / classes)


def shuffling_summary(tables: Mapping[str, pd.DataFrame] | Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Table 1 of {network: table}: network, before, after, spread (sample deviation over draws), n; percent."""
    rows = []
    for name, table in dict(tables).items():
        after = table.accuracy[table.draw > 0]
        rows.append((name, table.accuracy[table.draw == 0].item(), after.mean(), after.std(), len(after)))
    return pd.DataFrame(rows, columns=["network", "before", "after", "spread", "n"])
