"""Several measures of several groups of runs over the epochs."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nasnb.plots.axes import hide_rest
from nasnb.plots.curves import plot_band
from nasnb.plots.style import SERIES, SERIES_MARKERS, WIDTH


def plot_bands(
    table: pd.DataFrame,
    panels: Mapping[str, str],
    *,
    by: str,
    columns: int = 2,
    height: float = 2.6,
    log: tuple[str, ...] = (),
    xlabel: str = "epoch",
) -> Figure:
    """One panel per column of `panels`, {column: axis label}; one line per value of `by`, with one sd as a band.

    Rows with the same `epoch` and value of `by` are runs of one group; `xlabel` says what `epoch` counts, `log` names
    the columns on a logarithmic axis.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(WIDTH, height * rows + 0.3), squeeze=False)
    for ax, (column, label) in zip(axes.flat, panels.items(), strict=False):
        for i, (name, part) in enumerate(table.groupby(by, sort=False)):
            style = {"color": SERIES[i % len(SERIES)], "marker": SERIES_MARKERS[i % len(SERIES_MARKERS)]}
            plot_band(part, column, ax=ax, label=str(name), markersize=4, **style)
        ax.set(xlabel=xlabel, ylabel=label, yscale="log" if column in log else "linear")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    hide_rest(axes, len(panels))
    handles, labels = axes.flat[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels)))
    return fig
