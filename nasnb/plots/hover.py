"""Values under the pointer: transparent boxes over the cells of a matrix, each with its row, column and number."""

from __future__ import annotations

import html
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure


def hover_boxes(figure: Figure) -> str:
    """HTML to lay over the figure's image, whatever its size on the page; empty if the figure holds no matrix.

    The layout must be settled. Pointers only: everything that they tell is drawn as well, or in the CSV of the figure.
    """
    return "".join(_box(figure, ax, cell) for ax in figure.axes if ax.get_visible() for cell in _cells(ax))


def _cells(ax: Axes) -> Iterator[tuple[int, int, str]]:
    """Row, column and words of every filled cell."""
    meshes = [artist for artist in ax.collections if isinstance(artist, QuadMesh)]
    if not meshes or hasattr(ax, "_colorbar"):  # a colour bar is a mesh, too
        return
    grid = np.ma.filled(np.ma.asarray(meshes[0].get_array(), dtype=float), np.nan)
    top = ax.get_shared_x_axes().get_siblings(ax)  # of shared axes only the outer ones carry words
    rows = max(([t.get_text() for t in other.get_yticklabels()] for other in (ax, *top)), key=_n_words)
    columns = max(([t.get_text() for t in other.get_xticklabels()] for other in (ax, *top)), key=_n_words)
    if grid.shape != (len(rows), len(columns)):
        return
    for (row, column), value in np.ndenumerate(grid):
        if np.isfinite(value):
            yield row, column, f"{rows[row]}, {columns[column]}: {value:.4g}"


def _n_words(labels: list[str]) -> int:
    return sum(bool(label) for label in labels)


def _box(figure: Figure, ax: Axes, cell: tuple[int, int, str]) -> str:
    row, column, words = cell
    width, height = figure.bbox.width, figure.bbox.height
    corners = ax.transData.transform([(column, row), (column + 1, row + 1)])
    (left, right), (low, high) = np.sort(corners[:, 0]) / width, np.sort(corners[:, 1]) / height
    place = f"left:{left:.2%};top:{1 - high:.2%};width:{right - left:.2%};height:{high - low:.2%}"
    return f'<span aria-hidden="true" title="{html.escape(words)}" style="position:absolute;{place}"></span>'
