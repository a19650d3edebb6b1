"""Cells as graphs: every node owns a lane, so that no label can lie on another label, node or output.

An edge turns into the lane of its target in the first part of the gap after its source, then runs straight along that
lane to a label just before the target. The lane holds nothing else up to there, and only its output after it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from nasnb.architecture import N_INPUTS, Choices, Genotype, Pick
from nasnb.plots.style import CARD, INK, MUTED, WIDTH, op_label, op_legend, op_style

_GAP, _TURN, _LANE = 1.45, 0.45, 0.5  # inches: column to column, room to turn into a lane, least height of a lane
_FONT = 8.5  # points


@dataclass(frozen=True)
class Layout:
    """Where everything stands, in inches: nodes {state: (x, y)}, and per connection the height at which it runs."""

    nodes: Mapping[int, tuple[float, float]]
    ports: tuple[float, ...]
    turn: float
    right: float
    bottom: float
    top: float


def draw_cell(genotype: Genotype, group: str, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """The picked operations of one group as a graph from the cell's inputs (left) to its output (right)."""
    picks, layout = _of_group(genotype.picks, group), _cell_layout(genotype, group)
    n_inputs = _n_inputs(picks)
    ax, scale = _canvas(layout, ax, group if title is None else title)
    for pick, y in zip(picks, layout.ports, strict=True):
        x, node_y = layout.nodes[pick.target]
        _wire(ax, layout, pick, y, end=node_y + (y - node_y) * 0.3, width=1.8)
        _label(ax, (x - 0.585, y), pick.op, _FONT * scale)
    _draw_nodes(ax, layout, n_inputs, genotype.concat.get(group, ()), _FONT * scale)
    return ax


def draw_cells(genotypes: Mapping[str, Genotype], groups: Sequence[str] = ("normal", "reduce")) -> Figure:
    """Several cells below each other, each as wide as the page: side by side their words would be too small."""
    panels = [(genotype, group, f"{name}, {group}") for name, genotype in genotypes.items() for group in groups]
    layouts = [_cell_layout(genotype, group) for genotype, group, _ in panels]
    heights = [layout.top - layout.bottom + 0.45 for layout in layouts]
    fig, axes = plt.subplots(len(panels), 1, figsize=(WIDTH, sum(heights)), height_ratios=heights, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()  # the first cell is measured when the last has no graph yet
    for ax, (genotype, group, title) in zip(axes.flat, panels, strict=True):
        draw_cell(genotype, group, ax=ax, title=title)
    return fig


def draw_choices(choices: Choices, group: str, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """The supernet's cell: every edge as a bundle of its candidate operations, one line each."""
    edges = _of_group(choices.groups, group)
    picks = [Pick(op, edge.source, edge.target) for edge in edges for op in edge.ops]
    n_inputs = _n_inputs(picks)
    layout = _layout([(p.source, p.target) for p in picks], n_inputs, gap=1.4, port=0.035)
    count = f"{group}: {len(edges)} edges, {len(picks)} candidates"
    ax, scale = _canvas(layout, ax, count if title is None else title, legend=0.45)
    bundle = [place - (len(edge.ops) - 1) / 2 for edge in edges for place in range(len(edge.ops))]
    for pick, y, place in zip(picks, layout.ports, bundle, strict=True):
        _wire(ax, layout, pick, y, end=y, width=1.1, start=-0.02 * place)
    nodes = {edge.target for edge in edges}
    for node in nodes:
        x, mine = layout.nodes[node][0], [y for p, y in zip(picks, layout.ports, strict=True) if p.target == node]
        ax.plot([x, x], [min(mine) - 0.03, max(mine) + 0.03], color=MUTED, linewidth=2.5, zorder=3)
    outputs = nodes if n_inputs == N_INPUTS else {max(nodes)}
    _draw_nodes(ax, layout, n_inputs, outputs, _FONT * scale)
    ops = list(dict.fromkeys(pick.op for pick in picks))
    ncols = len(ops) if len(ops) < 6 else 4
    op_legend(ax, ops, loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=ncols, columnspacing=1.2)
    return ax


def draw_path(genotype: Genotype, channels: Sequence[int], *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """A path through a HyperCuboid: stages to the right, channel counts upwards, all other connections in grey.

    Odd stages keep the image size, even ones halve it.
    """
    picks = _of_group(genotype.picks, "path")
    rows = {count: row for row, count in enumerate(channels)}
    missing = sorted({count for pick in picks for count in (pick.source, pick.target)} - rows.keys())
    if missing:
        raise ValueError(f"the path uses {missing} channels, not among {list(channels)}; give all counts of the grid")
    ax = ax or plt.subplots(figsize=(WIDTH, 1.2 + 0.55 * len(rows)))[1]
    for stage, a, b in itertools.product(range(len(picks)), rows.values(), rows.values()):
        ax.plot([stage, stage + 1], [a, b], color="#c6cbd1", linewidth=0.6, zorder=1)
    for stage, pick in enumerate(picks):
        ends = [rows[pick.source], rows[pick.target]]
        ax.plot([stage, stage + 1], ends, **op_style(pick.op), linewidth=2.6, zorder=3)
    grid = np.array(list(itertools.product(range(len(picks) + 1), rows.values())))
    ax.scatter(*grid.T, s=34, color=CARD, edgecolor=MUTED, linewidth=0.9, zorder=4)
    ax.set(xlabel="stage", ylabel="channels", xticks=range(len(picks) + 1), title=title or "")
    ax.set_yticks(list(rows.values()), [str(count) for count in rows])
    ax.grid(False)
    op_legend(ax, dict.fromkeys(pick.op for pick in picks), loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=4)
    return ax


def _of_group(groups: Mapping[str, Sequence], group: str) -> Sequence:
    if group not in groups:
        raise ValueError(f"no group {group!r} here; groups: {', '.join(groups)}")
    return groups[group]


def _n_inputs(picks: Iterable[Pick]) -> int:
    """2 for cells that read two cells before them, 1 for NAS-Bench-201, whose first node is state 1."""
    return min(pick.target for pick in picks)


def _cell_layout(genotype: Genotype, group: str) -> Layout:
    picks = _of_group(genotype.picks, group)
    return _layout([(pick.source, pick.target) for pick in picks], _n_inputs(picks), gap=_GAP, port=0.27)


# --- layout -----------------------------------------------------------------------------------------------------------


def _layout(connections: Sequence[tuple[int, int]], n_inputs: int, *, gap: float, port: float) -> Layout:
    states = range(n_inputs, max(target for _, target in connections) + 1)
    count = {state: sum(target == state for _, target in connections) for state in states}
    order = min(itertools.permutations(states), key=lambda lanes: _travel(lanes, connections, n_inputs))
    gap = min(gap, (WIDTH - 1.05) / len(states))
    nodes, y = {}, 0.0
    for state in order:
        height = max(_LANE, count[state] * port + 0.2)
        nodes[state] = ((state - n_inputs + 1) * gap, y - height / 2)
        y -= height
    step = -y / n_inputs
    nodes |= {state: (0.0, -step * (state + 0.5)) for state in range(n_inputs)}
    ports = _ports(connections, nodes, port)
    return Layout(nodes, ports, _TURN * gap / 1.45, max(x for x, _ in nodes.values()) + 0.5, y, 0.0)


def _travel(lanes: Sequence[int], connections: Sequence[tuple[int, int]], n_inputs: int) -> tuple[float, Sequence[int]]:
    """How far up and down the connections go with this order of lanes; ties keep the natural order."""
    row = {state: i for i, state in enumerate(lanes)}
    row |= {state: (state + 0.5) * len(lanes) / n_inputs - 0.5 for state in range(n_inputs)}
    return sum(abs(row[source] - row[target]) ** 1.5 for source, target in connections), lanes


def _ports(connections: Sequence[tuple[int, int]], nodes: Mapping[int, tuple[float, float]], port: float):
    """The height of every connection in its target's lane; those from above stay above, so that they do not cross."""
    heights = [0.0] * len(connections)
    for state in {target for _, target in connections}:
        mine = [i for i, (_, target) in enumerate(connections) if target == state]
        mine.sort(key=lambda i: (-nodes[connections[i][0]][1], connections[i][0], i))
        for rank, i in enumerate(mine):
            heights[i] = nodes[state][1] + port * ((len(mine) - 1) / 2 - rank)
    return tuple(heights)


# --- drawing ----------------------------------------------------------------------------------------------------------


def _canvas(layout: Layout, ax: Axes | None, title: str, legend: float = 0.0) -> tuple[Axes, float]:
    """An axes in inches, and the factor by which type shrinks if the given axes are smaller than the layout."""
    left, right, low, high = -0.27, layout.right + 0.22, layout.bottom - 0.05, layout.top + 0.05
    if ax is None:
        _, ax = plt.subplots(figsize=(max(right - left, 6.4 if legend else 3.0), high - low + 0.35 + legend))
    ax.set(xlim=(left, right), ylim=(low, high), title=title)
    ax.set_axis_off()
    engine = ax.figure.get_layout_engine()
    if engine is not None:
        engine.execute(ax.figure)  # else the axes still have matplotlib's wide margins
    size = ax.get_window_extent()
    scale = min(size.width / (right - left), size.height / (high - low)) / ax.figure.dpi
    return ax, min(1.0, round(1.03 * scale, 3))


def _wire(ax: Axes, layout: Layout, pick: Pick, y: float, *, end: float, width: float, start: float = 0.0) -> None:
    """From the source into the target's lane, along it, and at `end` into the target."""
    (x0, y0), (x1, _) = layout.nodes[pick.source], layout.nodes[pick.target]
    x0, y0 = x0 + 0.1, y0 + start
    bend = x0 + layout.turn
    points = [(x0, y0), ((x0 + bend) / 2, y0), ((x0 + bend) / 2, y), (bend, y), (x1 - 0.3, y), (x1 - 0.1, end)]
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4, Path.LINETO, Path.LINETO]
    style = op_style(pick.op)
    line = {"edgecolor": style["color"], "linestyle": style["linestyle"], "linewidth": width}
    ax.add_patch(PathPatch(Path(points, codes), facecolor="none", capstyle="butt", zorder=2, **line))


def _label(ax: Axes, at: tuple[float, float], op: str, size: float) -> None:
    box = {"boxstyle": "round,pad=0.18", "facecolor": CARD, "edgecolor": op_style(op)["color"], "linewidth": 1.0}
    ax.text(*at, op_label(op), ha="center", va="center", fontsize=size, color=INK, bbox=box, zorder=4, gid="op")


def _draw_nodes(ax: Axes, layout: Layout, n_inputs: int, outputs: Iterable[int], size: float) -> None:
    end, outputs = layout.right, list(outputs)
    heights = [layout.nodes[state][1] for state in outputs]
    for state, y in zip(outputs, heights, strict=True):
        ax.plot([layout.nodes[state][0], end], [y, y], color="#aeb5bd", linewidth=1.1, zorder=1)
    inputs = {0: "$c_{k-2}$", 1: "$c_{k-1}$"} if n_inputs == N_INPUTS else {0: "in"}
    shift = n_inputs if n_inputs == N_INPUTS else 0  # NAS-Bench-201 counts its input as node 0
    for state, at in layout.nodes.items():
        _node(ax, at, inputs.get(state, str(state - shift)), "#dbe9d5" if state < n_inputs else "#d5e3f0", size)
    if heights:
        _node(ax, (end, float(np.mean(heights))), "$c_k$" if n_inputs == N_INPUTS else "out", "#f3e3bf", size)
        ax.plot([end, end], [min(heights), max(heights)], color="#aeb5bd", linewidth=3.0, zorder=1)


def _node(ax: Axes, at: tuple[float, float], text: str, fill: str, size: float) -> None:
    box = {"boxstyle": "round,pad=0.3", "facecolor": fill, "edgecolor": MUTED, "linewidth": 0.8}
    ax.text(*at, text, ha="center", va="center", fontsize=size, color=INK, bbox=box, zorder=5, gid="node")
