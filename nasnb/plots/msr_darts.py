"""Filters and their singular values, ranks of candidates over a search, estimated norms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasnb.plots.distributions import draw_ridges
from nasnb.plots.style import CARD, INK, MUTED, SERIES, SERIES_MARKERS, WIDTH


def plot_filters(filtered: Mapping[str, Any]) -> Figure:
    """A row per filter: kernel, filtered image, the same with noise, and its singular values (`analysis.filtered`)."""
    fig, axes = plt.subplots(
        len(filtered), 4, figsize=(WIDTH, 1.5 * len(filtered) + 0.3), squeeze=False, width_ratios=(1, 1, 1, 2.2)
    )
    for row, (name, each) in zip(axes, filtered.items(), strict=True):
        reach = np.abs(each.kernel).max()
        row[0].imshow(each.kernel, cmap="RdBu_r", vmin=-reach, vmax=reach)
        low, high = each.clean.min(), each.clean.max()
        for ax, picture in zip(row[1:3], (each.clean, each.noisy), strict=True):
            ax.imshow(picture, cmap="gray", vmin=low, vmax=high)
        for ax in row[:3]:
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
        row[0].set_title(name)
        row[3].plot(np.arange(1, len(each.singular_values) + 1), each.singular_values / each.singular_values[0])
        row[3].axvline(each.stable_rank, color=MUTED, linestyle=(0, (4, 3)), linewidth=1.0)
        row[3].set_title(f"stable rank {each.stable_rank:.0f}, noise sensitivity {each.noise_sensitivity:.0f}")
        row[3].set(ylim=(0, 1.05))
    axes[0, 1].set_title("filtered")
    axes[0, 2].set_title("with noise")
    axes[-1, 3].set_xlabel("number of the singular value")
    return fig


def plot_ridge_panels(
    table: pd.DataFrame, value: str, *, rows: str, panels: str, label: str, names: Mapping[str, str] | None = None
) -> Figure:
    """Densities of `value`: a row per value of `rows`, a panel per value of `panels`, all on one axis."""
    groups, parts = (list(dict.fromkeys(table[column])) for column in (rows, panels))
    size = WIDTH, 0.9 + 0.55 * len(groups)
    fig, axes = plt.subplots(1, len(parts), figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, part in zip(axes.flat, parts, strict=True):
        mine = table[table[panels] == part]
        draw_ridges(ax, {group: mine.loc[mine[rows] == group, value] for group in groups})
        ax.set_title(str(part))
    labels = [(names or {}).get(group, str(group)) for group in groups]
    axes[0, 0].set_yticks(range(len(groups)), labels)
    fig.supxlabel(label, fontsize=9)
    return fig


def plot_estimates(table: pd.DataFrame, *, iterations: int = 5) -> Figure:
    """Estimated over exact norm against the number of iterations, a line per convolution; mean and one sd.

    Columns: order (one panel each), conv, iterations, ratio. A dashed line marks the published number of iterations.
    """
    orders = list(dict.fromkeys(table["order"]))
    fig, axes = plt.subplots(1, len(orders), figsize=(WIDTH, 3.3), sharey=True, squeeze=False)
    for ax, order in zip(axes.flat, orders, strict=True):
        for i, (name, rows) in enumerate(table[table["order"] == order].groupby("conv", sort=False)):
            ratio = rows.groupby("iterations").ratio
            mean, sd = ratio.mean(), ratio.std(ddof=1)
            style = {"color": SERIES[i % len(SERIES)], "marker": SERIES_MARKERS[i % len(SERIES_MARKERS)]}
            ax.plot(mean.index, mean, label=name, markersize=4, **style)
            ax.fill_between(mean.index, mean - sd, mean + sd, color=style["color"], alpha=0.15, linewidth=0)
        ax.axhline(1, color=INK, linewidth=0.8)
        ax.axvline(iterations, color=MUTED, linestyle=(0, (4, 3)), linewidth=0.9)
        counts = sorted(table.iterations.unique())
        ax.set(xscale="log", xlabel="iterations", title=str(order))
        ax.set_xticks(counts, counts)
        ax.minorticks_off()
    axes[0, 0].set_ylabel("estimated / exact norm")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return fig


def plot_change(tables: Mapping[str, pd.DataFrame], *, by: str, label: str, order: Sequence[str] = ()) -> Figure:
    """A panel per table: change from `before` to `after` in percent, a point per row, coloured by `by`; 0 is a line."""
    fig, axes = plt.subplots(1, len(tables), figsize=(WIDTH, 3.5), sharex=True, sharey=True, squeeze=False)
    groups = list(order) or list(dict.fromkeys(name for table in tables.values() for name in table[by]))
    for ax, (title, table) in zip(axes.flat, tables.items(), strict=True):
        ax.axhline(0, color=MUTED, linewidth=1.0, zorder=1)
        for i, group in enumerate(groups):
            rows = table[table[by] == group]
            change = 100 * (rows.after / rows.before - 1)
            ax.plot(
                rows.before, change, SERIES_MARKERS[i], color=SERIES[i], markersize=3.5, alpha=0.7, label=str(group)
            )
        ax.set(title=title, xlabel=f"{label} before the search")
    axes[0, 0].set_ylabel("change by the search (%)")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return fig


def plot_idea(weights: Mapping[str, Mapping[str, float]], spectra: Mapping[str, Sequence[float]]) -> Figure:
    """Figure 1 with numbers: a cell of four nodes, the weights of an edge's candidates, singular values of one of them.

    `weights` are those of the candidates per method, `spectra` the singular values before and after rescaling.
    """
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.5), width_ratios=(1, 1.25, 1.25))
    _small_cell(axes[0])
    shown = pd.DataFrame(weights)
    for at, name in enumerate(shown):
        places = np.arange(len(shown)) + (at - (shown.shape[1] - 1) / 2) * 0.4
        axes[1].barh(places, shown[name], height=0.36, color=SERIES[at], label=name)
    axes[1].set_yticks(range(len(shown)), shown.index)
    axes[1].set(title="an edge's candidates", xlabel="weight in the sum", ylim=(len(shown) - 0.4, -0.6))
    for at, (name, values) in enumerate(spectra.items()):
        line = f"{name}: norm {max(values):.3f}"
        axes[2].plot(
            np.arange(1, len(values) + 1), values, SERIES_MARKERS[at] + "-", color=SERIES[at], ms=4, label=line
        )
    axes[2].axhline(1, color=MUTED, linestyle=(0, (4, 3)), linewidth=1.0)
    axes[2].set(title="one of them", xlabel="number of the singular value", ylim=(0, None))
    for ax in axes[1:]:
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), fontsize=7.5)
    return fig


def _small_cell(ax: Axes) -> None:
    """Two inputs and two nodes, every later one fed by all before it."""
    nodes = {0: (0, 1), 1: (0, 0), 2: (1, 0.75), 3: (2, 0.25)}
    for target in (2, 3):
        for source in range(target):
            line = {"arrowstyle": "->", "color": MUTED, "shrinkA": 9, "shrinkB": 9, "linewidth": 1.2}
            ax.annotate("", nodes[target], nodes[source], arrowprops=line)
    for name, (x, y) in nodes.items():
        ax.plot(x, y, "o", markersize=15, color=CARD, markeredgecolor=INK)
        ax.text(x, y, f"$x_{name}$", ha="center", va="center", fontsize=8.5)
    ax.set(title="a cell", xlim=(-0.35, 2.35), ylim=(-0.45, 1.45))
    ax.set_axis_off()
