"""Many measures of many methods in one grid, each column coloured by itself: their units have nothing in common."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasnb.plots.axes import name_points
from nasnb.plots.matrices import ink_on
from nasnb.plots.style import CARD, INK, MUTED, SERIES_MARKERS, WIDTH

_COLOURS = "Blues"
_DARKEST = 0.85  # of the colour scale: numbers stay legible on every cell
_ROW = 0.42  # inches


def plot_measures(
    means: pd.DataFrame,
    spreads: pd.DataFrame,
    *,
    titles: Mapping[str, str] | None = None,
    undefined: str = "not\ndefined",
    counts: pd.DataFrame | None = None,
    one_scale: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """A line per method, a column per measure: the mean with its standard deviation below, if there is one.

    Every column goes from its smallest number (pale) to its largest (dark), or with `one_scale` (one unit in all)
    the whole grid does. `counts`, if given, are written as n below. NaN is written as `undefined`.
    """
    if spreads.shape != means.shape:
        raise ValueError(f"means are {means.shape}, spreads {spreads.shape}: give one spread per mean")
    grid = means.to_numpy(dtype=float)
    ax = ax or plt.subplots(figsize=(WIDTH, 1.0 + _ROW * len(means)))[1]
    shades = _DARKEST * (in_unit_range(grid.reshape(-1, 1)).reshape(grid.shape) if one_scale else in_unit_range(grid))
    ax.pcolormesh(np.ma.masked_invalid(shades), cmap=_COLOURS, vmin=0, vmax=1, edgecolors=CARD, linewidth=1.0)
    for (row, column), value in np.ndenumerate(grid):
        known = np.isfinite(value)
        words = with_spread(value, spreads.iloc[row, column]) if known else undefined
        words += f"\nn = {counts.iloc[row, column]:.0f}" if known and counts is not None else ""
        colour = ink_on(plt.colormaps[_COLOURS](shades[row, column])) if known else MUTED
        size = {"fontsize": 7 if known else 6, "linespacing": 1.1}
        ax.text(column + 0.5, row + 0.5, words, ha="center", va="center", color=colour, **size)
    names = [(titles or {}).get(name, name) for name in means.columns]
    ax.set_xticks(np.arange(len(names)) + 0.5, names, rotation=40, ha="left", rotation_mode="anchor", color=INK)
    ax.xaxis.tick_top()
    ax.set_yticks(np.arange(len(means)) + 0.5, means.index)
    ax.set(xlim=(0, len(names)), ylim=(len(means), 0))
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return ax


def plot_shares(table: pd.DataFrame, *, label: str, ax: Axes | None = None) -> Axes:
    """Bars per line of the table, one for each of its columns, from 0 to 1; NaN and less than 0 are no bar."""
    ax = ax or plt.subplots(figsize=(WIDTH, 0.9 + 0.36 * len(table)))[1]
    height = 0.8 / len(table.columns)
    for i, column in enumerate(table):
        at = np.arange(len(table)) + height * (i - (len(table.columns) - 1) / 2)
        ax.barh(at, table[column].fillna(0).clip(lower=0), height=0.9 * height, label=column)
    ax.set(yticks=range(len(table)), yticklabels=table.index, xlim=(0, 1), xlabel=label)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def plot_prices(table: pd.DataFrame, *, label: str, ax: Axes | None = None) -> Axes:
    """`cost`, which `label` tells of, against `lead`: a marker per `rule`, each point named by its `method`."""
    ax = ax or plt.subplots(figsize=(WIDTH, 3.8))[1]
    ax.axhline(0, color=INK, linewidth=0.8)
    for i, (rule, part) in enumerate(table.groupby("rule", sort=False)):
        ax.plot(part.cost, part.lead, SERIES_MARKERS[i % len(SERIES_MARKERS)], label=rule)
    ax.set(xlabel=label, ylabel="points above a random cell")
    ax.margins(0.1)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    name_points(ax, zip(table.cost, table.lead, table.method, strict=True))
    return ax


def plot_factors(found: Mapping[str, pd.DataFrame]) -> Figure:
    """Per title the shares of `factors`: what was found and what unrelated columns would have, factor by factor."""
    fig, axes = plt.subplots(1, len(found), figsize=(WIDTH, 2.8), sharey=True, squeeze=False)
    for ax, (title, shares) in zip(axes[0], found.items(), strict=True):
        factors = range(1, len(shares) + 1)
        ax.plot(factors, 100 * shares.share, "o-", label="found")
        ax.plot(factors, 100 * shares.chance, "--", color=MUTED, label="unrelated columns, 95 %")
        ax.set(title=title, xlabel="factor")
    axes[0, 0].set_ylabel("% of the variance")
    axes[0, -1].legend()
    return fig


def in_unit_range(grid: np.ndarray) -> np.ndarray:
    """Each column from 0 (its smallest) to 1 (its largest); a half where all are the same; NaN stays."""
    low, high = (
        function(grid, axis=0, initial=start, where=np.isfinite(grid))
        for function, start in ((np.min, np.inf), (np.max, -np.inf))
    )
    reach = np.where(high > low, high - low, 1.0)
    return np.where(np.isfinite(grid), np.where(high > low, (grid - low) / reach, 0.5), np.nan)


def with_spread(mean: float, spread: float) -> str:
    """`0.123`, and below it `± 0.04` if there is a spread; three and two digits that count."""
    return _digits(mean, 3) + (f"\n± {_digits(spread, 2)}" if np.isfinite(spread) else "")


def _digits(value: float, n: int) -> str:
    """As many significant digits, without an exponent where six decimals are enough."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    decimals = n - 1 - int(np.floor(np.log10(abs(value))))
    text = f"{value:.{decimals}f}" if 0 < decimals <= 6 else f"{value:.0f}" if decimals <= 0 else f"{value:.1e}"
    return text.replace("-", "−")
