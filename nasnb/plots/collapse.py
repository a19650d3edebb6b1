"""How searches on NAS-Bench-201 end, and when their cells collapse. Tables are those of `nasnb.analysis.collapse`."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasnb.plots.axes import hide_rest
from nasnb.plots.style import INK, MUTED, SERIES, SERIES_MARKERS, WIDTH

RANDOM = "median of all cells"
ARM_COLUMNS = {
    "cifar10": "CIFAR-10 test accuracy of\nthe chosen cell (%)",
    "percentile": "cells that are not better (%)",
}


def plot_collapse(rows: pd.DataFrame, *, median: float) -> Figure:
    """Above the supernet's accuracy on training and held-out images, below the real accuracy of its cell, every seed.

    Columns: seed, epoch, train_accuracy, valid_accuracy, cifar10. `median` is that of all cells of the space, percent.
    """
    fig, axes = plt.subplots(2, 1, figsize=(WIDTH, 5.2), sharex=True)
    for i, (part, name) in enumerate({"train": "training images", "valid": "held-out images"}.items()):
        _every_seed(rows, f"{part}_accuracy", axes[0], SERIES[i], name)
    _every_seed(rows, "cifar10", axes[1], SERIES[2], "its cell, trained by itself")
    axes[1].axhline(median, color=MUTED, linestyle=":", linewidth=1)
    axes[1].annotate(RANDOM, (rows.epoch.max(), median), ha="right", va="bottom", fontsize=8, color=MUTED)
    axes[0].set(ylabel="supernet's accuracy (%)")
    axes[1].set(xlabel="epoch", ylabel="CIFAR-10 test\naccuracy of the cell (%)")
    for ax in axes:
        ax.legend(loc="lower right" if ax is axes[0] else "lower left")
    return fig


def _every_seed(rows: pd.DataFrame, column: str, ax: Axes, colour: str, label: str) -> None:
    for _, seed in rows.groupby("seed"):
        ax.plot(seed.epoch, seed[column], color=colour, alpha=0.3, linewidth=0.8)
    mean = rows.groupby("epoch")[column].mean()
    ax.plot(mean.index, mean, color=colour, linewidth=2.2, label=label)


def plot_panels(panels: Mapping[str, pd.DataFrame], *, columns: int, median: float) -> Figure:
    """Accuracy of the chosen cell over the epochs, a panel per title, a line per seed.

    Columns: seed, epoch, cifar10 (percent), perhaps finished: a search that is not ends in a cross.
    """
    lines = -(-len(panels) // columns)
    size = (WIDTH, 1.6 * lines + 0.7)
    fig, axes = plt.subplots(lines, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, (title, rows) in zip(axes.flat, panels.items(), strict=False):
        for k, (_, seed) in enumerate(rows.groupby("seed")):
            colour = SERIES[k % len(SERIES)]
            ax.plot(seed.epoch, seed.cifar10, color=colour, linewidth=1.0, alpha=0.8)
            if "finished" in seed and not seed.finished.all():
                ax.plot(seed.epoch.iloc[-1], seed.cifar10.iloc[-1], "x", color=colour, markersize=5)
        ax.axhline(median, color=MUTED, linestyle=":", linewidth=1)
        ax.set_title(title, fontsize=8.5)
    hide_rest(axes, len(panels))
    fig.supxlabel("epoch", fontsize=9)
    fig.supylabel("CIFAR-10 test accuracy\nof the chosen cell (%)", fontsize=9, multialignment="center")
    return fig


def plot_arms(ends: pd.DataFrame, means: Mapping[str, pd.DataFrame], *, marks: Mapping[str, float]) -> Figure:
    """A row per arm: every seed's cell, the mean with its 95 % interval; a panel per key of `means`, with its words.

    Keys are columns of `ends` (arm, cifar10, percentile); each table has arm, n, mean, low, high in the order of the
    rows from the top. `marks` are vertical lines in the first panel, by their words.
    """
    named = next(iter(means.values()))
    order = named.arm
    size = (WIDTH, 0.3 * len(order) + 1.2)
    fig, axes = plt.subplots(1, len(means), figsize=size, sharey=True, squeeze=False)
    for ax, (column, table) in zip(axes[0], means.items(), strict=True):
        for row, line in enumerate(table.set_index("arm").loc[order].itertuples()):
            values = ends.loc[ends.arm == line.Index, column]
            ax.plot(
                values, np.full(len(values), row), "o", color=SERIES[0], alpha=0.45, markersize=4, markeredgewidth=0
            )
            ax.plot([line.low, line.high], [row, row], color=INK, linewidth=1.6)
            ax.plot(line.mean, row, SERIES_MARKERS[2], color=INK, markersize=5)
        ax.set_xlabel(ARM_COLUMNS[column])
        ax.set_xlim(-1, 101)  # percentages: an interval of few seeds leaves what is possible
    for name, value in marks.items():
        axes[0, 0].axvline(value, color=MUTED, linestyle=":", linewidth=1)
        side = "right" if name == RANDOM else "left"
        axes[0, 0].annotate(
            f" {name} ", (value, -0.9), ha=side, va="bottom", fontsize=8, color=MUTED, annotation_clip=False
        )
    axes[0, 0].set_yticks(range(len(order)), [f"{arm}, n = {n}" for arm, n in zip(order, named.n, strict=True)])
    axes[0, 0].set_ylim(len(order) - 0.4, -0.6)
    return fig
