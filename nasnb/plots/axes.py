"""Axes and the words on them: which of a grid are shown, names beside points, labels that fit."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox


def hide_rest(axes: np.ndarray, n: int) -> None:
    """Of a grid of axes keep the first `n`; those that come to stand lowest then carry the ticks of their column."""
    columns = axes.shape[1]
    for ax in axes.flat[n:]:
        ax.set_visible(False)
    for ax in axes.flat[max(0, n - columns) : n]:
        ax.tick_params(labelbottom=True)


def name_points(ax: Axes, points: Iterable[tuple[float, float, str]]) -> None:
    """Write names beside points, each inside the axes where it covers no point, line or earlier name, if it can.

    Axes must have their scale, labels and legend by then.
    """
    points = [(x, y, name) for x, y, name in points if np.isfinite([x, y]).all()]
    ax.figure.draw_without_rendering()  # only now is it known where the points are
    taken = [Bbox.from_bounds(*(ax.transData.transform((x, y)) - 3), 6, 6) for x, y, _ in points]
    corners = (xy for line in ax.get_lines() for xy in line.get_transform().transform(line.get_xydata()))
    taken += [Bbox.from_bounds(*(each - 1), 2, 2) for each in corners if np.isfinite(each).all()]
    for x, y, name in points:
        note = ax.annotate(name, (x, y), xytext=(0, 0), textcoords="offset points", fontsize=8)
        for up, (right, side) in itertools.product((3, -3, -11, 10, -19), ((5, "left"), (-5, "right"))):
            note.set(position=(right, up), ha=side)
            box = note.get_window_extent()
            if ax.bbox.x0 <= box.x0 and box.x1 <= ax.bbox.x1 and not box.count_overlaps(taken):
                break
        taken.append(box)


def fitting(labels: Sequence[str]) -> list[str]:
    """Labels of one axis in lines so short that they fit beside each other; no word is cut."""
    letters = max(6, 88 // len(labels))
    lines = ([wrap(line, letters, break_long_words=False) or [line] for line in each.split("\n")] for each in labels)
    return ["\n".join(part for line in each for part in line) for each in lines]
