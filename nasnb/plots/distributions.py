"""How values spread: rows of densities, scattered points, bars with their spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasnb.plots.axes import fitting, name_points
from nasnb.plots.style import CARD, INK, MUTED, OP_COLOURS, SERIES, SERIES_MARKERS, WIDTH, op_label

_FEWEST = 8  # with fewer values a density would invent a shape: they stay points


def plot_ridges(values_by_group: Mapping[str, Sequence[float]], *, label: str, log: bool = False) -> Figure:
    """One row per group: its density, cut at its extremes, each value as a dash (below 200) and the median as a dot.

    Groups named like operations get their colours and words. Values that are not finite are left out of n.
    Raises ValueError for values up to 0 on a logarithmic axis.
    """
    fig, ax = plt.subplots(figsize=(WIDTH, 0.8 + 0.5 * len(values_by_group)))
    counts = draw_ridges(ax, values_by_group, log=log)
    names = [f"{_words(group)}\nn = {n}" for group, n in counts.items()]
    ax.set_yticks(range(len(names)), names, multialignment="right")
    ax.set_xlabel(label)
    return fig


def draw_ridges(ax: Axes, values_by_group: Mapping[str, Sequence[float]], *, log: bool = False) -> dict[str, int]:
    """The rows of `plot_ridges` on axes of your own, without names; how many finite values each group has."""
    counts = {}
    for row, (group, values) in enumerate(values_by_group.items()):
        values = _finite(values, group, positive=log)
        _ridge(ax, values, row, _colour(group, row), log)
        counts[group] = len(values)
    ax.set(ylim=(len(counts) - 0.55, -0.95), xscale="log" if log else "linear")
    ax.tick_params(axis="y", length=0)
    return counts


def plot_scatter_with_correlation(
    x: Sequence[float],
    y: Sequence[float],
    *,
    groups: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    text: str | None = None,
    line: tuple[float, float] | None = None,
    xlabel: str,
    ylabel: str,
    ax: Axes | None = None,
) -> Axes:
    """Points by group, perhaps named one by one; `text` states the correlation, `line` is (slope, intercept)."""
    points = pd.DataFrame({"x": x, "y": y, "group": "" if groups is None else groups})
    ax = ax or plt.subplots(figsize=(WIDTH, 4.2))[1]
    if line is not None:
        middle = points.x.mean()  # a point far from the others would widen the axes
        style = {"color": MUTED, "linewidth": 1.2, "linestyle": (0, (4, 3)), "zorder": 1}
        ax.axline((middle, line[0] * middle + line[1]), slope=line[0], **style)
    for i, (group, rows) in enumerate(points.groupby("group", sort=False)):
        style = {"color": _colour(group, i), "marker": SERIES_MARKERS[i % len(SERIES_MARKERS)], "linestyle": "none"}
        ax.plot(rows.x, rows.y, label=_words(group), alpha=0.85, **style)
    if text is not None:
        ax.set_title(text)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if groups is not None:
        ax.legend()
    if labels is not None:
        name_points(ax, zip(points.x, points.y, map(str, labels), strict=True))
    return ax


def plot_paired_bars(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    hue: str,
    error: str | None = None,
    label: str,
    published: Mapping[tuple[str, str], float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Bars of `y` in groups `x`, one colour per `hue`, whiskers of length `error`; published values as diamonds.

    Every pair (x, hue) has at most one row, whose value is written over the bar. Keys of `published`: (x, hue), both
    in the table.
    Raises ValueError if a pair has several rows.
    """
    twice = table.duplicated([x, hue])
    if twice.any():
        row = table[twice].iloc[0]
        raise ValueError(
            f"several rows for {x} {row[x]!r}, {hue} {row[hue]!r}; give their mean, and their spread as error"
        )
    ax = ax or plt.subplots(figsize=(WIDTH, 3.4))[1]
    places, hues = list(dict.fromkeys(table[x])), list(dict.fromkeys(table[hue]))
    width = 0.8 / len(hues)
    for i, name in enumerate(hues):
        rows = table[table[hue] == name]
        at = np.array([places.index(place) for place in rows[x]]) + (i - (len(hues) - 1) / 2) * width
        spread = rows[error].fillna(0).to_numpy() if error else np.zeros(len(rows))
        marks = np.array([(published or {}).get((place, name), np.nan) for place in rows[x]])
        style = {"color": SERIES[i % len(SERIES)], "width": 0.92 * width, "label": str(name)}
        _bars(ax, at, rows[y].to_numpy(), spread, marks, **style)
    diamonds = [
        (places.index(place) + (hues.index(name) - (len(hues) - 1) / 2) * width, value)
        for (place, name), value in (published or {}).items()
    ]
    if diamonds:
        ax.plot(*zip(*diamonds, strict=True), "D", color=CARD, markeredgecolor=INK, label="published", zorder=5)
    ax.set_xticks(range(len(places)), fitting([_words(str(place)) for place in places]))
    ax.set_ylabel(label)
    ax.grid(axis="x", visible=False)
    ax.margins(y=0.15)
    ax.legend(ncols=4, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return ax


# --- parts ------------------------------------------------------------------------------------------------------------


def _finite(values: Sequence[float], group: str, *, positive: bool) -> np.ndarray:
    values = np.asarray(values, dtype=float).ravel()
    values = values[np.isfinite(values)]
    if positive and (values <= 0).any():
        raise ValueError(f"{group!r} holds {values.min():g}, which a logarithmic axis cannot show; leave log=False")
    return values


def _ridge(ax: Axes, values: np.ndarray, row: int, colour: str, log: bool) -> None:
    if len(values) == 0:
        return
    places = np.log10(values) if log else values
    if len(values) >= _FEWEST and np.ptp(places) > 0:
        grid = np.linspace(places.min(), places.max(), 160)
        height = _density(places, grid)
        at = 10**grid if log else grid
        ax.fill_between(at, row - 0.85 * height, row, facecolor=colour, alpha=0.35, linewidth=0, zorder=2)
        ax.plot(at, row - 0.85 * height, color=colour, linewidth=1.2, zorder=2)
    few = len(values) < 200  # more dashes would be one bar
    if few:
        ax.plot(
            values, np.full(len(values), row + 0.07), "|", color=colour, markersize=6, markeredgewidth=0.8, zorder=3
        )
    ax.plot(np.median(values), row, "o", color=INK, markersize=4.5, zorder=4)


def _density(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """A Gaussian kernel density with Scott's bandwidth, its peak at 1: heights of rows are not comparable."""
    bandwidth = values.std(ddof=1) * len(values) ** -0.2
    height = np.exp(-0.5 * ((grid[:, None] - values) / bandwidth) ** 2).sum(axis=1)
    return height / height.max()


def _bars(ax: Axes, at: np.ndarray, values: np.ndarray, spread: np.ndarray, marks: np.ndarray, **style: Any) -> None:
    """Values stand over the whisker and over the diamond at `marks` (NaN: none)."""
    ax.bar(at, values, **style)
    seen = spread > 0  # one run has no spread, and a whisker of length 0 would claim one
    ax.errorbar(at[seen], values[seen], spread[seen], fmt="none", ecolor=INK, capsize=4, linewidth=1.2, zorder=4)
    for where, value, top, mark in zip(at, values, np.fmax(values + spread, marks), marks, strict=True):
        note = {"textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": 8}
        ax.annotate(f"{value:#.3g}".rstrip("."), (where, top), xytext=(0, 7 if top == mark else 4), **note)


def _colour(group: str, at: int) -> str:
    return OP_COLOURS.get(group, SERIES[at % len(SERIES)])


def _words(group: str) -> str:
    return op_label(group) if group in OP_COLOURS else str(group)
