"""Figures of sharpDARTS: sizes of operations, weights of the grid with a path in it, the pull on the leader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from nasnb.plots.style import INK, SERIES, WIDTH, op_colours, op_label


def plot_op_sizes(table: pd.DataFrame) -> Figure:
    """Thousand parameters of every operation, a panel per space; columns: space, op, convolutions, thousands."""
    spaces = list(table.groupby("space", sort=False))
    fig, axes = plt.subplots(1, len(spaces), figsize=(WIDTH, 3.2), sharex=True, squeeze=False)
    for ax, (space, part) in zip(axes.flat, spaces, strict=True):
        part = part.iloc[::-1]
        ax.barh([op_label(name) for name in part.op], part.thousands, color=op_colours(part.op))
        for y, (n, value) in enumerate(zip(part.convolutions, part.thousands, strict=True)):
            ax.annotate(f"{n} layers", (value, y), (4, 0), textcoords="offset points", va="center", fontsize=8)
        ax.set(title=space, xlabel="parameters (thousands)", xlim=(0, 1.25 * table.thousands.max()))
    return fig


def plot_grid_weights(
    tables: Mapping[str, np.ndarray], entries: Sequence[str], paths: Mapping[str, Sequence[str]]
) -> Figure:
    """Per title (stages, entries) in times the even weight, on a logarithmic scale; the entries of a path are framed.

    Entries come kind by kind; `paths` has one entry per stage.
    """
    size = (WIDTH, 2.7 * len(tables) + 0.4)
    fig, axes = plt.subplots(len(tables), 1, figsize=size, sharex=True, squeeze=False)
    for ax, (title, table) in zip(axes.flat, tables.items(), strict=True):
        seen = ax.imshow(np.log10(table), cmap="RdBu_r", vmin=-1.5, vmax=1.5, aspect="auto")
        for stage, entry in enumerate(paths[title]):
            at = list(entries).index(entry)
            ax.add_patch(Rectangle((at - 0.5, stage - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=2))
        ax.axvline(len(entries) / 2 - 0.5, color=INK, linewidth=0.8)
        ax.set(title=title, ylabel="stage")
        ax.set_yticks(range(len(table)), range(1, len(table) + 1))
        ax.grid(visible=False)
    axes[-1, 0].set_xticks(range(len(entries)), [entry.split()[1] for entry in entries], rotation=90, fontsize=7)
    axes[-1, 0].set_xlabel("width in and out: convolutions on the left, pools on the right")
    bar = fig.colorbar(seen, ax=axes[:, 0], shrink=0.7, label="times the even weight")
    bar.set_ticks([-1, 0, 1], labels=["0.1", "1", "10"])
    return fig


def plot_pull(table: pd.DataFrame) -> Figure:
    """Gradient of alpha over the leader's weight; columns: that weight, then `rule, leader` and `rule, each other`."""
    fig, ax = plt.subplots(figsize=(WIDTH, 3))
    x, *lines = table.columns
    rules = list(dict.fromkeys(line.split(",")[0] for line in lines))
    for line in lines:
        dash = "-" if line.endswith("leader") else "--"
        ax.plot(table[x], table[line], dash, color=SERIES[rules.index(line.split(",")[0])], label=line)
    ax.set(xlabel=x, ylabel="gradient of alpha")
    ax.legend()
    return fig
