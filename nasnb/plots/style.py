"""One look for every figure: a light card that reads on light and dark pages, and one colour per operation.

A figure is shown as HTML that carries its own alt text, caption and numbers, so that a notebook, its executed copy
and the book all have them.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nasnb.config import nearest
from nasnb.plots.hover import hover_boxes

CARD, INK, MUTED, GRID = "#fafaf8", "#1c2127", "#59626d", "#dcdfe2"
SERIES = ("#0072B2", "#D55E00", "#00795B", "#A64D84", "#8A6D00", "#2E8FC9", "#1c2127")  # 4:1 or near it on the card
SERIES_MARKERS = "osD^vPX"
WIDTH = 7.0  # inches; a page column of 700 CSS pixels at 100 to the inch


class OpStyle(NamedTuple):
    label: str
    colour: str
    dash: Any
    marker: str


_SOLID, _DASHED, _DOTTED, _DASHDOT = "-", (0, (5, 2)), (0, (1, 1.4)), (0, (6, 2, 1, 2))

# Hue: the family, with one (orange to brown) for all without weights. Dash: dilated, pooling, bottleneck.
# Marker: kernel size.
_OPS = {
    "none": OpStyle("none", "#8F857C", _DOTTED, "x"),
    "noise": OpStyle("noise", "#4A3220", _DOTTED, "*"),
    "max_pool_3x3": OpStyle("max pool", "#7A2A00", _DASHED, "v"),
    "avg_pool_3x3": OpStyle("avg pool", "#DB8A14", _DASHED, "<"),
    "skip_connect": OpStyle("skip", "#C24A00", _SOLID, ">"),
    "sep_conv_3x3": OpStyle("sep 3×3", "#0072B2", _SOLID, "o"),
    "sep_conv_5x5": OpStyle("sep 5×5", "#4A9EDB", _SOLID, "s"),
    "sep_conv_7x7": OpStyle("sep 7×7", "#12355B", _SOLID, "^"),
    "dil_conv_3x3": OpStyle("dil 3×3", "#1A9E77", _DASHED, "o"),
    "dil_conv_5x5": OpStyle("dil 5×5", "#00573F", _DASHED, "s"),
    "conv_7x1_1x7": OpStyle("7×1, 1×7", "#8C9400", _SOLID, "D"),
    "flood_conv_3x3": OpStyle("flood 3×3", "#8A3FB5", _DASHDOT, "o"),
    "flood_conv_5x5": OpStyle("flood 5×5", "#B07BD6", _DASHDOT, "s"),
    "dil_flood_conv_3x3": OpStyle("dil flood 3×3", "#4A1A70", _DASHED, "o"),
    "choke_conv_3x3": OpStyle("choke 3×3", "#C7508F", _DASHDOT, "o"),
    "dil_choke_conv_3x3": OpStyle("dil choke 3×3", "#8A1F5C", _DASHED, "o"),
    "nor_conv_1x1": OpStyle("conv 1×1", "#6B7F99", _SOLID, "d"),
    "nor_conv_3x3": OpStyle("conv 3×3", "#1F2937", _SOLID, "o"),
}
OP_COLOURS = {name: style.colour for name, style in _OPS.items()}


def op_label(name: str) -> str:
    """The words that stand for an operation in every figure, as `sep 3×3`. Raises ValueError for unknown names."""
    return _op(name).label


def op_style(name: str, *, marker: bool = False) -> dict[str, Any]:
    """Colour and dash (and marker) of an operation, for `ax.plot(x, y, **op_style(name))`."""
    style = _op(name)
    return {"color": style.colour, "linestyle": style.dash} | ({"marker": style.marker} if marker else {})


def op_colours(names: Iterable[str]) -> list[str]:
    """Colours of several operations in order, for bars and points."""
    return [_op(name).colour for name in names]


def op_legend(target: Axes | Figure, names: Iterable[str], **options: Any) -> Legend:
    """A legend of operations; `options` are those of matplotlib's own `legend`."""
    handles = [Line2D([], [], label=op_label(name), **op_style(name)) for name in names]
    return target.legend(handles=handles, **options)


def _op(name: str) -> OpStyle:
    if name not in _OPS:
        raise ValueError(f"no style for op {name!r}{nearest(name, _OPS)}; known: {', '.join(_OPS)}")
    return _OPS[name]


def use_style() -> None:
    """Set matplotlib up for the book; once per notebook. Equal figures then give equal SVGs, byte by byte."""
    import seaborn as sns

    sns.set_theme(style="ticks", rc=_rc())
    plt.ioff()  # a notebook would show each new figure by itself, without its alt text; `show` does it


_SMALL_TYPE = ("xtick.labelsize", "ytick.labelsize", "legend.fontsize", "legend.title_fontsize", "figure.titlesize")


def _rc() -> dict[str, Any]:
    ink = ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.labelcolor", "ytick.labelcolor")
    lines = ("axes.edgecolor", "xtick.color", "ytick.color")
    return {
        **dict.fromkeys(ink, INK),
        **dict.fromkeys(lines, MUTED),
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor"), CARD),
        **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
        **dict.fromkeys(_SMALL_TYPE, 8.5),
        "figure.max_open_warning": 0,  # a slider has more frames than matplotlib expects, and closes them itself
        "font.family": ["DejaVu Sans"],
        "font.size": 9,
        "axes.labelsize": 9,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "axes.linewidth": 0.8,
        "axes.grid": True,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "axes.axisbelow": True,
        "axes.prop_cycle": cycler(color=SERIES),
        "lines.linewidth": 1.6,
        "lines.markersize": 5,
        "legend.frameon": False,
        "legend.handlelength": 2.6,
        "figure.figsize": (WIDTH, 3.6),
        "figure.dpi": 100,
        "figure.constrained_layout.use": True,
        "svg.fonttype": "path",  # glyphs as outlines: the reader's machine may not have the font
        "svg.hashsalt": "nasnb",
    }


# --- showing ----------------------------------------------------------------------------------------------------------

_LEGIBLE = 520  # CSS pixels: on narrower screens a figure is scrolled sideways instead of made smaller still
_FILE_NAME = re.compile(r"\S*|.*\.(svg|png|jpe?g|gif|pdf|webp)", re.IGNORECASE | re.DOTALL)
# The theme puts dark pages' HTML outputs on a grey plate and dims images; the card needs neither.
_STYLE = (
    "<style>.text_html:has(>figure.nasnb){background:none!important;padding:0!important}"
    ".nasnb-narrow{display:none}@media(max-width:576px){.nasnb-wide{display:none}.nasnb-narrow{display:block}}</style>"
)


def show(
    figure: Figure | Axes | str,
    alt: str,
    caption: str | None = None,
    data: pd.DataFrame | None = None,
    *,
    record: Mapping[str, Any] | None = None,
) -> None:
    """Display a figure, or the text of a kept SVG, with alt text, caption, links to the plotted numbers and a record.

    One axes of a figure stands for all of it.
    `alt` tells in a sentence or two what there is to see. The caption names n, data set and scale.
    Raises ValueError for an alt text that is empty or looks like a file name.
    """
    from IPython.display import display  # here, because plots are also drawn where there is no notebook

    figure = figure.figure if isinstance(figure, Axes) else figure
    display({"text/html": figure_html(figure, alt, caption, data, record=record), "text/plain": alt}, raw=True)


def svg(figure: Figure) -> str:
    """The figure as SVG text without a date, so that equal figures are equal texts."""
    _settle(figure)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _settle(figure: Figure) -> None:
    """Lay the figure out for good, with axes at rounded places: the solver's last digits follow memory addresses."""
    _count_epochs(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for ax in figure.axes:
        ax.set_position(np.round(ax.get_position().bounds, 6))


def _count_epochs(figure: Figure) -> None:
    """No ticks between two epochs, however few there are."""
    for ax in figure.axes:
        label, locator = ax.get_xlabel() or figure.get_supxlabel(), ax.xaxis.get_major_locator()
        if label.startswith("epoch") and isinstance(locator, MaxNLocator):  # of a linear axis, ticks not given
            locator.set_params(integer=True, min_n_ticks=1)


def figure_html(
    figure: Figure | str,
    alt: str,
    caption: str | None = None,
    data: pd.DataFrame | None = None,
    *,
    narrow: Figure | None = None,
    record: Mapping[str, Any] | None = None,
) -> str:
    """What `show` displays: a `<figure>` with everything inside it, so that it needs no file and no network.

    `narrow` is drawn instead on a phone, for figures with much text.
    """
    alt = checked_alt(alt)
    text, boxes = (svg(figure), hover_boxes(figure)) if isinstance(figure, Figure) else (figure, "")
    content = image_html(text, alt, boxes)
    if narrow is not None:
        small = image_html(svg(narrow), alt)
        content = f'<div class="nasnb-wide">{content}</div><div class="nasnb-narrow">{small}</div>'
    for drawn in (figure, narrow):
        if isinstance(drawn, Figure):
            plt.close(drawn)
    return framed(content, note_html(caption, data, alt, record))


def image_html(svg_text: str, alt: str, boxes: str = "") -> str:
    """The drawing in a box that scrolls where it would become too small to read; `boxes` lie over it."""
    width = _css_width(svg_text)
    size = f"min-width:{min(width, _LEGIBLE)}px;max-width:100%"
    look = "height:auto;display:block;margin:0 auto;padding:0;background:none"
    image = (
        f'<img class="dark-light" alt="{html.escape(alt)}" width="{width}" '
        f'style="{size};{look}" src="data:image/svg+xml;base64,{_base64(svg_text)}">'
    )
    if boxes:
        image = f'<div style="position:relative;width:{width}px;{size};margin:0 auto">{image}{boxes}</div>'
    return f'<div style="overflow-x:auto">{image}</div>'


def note_html(caption: str | None, data: pd.DataFrame | None, alt: str, record: Mapping[str, Any] | None = None) -> str:
    """Caption and links to the plotted numbers and to the record of a kept result; empty if there is nothing."""
    csv = "" if data is None else _download(alt, "Numbers", "csv", _as_csv(data))
    told = "" if record is None else _download(alt, "Record", "json", json.dumps(record, indent=1, default=str))
    note = " ".join(filter(None, [html.escape(caption or ""), csv, told]))
    # colours stand on every element: themes set their own for captions and links, made for another background
    look = f"color:{MUTED};text-align:left;font-size:.85em;font-weight:400;margin:.4rem 0 0"
    return f'<figcaption style="{look}">{note}</figcaption>' if note else ""


def framed(content: str, note: str) -> str:
    """The card that every figure stands on."""
    return (
        f'{_STYLE}<figure class="nasnb" style="margin:1rem 0;padding:.75rem;background:{CARD};color:{INK};'
        f'border:1px solid #d1d5da;border-radius:.4rem;max-width:100%;box-sizing:border-box">{content}{note}</figure>'
    )


def checked_alt(alt: str) -> str:
    """The alt text without outer blanks. Raises ValueError if it is empty, one word or the name of a file."""
    if not isinstance(alt, str) or _FILE_NAME.fullmatch(alt.strip()):
        raise ValueError(f"alt text {alt!r} does not describe the figure; say in a sentence what there is to see")
    return alt.strip()


def _css_width(svg_text: str) -> int:
    size = re.search(r'<svg[^>]*?\swidth="([\d.]+)(pt|px)?"', svg_text)
    if not size:
        raise ValueError(f"not an SVG with a width: {svg_text[:60]!r}; give a Figure or the text that svg(figure) made")
    return round(float(size[1]) * (100 / 72 if size[2] == "pt" else 1))


def _as_csv(data: pd.DataFrame) -> str:
    return data.to_csv(index=not isinstance(data.index, pd.RangeIndex), float_format="%.6g")


def _download(alt: str, words: str, kind: str, content: str) -> str:
    name = "-".join(re.findall(r"[a-z0-9]+", alt.lower())[:6])
    source = f'download="{name}.{kind}" href="data:text/{kind};charset=utf-8;base64,{_base64(content)}"'
    return f'<a style="color:#00557f;text-decoration:underline" {source}>{words} ({kind.upper()})</a>'


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
