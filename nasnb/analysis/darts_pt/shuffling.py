"""Edge and layer shuffling: what a swap of two edges, or two layers, costs a trained network (DARTS-PT, Table 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from nasnb import evaluation
from nasnb.analysis.darts_pt.handmade import ConvLayer, ResidualBlock, Stack, prepare_stack
from nasnb.analysis.fans import Fan, Place, fans_of, watching
from nasnb.config import TrainConfig
from nasnb.data import Data
from nasnb.randomness import generator
from nasnb.search import begin
from nasnb.search.state import SearchState
from nasnb.supernet.network import Network, Routed, Weights
from nasnb.training import train

SWAPPABLE = (ConvLayer, ResidualBlock)
Pairs = Mapping[int, tuple[int, int]]  # {block: the two rows of alpha whose edges change places}


def swappable(net: Network) -> dict[int, list[tuple[int, int]]]:
    """{block: all pairs of edges with the same stride}, as rows of alpha."""
    strides: dict[int, dict[int, int]] = {}
    for fan in fans_of(net):
        strides.setdefault(fan.block, {}).update(dict.fromkeys(fan.rows, fan.stride))
    return {b: [(i, j) for i, j in combinations(sorted(rows), 2) if rows[i] == rows[j]] for b, rows in strides.items()}


@contextmanager
def swapped_edges(
    net: Network, weights: Weights, pairs: Pairs, *, with_weights: bool = True, untrained: Network | None = None
):
    """Within the block, in each cell the two edges of `pairs` have exchanged their whole mixed operations.

    Sources and targets stay. Mixing weights move with the operations unless `with_weights` is False, which takes edges
    with the same candidates. With partial channels this is of the processed part, with beta of the operations alone.
    Given an `untrained` twin, nothing is exchanged: both edges are computed by it instead, the control.
    """
    fans = {Place(fan.block, row): fan for fan in fans_of(untrained or net) for row in fan.rows}
    others = {b: {i: i, j: j} if untrained else {i: j, j: i} for b, (i, j) in pairs.items()}
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
    net: Network,
    weights: Weights,
    data: Data,
    *,
    draws: int = 20,
    seed: int = 0,
    with_weights: bool = True,
    statistics: str = "running",
    untrained: Network | None = None,
) -> pd.DataFrame:
    """Test accuracy with two random edges of equal stride swapped in every cell, each cell for itself.

    `statistics` of BatchNorm: "running", as the paper's evaluation, or "batch". With an `untrained` twin the edges are
    replaced by its own. Columns: draw (0 for the network as it is) and accuracy in percent.
    """
    allowed = {block: pairs for block, pairs in swappable(net).items() if pairs}

    def swapped(draw: torch.Generator):
        pairs = {b: options[_choice(len(options), draw)] for b, options in allowed.items()}
        return swapped_edges(net, weights, pairs, with_weights=with_weights, untrained=untrained)

    nets = [net] if untrained is None else [net, untrained]
    return _table(nets, lambda x: net(x, weights), swapped, data, draws=draws, seed=seed, statistics=statistics)


def layer_shuffling(
    net: Stack,
    data: Data,
    *,
    draws: int = 20,
    seed: int = 0,
    statistics: str = "running",
    untrained: Stack | None = None,
) -> pd.DataFrame:
    """The same for a ResNet or VGG: in every stage two layers with equal shapes swap, where there are two."""
    nets = [net] if untrained is None else [net, untrained]

    def swapped(draw: torch.Generator):
        return swapped_layers(net, draw, untrained=untrained)

    return _table(nets, net, swapped, data, draws=draws, seed=seed, statistics=statistics)


@contextmanager
def swapped_layers(net: Stack, draw: torch.Generator, *, untrained: Stack | None = None):
    """Within the block, two layers that keep their input's shape have changed places in every stage, or, with an
    `untrained` twin, have been replaced by its own."""
    before = [list(stage) for stage in net.stages]
    try:
        for number, stage in enumerate(net.stages):
            alike = [i for i, layer in enumerate(stage) if isinstance(layer, SWAPPABLE) and layer.keeps_shape]
            pairs = list(combinations(alike, 2))
            if pairs:
                i, j = pairs[_choice(len(pairs), draw)]
                new = (stage[j], stage[i]) if untrained is None else [untrained.stages[number][at] for at in (i, j)]
                stage[i], stage[j] = new
        yield
    finally:
        for stage, layers in zip(net.stages, before, strict=True):
            for i, layer in enumerate(layers):
                stage[i] = layer


def _choice(n: int, draw: torch.Generator) -> int:
    return int(torch.randint(n, (), generator=draw))


def _table(
    nets: Sequence[nn.Module],
    forward: Callable[[Tensor], Tensor],
    swapped,
    data: Data,
    *,
    draws: int,
    seed: int,
    statistics: str,
) -> pd.DataFrame:
    rows = []
    with ExitStack() as modes:
        for net in nets:
            modes.enter_context(evaluation.statistics(net, statistics))
        rows.append((0, evaluation.evaluate(forward, data.test, data).accuracy))
        for draw in range(1, draws + 1):
            with swapped(generator(seed, "shuffling", draw)):
                rows.append((draw, evaluation.evaluate(forward, data.test, data).accuracy))
    return pd.DataFrame(rows, columns=["draw", "accuracy"])


HOWS = ("swapped", "swapped, batch statistics", "untrained instead, batch statistics")


def supernet_swaps(state: SearchState, *, draws: int = 20) -> pd.DataFrame:
    """Table 1 for a supernet, beside it the same under batch statistics and the control: how, draw, accuracy."""
    twin = begin(state.method, state.data, replace(state.config, seed=state.config.seed + 1)).net
    return _ways(partial(edge_shuffling, state.net, state.weights(), state.data, draws=draws), twin, state.config.seed)


def run_swaps(run: Any, *, draws: int = 20) -> pd.DataFrame:
    """The same for a finished search (a `runs.Result`)."""
    return supernet_swaps(run.state(), draws=draws)


def stack_swaps(build: Callable[..., Stack], data: Data, config: TrainConfig, *, draws: int = 20) -> pd.DataFrame:
    """The same for a ResNet or VGG, which is trained first."""
    state, twin = (prepare_stack(build, data, replace(config, seed=config.seed + i)) for i in (0, 1))
    for _ in train(state):
        pass
    return _ways(partial(layer_shuffling, state.net, data, draws=draws), twin.net, config.seed)


def _ways(shuffled: Callable[..., pd.DataFrame], twin: nn.Module, seed: int) -> pd.DataFrame:
    ways = ({"statistics": "running"}, {"statistics": "batch"}, {"statistics": "batch", "untrained": twin})
    return pd.concat(
        [shuffled(seed=seed, **way).assign(how=how) for how, way in zip(HOWS, ways, strict=True)], ignore_index=True
    )


def share_lost(table: pd.DataFrame, *, classes: int) -> pd.Series:
    """Of the accuracy above chance, how much a swap costs, in percent; columns before and after, in percent.

    A network that falls to chance has lost all it had: no more, however good it was.
    """
    return 100 * (table.before - table.after) / (table.before - 100 / classes)


def shuffling_summary(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Table 1: a row per network, seed and way (`by`): before, after, spread (sample deviation over draws), n."""
    rows = []
    for key, part in table.groupby(list(by), sort=False):
        after = part.accuracy[part.draw > 0]
        rows.append((*key, part.accuracy[part.draw == 0].item(), after.mean(), after.std(), len(after)))
    return pd.DataFrame(rows, columns=[*by, "before", "after", "spread", "n"])


def swap_effects(per_seed: pd.DataFrame) -> dict[str, pd.Series]:
    """{claim: effects by seed, positive as claimed}: network, seed, how, and `lost` as `share_lost` has it."""
    lost = per_seed[per_seed.how == HOWS[0]].pivot(index="seed", columns="network", values="lost")
    return {
        "darts-pt/swaps-hurt-vgg-more": lost["VGG"] - lost["supernet (S2)"],
        "darts-pt/swaps-hurt-resnet-more": lost["ResNet"] - lost["supernet (S2)"],
    }
