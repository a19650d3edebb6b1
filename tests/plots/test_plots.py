"""Figures are read by their artists: what is drawn where, in which colour, with which words."""

import base64
import itertools
import json
import re
from collections import Counter

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import PathPatch
from matplotlib.text import Text

from nasnb import plots
from nasnb.architecture import SHORT_NAMES, Choices, Edge, Genotype, Pick
from nasnb.plots import style
from nasnb.plots.axes import name_points
from nasnb.plots.slider import slider_html
from nasnb.published.genotypes import GENOTYPES

matplotlib.use("Agg")

OPS = ("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3")
BENCH = Genotype.from_notation(
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"
)
PATH = Genotype.from_notation("[(32, 64, 'sep_conv_3x3'), (64, 64, 'max_pool_3x3'), (64, 32, 'sep_conv_3x3')]")
EDGES = tuple(Edge(source, target, OPS) for target in range(2, 6) for source in range(target))
CHOICES = Choices({"normal": EDGES})


@pytest.fixture(autouse=True)
def book_style():
    with matplotlib.rc_context():
        plots.use_style()
        yield


def rng():
    return np.random.default_rng(0)


def history(seeds=3, epochs=6):
    rows = list(itertools.product(range(seeds), range(1, epochs + 1)))
    table = pd.DataFrame(rows, columns=["seed", "epoch"])
    for i, column in enumerate(("train_loss", "valid_loss", "train_accuracy", "valid_accuracy", "skip_gap")):
        table[column] = table.epoch * (i + 1) + table.seed
    return table.assign(skip_share=table.epoch / epochs)


def weights(epochs=5):
    return rng().dirichlet(np.ones(len(OPS)), size=(epochs, len(EDGES)))


def correlations(n):
    return np.corrcoef(rng().normal(size=(n, 6)))


def published():
    rows = [(3.3, 2.76, "DARTS_V2", "published"), (3.35, 2.77, "DARTS_V1", "published"), (3.3, 9.1, "derived", "here")]
    return pd.DataFrame(rows, columns=["parameters", "error", "name", "origin"])


def landscape():
    labels = {"xlabel": "millions", "ylabel": "error (%)"}
    return plots.plot_landscape(
        published(),
        x="parameters",
        y="error",
        origin="origin",
        order=["other", "here"],
        background="published",
        **labels,
    )


def ablation():
    rows = [("CIFAR-10", "softmax", 3.0, 0.2), ("CIFAR-10", "max_w", 2.0, 0.1), ("SVHN", "softmax", 5.0, np.nan)]
    return pd.DataFrame(rows, columns=["data", "rule", "error", "sd"])


def paired_bars(**options):
    return plots.plot_paired_bars(ablation(), x="data", y="error", hue="rule", error="sd", label="error (%)", **options)


def scatter(**options):
    return plots.plot_scatter_with_correlation([1, 2, 3], [2, 4, 6.5], xlabel="weight", ylabel="accuracy", **options)


FIGURES = {
    "cell": lambda: plots.draw_cell(GENOTYPES["DARTS_V2"], "normal").figure,
    "cell of five nodes": lambda: plots.draw_cell(GENOTYPES["NASNET_A"], "reduce").figure,
    "cell of NAS-Bench-201": lambda: plots.draw_cell(BENCH, "cell").figure,
    "cells": lambda: plots.draw_cells({"V1": GENOTYPES["DARTS_V1"], "V2": GENOTYPES["DARTS_V2"]}),
    "choices": lambda: plots.draw_choices(CHOICES, "normal").figure,
    "path": lambda: plots.draw_path(PATH, [32, 64]).figure,
    "metrics": lambda: plots.plot_metrics(history()),
    "alpha": lambda: plots.plot_alpha(weights(), EDGES),
    "skip dominance": lambda: plots.plot_skip_dominance(history()),
    "points": lambda: plots.plot_points_with_spread(history(), x="epoch", y="valid_loss", label="loss"),
    "schedule": lambda: plots.plot_schedule({"cosine": [3, 2, 1], "power": [3, 1, 0.5]}),
    "landscape": lambda: landscape().figure,
    "matrix": lambda: plots.plot_matrix(correlations(7), [plots.op_label(op) for op in OPS]).figure,
    "matrices": lambda: plots.plot_matrices({"a": correlations(7), "b": correlations(7), "c": correlations(7)}, OPS),
    "alpha heat map": lambda: plots.plot_alpha_heatmap(weights()[0], EDGES).figure,
    "ridges": lambda: plots.plot_ridges({"none": rng().normal(size=50), "few": [1.0, 2.0]}, label="cosine"),
    "scatter": lambda: scatter(groups=["a", "b", "a"], labels=["p", "q", "r"], line=(2, 0), text="n = 3").figure,
    "bars": lambda: paired_bars(published={("SVHN", "softmax"): 4.5}).figure,
}


# --- all figures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_legible_on_a_page_and_the_same_every_time(name):
    figure = FIGURES[name]()
    text = plots.svg(figure)
    assert figure.get_figwidth() <= style.WIDTH + 1e-9
    assert all(word.get_fontsize() >= 8 for word in figure.findobj(Text) if word.get_text().strip())
    reach = figure.get_tightbbox()  # in inches, and with whatever sticks out
    assert reach.x0 > -0.05 and reach.x1 < figure.get_figwidth() + 0.05
    assert reach.y0 > -0.05 and reach.y1 < figure.get_figheight() + 0.05
    plt.close("all")
    assert plots.svg(FIGURES[name]()) == text
    assert "<dc:date>" not in text


# --- style ------------------------------------------------------------------------------------------------------------


def test_every_operation_has_its_own_words_and_colour():
    assert len({plots.op_label(op) for op in SHORT_NAMES}) == len(SHORT_NAMES)
    assert len(set(plots.op_colours(SHORT_NAMES))) == len(SHORT_NAMES)


def test_an_unknown_operation_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="no style for op 'sep_conv_3x4', did you mean 'sep_conv_3x3'"):
        plots.op_label("sep_conv_3x4")


def contrast(colour):
    """Ratio of relative luminances to the card's (WCAG 2, 1.4.11)."""

    def luminance(name):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(name)]
        return np.dot(linear, (0.2126, 0.7152, 0.0722))

    return (luminance(style.CARD) + 0.05) / (luminance(colour) + 0.05)


@pytest.mark.parametrize("colour, least", [*((c, 3) for c in style.SERIES), (style.INK, 7), (style.MUTED, 4.5)])
def test_lines_and_words_stand_out_from_the_card(colour, least):
    assert contrast(colour) >= least


# --- showing ----------------------------------------------------------------------------------------------------------

ALT = "A cell with four nodes & two inputs."


@pytest.mark.parametrize("alt", ["", "  ", None, "figure", "my figure.svg", "cells.PNG"])
def test_alt_text_must_describe(alt):
    with pytest.raises(ValueError, match="say in a sentence what there is to see"):
        plots.show(plt.figure(), alt=alt)


def test_a_figure_carries_its_alt_text_caption_and_numbers():
    table = pd.DataFrame({"epoch": [1, 2], "name": ["a, b", "c"]})
    html = style.figure_html(plt.figure(figsize=(3, 2)), ALT, "n < 4 seeds", table)
    assert 'alt="A cell with four nodes &amp; two inputs."' in html
    assert "n &lt; 4 seeds" in html
    assert 'width="300"' in html
    link = re.search(r'download="([^"]+)" href="data:text/csv;charset=utf-8;base64,([^"]+)"', html)
    assert link[1] == "a-cell-with-four-nodes-two.csv"
    assert base64.b64decode(link[2]).decode() == table.to_csv(index=False)


def test_a_kept_figure_has_its_record_one_click_away():
    html = style.figure_html(plt.figure(), ALT, "n = 4 seeds", record={"commit": "abc", "seed": [0, 1]})
    link = re.search(r'download="([^"]+)" href="data:text/json;charset=utf-8;base64,([^"]+)">Record \(JSON\)', html)
    assert link[1] == "a-cell-with-four-nodes-two.json"
    assert json.loads(base64.b64decode(link[2])) == {"commit": "abc", "seed": [0, 1]}
    assert "Numbers" not in html


def test_a_kept_svg_is_shown_as_it_is():
    kept = plots.svg(plt.figure(figsize=(4, 2)))
    html = style.figure_html(kept, ALT)
    assert base64.b64decode(re.search(r"svg\+xml;base64,([^\"]+)", html)[1]).decode() == kept
    assert "figcaption" not in html
    with pytest.raises(ValueError, match=r"not an SVG with a width: 'kept\.svg'"):
        style.figure_html("kept.svg", ALT)


@pytest.mark.parametrize("epochs", [1, 2])
def test_epochs_have_whole_numbers(epochs):
    """Also under a label that the panels share."""
    figure, axes = plt.subplots(1, 2)
    for ax in axes:
        ax.plot(range(1, epochs + 1), range(epochs), "o")
    axes[0].set_xlabel("epoch of the search")
    figure.supxlabel("epoch")
    style.svg(figure)
    for ax in axes:
        low, high = ax.get_xlim()
        assert [at for at in ax.get_xticks() if low <= at <= high] == list(range(1, epochs + 1))


def test_show_displays_once_and_closes(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    plots.show(plots.draw_cell(BENCH, "cell"), alt=ALT)
    assert [set(bundle) for bundle in shown] == [{"text/html", "text/plain"}]
    assert shown[0]["text/plain"] == ALT
    assert plt.get_fignums() == []


def test_names_of_points_keep_apart_and_inside():
    _, ax = plt.subplots()
    points = [(x, y, f"method {i}") for i, (x, y) in enumerate(rng().random((12, 2)))] + [(0.98, 0.5, "the last one")]
    ax.plot(*zip(*[point[:2] for point in points], strict=True), "o")
    name_points(ax, [*points, (np.nan, 1.0, "not run")])
    assert [text.get_text() for text in ax.texts] == [point[2] for point in points]
    assert_apart(ax.texts)
    assert all(ax.bbox.x0 <= text.get_window_extent().x0 <= ax.bbox.x1 for text in ax.texts)


# --- cells ------------------------------------------------------------------------------------------------------------


def assert_apart(texts):
    texts[0].figure.draw_without_rendering()
    boxes = [(text.get_bbox_patch() or text).get_window_extent() for text in texts]
    for (a, one), (b, other) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        assert not one.overlaps(other), f"{a.get_text()} covers {b.get_text()}"


def words(ax, gid):
    return [text.get_text() for text in ax.texts if text.get_gid() == gid]


def assert_shows(ax, genotype, group):
    picks = genotype.picks[group]
    assert Counter(words(ax, "op")) == Counter(plots.op_label(pick.op) for pick in picks)
    assert_apart(ax.texts)
    wires = [patch for patch in ax.patches if isinstance(patch, PathPatch)]
    nodes = {text.get_text(): text.get_position() for text in ax.texts if text.get_gid() == "node"}
    for pick, wire in zip(picks, wires, strict=True):
        start, end = wire.get_path().vertices[[0, -1]]
        assert np.linalg.norm(start - nodes[state_name(pick.source, group)]) < 0.15
        assert np.linalg.norm(end - nodes[state_name(pick.target, group)]) < 0.15
        assert to_hex(wire.get_edgecolor()) == plots.op_colours([pick.op])[0].lower()


def state_name(state, group):
    if group == "cell":
        return "in" if state == 0 else str(state)
    return ("$c_{k-2}$", "$c_{k-1}$")[state] if state < 2 else str(state - 2)


@pytest.mark.parametrize("group", ["normal", "reduce"])
@pytest.mark.parametrize("name", ["DARTS_V1", "DARTS_V2", "NASNET_A", "AMOEBANET_A", "PC_DARTS_cifar", "SHARP_DARTS"])
def test_a_published_cell_shows_its_operations_between_its_states(name, group):
    assert_shows(plots.draw_cell(GENOTYPES[name], group), GENOTYPES[name], group)


def test_a_cell_of_nasbench201():
    ax = plots.draw_cell(BENCH, "cell")
    assert_shows(ax, BENCH, "cell")
    assert sorted(words(ax, "node")) == ["1", "2", "3", "in", "out"]


@st.composite
def genotypes(draw):
    picks = []
    for target in range(2, 6):
        sources = draw(st.lists(st.integers(0, target - 1), min_size=2, max_size=2, unique=True))
        picks += [Pick(draw(st.sampled_from(sorted(SHORT_NAMES))), source, target) for source in sources]
    return Genotype({"normal": tuple(picks)}, {"normal": (2, 3, 4, 5)})


@settings(max_examples=12, deadline=None)
@given(genotypes())
def test_any_cell_shows_its_operations_between_its_states(genotype):
    plt.close("all")
    assert_shows(plots.draw_cell(genotype, "normal"), genotype, "normal")


def test_only_concatenated_nodes_reach_the_output():
    ax = plots.draw_cell(Genotype.from_short({"normal": (3,)}, normal="sk0 sk1 / s30 s32"), "normal")
    flat = [line.get_ydata() for line in ax.lines if len(set(line.get_ydata())) == 1]
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts if text.get_gid() == "node"}
    assert {float(line[0]) for line in flat} == {heights["1"]}


def test_an_unknown_group_is_refused():
    with pytest.raises(ValueError, match="no group 'reduction' here; groups: normal, reduce"):
        plots.draw_cell(GENOTYPES["DARTS_V1"], "reduction")


def test_choices_draw_every_candidate():
    ax = plots.draw_choices(CHOICES, "normal")
    drawn = Counter(to_hex(patch.get_edgecolor()) for patch in ax.patches if isinstance(patch, PathPatch))
    assert drawn == {colour.lower(): len(EDGES) for colour in plots.op_colours(OPS)}
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [plots.op_label(op) for op in OPS]


def test_a_path_climbs_the_channel_counts():
    ax = plots.draw_path(PATH, [32, 64, 128])
    thick = [line for line in ax.lines if line.get_linewidth() > 2]
    assert [list(line.get_ydata()) for line in thick] == [[0, 1], [1, 1], [1, 0]]
    assert [line.get_color() for line in thick] == plots.op_colours(PATH.ops("path"))
    with pytest.raises(ValueError, match=r"uses \[64\] channels, not among \[32\]"):
        plots.draw_path(PATH, [32])


# --- curves -----------------------------------------------------------------------------------------------------------


def by_label(ax):
    return {line.get_label(): np.asarray(line.get_ydata(), dtype=float) for line in ax.lines}


def test_metrics_are_means_over_seeds():
    loss, accuracy = plots.plot_metrics(history(seeds=3)).axes
    np.testing.assert_allclose(by_label(loss)["training images"], np.arange(1, 7) + 1)
    np.testing.assert_allclose(by_label(accuracy)["held-out images"], 4 * np.arange(1, 7) + 1)
    assert "n = 3 seeds" in loss.get_legend().get_title().get_text()
    band = loss.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(1)  # epoch 1: 1, 2, 3, so mean 2 and sd 1


def test_one_search_has_no_band():
    loss, _ = plots.plot_metrics(history(seeds=1)).axes
    assert not loss.collections


def test_alpha_draws_every_candidate_and_marks_the_chosen():
    chosen = Pick("skip_connect", 1, 3)
    series = weights()
    figure = plots.plot_alpha(series, EDGES, chosen=[chosen])
    table = plots.alpha_table(series, EDGES)
    for edge, ax in zip(EDGES, figure.axes, strict=False):
        assert ax.get_title(loc="left") == f"{edge.source} → {edge.target}"
        for op, line in zip(OPS, ax.lines, strict=True):
            rows = table[(table.source == edge.source) & (table.target == edge.target) & (table.op == op)]
            np.testing.assert_array_equal(line.get_ydata(), rows.weight)
            np.testing.assert_array_equal(line.get_xdata(), rows.epoch)
            assert line.get_color() == plots.op_colours([op])[0]
            assert (line.get_linewidth() > 2) == (Pick(op, edge.source, edge.target) == chosen)


def test_skip_dominance_shows_percent_and_a_line_per_seed():
    figure = plots.plot_skip_dominance(history(seeds=2, epochs=4))
    share, gap, accuracy = figure.axes
    np.testing.assert_allclose(by_label(share)["seed 1"], [25, 50, 75, 100])
    np.testing.assert_allclose(by_label(gap)["seed 1"], [6, 11, 16, 21])
    np.testing.assert_allclose(by_label(accuracy)["seed 0"], [4, 8, 12, 16])


def test_points_show_every_value_with_mean_spread_and_n():
    table = pd.DataFrame({"cell": ["a", "a", "a", "b"], "error": [1.0, 2.0, 3.0, 7.0]})
    figure = plots.plot_points_with_spread(table, x="cell", y="error", label="error (%)", published={"b": 5.0})
    (ax,) = figure.axes
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a\nn = 3", "b\nn = 1"]
    assert sorted(np.concatenate([line.get_ydata() for line in ax.lines if line.get_marker() == "o"])) == [1, 2, 3, 7]
    (bar,) = ax.containers  # b has one value and so no spread
    np.testing.assert_allclose(bar[2][0].get_segments()[0][:, 1], [1, 3])
    assert [line.get_ydata()[0] for line in ax.lines if line.get_marker() == "D" and len(line.get_ydata())] == [5]


def test_a_schedule_is_seen_on_both_scales():
    figure = plots.plot_schedule({"cosine": [3, 2, 1], "power": [3, 1, 0.5]})
    assert [ax.get_yscale() for ax in figure.axes] == ["linear", "log"]
    for ax in figure.axes:
        np.testing.assert_array_equal(by_label(ax)["power"], [3, 1, 0.5])


def test_small_multiples_leave_no_panel_without_ticks():
    table = pd.DataFrame({"kind": list("abc"), "x": [1, 2, 3]})
    figure = plots.plot_small_multiples(table, by="kind", draw=lambda rows, ax: ax.plot(rows.x, rows.x, "o"), columns=2)
    figure.draw_without_rendering()
    assert [ax.get_visible() for ax in figure.axes] == [True, True, True, False]
    labelled = [any(tick.label1.get_visible() for tick in ax.xaxis.get_major_ticks()) for ax in figure.axes[:3]]
    assert labelled == [False, True, True]


# --- matrices ---------------------------------------------------------------------------------------------------------


def test_a_matrix_is_written_out_and_zero_is_white():
    ax = plots.plot_matrix([[1, -0.25], [np.nan, 0]], ["a", "b"], vmin=-0.5, vmax=1)
    assert [text.get_text() for text in ax.texts] == ["1.0", "−.25", ".00"]
    mesh = ax.collections[0]
    assert min(mesh.cmap(mesh.norm(0.0))[:3]) > 0.95
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]
    assert ax.get_ylim() == (2, 0)


def test_words_in_a_matrix_stand_out_from_their_cells():
    for sequential in (False, True):
        ax = plots.plot_matrix([np.linspace(-1, 1, 11)], ["a"], columns="abcdefghijk", sequential=sequential)
        mesh = ax.collections[0]
        for text, value in zip(ax.texts, np.linspace(-1, 1, 11), strict=True):
            cell = mesh.cmap(mesh.norm(value))
            ratio = contrast(cell) / contrast(text.get_color())
            assert max(ratio, 1 / ratio) >= 3


def test_a_matrix_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"has shape \(1, 2\), its labels want \(2, 2\)"):
        plots.plot_matrix([[1, 2]], ["a", "b"])
    with pytest.raises(ValueError, match=r"layer 3 has shape"):
        plots.plot_matrices({"layer 3": np.eye(3)}, ["a", "b"])


def test_matrices_share_one_scale():
    figure = plots.plot_matrices({"a": np.eye(3) / 9, "b": np.eye(3)}, list("xyz"))
    first, second = (ax.collections[0] for ax in figure.axes[:2])
    assert first.get_clim() == second.get_clim() == (-1, 1)
    assert [ax.get_title(loc="left") for ax in figure.axes[:2]] == ["a", "b"]


def test_an_alpha_heat_map_puts_each_operation_in_its_column():
    edges = [Edge(0, 2, ("skip_connect", "sep_conv_3x3")), Edge(1, 2, ("sep_conv_3x3",))]
    ax = plots.plot_alpha_heatmap(np.array([[0.2, 0.8], [1.0, 0.5]]), edges)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0→2", "1→2"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["skip", "sep 3×3"]
    values = ax.collections[0].get_array().filled(np.nan)
    np.testing.assert_array_equal(values, [[0.2, 0.8], [np.nan, 1.0]])


# --- distributions ----------------------------------------------------------------------------------------------------


def test_ridges_count_what_is_finite_and_mark_the_median():
    groups = {"sep_conv_3x3": [1.0, 2.0, 4.0, np.nan], "wide": np.arange(30.0), "empty": []}
    (ax,) = plots.plot_ridges(groups, label="cosine").axes
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["sep 3×3\nn = 3", "wide\nn = 30", "empty\nn = 0"]
    medians = {line.get_ydata()[0]: line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"}
    assert medians == {0: 2.0, 1: 14.5}
    assert len(ax.collections) == 1  # three values make no density
    density = ax.collections[0].get_paths()[0].vertices
    assert (density[:, 0].min(), density[:, 0].max()) == (0, 29)


def test_ridges_refuse_what_a_logarithm_cannot_show():
    with pytest.raises(ValueError, match="'noise' holds -1, which a logarithmic axis cannot show"):
        plots.plot_ridges({"noise": [1.0, -1.0]}, label="sensitivity", log=True)


def test_a_scatter_groups_names_and_states_its_correlation():
    ax = scatter(groups=["skip_connect", "none", "none"], labels=list("abc"), line=(2.0, 1.0), text="ρ = 1.0, n = 3")
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(lines["none"].get_xdata(), [2, 3])
    assert [lines[plots.op_label(op)].get_color() for op in ("skip_connect", "none")] == plots.op_colours(
        ("skip_connect", "none")
    )
    assert ax.get_title(loc="left") == "ρ = 1.0, n = 3"
    assert [text.get_text() for text in ax.texts] == list("abc")
    line = next(line for line in ax.lines if line.get_label().startswith("_"))
    assert line.get_slope() == 2 and line.get_xy1()[1] == 2 * line.get_xy1()[0] + 1


def test_bars_stand_by_group_with_whiskers_where_there_is_a_spread():
    ax = paired_bars(published={("CIFAR-10", "max_w"): 1.5})
    bars = {round(bar.get_x() + bar.get_width() / 2, 3): bar.get_height() for bar in ax.patches}
    assert bars == {-0.2: 3.0, 0.2: 2.0, 0.8: 5.0}
    whiskers = [segment[:, 1] for c in ax.collections for segment in c.get_segments()]
    np.testing.assert_allclose(whiskers, [[2.8, 3.2], [1.9, 2.1]])
    (diamond,) = [line for line in ax.lines if line.get_marker() == "D"]
    np.testing.assert_allclose(diamond.get_xydata(), [[0.2, 1.5]])


def test_value_of_a_bar_stands_over_a_higher_diamond():
    ax = paired_bars(published={("CIFAR-10", "softmax"): 4.0})
    assert {text.get_text(): text.xy[1] for text in ax.texts} == {"3.00": 4.0, "2.00": 2.1, "5.00": 5.0}


def test_bars_refuse_several_rows_for_one_bar():
    twice = pd.concat([ablation(), ablation().head(1)])
    with pytest.raises(ValueError, match="several rows for data 'CIFAR-10', rule 'softmax'"):
        plots.plot_paired_bars(twice, x="data", y="error", hue="rule", label="error (%)")


def test_what_is_offered_exists():
    assert sorted(plots.__all__) == plots.__all__
    assert json.dumps([name for name in plots.__all__ if not callable(getattr(plots, name))]) == "[]"


def test_landscape_keeps_the_colour_of_an_origin_whichever_others_are_drawn():
    grey, here = landscape().lines
    assert list(grey.get_xdata()) == [3.3, 3.35] and grey.get_color() == style.MUTED
    assert list(here.get_ydata()) == [9.1] and here.get_color() == style.SERIES[1] and here.get_label() == "here"


# --- interaction ------------------------------------------------------------------------------------------------------


def test_every_number_of_a_matrix_stands_under_the_pointer_where_it_is_drawn():
    grid = np.array([[0.12345, np.nan, 1.0], [-0.5, 0.25, 0.0]])
    ax = plots.plot_matrix(grid, ["first", "second"], columns=["a", "b", "c"])
    boxes = re.findall(
        r'title="([^"]*)" style="position:absolute;left:([\d.]+)%;top:([\d.]+)%', style.figure_html(ax.figure, ALT)
    )
    assert [words for words, *_ in boxes][:3] == ["first, a: 0.1235", "first, c: 1", "second, a: -0.5"]
    assert len(boxes) == 5, "one is blank, and the colour bar has none"
    at = {words[:-1].split(":")[0]: (float(left), float(top)) for words, left, top in boxes}
    assert at["first, a"][0] == at["second, a"][0] < at["first, c"][0]
    assert at["first, a"][1] == at["first, c"][1] < at["second, a"][1]


def test_figures_without_a_matrix_have_no_boxes():
    assert "position:absolute" not in style.figure_html(plots.plot_metrics(history()), ALT)


def frames(n=3):
    cell = Genotype.from_notation(GENOTYPES["DARTS_V2"].notation())
    return [plots.draw_weights_and_cell(w, EDGES, cell, "normal", highest=1.0) for w in weights(n)]


def test_slider_shows_the_last_frame_until_it_is_moved():
    html = slider_html(frames(), ["epoch 1", "epoch 2", "epoch 3"], ALT, "n = 1")
    assert re.findall(r"<div data-frame( hidden)?>", html) == [" hidden", " hidden", ""]
    assert 'max="2" value="2"' in html and ">epoch 3</output>" in html and "<figcaption" in html
    assert len(set(re.findall(r' alt="([^"]*)"', html))) == 3, "each frame says which it is"
    assert "<script" not in html and "http" not in re.sub(r'src="[^"]*"', "", html)


def test_slider_wants_a_label_for_each_frame():
    with pytest.raises(ValueError, match="3 frames and 1 labels; give one label per frame"):
        slider_html(frames(), ["epoch 1"], ALT)


def test_frames_of_a_slider_share_one_scale():
    scales = {frame.axes[0].collections[0].norm.vmax for frame in frames()}
    assert scales == {1.0}


def test_on_a_logarithmic_axis_the_spread_is_that_of_logarithms():
    from nasnb.plots.curves import mean_and_bars

    middle, bars = mean_and_bars(np.array([1e-6, 1e-2]), log=True)
    spread = 10 ** (np.std([-6, -2], ddof=1))
    np.testing.assert_allclose([middle, bars[0, 0], bars[1, 0]], [1e-4, 1e-4 - 1e-4 / spread, 1e-4 * spread - 1e-4])
    np.testing.assert_allclose(mean_and_bars(np.array([1.0, 3.0]), log=False)[1], np.full((2, 1), np.sqrt(2)))
