"""A scatter whose two columns the reader picks: plain HTML and SVG with its handlers in the elements.

It works offline, and without JavaScript the first two columns stay.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping

import numpy as np
import pandas as pd

from nasnb.plots.style import CARD, GRID, INK, MUTED, SERIES, framed, note_html

LEFT, RIGHT, TOP, BOTTOM, WIDE, HIGH = 70, 612, 12, 300, 640, 350
_SHAPES = (  # of a group of points, around 0 0
    "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0",
    "M-4.5,-4.5h9v9h-9z",
    "M0,-6L6,0L0,6L-6,0z",
    "M0,-6L5.5,4.5H-5.5z",
)
_TICKS = (0, 0.25, 0.5, 0.75, 1)
# the same places as `_drawn` gives them: each axis from its smallest to its largest value among points that have both
_DRAW = (
    "const f=this.closest('figure'),d=JSON.parse(f.querySelector('[data-columns]').dataset.columns),"
    "p=n=>f.querySelector(`select[data-is=${n}]`).value,x=d.values[p('x')],y=d.values[p('y')],"
    "has=x.map((v,i)=>v!==null&&y[i]!==null),"
    "ends=v=>{const k=v.filter((_,i)=>has[i]);const a=Math.min(...k),b=Math.max(...k);return b>a?[a,b]:[a-1,a+1]},"
    f"ex=ends(x),ey=ends(y),X=v=>{LEFT}+({RIGHT - LEFT})*(v-ex[0])/(ex[1]-ex[0]),"
    f"Y=v=>{BOTTOM}-({BOTTOM - TOP})*(v-ey[0])/(ey[1]-ey[0]),w=v=>String(Number(v.toPrecision(3)));"
    "f.querySelectorAll('[data-point]').forEach(e=>{const i=Number(e.dataset.point);"
    "e.style.display=has[i]?'':'none';if(has[i]){e.setAttribute('transform',`translate(${X(x[i])},${Y(y[i])})`);"
    "e.querySelector('title').textContent=`${d.names[i]}: ${w(x[i])}, ${w(y[i])}`}});"
    "f.querySelectorAll('[data-tick]').forEach(e=>{const [axis,t]=e.dataset.tick.split(' '),"
    "q=axis=='x'?ex:ey;e.textContent=w(q[0]+Number(t)*(q[1]-q[0]))});"
    "f.querySelector('[data-label=x]').textContent=d.titles[p('x')];"
    "f.querySelector('[data-label=y]').textContent=d.titles[p('y')];"
    "f.querySelector('[data-said]').textContent=d.said[p('x')+' '+p('y')]||''"
)


def pick_scatter(table: pd.DataFrame, titles: Mapping[str, str], **words) -> None:
    """Display `pick_html`."""
    from IPython.display import display

    display({"text/html": pick_html(table, titles, **words), "text/plain": words["alt"]}, raw=True)


def pick_html(
    table: pd.DataFrame,
    titles: Mapping[str, str],
    *,
    first: tuple[str, str],
    alt: str,
    said: Mapping[tuple[str, str], str] | None = None,
    caption: str | None = None,
    group: str = "method",
    names: str = "seed",
) -> str:
    """Columns of a table, `titles` with their words; a point per line, a colour and shape per `group`.

    A point is told by its group and what stands in `names`; `said` has a sentence for a pair of columns, in either
    order. What is no number has no point. Raises ValueError where one of `first` has no title.
    """
    unknown = [column for column in first if column not in titles]
    if unknown:
        raise ValueError(f"no column {unknown[0]!r} to begin with: there are {', '.join(titles)}")
    numbers = {c: pd.to_numeric(table[c], errors="coerce").astype(float).to_numpy() for c in titles}
    both = {f"{a} {b}": text for (x, y), text in (said or {}).items() for a, b in ((x, y), (y, x))}
    groups = list(dict.fromkeys(table[group]))
    data = {
        "values": {c: [round(v, 6) if np.isfinite(v) else None for v in values] for c, values in numbers.items()},
        "titles": dict(titles),
        "names": [f"{row[group]}, {row[names]}" for _, row in table.iterrows()],
        "said": both,
    }
    style = f"display:flex;flex-wrap:wrap;gap:.4rem 1.4rem;align-items:center;color:{INK};font-size:.9em"
    row = f'<div data-words style="{style}">'  # words outside the drawing: the book's dark look colours them
    picks = "".join(
        _select(axis, words, titles, chosen) for axis, words, chosen in zip("xy", _AXES, first, strict=True)
    )
    drawn = _drawn(data, [groups.index(value) for value in table[group]], first, alt)
    told = f'<span data-said aria-live="polite">{html.escape(both.get(" ".join(first), ""))}</span>'
    kept = f'<div hidden data-columns="{html.escape(json.dumps(data))}"></div>'
    return framed(f"{row}{picks}{told}</div>{kept}{drawn}{row}{_legend(groups)}</div>", note_html(caption, None, alt))


_AXES = ("across", "up")


def _select(axis: str, words: str, titles: Mapping[str, str], chosen: str) -> str:
    options = "".join(
        f'<option value="{html.escape(c)}"{" selected" if c == chosen else ""}>{html.escape(title)}</option>'
        for c, title in titles.items()
    )
    return f'<label>{words} <select data-is="{axis}" onchange="{html.escape(_DRAW)}">{options}</select></label>'


def _drawn(data: Mapping, groups: list[int], first: tuple[str, str], alt: str) -> str:
    """The first two columns: their points, and axes with ticks that the handler fills anew."""
    x, y = (np.array(data["values"][c], dtype=float) for c in first)
    has = np.isfinite(x) & np.isfinite(y)
    ends = [_ends(values[has]) for values in (x, y)]
    parts = [_axes(ends, [data["titles"][c] for c in first])]
    for i, which in enumerate(groups):
        at = [(v - low) / (high - low) for v, (low, high) in zip((x[i], y[i]), ends, strict=True)] if has[i] else [0, 0]
        left, top = LEFT + (RIGHT - LEFT) * at[0], BOTTOM - (BOTTOM - TOP) * at[1]
        seen = "" if has[i] else ' style="display:none"'
        words = html.escape(f"{data['names'][i]}: {x[i]:.3g}, {y[i]:.3g}")
        parts.append(
            f'<g data-point="{i}" transform="translate({left:.1f},{top:.1f})"{seen}><title>{words}</title>'
            f"{_mark(which)}</g>"
        )
    return (
        f'<div style="overflow-x:auto"><svg viewBox="0 0 {WIDE} {HIGH}" style="width:100%;min-width:26rem" role="img" '
        f'aria-label="{html.escape(alt)}">{"".join(parts)}</svg></div>'
    )


def _ends(values: np.ndarray) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 1, low + 1)


def _axes(ends: list[tuple[float, float]], labels: list[str]) -> str:
    parts = []
    for tick in _TICKS:
        x, y = LEFT + (RIGHT - LEFT) * tick, BOTTOM - (BOTTOM - TOP) * tick
        tx, ty = (f"{low + tick * (high - low):.3g}" for low, high in ends)
        parts.append(
            f'<path d="M{x},{TOP}V{BOTTOM}M{LEFT},{y}H{RIGHT}" stroke="{GRID}" fill="none"/>'
            f'<text data-tick="x {tick}" x="{x}" y="{BOTTOM + 18}" font-size="12" fill="{MUTED}" '
            f'text-anchor="middle">{tx}</text>'
            f'<text data-tick="y {tick}" x="{LEFT - 8}" y="{y + 4}" font-size="12" fill="{MUTED}" '
            f'text-anchor="end">{ty}</text>'
        )
    middle = (TOP + BOTTOM) / 2
    return "".join(parts) + (
        f'<text data-label="x" x="{(LEFT + RIGHT) / 2}" y="{HIGH - 8}" font-size="13" fill="{INK}" '
        f'text-anchor="middle">{html.escape(labels[0])}</text>'
        f'<text data-label="y" transform="translate(14,{middle}) rotate(-90)" font-size="13" fill="{INK}" '
        f'text-anchor="middle">{html.escape(labels[1])}</text>'
    )


def _mark(which: int) -> str:
    colour = SERIES[which % len(SERIES)]
    return f'<path d="{_SHAPES[which % len(_SHAPES)]}" fill="{colour}" stroke="{CARD}"/>'


def _legend(groups: list[str]) -> str:
    return "".join(
        f'<span><svg viewBox="-7 -7 14 14" width="14" height="14" aria-hidden="true">{_mark(i)}</svg> '
        f"{html.escape(str(words))}</span>"
        for i, words in enumerate(groups)
    )
