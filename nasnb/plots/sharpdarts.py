"""Figures of sharpDARTS: stacks of cells, sizes of operations, weights of the grid, rivals, pull on the leader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, NullFormatter

from nasnb.plots.style import INK, MUTED, SERIES, WIDTH, op_colours, op_label


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


BLOCKS = {"stem": ("stem", MUTED), "normal": ("normal cell", SERIES[0]), "reduce": ("reduction cell", SERIES[1])}
BLOCKS |= {"head": ("pooling and classifier", SERIES[2])}


def draw_macro(networks: Mapping[str, Sequence[tuple[str, int, int]]]) -> Figure:
    """Per title the blocks of a network from left to right: (kind, channels, pixels a side); as high as its maps.

    The channels stand over the first block that has them.
    """
    fig, axes = plt.subplots(len(networks), 1, figsize=(WIDTH, 1.6 * len(networks) + 0.4), squeeze=False)
    for ax, (title, blocks) in zip(axes.flat, networks.items(), strict=True):
        for x, (kind, channels, side) in enumerate(blocks):
            ax.bar(x, side, width=0.72, color=BLOCKS[kind][1])
            if kind != "head" and (x == 0 or (channels, side) != tuple(blocks[x - 1][1:])):
                ax.annotate(f"{channels}", (x, side), (0, 3), textcoords="offset points", ha="center", fontsize=8)
        ax.set(title=title, ylabel="pixels a side", ylim=(0, 1.25 * max(side for _, _, side in blocks)), xticks=[])
        ax.grid(visible=False)
    handles = [Patch(color=colour, label=label) for label, colour in BLOCKS.values()]
    fig.legend(handles=handles, loc="outside upper center", ncols=4)
    return fig


def plot_rivals(table: pd.DataFrame) -> Figure:
    """A panel per explanation, a column per case: weights in times the even share, on a logarithmic axis.

    Columns: explanation, case, of, times_even. Points of the same `of` are joined; a bar is the geometric mean.
    """
    panels = list(table.groupby("explanation", sort=False))
    widths = [rows.case.nunique() + 0.5 for _, rows in panels]
    fig, axes = plt.subplots(
        1, len(panels), figsize=(WIDTH, 3.1), sharey=True, squeeze=False, gridspec_kw={"width_ratios": widths}
    )
    for ax, (name, rows) in zip(axes.flat, panels, strict=True):
        cases = list(rows.case.unique())
        wide = rows.pivot(index="of", columns="case", values="times_even").reindex(columns=cases)
        ax.plot(range(len(cases)), wide.to_numpy().T, color=MUTED, linewidth=0.7, marker="o", markersize=4, alpha=0.8)
        for x, mean in enumerate(np.exp(np.log(wide).mean())):
            ax.plot([x - 0.25, x + 0.25], [mean, mean], color=SERIES[1], linewidth=2.6, zorder=4)
        ax.axhline(1, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        ax.set(title=name, yscale="log", xlim=(-0.5, len(cases) - 0.5))
        ax.set_xticks(range(len(cases)), [case.replace(" ", "\n") for case in cases], fontsize=8)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    axes[0, 0].set_ylabel("weight in times the even share")
    return fig


KIND_COLOURS = {"none": "#c6cbd1", "pool": SERIES[4], "skip_connect": SERIES[1], "convolution": SERIES[0]}


def plot_kinds(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Percent of the weight per kind of operation, a bar per search (the title) and cell: with `none`, and without.

    Columns: cell, kind, percent, even_with_none, without_none, even. The thin bar below has even shares.
    """
    bars = [(f"{title},\n{cell}", rows) for title, t in tables.items() for cell, rows in t.groupby("cell", sort=False)]
    panels = {"with none": ("percent", "even_with_none"), "none left out": ("without_none", "even")}
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 0.66 * len(bars) + 0.9), sharey=True)
    for ax, (title, (column, even)) in zip(axes, panels.items(), strict=True):
        for y, (_, rows) in enumerate(bars):
            rows = rows.set_index("kind").reindex(list(KIND_COLOURS)).fillna({column: 0.0})
            starts = rows[column].cumsum() - rows[column]
            ax.barh(y, rows[column], left=starts, height=0.56, color=list(KIND_COLOURS.values()))
            shares = rows[even].fillna(100 - rows[even].sum() if column == "percent" else 0.0)
            ax.barh(y + 0.42, shares, left=shares.cumsum() - shares, height=0.1, color=list(KIND_COLOURS.values()))
        ax.set(title=title, xlabel="weight (%)", xlim=(0, 100))
        ax.grid(visible=False)
    axes[0].set_yticks(range(len(bars)), [label for label, _ in bars], fontsize=8)
    axes[0].invert_yaxis()
    handles = [Patch(color=colour, label=kind.partition("_")[0]) for kind, colour in KIND_COLOURS.items()]
    fig.legend(handles=handles, loc="outside upper center", ncols=4)
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
