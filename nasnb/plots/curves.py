"""Lines over epochs, and points with their spread. Every function takes a table or arrays and returns its figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from nasnb.architecture import Edge, Pick
from nasnb.plots.axes import fitting, hide_rest
from nasnb.plots.style import CARD, INK, MUTED, SERIES, SERIES_MARKERS, WIDTH, op_legend, op_style

PARTS = {"train": "training images", "valid": "held-out images"}


def plot_metrics(history: pd.DataFrame) -> Figure:
    """Loss and accuracy over the epochs, training and held out; with a column `seed`, mean and one sd as a band.

    Columns: epoch, train_loss, valid_loss, train_accuracy, valid_accuracy (percent), perhaps seed.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
    n = history.seed.nunique() if "seed" in history else 1
    for ax, metric, label in zip(axes, ("loss", "accuracy"), ("cross entropy (nats)", "accuracy (%)"), strict=True):
        for i, (part, name) in enumerate(PARTS.items()):
            if history[f"{part}_{metric}"].notna().any():
                plot_band(history, f"{part}_{metric}", ax=ax, label=name, color=SERIES[i], marker=SERIES_MARKERS[i])
        ax.set(xlabel="epoch", ylabel=label)
    axes[0].legend(title=_n_seeds(n))
    return fig


def plot_band(table: pd.DataFrame, column: str, *, ax: Axes, label: str, **style) -> None:
    """Mean of a column over rows with the same epoch, and a band of one standard deviation where there are several."""
    grouped = table.groupby("epoch")[column]
    mean, sd = grouped.mean(), grouped.std(ddof=1)
    ax.plot(mean.index, mean, label=label, markevery=max(1, len(mean) // 8), **style)
    if sd.notna().any():
        ax.fill_between(mean.index, mean - sd, mean + sd, color=style.get("color"), alpha=0.18, linewidth=0)


def plot_alpha(weights: np.ndarray, edges: Sequence[Edge], *, chosen: Iterable[Pick] = ()) -> Figure:
    """Mixing weights (epochs, edges, ops) over the epochs, one panel per edge; chosen operations are drawn thick."""
    picked = {(pick.source, pick.target, pick.op) for pick in chosen}
    columns = 4 if len(edges) > 6 else 3
    rows = -(-len(edges) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(WIDTH, 1.55 * rows + 0.7), sharex=True, sharey=True, squeeze=False)
    epochs = np.arange(1, len(weights) + 1)
    for row, (ax, edge) in enumerate(zip(axes.flat, edges, strict=False)):
        for column, op in enumerate(edge.ops):
            width = 2.6 if (edge.source, edge.target, op) in picked else 1.0
            ax.plot(epochs, weights[:, row, column], **{**op_style(op), "linewidth": width})
        ax.set_title(f"{edge.source} → {edge.target}", fontsize=8)
    hide_rest(axes, len(edges))
    fig.supxlabel("epoch", fontsize=9)
    fig.supylabel("mixing weight", fontsize=9)
    ops = list(dict.fromkeys(op for edge in edges for op in edge.ops))
    op_legend(fig, ops, loc="outside upper center", ncols=min(len(ops), 4))
    return fig


def alpha_table(weights: np.ndarray, edges: Sequence[Edge]) -> pd.DataFrame:
    """The numbers of `plot_alpha`: one line per epoch, edge and operation."""
    return pd.DataFrame(
        [
            (epoch + 1, edge.source, edge.target, op, weights[epoch, row, column])
            for epoch in range(len(weights))
            for row, edge in enumerate(edges)
            for column, op in enumerate(edge.ops)
        ],
        columns=["epoch", "source", "target", "op", "weight"],
    )


def plot_skip_dominance(table: pd.DataFrame) -> Figure:
    """Three panels over one axis: share of skip among chosen operations, gap to the best convolution, accuracy.

    Columns: epoch, skip_share (0 to 1), skip_gap, valid_accuracy (percent), perhaps seed: one line each.
    """
    fig, axes = plt.subplots(3, 1, figsize=(WIDTH, 5.2), sharex=True)
    panels = {
        "skip_share": ("skip share of\nchosen ops (%)", 100),
        "skip_gap": ("weight of skip −\nbest convolution", 1),
        "valid_accuracy": ("held-out\naccuracy (%)", 1),
    }
    seeds = table.groupby("seed") if "seed" in table else [(None, table)]
    for i, (seed, rows) in enumerate(seeds):
        for ax, (column, (label, factor)) in zip(axes, panels.items(), strict=True):
            line = {"color": SERIES[i % len(SERIES)], "marker": SERIES_MARKERS[i % len(SERIES_MARKERS)]}
            name = None if seed is None else f"seed {seed}"
            ax.plot(rows.epoch, factor * rows[column], label=name, markersize=3.5, **line)
            ax.set_ylabel(label)
    axes[0].set_ylim(-4, 104)
    axes[1].axhline(0, color=MUTED, linewidth=0.9)
    axes[-1].set_xlabel("epoch")
    if "seed" in table:
        axes[0].legend(ncols=5, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return fig


def mean_and_bars(values: np.ndarray, *, log: bool) -> tuple[float, np.ndarray]:
    """Mean, and one standard deviation (below, above) as columns; with `log` those of the logarithms."""
    if not log or (values <= 0).any():
        return values.mean(), np.full((2, 1), values.std(ddof=1))
    logs = np.log10(values)
    low, middle, high = 10 ** (logs.mean() + logs.std(ddof=1) * np.array([-1.0, 0.0, 1.0]))
    return middle, np.array([[middle - low], [high - middle]])


def plot_points_with_spread(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    label: str,
    order: Sequence[str] | None = None,
    published: Mapping[str, float] | None = None,
    log: bool = False,
    ax: Axes | None = None,
) -> Figure:
    """Every value of `y` as a point, by category `x`, with mean ± one sd beside it; published values as diamonds.

    On a logarithmic axis, where mean less sd may not exist, both are those of the logarithms.
    """
    fig, ax = (ax.figure, ax) if ax is not None else plt.subplots(figsize=(WIDTH, 3.2))
    names = list(order or dict.fromkeys(table[x]))
    for at, name in enumerate(names):
        values = table.loc[table[x] == name, y].dropna().to_numpy(dtype=float)
        spread = np.linspace(-0.08, 0.08, len(values)) if len(values) > 1 else np.zeros(len(values))
        ax.plot(at - 0.12 + spread, values, "o", color=SERIES[0], alpha=0.75, markersize=5)
        if len(values) > 1:
            middle, bars = mean_and_bars(values, log=log)
            ax.errorbar(at + 0.14, middle, bars, fmt="s", color=INK, capsize=4, markersize=5)
        if published and name in published:
            ax.plot(at + 0.3, published[name], "D", color=SERIES[1], markersize=6)
    counts = [int(table.loc[table[x] == name, y].notna().sum()) for name in names]
    places = fitting([f"{name}\nn = {n}" for name, n in zip(names, counts, strict=True)])
    ax.set_xticks(range(len(names)), places)
    ax.set(ylabel=label, xlim=(-0.5, len(names) - 0.5))
    ax.grid(axis="x", visible=False)
    if log:
        ax.set_yscale("log")
    if published:
        ax.plot([], [], "D", color=SERIES[1], markersize=6, label="published")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return fig


def plot_panels_of_points(table: pd.DataFrame, panels: Mapping[str, Mapping[str, str]], *, columns: int = 2) -> Figure:
    """`plot_points_with_spread` of columns of `table`, a row per seed: {title: {what is told: column}}."""
    rows = -(-len(panels) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(WIDTH, 2.4 * rows), squeeze=False)
    for ax, (title, told) in zip(axes.flat, panels.items(), strict=False):
        long = table[list(told.values())].set_axis(list(told), axis=1).melt(var_name="of")
        plot_points_with_spread(long, x="of", y="value", label="", ax=ax)
        ax.set_title(title)
    hide_rest(axes, len(panels))
    return fig


def plot_schedule(curves: Mapping[str, Sequence[float]], *, label: str = "learning rate") -> Figure:
    """Named series over the epochs, on a linear and on a logarithmic axis."""
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0), sharex=True)
    for ax, scale in zip(axes, ("linear", "log"), strict=True):
        for i, (name, values) in enumerate(curves.items()):
            every = max(1, len(values) // 6)
            ax.plot(
                range(len(values)),
                values,
                label=name,
                color=SERIES[i % len(SERIES)],
                marker=SERIES_MARKERS[i % len(SERIES_MARKERS)],
                markevery=every,
            )
        ax.set(xlabel="epoch", ylabel=label, yscale=scale)
    axes[0].legend()
    return fig


def plot_landscape(
    table: pd.DataFrame, *, x: str, y: str, origin: str, order: Sequence[str], background: str, xlabel: str, ylabel: str
) -> Axes:
    """Points by origin, coloured by place in `order`, e.g. error against cost; those of `background` grey, behind."""
    _, ax = plt.subplots(figsize=(WIDTH, 4.2))
    behind = table[table[origin] == background]
    ax.plot(behind[x], behind[y], "o", color=MUTED, markersize=3, alpha=0.7, label=background)
    for i, name in enumerate(order):
        rows = table[table[origin] == name]
        look = {"marker": SERIES_MARKERS[i % len(SERIES_MARKERS)], "color": SERIES[i % len(SERIES)]}
        if len(rows):
            ax.plot(rows[x], rows[y], linestyle="", markeredgecolor=CARD, markersize=7, label=name, **look)
    wide = table[y].max() > 4 * table[y].min()
    ax.set(xlabel=xlabel, ylabel=ylabel, xscale="log", yscale="log" if wide else "linear")
    if wide:
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5)))
        ax.yaxis.set_minor_formatter(NullFormatter())
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.legend(ncols=4, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return ax


def plot_small_multiples(
    table: pd.DataFrame, *, by: str, draw: Callable[[pd.DataFrame, Axes], None], columns: int = 3, height: float = 2.2
) -> Figure:
    """One panel per value of `by`, drawn by `draw(rows, ax)`, with shared axes."""
    groups = list(table.groupby(by, sort=False))
    rows = -(-len(groups) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(WIDTH, height * rows), sharex=True, sharey=True, squeeze=False)
    for ax, (value, part) in zip(axes.flat, groups, strict=False):
        draw(part, ax)
        ax.set_title(str(value))
    hide_rest(axes, len(groups))
    return fig


def _n_seeds(n: int) -> str | None:
    return f"mean ± sd, n = {n} seeds" if n > 1 else None
