"""Figures of partial channels and edge weights, and of boxes on images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from nasnb.plots.style import CARD, MUTED, SERIES, SERIES_MARKERS, WIDTH


def plot_edge_weights(table: pd.DataFrame) -> Figure:
    """Softmaxed beta over the epochs, a panel per node and a line per edge; columns: epoch, node, source, weight."""
    nodes = list(table.groupby("node"))
    columns = min(len(nodes), 4)
    rows = -(-len(nodes) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(WIDTH, 2.4 * rows + 0.3), sharex=True, squeeze=False)
    for ax, (node, lines) in zip(axes.flat, nodes, strict=False):
        for source, line in lines.groupby("source"):
            ax.plot(
                line.epoch,
                line.weight,
                color=SERIES[source % len(SERIES)],
                marker=SERIES_MARKERS[source % len(SERIES_MARKERS)],
                markersize=3.5,
            )
        ax.axhline(1 / lines.source.nunique(), color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
        ax.set_title(f"into state {node}")
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.yaxis.set_major_locator(MaxNLocator(4))
    for ax in axes.flat[len(nodes) :]:
        ax.set_visible(False)
    for source in sorted(table.source.unique()):
        axes[0, 0].plot(
            [],
            [],
            color=SERIES[source % len(SERIES)],
            marker=SERIES_MARKERS[source % len(SERIES_MARKERS)],
            label=f"from {source}",
        )
    fig.legend(loc="outside upper center", ncols=6)
    fig.supxlabel("epoch", fontsize=9)
    fig.supylabel("share of the edge", fontsize=9)
    return fig


def plot_lines(table: pd.DataFrame, *, x: str, y: str, hue: str, xlabel: str, ylabel: str) -> Figure:
    """Mean of `y` over rows with the same `x` and `hue`, one line per `hue`, with a band of one sd where several."""
    fig, ax = plt.subplots(figsize=(WIDTH, 3.2))
    for i, (name, rows) in enumerate(table.groupby(hue, sort=False)):
        grouped = rows.groupby(x)[y]
        mean, sd = grouped.mean(), grouped.std(ddof=1)
        style = {"color": SERIES[i % len(SERIES)]}
        ax.plot(mean.index, mean, marker=SERIES_MARKERS[i % len(SERIES_MARKERS)], label=str(name), **style)
        if sd.notna().any():
            ax.fill_between(mean.index, mean - sd, mean + sd, alpha=0.18, linewidth=0, **style)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(ncols=4, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return fig


def draw_boxes(
    images: Sequence[np.ndarray],
    truth: Sequence[Mapping],
    found: Sequence[Mapping] | None = None,
    *,
    names: Sequence[str],
    score: float = 0.3,
    columns: int = 4,
) -> Figure:
    """Images (channels, height, width) with their true boxes, and those found with at least `score`, by name.

    A mapping has boxes (n, 4) as left, top, right, bottom; labels (n,) from 1; what is found has scores (n,) too.
    """
    rows = -(-len(images) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(WIDTH, 1.85 * rows + 0.4), squeeze=False)
    for at, ax in enumerate(axes.flat):
        ax.set_axis_off()
        if at >= len(images):
            continue
        image = np.moveaxis(np.asarray(images[at]), 0, -1)
        ax.imshow(image if image.shape[-1] == 3 else image[..., 0], cmap="gray", vmin=0, vmax=255)
        _boxes(ax, truth[at]["boxes"], SERIES[5], dash=(0, (3, 2)))
        if found is not None:
            seen = np.asarray(found[at]["scores"]) >= score
            boxes, labels = np.asarray(found[at]["boxes"])[seen], np.asarray(found[at]["labels"])[seen]
            _boxes(ax, boxes, SERIES[1], words=[names[label - 1] for label in labels])
    handles = [Patch(fill=False, edgecolor=SERIES[5], linestyle="--", label="true box")]
    handles += [Patch(fill=False, edgecolor=SERIES[1], label=f"found, score ≥ {score:g}")] if found is not None else []
    fig.legend(handles=handles, loc="outside upper center", ncols=2)
    return fig


def _boxes(ax, boxes, colour: str, *, words: Sequence[str] = (), dash="-") -> None:
    for at, (left, top, right, bottom) in enumerate(np.asarray(boxes)):
        corner = (left - 0.5, top - 0.5)
        ax.add_patch(Rectangle(corner, right - left, bottom - top, fill=False, edgecolor=colour, linestyle=dash))
        if words:
            plate = {"facecolor": colour, "edgecolor": "none", "pad": 0.8}
            ax.text(*corner, words[at], fontsize=8, color=CARD, bbox=plate, va="bottom", clip_on=True)
