"""Many measures of many methods in one grid, each column coloured by itself: their units have nothing in common."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from nasnb.plots.matrices import ink_on
from nasnb.plots.style import CARD, INK, MUTED, WIDTH

_COLOURS = "Blues"
_DARKEST = 0.85  # of the colour scale: numbers stay legible on every cell
_ROW = 0.42  # inches


def plot_measures(
    means: pd.DataFrame,
    spreads: pd.DataFrame,
    *,
    titles: Mapping[str, str] | None = None,
    undefined: str = "not\ndefined",
    ax: Axes | None = None,
) -> Axes:
    """A line per method, a column per measure: the mean with its standard deviation below, if there is one.

    Every column goes from its smallest number (pale) to its largest (dark). NaN is written as `undefined`.
    """
    if spreads.shape != means.shape:
        raise ValueError(f"means are {means.shape}, spreads {spreads.shape}: give one spread per mean")
    grid = means.to_numpy(dtype=float)
    ax = ax or plt.subplots(figsize=(WIDTH, 1.0 + _ROW * len(means)))[1]
    shades = _DARKEST * in_unit_range(grid)
    ax.pcolormesh(np.ma.masked_invalid(shades), cmap=_COLOURS, vmin=0, vmax=1, edgecolors=CARD, linewidth=1.0)
    for (row, column), value in np.ndenumerate(grid):
        known = np.isfinite(value)
        words = with_spread(value, spreads.iloc[row, column]) if known else undefined
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
