"""What operations weigh against what they are worth: edges, choices, and architectures along a search (DARTS-PT)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from nasnb.plots.axes import hide_rest
from nasnb.plots.style import CARD, MUTED, SERIES, SERIES_MARKERS, WIDTH, op_colours, op_label


def plot_weight_and_worth(table: pd.DataFrame, *, by: str = "panel", columns: int = 3) -> Figure:
    """Per edge: bars of mixing weight (left, from 0) and points of accuracy in percent (right) for each operation.

    Columns: `by` (the panel's title), op, weight, batch, running (accuracies with these statistics of BatchNorm) and
    noise (sd of one measurement, NaN for none).
    """
    panels = list(table.groupby(by, sort=False))
    rows = -(-len(panels) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(WIDTH, 2.5 * rows + 0.3), sharey=True, squeeze=False)
    for at, (ax, (title, part)) in enumerate(zip(axes.flat, panels, strict=False)):
        places = np.arange(len(part))
        ax.bar(places, part.weight, width=0.6, color=SERIES[0], alpha=0.45)
        right = ax.twinx()
        right.errorbar(places, part.batch, part.noise.fillna(0), fmt="o", color=SERIES[1], capsize=3, markersize=5)
        right.plot(places, part.running, "x", color=SERIES[1], markersize=5)
        right.margins(y=0.25)
        right.tick_params(axis="y", labelcolor=SERIES[1])
        right.grid(False)
        right.spines["right"].set_visible(True)
        if at % columns == columns - 1 or at == len(panels) - 1:
            right.set_ylabel("accuracy (%)", color=SERIES[1])
        ax.set_xticks(places, [op_label(op) for op in part.op], rotation=40, ha="right", rotation_mode="anchor")
        ax.grid(axis="x", visible=False)
        ax.set_title(str(title))
    for ax in axes[:, 0]:
        ax.set_ylabel("mixing weight", color=SERIES[0])
    hide_rest(axes, len(panels))
    marks = {"mixing weight": Patch(color=SERIES[0], alpha=0.45)}
    marks |= {
        f"accuracy, {word} statistics": Line2D([], [], color=SERIES[1], marker=mark, linestyle="none")
        for word, mark in (("batch", "o"), ("running", "x"))
    }
    fig.legend(marks.values(), marks.keys(), loc="outside upper center", ncols=3)
    return fig


def plot_picks(table: pd.DataFrame, *, row: str, column: str, op: str = "op") -> Figure:
    """A strip per `row` with one field per `column`, in the colour of the operation that was picked there.

    Every pair has at most one line; missing ones stay blank. Operations are told apart by a letter too; a "tie" is
    grey.
    """
    rows, columns = list(dict.fromkeys(table[row])), list(dict.fromkeys(table[column]))
    ops = list(dict.fromkeys(table[op]))
    letters = _letters(ops)
    fig, ax = plt.subplots(figsize=(WIDTH, 0.95 + 0.3 * len(rows)))
    for line in table.itertuples():
        y, x = rows.index(getattr(line, row)), columns.index(getattr(line, column))
        name = getattr(line, op)
        ax.add_patch(Rectangle((x, y), 1, 1, facecolor=_colour(name), edgecolor=CARD, linewidth=1.5))
        ax.text(x + 0.5, y + 0.5, letters[name], ha="center", va="center", color=CARD, fontsize=8, gid="op")
    ax.set(xlim=(0, len(columns)), ylim=(len(rows), 0), xlabel=column)
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    handles = [Patch(color=_colour(name), label=f"{letters[name]}  {_words(name)}") for name in ops]
    ax.legend(handles=handles, ncols=len(ops), loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return fig


def _words(name: str) -> str:
    return name if name == "tie" else op_label(name)


def _colour(name: str) -> str:
    return MUTED if name == "tie" else op_colours([name])[0]


def _letters(ops: Sequence[str]) -> dict[str, str]:
    """The shortest beginnings of the labels by which the operations differ."""
    labels = {name: _words(name).replace(" ", "") for name in ops}
    lengths = range(1, 1 + max(map(len, labels.values())))
    length = next(n for n in lengths if len({label[:n] for label in labels.values()}) == len(ops))
    return {name: label[:length] for name, label in labels.items()}


def plot_trajectory(
    table: pd.DataFrame,
    *,
    label: str,
    lines: Mapping[str, Mapping[str, float]] | None = None,
    xlabel: str = "epoch of the search",
) -> Figure:
    """Values over epochs, a panel per `panel`: by `how` a line through the means, and every seed's value as a point.

    Columns: panel, how, epoch, seed, value. `lines` are {panel: {name: height}}, e.g. the median of a space.
    """
    panels = list(dict.fromkeys(table.panel))
    fig, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 3.2), squeeze=False, sharex=True)
    hows, names = list(dict.fromkeys(table.how)), [name for part in (lines or {}).values() for name in part]
    dashes = ((0, (4, 3)), (0, (1, 2)), (0, (6, 2, 1, 2)))
    heights = {
        name: {"color": MUTED, "linewidth": 1.2, "linestyle": dashes[i % len(dashes)]}
        for i, name in enumerate(dict.fromkeys(names))
    }
    for ax, panel in zip(axes.flat, panels, strict=True):
        for i, how in enumerate(hows):
            part = table[(table.panel == panel) & (table.how == how)]
            mean = part.groupby("epoch").value.mean()
            style = {"color": SERIES[i % len(SERIES)], "marker": SERIES_MARKERS[i % len(SERIES_MARKERS)]}
            ax.plot(part.epoch, part.value, linestyle="none", alpha=0.4, markersize=4, **style)
            ax.plot(mean.index, mean, linewidth=1.8, markersize=0, **style)
        for name, height in (lines or {}).get(panel, {}).items():
            ax.axhline(height, **heights[name])
        ax.set(title=str(panel), xlabel=xlabel)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes[0, 0].set_ylabel(label)
    handles = [
        Line2D([], [], color=SERIES[i % len(SERIES)], marker=SERIES_MARKERS[i % len(SERIES_MARKERS)], label=how)
        for i, how in enumerate(hows)
    ]
    handles += [Line2D([], [], label=name, **style) for name, style in heights.items()]
    fig.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return fig
