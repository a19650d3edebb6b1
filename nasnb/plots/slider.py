"""Several figures in one place, with a slider between them: plain HTML that carries everything it needs."""

from __future__ import annotations

import html
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nasnb.architecture import Edge, Genotype
from nasnb.plots.cells import draw_cell
from nasnb.plots.matrices import plot_alpha_heatmap
from nasnb.plots.style import INK, WIDTH, checked_alt, framed, image_html, note_html, svg

# The handler stands in the element, so it works wherever the HTML is put, offline, and without any library.
_MOVE = (
    "const f=this.closest('figure');"
    "f.querySelectorAll('[data-frame]').forEach((e,i)=>{e.hidden=i!=this.value});"
    "const t=this.dataset.labels.split('|')[this.value];"
    "f.querySelector('output').textContent=t;this.setAttribute('aria-valuetext',t)"
)


def slider(
    frames: Sequence[Figure],
    labels: Sequence[str],
    *,
    alt: str,
    caption: str | None = None,
    data: pd.DataFrame | None = None,
) -> None:
    """Display one frame at a time, and a slider that says which by its label; the last one shows first.

    Without JavaScript the last frame stays. Raises ValueError unless there is one label per frame, and for an alt text
    that says nothing.
    """
    from IPython.display import display

    display({"text/html": slider_html(frames, labels, alt, caption, data), "text/plain": alt}, raw=True)
    for figure in frames:
        plt.close(figure)


def slider_html(
    frames: Sequence[Figure],
    labels: Sequence[str],
    alt: str,
    caption: str | None = None,
    data: pd.DataFrame | None = None,
) -> str:
    """What `slider` displays."""
    if len(frames) != len(labels) or not frames:
        raise ValueError(f"{len(frames)} frames and {len(labels)} labels; give one label per frame")
    alt, last = checked_alt(alt), len(frames) - 1
    shown = [image_html(svg(figure), f"{alt} Here: {label}.") for figure, label in zip(frames, labels, strict=True)]
    stack = "".join(f"<div data-frame{'' if i == last else ' hidden'}>{part}</div>" for i, part in enumerate(shown))
    control = (
        f'<label style="display:flex;gap:.6rem;align-items:center;color:{INK};font-size:.9em">'
        f'<input type="range" min="0" max="{last}" value="{last}" step="1" style="flex:1" aria-label="which frame" '
        f'aria-valuetext="{html.escape(labels[-1])}" data-labels="{html.escape("|".join(labels))}" '
        f'oninput="{html.escape(_MOVE)}"><output style="min-width:6em">{html.escape(labels[-1])}</output></label>'
    )
    return framed(control + stack, note_html(caption, data, alt))


def draw_weights_and_cell(
    weights: np.ndarray, edges: Sequence[Edge], genotype: Genotype, group: str, *, highest: float
) -> Figure:
    """The mixing weights of one epoch (edges, ops), up to `highest` on the colour scale, and the cell they give."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 7.4), height_ratios=(1.15, 1))
    plot_alpha_heatmap(weights, edges, ax=above, highest=highest)
    kind = group if group == "cell" else f"{group} cell"  # NAS-Bench-201 has one kind
    draw_cell(genotype, group, ax=below, title=f"the {kind} that these weights give")
    return figure
