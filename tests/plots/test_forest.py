"""The forest plot, read from its artists."""

import math

import matplotlib.pyplot as plt
import pytest

from nasnb.plots.forest import EDGE, EVIDENCE_STYLES, ForestRow, Mark, plot_forest
from nasnb.report.evidence import KINDS

ROWS = [
    ForestRow(
        "A claim", "supported", (Mark("overnight", 2.0, 1.2, 2.8, (1.5, 2.5)), Mark("this run", 0.5, -1, 2)), 3.0
    ),
    ForestRow("Far away", "opposite", (Mark("published", -500.0, -900.0, -100.0),)),
    ForestRow("No interval", "open", (Mark("this run", 0.5, math.nan, math.nan),)),
    ForestRow("Counted", "exact", word="true"),
]


@pytest.fixture(params=[False, True], ids=["wide", "narrow"])
def drawn(request):
    figure = plot_forest(ROWS, narrow=request.param)
    yield figure
    plt.close(figure)


def lines(figure, kind):
    return [line for line in figure.axes[0].lines if line.get_color() == EVIDENCE_STYLES[kind][0]]


def test_interval_estimate_and_every_seed_are_drawn(drawn):
    interval, seeds, estimate = (list(line.get_xdata()) for line in lines(drawn, "overnight"))
    assert (interval, seeds, estimate) == ([1.2, 2.8], [1.5, 2.5], [2.0])


def test_what_lies_beyond_the_edge_is_an_arrow_at_it(drawn):
    assert drawn.axes[0].get_xlim() == (-EDGE, EDGE)
    at = [line.get_xdata()[0] for line in lines(drawn, "published") if line.get_marker() in "<D"]
    assert at == [-EDGE, -EDGE]


def test_sentences_notes_and_answers_are_there(drawn):
    words = " ".join(text.get_text() for text in drawn.axes[0].texts)
    for row in ROWS:
        assert row.label in words and row.note in words
    assert "true" in words


def test_the_legend_names_only_what_is_drawn(drawn):
    names = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert names == ["published", "overnight", "this run", "one seed", "published effect", "too small to matter"]


def test_the_axis_says_what_its_unit_is(drawn):
    assert "margins" in drawn.axes[0].get_xlabel()


def test_every_kind_of_evidence_has_its_colour():
    assert tuple(EVIDENCE_STYLES) == KINDS
    assert len({colour for colour, _ in EVIDENCE_STYLES.values()}) == len(KINDS)


def test_text_stays_inside_its_figure(drawn):
    drawn.draw_without_rendering()
    for text in drawn.axes[0].texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= drawn.bbox.x1, text.get_text()
