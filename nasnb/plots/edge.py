"""One partial channel after another, to play with: which channels go through the operations, and what beta weighs.

Plain HTML and SVG with its handlers in the elements: it works offline, and without JavaScript the first setting stays.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from nasnb.plots.style import CARD, INK, MUTED, SERIES, framed, note_html

Chain = Sequence[Sequence[int]]  # per state, at each position: the channel of the input that lies there
BOX, GAP, LEFT, WIDE = 26, 62, 78, 640

_PICK = (
    "const f=this.closest('figure'),v=n=>f.querySelector(`select[data-is=${n}]`).value,k=v('k')+' '+v('mixing');"
    "f.querySelectorAll('[data-frame]').forEach(e=>{e.hidden=e.dataset.frame!=k})"
)
_WEIGH = (
    "const f=this.closest('figure'),s=1/(1+Math.exp(-this.value)),t=x=>(100*x).toFixed(0)+' %';"
    "f.querySelectorAll('[data-share]').forEach(e=>{const x=e.dataset.share=='a'?s:1-s;"
    "if(e.tagName=='rect'){e.setAttribute('width',220*x)}else{e.textContent=t(x)}});"
    "this.setAttribute('aria-valuetext',t(s)+' and '+t(1-s))"
)


def interactive_edge(
    chains: Mapping[tuple[int, str], tuple[Chain, Chain]], *, first: tuple[int, str], **words: str
) -> None:
    """Display `edge_html`."""
    from IPython.display import display

    page = edge_html(chains, first=first, **words)
    display({"text/html": page, "text/plain": words["alt"]}, raw=True)


def edge_html(
    chains: Mapping[tuple[int, str], tuple[Chain, Chain]],
    *,
    first: tuple[int, str],
    alt: str,
    caption: str | None = None,
) -> str:
    """By (K, mixing): the channels of every state, and the positions whose channels go through the operations next.

    `first` is what shows before anything is chosen. Raises ValueError if it is not there.
    """
    if first not in chains:
        raise ValueError(f"no drawing of {first}: there are {', '.join(map(str, chains))}")
    frames = "".join(
        f'<div data-frame="{k} {mixing}"{"" if (k, mixing) == first else " hidden"}>{_drawn(*chain, k, mixing, alt)}'
        "</div>"
        for (k, mixing), chain in chains.items()
    )
    ks, mixings = dict.fromkeys(k for k, _ in chains), dict.fromkeys(mixing for _, mixing in chains)
    row = f'<div style="display:flex;flex-wrap:wrap;gap:.4rem 1.4rem;align-items:center;color:{INK};font-size:.9em">'
    chosen = _choice("k", "K", ks, first[0]) + _choice("mixing", "which channels", mixings, first[1])
    return framed(f"{row}{chosen}</div>{frames}{row}{_beta()}</div>", note_html(caption, None, alt))


def _choice(name: str, label: str, values: Mapping, chosen: object) -> str:
    options = "".join(f"<option{' selected' if value == chosen else ''}>{value}</option>" for value in values)
    return f'<label>{label} <select data-is="{name}" onchange="{html.escape(_PICK)}">{options}</select></label>'


def _beta() -> str:
    bars = "".join(
        f'<text x="0" y="{y + 12}" font-size="13" fill="{INK}">edge {n}</text>'
        f'<rect data-share="{key}" x="52" y="{y}" width="110" height="14" fill="{SERIES[i]}"/>'
        f'<text data-share="{key}" x="280" y="{y + 12}" font-size="13" fill="{INK}">50 %</text>'
        for i, (key, n, y) in enumerate((("a", 1, 2), ("b", 2, 22)))
    )
    return (
        '<label style="flex:1;min-width:12rem">beta of edge 1 less that of edge 2 <input type="range" min="-4" max="4" '
        f'value="0" step="0.1" style="width:100%" aria-valuetext="50 % and 50 %" '
        f'oninput="{html.escape(_WEIGH)}"></label>'
        f'<svg viewBox="0 0 320 40" style="flex:1;min-width:12rem;max-width:320px" role="img" '
        f'aria-label="shares of two edges into a node">{bars}</svg>'
    )


def _drawn(states: Chain, processed: Chain, k: int, mixing: str, alt: str) -> str:
    n = len(states[0])
    step = (WIDE - LEFT) / n
    height = GAP * (len(states) - 1) + BOX + 8
    lines, boxes = [], []
    for row, (order, through) in enumerate(zip(states, processed, strict=True)):
        top = 4 + GAP * row
        words = "input" if row == 0 else f"node {row}"
        boxes.append(f'<text x="0" y="{top + 17}" font-size="13" fill="{INK}">{words}</text>')
        for at, channel in enumerate(order):
            x = LEFT + at * step
            colour = SERIES[1] if at in through else CARD
            ink = CARD if at in through else INK
            boxes.append(
                f'<rect x="{x:.1f}" y="{top}" width="{step - 4:.1f}" height="{BOX}" rx="3" fill="{colour}" '
                f'stroke="{MUTED}"/><text x="{x + (step - 4) / 2:.1f}" y="{top + 17}" font-size="12" fill="{ink}" '
                f'text-anchor="middle">{channel}</text>'
            )
            if row + 1 < len(states):
                below = LEFT + list(states[row + 1]).index(channel) * step
                weight = f'stroke="{SERIES[1]}" stroke-width="2.4"' if at in through else f'stroke="{MUTED}"'
                half = (step - 4) / 2
                ends = f'x1="{x + half:.1f}" y1="{top + BOX}" x2="{below + half:.1f}" y2="{top + GAP}"'
                lines.append(f"<line {ends} {weight}/>")
    said = html.escape(f"{alt} Here: K = {k}, {mixing}.")
    inner = "".join((*lines, *boxes))
    return (
        f'<div style="overflow-x:auto"><svg viewBox="0 0 {WIDE} {height}" style="width:100%;min-width:30rem" '
        f'role="img" aria-label="{said}">{inner}</svg></div>'
    )
