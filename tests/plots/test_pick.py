"""The scatter whose columns a reader picks: its first drawing, and the data that its handlers draw from."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from nasnb.plots.pick import BOTTOM, LEFT, RIGHT, TOP, pick_html

TABLE = pd.DataFrame(
    {
        "method": ["a", "a", "b"],
        "seed": [0, 1, 0],
        "gap": [1.0, 2.0, 3.0],
        "rank": [5.0, "not defined: odd", 9.0],
        "same": [2.0, 2.0, 2.0],
    }
)
TITLES = {"gap": "skip <gap>", "rank": "stable rank", "same": "the same"}
WORDS = {"first": ("gap", "rank"), "alt": "points", "said": {("gap", "rank"): "0.50 (n = 2)"}}


def points(page):
    return re.findall(r'<g data-point="(\d)" transform="translate\(([\d.]+),([\d.]+)\)"( style="display:none")?>', page)


def test_the_first_pair_is_drawn_and_what_is_no_number_is_not():
    page = pick_html(TABLE, TITLES, **WORDS)
    assert [(float(x), float(y), bool(hidden)) for _, x, y, hidden in points(page)] == [
        (LEFT, BOTTOM, False),
        (LEFT, BOTTOM, True),
        (RIGHT, TOP, False),
    ]
    assert "skip &lt;gap&gt;" in page and "0.50 (n = 2)" in page and "b, 0: 3, 9" in page
    with pytest.raises(ValueError, match="no column 'cost' to begin with: there are gap, rank, same"):
        pick_html(TABLE, TITLES, **WORDS | {"first": ("gap", "cost")})


def test_the_page_holds_its_data_and_asks_for_nothing():
    page = pick_html(TABLE, TITLES, **WORDS)
    data = json.loads(html.unescape(re.search(r'data-columns="([^"]*)"', page).group(1)))
    assert data["values"]["rank"] == [5.0, None, 9.0] and data["said"]["rank gap"] == "0.50 (n = 2)"
    assert "http" not in page.replace("http://www.w3.org", "") and page.count("<select") == 2
    assert "translate(" in pick_html(TABLE, TITLES, **WORDS | {"first": ("same", "gap")})


@pytest.mark.skipif(shutil.which("node") is None, reason="node runs the handler")
def test_the_handler_draws_what_the_page_would_begin_with():
    page, other = pick_html(TABLE, TITLES, **WORDS), pick_html(TABLE, TITLES, **WORDS | {"first": ("same", "gap")})
    handler = html.unescape(re.search(r'onchange="([^"]*)"', page).group(1))
    data = html.unescape(re.search(r'data-columns="([^"]*)"', page).group(1))
    script = f"""
    const made = k => ({{dataset: k, style: {{}}, at: '', textContent: '', setAttribute(n, v) {{ this.at = v }},
        querySelector: () => ({{}})}});
    const dots = [0, 1, 2].map(i => made({{point: String(i)}})), ticks = [made({{tick: 'y 1'}})], text = made({{}});
    const figure = {{querySelector: q => q == '[data-columns]' ? {{dataset: {{columns: {json.dumps(data)}}}}}
        : q.includes('select') ? {{value: q.includes('=x') ? 'same' : 'gap'}} : text,
        querySelectorAll: q => q == '[data-point]' ? dots : ticks}};
    (function() {{ {handler} }}).call({{closest: () => figure}});
    console.log(JSON.stringify([dots.map(d => d.at), ticks[0].textContent]));
    """
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    moved, tick = json.loads(done.stdout)
    found = [tuple(map(float, re.findall(r"[\d.]+", at))) for at in moved]
    np.testing.assert_allclose(found, [(float(x), float(y)) for _, x, y, _ in points(other)], atol=0.06)
    assert tick == "3"
