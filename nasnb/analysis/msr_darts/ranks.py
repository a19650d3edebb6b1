"""Stable ranks and noise sensitivity of every candidate, accuracy of power iteration (MSR-DARTS, 3.1 and 3.3)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from nasnb import evaluation
from nasnb.analysis.fans import Fan, fans_of, run_until
from nasnb.randomness import generator
from nasnb.spectral import ConvOperator, estimate_ratios, noise_sensitivity, stable_rank
from nasnb.supernet.network import Network, Weights
from nasnb.supernet.operations import Conv, SepConv, StackedConv
from nasnb.supernet.shapes import Images


class Last(NamedTuple):
    """The last convolution of one kind of candidate, for all edges of a fan, and the rows of alpha of these edges."""

    fan: Fan
    op: str
    conv: StackedConv
    rows: tuple[int, ...]

    def operator(self, at: int, image_size: tuple[int, int]) -> ConvOperator:
        """The convolution of the edge at this position, on its own input."""
        c = self.conv
        weight = c.weight.detach().unflatten(0, (c.edges, -1))[at]
        return ConvOperator(weight, image_size, c.stride, c.padding, c.dilation, c.groups)


def last_convolutions(net: Network) -> list[Last]:
    """Of all separable, dilated and dense candidates; skips and pools have none."""
    found = []
    for fan in fans_of(net):
        for name, op in fan.module.ops.items():
            conv = op.units[-1].pointwise if isinstance(op, SepConv) else op.conv if isinstance(op, Conv) else None
            if conv is not None:
                found.append(Last(fan, name, conv, tuple(fan.rows[edge] for edge in fan.module.members[name])))
    return found


@torch.no_grad()
def stable_rank_table(net: Network, image_size: tuple[int, int, int]) -> pd.DataFrame:
    """Stable ranks of every candidate that ends in a convolution, for images of (channels, height, width).

    One row per cell, edge and operation: block, group, depth (0 for the first cell, 1 for the last), edge (row of
    alpha), source, target, op, height, width, operator_rank and kernel_rank. Ranks of operators grow with the maps,
    those of kernels do not. Before, during and after a training: one table each.
    """
    ghost = copy.deepcopy(net).to("meta").eval()
    for conv in [module for module in ghost.modules() if isinstance(module, StackedConv)]:
        conv.reparametrise = None  # a factor leaves the rank as it is
    sizes: dict[tuple[int, int, str], tuple[int, int]] = {}

    def note(last: Last, x: Tensor) -> None:
        sizes[last.fan.block, last.fan.source, last.op] = tuple(x.shape[-2:])

    with _inputs(last_convolutions(ghost), note):
        run_until(ghost, torch.empty(2, *image_size, device="meta"), _equal_weights(ghost))
    lasts = last_convolutions(net)
    return _table(net, (row for last in lasts for row in _ranks(last, sizes[last.fan.block, last.fan.source, last.op])))


def _equal_weights(net: Network) -> dict[str, Tensor]:
    device = next(net.parameters()).device
    edges = {group: wiring.edges for group, wiring in net.wirings.items()}
    return {g: torch.ones(len(rows), max(len(e.ops) for e in rows), device=device) for g, rows in edges.items()}


def _ranks(last: Last, size: tuple[int, int]) -> Iterator[dict]:
    for at, row in enumerate(last.rows):
        operator = last.operator(at, size)
        ranks = {f"{of}_rank": float(stable_rank(operator, size, of=of)) for of in ("operator", "kernel")}
        yield {"last": last, "row": row, "height": size[0], "width": size[1], **ranks}


def _table(net: Network, rows: Iterable[dict]) -> pd.DataFrame:
    blocks = sorted({fan.block for fan in fans_of(net)})
    deepest = max(len(blocks) - 1, 1)
    lines = []
    for values in rows:
        last, row = values.pop("last"), values.pop("row")
        edge = last.fan.edges[last.fan.rows.index(row)]
        place = {
            "block": last.fan.block,
            "group": last.fan.group,
            "depth": blocks.index(last.fan.block) / deepest,
            "edge": row,
            "source": edge.source,
            "target": edge.target,
            "op": last.op,
        }
        lines.append(place | values)
    return pd.DataFrame(lines).sort_values(["block", "edge", "op"], ignore_index=True)


@contextmanager
def _inputs(lasts: Sequence[Last], note):
    """Within the block, every pass calls `note(last, input)` for each last convolution."""
    handles = [last.conv.register_forward_pre_hook(lambda _, args, last=last: note(last, args[0])) for last in lasts]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def noise_against_rank(net: Network, images: Images, weights: Weights, *, statistics: str = "running") -> pd.DataFrame:
    """The rank table with `noise_sensitivity`, equation 3 on what each last convolution really gets for these images.

    The mean over the images of psi = |x|^2 |c|_F^2 / |c(x)|^2 is never below the operator's stable rank. An image
    that leaves a convolution nothing to read is left out of its mean.
    """
    rows: list[dict] = []

    def note(last: Last, x: Tensor) -> None:
        size, parts = tuple(x.shape[-2:]), x.chunk(1 if last.conv.shared_input else last.conv.edges, dim=1)
        for at, values in enumerate(_ranks(last, size)):
            mine = parts[0 if last.conv.shared_input else at].double()
            rows.append(values | {"noise_sensitivity": _sensitivity(last.operator(at, size), mine)})

    lasts = last_convolutions(net)
    with evaluation.statistics(net, statistics), _inputs(lasts, note):
        run_until(net, images, weights)
    return _table(net, rows)


def _sensitivity(operator: ConvOperator, x: Tensor) -> float:
    lit = x[x.flatten(1).any(1)]
    return float(noise_sensitivity(operator, lit)) if len(lit) else float("nan")


def candidate_convolutions(channels: int, image_size: int, *, seed: int = 0) -> dict[str, ConvOperator]:
    """The kinds of convolutions in the candidates, freshly initialised as torch does."""
    kinds = {
        "depthwise 3x3": (3, 1, 1, channels),
        "depthwise 5x5": (5, 1, 1, channels),
        "dilated 3x3": (3, 1, 2, channels),
        "dilated 5x5": (5, 1, 2, channels),
        "depthwise 3x3, stride 2": (3, 2, 1, channels),
        "pointwise 1x1": (1, 1, 1, 1),
    }
    draw = generator(seed, "candidate convolutions")
    found = {}
    for name, (kernel, stride, dilation, groups) in kinds.items():
        weight = torch.empty(channels, channels // groups, kernel, kernel)
        nn.init.kaiming_uniform_(weight, a=5**0.5, generator=draw)
        padding = (kernel - 1) * dilation // 2
        found[name] = ConvOperator(weight, image_size, stride, padding, dilation, groups)
    return found


def power_iteration_accuracy(
    convolutions: Mapping[str, ConvOperator],
    *,
    iterations: Sequence[int] = (1, 2, 5, 10, 50),
    starts: int = 10,
    order: str = "input",
    seed: int = 0,
) -> pd.DataFrame:
    """Estimated over exact spectral norm from cold starts: conv, iterations, start (0, 1, ...), ratio (at most 1).

    `order` "input" is Algorithm 1, "output" the published code. A start is the same for every number of iterations.
    """
    rows = []
    for name, conv in convolutions.items():
        for z in iterations:
            draw = generator(seed, f"power iteration {name}")
            ratios = estimate_ratios(conv, conv.image_size, iterations=z, starts=starts, start=order, generator=draw)
            rows += [(name, z, start, ratio) for start, ratio in enumerate(ratios.tolist())]
    return pd.DataFrame(rows, columns=["conv", "iterations", "start", "ratio"])
