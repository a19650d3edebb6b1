"""Many runs of others side by side: bundles of lines, doses, intervals, and a place in a distribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from nasnb.plots.axes import hide_rest, name_points
from nasnb.plots.style import CARD, INK, MUTED, SERIES, SERIES_MARKERS, WIDTH

YOURS = "yours"  # the group of a reader's own log: drawn last, in ink


def plot_bundles(
    table: pd.DataFrame,
    panels: Mapping[str, str],
    *,
    x: str,
    group: str,
    run: str = "run",
    xlabel: str = "epoch",
    columns: int = 2,
    level: Mapping[str, float] | None = None,
) -> Figure:
    """A panel per column of `panels` (its label), a thin line per run, a colour per group.

    `level` is a dashed height per column. A group named like YOURS is drawn in ink, and thick.
    """
    rows = -(-len(panels) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(WIDTH, 2.5 * rows + 0.4), squeeze=False, sharex=True)
    groups = list(dict.fromkeys(table[group]))
    for ax, (column, label) in zip(axes.flat, panels.items(), strict=False):
        for i, name in enumerate(groups):
            _bundle(ax, table[table[group] == name], x, column, run, name, i)
        if level and column in level:
            ax.axhline(level[column], color=MUTED, linestyle=(0, (4, 3)), linewidth=1)
        ax.set_ylabel(label)
    for ax in axes[-1]:
        ax.set_xlabel(xlabel)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    hide_rest(axes, len(panels))
    lines = {line.get_label(): line for line in axes.flat[0].get_lines() if not line.get_label().startswith("_")}
    fig.legend(lines.values(), lines.keys(), loc="outside upper center", ncols=min(len(lines), 4))
    return fig


def _bundle(ax: Axes, part: pd.DataFrame, x: str, y: str, run: str, name: str, at: int) -> None:
    mine = str(name).startswith(YOURS)
    style = {"color": INK if mine else SERIES[at % len(SERIES)], "linewidth": 2.4 if mine else 1.1}
    for k, (_, line) in enumerate(part.groupby(run, sort=False)):
        mark = {
            "marker": SERIES_MARKERS[at % len(SERIES_MARKERS)],
            "markevery": max(1, len(line) // 5),
            "markersize": 3.5,
        }
        ax.plot(line[x], line[y], alpha=0.85, label=name if k == 0 else None, **style, **mark)


def plot_doses(
    table: pd.DataFrame,
    panels: Sequence[tuple[str, str, str]],
    *,
    dose: str,
    group: str,
    doselabel: str,
    grouplabel: str,
) -> Figure:
    """Responses to a dose on a logarithmic axis: a line through means per group, every seed as a point.

    `panels` are (value of `panel`, column, label); rows with `learned` False are grey crosses, and in no mean.
    """
    rows = -(-len(panels) // 2)
    fig, axes = plt.subplots(rows, 2, figsize=(WIDTH, 2.7 * rows + 0.4), squeeze=False, sharex=True)
    for ax, (panel, column, label) in zip(axes.flat, panels, strict=False):
        part = table[(table.panel == panel) & table[column].notna()]
        for i, (name, rows_of) in enumerate(part.groupby(group)):
            style = {"color": SERIES[i % len(SERIES)]}
            learnt, not_learnt = rows_of[rows_of.learned], rows_of[~rows_of.learned]
            shift = 1 + 0.05 * (i - 2)
            means = learnt.groupby(dose)[column].mean()
            ax.plot(means.index * shift, means, label=f"{name:g}", linewidth=1.3, **style)
            marker = SERIES_MARKERS[i % len(SERIES_MARKERS)]
            ax.plot(learnt[dose] * shift, learnt[column], marker, markersize=3.5, alpha=0.7, **style)
            ax.plot(not_learnt[dose] * shift, not_learnt[column], "x", markersize=4, color=MUTED, alpha=0.6)
        ax.set(xscale="log", ylabel=label, title=panel)
    for ax in axes[-1]:
        ax.set_xlabel(doselabel)
    hide_rest(axes, len(panels))
    handles, labels = axes.flat[0].get_legend_handles_labels()
    fig.legend(handles, labels, title=grouplabel, loc="outside upper center", ncols=len(labels))
    return fig


def plot_intervals(
    table: pd.DataFrame,
    *,
    value: str,
    label: str,
    row: str,
    group: str | None = None,
    beside: str | None = None,
    line: float | None = 0.0,
    ceiling: tuple[float, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """A row per line of the table: the value with its interval (columns low, high; missing ones are points only), and
    a hollow diamond for the column `beside`."""
    ax = ax or plt.subplots(figsize=(WIDTH, 0.9 + 0.24 * len(table)))[1]
    groups = list(dict.fromkeys(table[group])) if group else [None]
    for i, name in enumerate(groups):
        mine = (table[group] == name).to_numpy() if group else np.ones(len(table), bool)
        at, part = np.flatnonzero(mine), table[mine]
        style = {"color": SERIES[i % len(SERIES)], "markersize": 4.5}
        ax.plot(part[value], at, SERIES_MARKERS[i % len(SERIES_MARKERS)], label=name or value, **style)
        if {"low", "high"} <= set(table):
            ax.hlines(at, part.low, part.high, color=style["color"], linewidth=1.4)
    if beside:
        ax.plot(table[beside], range(len(table)), "D", color=CARD, markeredgecolor=SERIES[-1], label=beside)
    if line is not None:
        ax.axvline(line, color=INK, linewidth=0.9)
    if ceiling:
        ax.axvline(ceiling[0], color=MUTED, linestyle=(0, (4, 3)), linewidth=1.2, label=ceiling[1])
    ax.set_yticks(range(len(table)), table[row].astype(str))
    ax.set(xlabel=label, ylim=(len(table) - 0.4, -0.6))
    if group or ceiling or beside:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2 if ceiling else 3, borderaxespad=0.2)
    return ax


def plot_place(
    quantiles: Mapping[str, Sequence[float]], marks: pd.DataFrame, *, label: str, ax: Axes | None = None
) -> Axes:
    """Distributions of which only evenly spaced quantiles are known, and named values (name, value, percent) on one."""
    ax = ax or plt.subplots(figsize=(WIDTH, 4.0))[1]
    for i, (name, values) in enumerate(quantiles.items()):
        ax.plot(
            values,
            np.linspace(0, 100, len(values)),
            color=SERIES[i % len(SERIES)],
            label=name,
            linestyle=("-", (0, (4, 2)), (0, (1, 1.5)))[i % 3],
        )
    ax.plot(marks.value, marks.percent, "D", color=INK, markeredgecolor=CARD, markersize=5.5, label="published")
    ax.set(xlabel=label, ylabel="networks that are not better (%)", ylim=(-3, 103))
    ax.legend(loc="upper left")
    name_points(ax, zip(marks.value, marks.percent, marks.name, strict=True))
    return ax


def plot_selections(table: pd.DataFrame) -> Figure:
    """Per edge in the order of a selection: left, alpha's rank correlation with worth; right, best less worst.

    Columns: selection, step, rho, range (points).
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    for (name, part), colour, marker in zip(
        table.groupby("selection", sort=False), SERIES, SERIES_MARKERS, strict=False
    ):
        for ax, column in zip(axes, ("rho", "range"), strict=True):
            ax.plot(part.step, part[column], marker, color=colour, label=name, alpha=0.8, linestyle="none")
    axes[0].axhline(0, color=INK, linewidth=0.8)
    axes[0].set(xlabel="step of the selection", ylabel="alpha against worth, rank correlation")
    axes[1].set(xlabel="step of the selection", ylabel="best − worst operation (points)", yscale="log")
    axes[1].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[1].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes[1].yaxis.set_minor_formatter(NullFormatter())
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return fig
