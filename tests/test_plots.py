"""Figures: what stands in them (artists, not pixels), how they are shown, and that no label lies on another."""

from __future__ import annotations

import base64
import itertools
import re

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from nasnb import plots
from nasnb.architecture import SHORT_NAMES, Choices, Edge, Genotype, Pick
from nasnb.plots.cells import _layout
from nasnb.plots.style import CARD, OP_COLOURS, checked_alt, figure_html

matplotlib.use("Agg")

V1 = Genotype.from_short(normal="s31 s30 / sk0 s31 / sk0 s31 / s30 sk2", reduce="mp0 mp1 / sk2 mp0 / mp0 sk2 / sk2 ap0")
V2 = Genotype.from_short(normal="s30 s31 / s30 s31 / s31 sk0 / sk0 d32", reduce="mp0 mp1 / sk2 mp1 / mp0 sk2 / sk2 mp1")
NASNET = Genotype.from_short(  # double edges between the same states, and nodes that are not in the output
    normal="s51 s30 / s50 s30 / ap1 sk0 / ap0 ap0 / s31 sk1",
    reduce="s51 s70 / mp1 s70 / ap1 s50 / sk3 ap2 / s32 mp1",
    concat={"normal": (2, 3, 4, 5, 6), "reduce": (3, 4, 5)},
)
BENCH201 = Genotype.from_notation(
    "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|"
)
ALT = "Two lines rise."


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def texts(ax, kind):
    return [text for text in ax.texts if text.get_gid() == kind]


def overlaps(ax):
    """Pairs of labels and nodes whose boxes (frames included) meet."""
    ax.figure.canvas.draw()
    boxes = {text: text.get_bbox_patch().get_window_extent() for text in texts(ax, "op") + texts(ax, "node")}
    return [
        (a.get_text(), b.get_text())
        for (a, first), (b, second) in itertools.combinations(boxes.items(), 2)
        if first.overlaps(second)
    ]


# --- one look per operation -------------------------------------------------------------------------------------------


def test_every_operation_has_a_label_and_a_look_of_its_own():
    assert set(OP_COLOURS) == set(SHORT_NAMES)
    assert len({plots.op_label(name) for name in SHORT_NAMES}) == len(set(OP_COLOURS.values())) == len(SHORT_NAMES)


def test_operations_are_told_from_the_card():
    def luminance(colour):
        linear = np.array(matplotlib.colors.to_rgb(colour)) ** 2.2
        return linear @ (0.2126, 0.7152, 0.0722)

    for name, colour in OP_COLOURS.items():
        assert (luminance(CARD) + 0.05) / (luminance(colour) + 0.05) > 2.5, f"{name} is too pale"


def test_unknown_operation_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"'sep_conv_3x4', did you mean 'sep_conv_3x3'\?"):
        plots.op_style("sep_conv_3x4")


# --- showing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alt", ["", "   ", "figure1", "alpha_history", "my figure.svg", "a/b/c 3.PNG", None])
def test_alt_that_tells_nothing_is_refused(alt):
    with pytest.raises(ValueError, match="does not describe the figure"):
        checked_alt(alt)


def test_shown_figure_carries_alt_caption_and_numbers():
    fig, ax = plt.subplots()
    ax.plot([1, 2], [3, 4])
    data = pd.DataFrame({"x": [1, 2], "y": [3.0, 4.25]})
    html = figure_html(fig, 'a < "b" rises', "n = 1 <run>", data)
    assert 'alt="a &lt; &quot;b&quot; rises"' in html and "n = 1 &lt;run&gt;" in html
    assert 'width="700"' in html  # 7 inches, 100 CSS pixels each
    numbers = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', html)[1]
    assert base64.b64decode(numbers).decode() == "x,y\n1,3\n2,4.25\n"
    image = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', html)[1]
    assert base64.b64decode(image).decode() == plots.svg(fig)


def test_equal_figures_are_equal_texts():
    first, second = (plots.svg(plots.draw_cell(V2, "normal").figure) for _ in range(2))
    assert first == second
    assert "<dc:date>" not in first


def test_show_closes_the_figure_and_takes_kept_svg(capsys):
    ax = plots.draw_cell(V2, "normal")
    kept = plots.svg(ax.figure)
    plots.show(ax, ALT)
    assert not plt.fignum_exists(ax.figure.number)
    plots.show(kept, ALT)
    with pytest.raises(ValueError, match="not an SVG"):
        plots.show("<p>no picture</p>", ALT)


# --- cells ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("genotype", [V1, V2, NASNET, BENCH201], ids=["V1", "V2", "NASNet", "bench201"])
def test_a_cell_shows_its_operations_and_nodes_apart(genotype):
    for group, picks in genotype.picks.items():
        ax = plots.draw_cell(genotype, group)
        shown = {(text.get_text(), to_hex(text.get_bbox_patch().get_edgecolor())) for text in texts(ax, "op")}
        assert len(texts(ax, "op")) == len(ax.patches) == len(picks)
        assert shown == {(plots.op_label(pick.op), OP_COLOURS[pick.op].lower()) for pick in picks}
        assert overlaps(ax) == []


def test_cells_below_each_other_stay_readable():
    fig = plots.draw_cells({"DARTS_V1": V1, "NASNet": NASNET})
    assert [ax.get_title(loc="left") for ax in fig.axes] == [
        "DARTS_V1, normal",
        "DARTS_V1, reduce",
        "NASNet, normal",
        "NASNet, reduce",
    ]
    assert [overlaps(ax) for ax in fig.axes] == [[]] * 4
    assert min(text.get_fontsize() for ax in fig.axes for text in ax.texts) > 6


OPS = st.sampled_from(sorted(SHORT_NAMES))


@st.composite
def cells(draw):
    """Any legal cell: three to five nodes with two inputs each, perhaps twice the same."""
    nodes = range(2, 2 + draw(st.integers(3, 5)))
    picks = tuple(Pick(draw(OPS), draw(st.integers(0, node - 1)), node) for node in nodes for _ in range(2))
    concat = tuple(node for node in nodes if draw(st.booleans())) or (nodes[-1],)
    return Genotype({"normal": picks}, {"normal": concat})


@given(cells())
@settings(max_examples=12, deadline=None)
def test_no_label_of_any_legal_cell_lies_on_another(genotype):
    ax = plots.draw_cell(genotype, "normal")
    assert overlaps(ax) == []
    plt.close(ax.figure)


@given(cells())
@settings(max_examples=60, deadline=None)
def test_lanes_hold_one_node_and_only_its_own_connections(genotype):
    picks = genotype.picks["normal"]
    layout = _layout([(pick.source, pick.target) for pick in picks], 2, gap=1.45, port=0.27)
    lanes = {state: y for state, (_, y) in layout.nodes.items() if state > 1}
    for pick, y in zip(picks, layout.ports, strict=True):
        assert min(lanes, key=lambda state: abs(lanes[state] - y)) == pick.target
    assert len(set(layout.ports)) == len(picks)
    assert all(layout.nodes[pick.source][0] < layout.nodes[pick.target][0] for pick in picks)


def test_choices_draw_one_line_per_candidate():
    ops = ("skip_connect", "sep_conv_3x3")
    edges = tuple(Edge(source, target, ops) for target in (2, 3) for source in range(target))
    ax = plots.draw_choices(Choices({"normal": edges}), "normal")
    colours = [to_hex(patch.get_edgecolor()) for patch in ax.patches]
    assert colours == [OP_COLOURS[op].lower() for _ in edges for op in ops]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["skip", "sep 3×3"]


def test_path_runs_through_its_channels():
    path = Genotype.from_notation("[(32, 64, 'sep_conv_3x3'), (64, 64, 'max_pool_3x3'), (64, 128, 'sep_conv_3x3')]")
    ax = plots.draw_path(path, [32, 64, 128])
    drawn = [list(line.get_ydata()) for line in ax.lines if line.get_color() in OP_COLOURS.values()]
    assert drawn == [[0, 1], [1, 1], [1, 2]]
    with pytest.raises(ValueError, match=r"uses \[128\] channels, not among \[32, 64\]"):
        plots.draw_path(path, [32, 64])


def test_unknown_group_is_refused_with_the_known():
    with pytest.raises(ValueError, match="no group 'normal' here; groups: cell"):
        plots.draw_cell(BENCH201, "normal")


# --- curves -----------------------------------------------------------------------------------------------------------


def history(seeds):
    rows = [(seed, epoch, epoch * 10.0 + seed) for seed in seeds for epoch in (1, 2, 3)]
    table = pd.DataFrame(rows, columns=["seed", "epoch", "value"])
    names = ("train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
    return table[["seed", "epoch"]].assign(**dict.fromkeys(names, table.value))


def test_metrics_are_means_over_seeds_with_a_band():
    fig = plots.plot_metrics(history([0, 2]))
    for ax in fig.axes:
        assert [list(line.get_ydata()) for line in ax.lines] == [[11, 21, 31]] * 2
        band = ax.collections[0].get_paths()[0].vertices
        assert band[:, 1].min() == pytest.approx(11 - 2**0.5) and band[:, 1].max() == pytest.approx(31 + 2**0.5)
    assert "n = 2 seeds" in fig.axes[0].get_legend().get_title().get_text()


def test_one_seed_has_no_band():
    assert not any(ax.collections for ax in plots.plot_metrics(history([0])).axes)


def test_alpha_panels_hold_the_given_weights_in_the_colours_of_their_operations():
    ops = ("skip_connect", "sep_conv_3x3")
    edges = [Edge(0, 2, ops), Edge(1, 2, ops[:1])]
    weights = np.arange(12.0).reshape(3, 2, 2)
    first, second, *_ = plots.plot_alpha(weights, edges, chosen=[Pick("sep_conv_3x3", 0, 2)]).axes
    assert [line.get_color() for line in first.lines] == [OP_COLOURS[op] for op in ops]
    np.testing.assert_array_equal([line.get_ydata() for line in first.lines], weights[:, 0].T)
    assert len(second.lines) == 1  # a candidate that the edge lacks is not drawn
    assert first.lines[1].get_linewidth() > first.lines[0].get_linewidth()
    table = plots.alpha_table(weights, edges)
    assert table.query("epoch == 2 and source == 1").weight.tolist() == [6.0]


def test_points_say_how_many_they_are():
    table = pd.DataFrame({"method": ["DARTS", "DARTS", "random"], "error": [3.0, 5.0, 7.0]})
    ax = plots.plot_points_with_spread(table, x="method", y="error", label="test error (%)").axes[0]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["DARTS\nn = 2", "random\nn = 1"]
    assert len(ax.containers) == 1  # one run has no standard deviation


def test_schedules_are_drawn_on_both_axes():
    fig = plots.plot_schedule({"cosine": [0.1, 0.05, 0.001]})
    assert [ax.get_yscale() for ax in fig.axes] == ["linear", "log"]
    assert all(list(ax.lines[0].get_ydata()) == [0.1, 0.05, 0.001] for ax in fig.axes)


# --- matrices and distributions ---------------------------------------------------------------------------------------


def test_matrix_writes_its_numbers_and_zero_is_white():
    values = np.array([[1.0, -0.5], [-0.5, np.nan]])
    ax = plots.plot_matrix(values, ["a", "b"])
    assert [text.get_text() for text in ax.texts] == ["1.0", "−.50", "−.50"]  # what is not known stays blank
    mesh = ax.collections[0]
    np.testing.assert_allclose(mesh.cmap(mesh.norm(0.0))[:3], (0.97, 0.97, 0.97), atol=0.02)
    with pytest.raises(ValueError, match=r"shape \(2, 2\), its labels want \(3, 3\)"):
        plots.plot_matrix(values, ["a", "b", "c"])


def test_alpha_heatmap_puts_each_weight_under_its_operation():
    edges = [Edge(0, 2, ("skip_connect", "sep_conv_3x3")), Edge(1, 2, ("sep_conv_3x3",))]
    ax = plots.plot_alpha_heatmap(np.array([[0.25, 0.75], [0.5, 0.125]]), edges)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["skip", "sep 3×3"]
    places = {text.get_text(): text.get_position() for text in ax.texts}
    assert places == {".25": (0.5, 0.5), ".75": (1.5, 0.5), ".50": (1.5, 1.5)}


def test_dendrogram_joins_at_the_heights_of_the_linkage():
    linkage = np.array([[0, 1, 0.2, 2], [2, 3, 0.9, 3]])  # a with b at 0.2, then c at 0.9
    ax = plots.plot_dendrogram(linkage, ["a", "b", "c"], threshold=0.5)
    assert {max(line.get_xdata()) for line in ax.lines} == {0.2, 0.9, 0.5}
    colours = {tick.get_text(): tick.get_color() for tick in ax.get_yticklabels()}
    assert colours["a"] == colours["b"] != colours["c"]
    with pytest.raises(ValueError, match="2 labels for a tree of 3 leaves"):
        plots.plot_dendrogram(linkage, ["a", "b"], threshold=0.5)


def test_ridges_name_operation_and_count_and_refuse_what_a_log_axis_cannot_show():
    values = {"sep_conv_3x3": [1.0, 2.0, np.nan, 4.0], "all": range(1, 30)}
    ax = plots.plot_ridges(values, label="stable rank").axes[0]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["sep 3×3\nn = 3", "all\nn = 29"]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"] == [2.0, 15.0]  # medians
    assert len(ax.collections) == 1  # three values have no density
    with pytest.raises(ValueError, match="'zero' holds 0, which a logarithmic axis cannot show"):
        plots.plot_ridges({"zero": [0.0, 1.0]}, label="rank", log=True)


def test_scatter_keeps_groups_apart():
    groups = ["skip_connect", "sep_conv_3x3", "skip_connect"]
    ax = plots.plot_scatter_with_correlation(
        [1, 2, 3], [4, 5, 6], groups=groups, text="r = 1.00, n = 3", xlabel="accuracy (%)", ylabel="alpha"
    )
    drawn = {line.get_label(): (line.get_color(), list(line.get_xdata())) for line in ax.lines}
    assert drawn["skip"] == (OP_COLOURS["skip_connect"], [1, 3])
    assert drawn["sep 3×3"] == (OP_COLOURS["sep_conv_3x3"], [2])
    assert ax.get_title(loc="left") == "r = 1.00, n = 3"


def test_paired_bars_have_their_heights_and_refuse_doubles():
    table = pd.DataFrame({"space": ["S1", "S1", "S2"], "method": ["DARTS", "PT", "PT"], "error": [3.0, 2.0, 4.0]})
    ax = plots.plot_paired_bars(table, x="space", y="error", hue="method", label="test error (%)")
    assert [bar.get_height() for bar in ax.patches] == [3.0, 2.0, 4.0]
    with pytest.raises(ValueError, match="several rows for space 'S1', method 'DARTS'"):
        plots.plot_paired_bars(pd.concat([table, table]), x="space", y="error", hue="method", label="")
