"""The forest plot: a claim per row, its interval and every seed's point, in units of what would matter."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator

from nasnb.plots.style import CARD, GRID, INK, MUTED, WIDTH

NARROW = 3.3  # inches: the card of a figure on a phone
EDGE = 30.0  # margins: what lies beyond is drawn as an arrow at the edge
# Colour and marker per kind of evidence; hue and lightness differ, and each row says its kind in words, too.
EVIDENCE_STYLES = {
    "exact": ("#1c2127", "s"),
    "paper": ("#0B3C6F", "P"),
    "published": ("#A64D84", "D"),
    "full scale": ("#D55E00", "^"),
    "NAS-Bench-201": ("#00795B", "v"),
    "gpu": ("#0072B2", "X"),
    "overnight": ("#2E8FC9", "o"),
    "small": ("#7A5BA6", "h"),
    "this run": ("#8A6D00", "."),
}


class Mark(NamedTuple):
    """One estimate in units of the margin; limits may be nan (none) or infinite, points are seeds."""

    kind: str
    estimate: float
    low: float
    high: float
    points: tuple[float, ...] = ()


class ForestRow(NamedTuple):
    """A claim: its sentence, what is said of it, its marks (the strongest first), the published effect in margins.

    `word` stands where there is nothing to draw: the answer of an exact claim, or that nothing was measured.
    """

    label: str
    note: str
    marks: tuple[Mark, ...] = ()
    published: float = np.nan
    word: str = ""


def plot_forest(rows: Sequence[ForestRow], *, narrow: bool = False) -> Figure:
    """One row per claim on an axis that is linear up to the margin and logarithmic beyond. `narrow`: for a phone."""
    width, wrap = (NARROW, 44) if narrow else (WIDTH, 104)
    labels = [textwrap.wrap(row.label, wrap) for row in rows]
    heights = [
        0.14 * len(lines) + 0.16 * (1 + narrow) + 0.14 + 0.1 * max(1, len(row.marks))
        for lines, row in zip(labels, rows, strict=True)
    ]
    tops = np.concatenate([[0], np.cumsum(heights)])
    fig, ax = plt.subplots(figsize=(width, tops[-1] + 1.25 + 0.25 * narrow))
    edge = _draw_ground(ax, rows, tops[-1])
    for row, lines, top, height in zip(rows, labels, tops, heights, strict=False):
        _draw_row(ax, row, lines, top, height, edge=edge, narrow=narrow)
    _legend(fig, rows, narrow=narrow)
    return fig


def _draw_ground(ax: Axes, rows: Sequence[ForestRow], depth: float) -> float:
    """Band, zero line and axis; returns where the axis ends."""
    seen = [abs(x) for row in rows for x in (row.published, *_numbers(row)) if np.isfinite(x)]
    edge = min(EDGE, max([3.0, *(1.25 * x for x in seen)]))
    ax.axvspan(-1, 1, color=GRID, alpha=0.6, linewidth=0, zorder=0)
    ax.axvline(0, color=INK, linewidth=0.9, zorder=1)
    ax.set_xscale("symlog", linthresh=1, linscale=1)
    ax.set(xlim=(-edge, edge), ylim=(depth, -0.05), yticks=[])
    ticks = [t for t in (-10, -3, -1, 0, 1, 3, 10) if abs(t) < edge]
    ax.xaxis.set(major_locator=FixedLocator(ticks), minor_locator=NullLocator())
    ax.set_xticks(ticks, [f"{t:+d}" if t else "0" for t in ticks])
    ax.set_xlabel("← the opposite      as claimed →\neffect in margins\n(±1: the smallest that would matter)")
    ax.spines["left"].set_visible(False)
    return edge


def _numbers(row: ForestRow) -> list[float]:
    return [x for mark in row.marks for x in (mark.estimate, mark.low, mark.high, *mark.points)]


def _draw_row(
    ax: Axes, row: ForestRow, lines: list[str], top: float, height: float, *, edge: float, narrow: bool
) -> None:
    """The sentence, its answer (at the right, on a phone below) and under both what was measured."""
    across = ax.get_yaxis_transform()
    text = {"transform": across, "va": "top", "fontsize": 7.5 if narrow else 8, "zorder": 6}
    text["bbox"] = {"facecolor": CARD, "edgecolor": "none", "pad": 0.4, "alpha": 0.9}  # over band and zero line
    ax.text(0, top + 0.02, "\n".join(lines), color=INK, **text)
    under = top + 0.02 + 0.14 * len(lines)
    note = row.note if not narrow else "\n".join(textwrap.wrap(row.note, 50)[:2])
    ax.text(0, under, note, color=MUTED, **{**text, "fontsize": 7})
    y = under + 0.16 * (1 + narrow) + 0.07
    if row.word:
        ax.plot(0, y, "s", color=INK, markersize=4)
        ax.text(0.13, y, row.word, color=INK, va="center", fontsize=8, zorder=6)
    for i, mark in enumerate(row.marks):
        _draw_mark(ax, mark, y + 0.1 * i, edge, small=i > 0)
    if np.isfinite(row.published):
        ax.plot(
            np.clip(row.published, -edge, edge),
            y,
            "D",
            color=CARD,
            markeredgecolor=INK,
            markersize=5,
            zorder=5,
            clip_on=False,
        )
    ax.axhline(top + height, color=GRID, linewidth=0.6, zorder=0)


def _draw_mark(ax: Axes, mark: Mark, y: float, edge: float, *, small: bool) -> None:
    colour, marker = EVIDENCE_STYLES[mark.kind]
    ends = np.clip([mark.low, mark.high], -edge, edge)
    if np.isfinite(ends).all():
        ax.plot(ends, [y, y], color=colour, linewidth=1.2 if small else 2.2, solid_capstyle="butt", zorder=3)
    for end, beyond, arrow in ((-edge, mark.low < -edge, "<"), (edge, mark.high > edge, ">")):
        if beyond:
            ax.plot(end, y, arrow, color=colour, markersize=5, clip_on=False, zorder=4)
    seen = [point for point in mark.points if abs(point) <= edge]
    ax.plot(seen, np.full(len(seen), y), "|", color=colour, markersize=6, markeredgewidth=0.9, alpha=0.8, zorder=3)
    if np.isfinite(mark.estimate):
        at = np.clip(mark.estimate, -edge, edge)
        ax.plot(at, y, marker, color=colour, markersize=4 if small else 6.5, zorder=4)


def _legend(fig: Figure, rows: Sequence[ForestRow], *, narrow: bool) -> None:
    kinds = {mark.kind for row in rows for mark in row.marks}
    handles = [
        Line2D([], [], color=colour, marker=marker, label=kind)
        for kind, (colour, marker) in EVIDENCE_STYLES.items()
        if kind in kinds
    ]
    if any(mark.points for row in rows for mark in row.marks):
        handles.append(Line2D([], [], color=MUTED, marker="|", linestyle="none", label="one seed"))
    if any(np.isfinite(row.published) for row in rows):
        diamond = {"color": CARD, "marker": "D", "markeredgecolor": INK, "linestyle": "none"}
        handles.append(Line2D([], [], label="published effect", **diamond))
    handles.append(Patch(color=GRID, label="too small to matter"))
    fig.legend(handles=handles, loc="outside upper left", ncols=2 if narrow else 4)
