"""Figures of many runs: their lines, points and places are those of the tables."""

import numpy as np
import pandas as pd
import pytest

from nasnb.plots import full_scale as draw
from nasnb.plots.style import INK


def test_a_bundle_has_a_line_per_run_and_ones_own_in_ink():
    table = pd.DataFrame(
        {"run": list("aabbcc"), "group": ["g"] * 4 + [draw.YOURS] * 2, "epoch": [0, 1] * 3, "x": [1.0, 2, 3, 4, 5, 6]}
    )
    figure = draw.plot_bundles(table, {"x": "label"}, x="epoch", group="group", columns=1, level={"x": 2.5})
    *lines, level = figure.axes[0].get_lines()
    assert [line.get_ydata().tolist() for line in lines] == [[1, 2], [3, 4], [5, 6]]
    assert lines[2].get_color() == INK and lines[2].get_linewidth() > lines[0].get_linewidth()
    assert level.get_ydata()[0] == 2.5
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["g", draw.YOURS]


def test_doses_join_means_and_leave_chance_out_of_them():
    table = pd.DataFrame(
        {
            "panel": "p",
            "dose": [0.1, 0.1, 1.0, 1.0],
            "group": 0.0,
            "y": [1.0, 3.0, 4.0, 90.0],
            "learned": [True, True, True, False],
        }
    )
    figure = draw.plot_doses(table, [("p", "y", "label")], dose="dose", group="group", doselabel="d", grouplabel="g")
    means, points, crosses = figure.axes[0].get_lines()
    assert means.get_ydata().tolist() == [2, 4]
    assert points.get_ydata().tolist() == [1, 3, 4] and crosses.get_ydata().tolist() == [90]


def test_intervals_and_their_ceiling():
    table = pd.DataFrame({"row": ["a", "b"], "v": [0.1, 0.5], "low": [0.0, 0.4], "high": [0.2, 0.6], "g": ["x", "y"]})
    ax = draw.plot_intervals(table, value="v", label="l", row="row", group="g", ceiling=(0.9, "top"))
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
    ends = [segment[:, 0].tolist() for part in ax.collections for segment in part.get_segments()]
    assert ends == [[0.0, 0.2], [0.4, 0.6]]
    assert ax.get_lines()[-1].get_xdata()[0] == 0.9


def test_intervals_are_drawn_with_what_stands_beside():
    table = pd.DataFrame({"signal": ["a", "b"], "r": [0.5, -0.2], "low": [0.1, np.nan], "high": [0.8, np.nan]})
    ax = draw.plot_intervals(table.assign(rest=[0.2, 0.3]), value="r", label="r", row="signal", beside="rest")
    assert [line.get_xdata().tolist() for line in ax.lines[:2]] == [[0.5, -0.2], [0.2, 0.3]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["r", "rest"]


def test_a_place_in_a_distribution():
    marks = pd.DataFrame({"name": ["m"], "value": [2.0], "percent": [50.0]})
    ax = draw.plot_place({"all": [1, 2, 3]}, marks, label="l")
    line, mark = ax.get_lines()
    assert np.column_stack(line.get_data()).tolist() == [[1, 0], [2, 50], [3, 100]]
    assert mark.get_xydata().tolist() == [[pytest.approx(2), 50]]


def test_selections_side_by_side_with_worth_left_and_range_right():
    table = pd.DataFrame(
        {"selection": ["first", "first", "again"], "step": [1, 2, 1], "rho": [0.5, -0.2, 0.1], "range": [0.4, 0.9, 2.0]}
    )
    left, right = draw.plot_selections(table).axes
    assert [line.get_ydata().tolist() for line in left.get_lines()[:2]] == [[0.5, -0.2], [0.1]]
    assert [line.get_ydata().tolist() for line in right.get_lines()] == [[0.4, 0.9], [2.0]]
    assert [text.get_text() for text in left.figure.legends[0].get_texts()] == ["first", "again"]
    assert right.get_yscale() == "log" and "points" in right.get_ylabel()
