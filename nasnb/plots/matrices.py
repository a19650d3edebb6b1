"""Numbers in a grid, each cell coloured and written out, and the tree that groups the rows of such a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasnb.architecture import Edge
from nasnb.plots.axes import hide_rest
from nasnb.plots.style import CARD, INK, WIDTH, op_label

_CELL = 0.36, 0.27  # inches: least width of a cell that holds a number of four signs, and its height
_NUMBER = 8  # points
_LETTER = 0.05  # inches that a letter of a column's slanted name is high


def plot_matrix(
    values: np.ndarray,
    labels: Sequence[str],
    *,
    columns: Sequence[str] | None = None,
    ax: Axes | None = None,
    vmin: float = -1,
    vmax: float = 1,
    label: str = "correlation",
    sequential: bool = False,
) -> Axes:
    """A square (labels, labels) or (labels, columns) of numbers; NaN stays blank.

    Red and blue part at 0, whatever the two ends; `sequential` instead goes from pale at `vmin` to dark at `vmax`.
    """
    return _single(values, labels, columns, ax=ax, scale=_Scale(vmin, vmax, sequential), label=label)


def plot_matrices(
    values: Mapping[str, np.ndarray],
    labels: Sequence[str],
    *,
    vmin: float = -1,
    vmax: float = 1,
    label: str = "correlation",
    sequential: bool = False,
) -> Figure:
    """One square (labels, labels) per title, side by side as far as the numbers fit, with one colour scale."""
    side = len(labels)
    per_row = int(np.clip((WIDTH - 1.9) // (_CELL[0] * side), 1, len(values)))
    n_rows = -(-len(values) // per_row)
    size = WIDTH, n_rows * (_CELL[1] * side + 1.1)
    fig, axes = plt.subplots(n_rows, per_row, figsize=size, sharex=True, sharey=True, squeeze=False)
    scale = _Scale(vmin, vmax, sequential)
    for ax, (title, matrix) in zip(axes.flat, values.items(), strict=False):
        _draw(ax, _checked(matrix, labels, labels, title), labels, labels, scale)
        ax.set_title(title)
    hide_rest(axes, len(values))
    fig.colorbar(scale.mappable(), ax=axes, label=label, fraction=0.04, pad=0.02)
    return fig


def plot_alpha_heatmap(
    weights: np.ndarray,
    edges: Sequence[Edge],
    *,
    ax: Axes | None = None,
    label: str = "mixing weight",
    highest: float | None = None,
) -> Axes:
    """Weights (edges, ops) with a row per edge and a column per operation; what is no candidate stays blank.

    The colours end at the `highest` weight: the largest one here, if None.
    """
    ops = list(dict.fromkeys(op for edge in edges for op in edge.ops))
    grid = np.full((len(edges), len(ops)), np.nan)
    for row, edge in enumerate(edges):
        grid[row, [ops.index(op) for op in edge.ops]] = np.asarray(weights)[row, : len(edge.ops)]
    rows = [f"{edge.source}→{edge.target}" for edge in edges]
    low, high = min(0.0, float(np.nanmin(grid))), float(np.nanmax(grid)) if highest is None else highest
    scale = _Scale(low, high, sequential=low == 0.0)
    ax = _single(grid, rows, [op_label(op) for op in ops], ax=ax, scale=scale, label=label)
    ax.set_ylabel("edge (state→state)")
    return ax


# --- parts ------------------------------------------------------------------------------------------------------------


class _Scale:
    """Colours from `low` to `high`; diverging ones stand as far apart on both sides, so that 0 is always white."""

    def __init__(self, low: float, high: float, sequential: bool):
        reach = max(abs(low), abs(high))
        self.norm = plt.Normalize(low, high) if sequential else plt.Normalize(-reach, reach)
        self.colours = plt.colormaps["Blues" if sequential else "RdBu_r"]

    def mappable(self) -> plt.cm.ScalarMappable:
        return plt.cm.ScalarMappable(self.norm, self.colours)

    def ink(self, value: float) -> str:
        """Dark type on pale cells, light type on dark ones."""
        return ink_on(self.colours(self.norm(value)))


def ink_on(colour: tuple[float, ...]) -> str:
    """The colour of type that is legible on this one, given as red, green, blue and perhaps more."""
    red, green, blue = colour[:3]
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else CARD


def _single(
    values: np.ndarray,
    labels: Sequence[str],
    columns: Sequence[str] | None,
    *,
    ax: Axes | None,
    scale: _Scale,
    label: str,
) -> Axes:
    columns = labels if columns is None else columns
    grid = _checked(values, labels, columns)
    if ax is None:
        names = max(1.0, 0.35 + _LETTER * max(map(len, columns), default=0))  # long ones would take it from the rows
        size = max(3.2, min(WIDTH, 1.9 + 0.48 * len(columns))), names + _CELL[1] * len(labels)
        _, ax = plt.subplots(figsize=size)
    _draw(ax, grid, labels, columns, scale)
    ax.figure.colorbar(scale.mappable(), ax=ax, label=label, fraction=0.04, pad=0.02)
    return ax


def _checked(values: np.ndarray, rows: Sequence[str], columns: Sequence[str], name: str = "the matrix") -> np.ndarray:
    grid = np.asarray(values, dtype=float)
    if grid.shape != (len(rows), len(columns)):
        raise ValueError(f"{name} has shape {grid.shape}, its labels want {(len(rows), len(columns))}")
    return grid


def _draw(ax: Axes, grid: np.ndarray, rows: Sequence[str], columns: Sequence[str], scale: _Scale) -> None:
    ax.pcolormesh(grid, cmap=scale.colours, norm=scale.norm, edgecolors=CARD, linewidth=1.0)
    for (row, column), value in np.ndenumerate(grid):
        if np.isfinite(value):
            place = {"ha": "center", "va": "center", "fontsize": _NUMBER, "color": scale.ink(value)}
            ax.text(column + 0.5, row + 0.5, short_number(value), **place)
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    ax.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)


def short_number(value: float) -> str:
    """At most four signs where the size allows: `−.12`, `.07`, `1.0`, `12`."""
    if abs(value) >= 99.5:
        return f"{value:.0f}".replace("-", "−")
    text = f"{value:.2f}" if abs(value) < 0.995 else f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"
    return text.replace("-", "−").replace("0.", ".", 1) if abs(value) < 0.995 else text.replace("-", "−")
