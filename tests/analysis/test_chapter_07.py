"""What the chapter across papers adds: diagnostics of a supernet as a row, rules that move, the matrix."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny_data
from matplotlib.colors import to_hex
from scipy import stats

from nasnb.analysis.across import comparison, measures
from nasnb.analysis.across.one_shot import chosen_weights, one_shot_accuracy
from nasnb.analysis.msr_darts import stable_rank_table
from nasnb.config import SearchConfig
from nasnb.evaluation import evaluate, statistics
from nasnb.methods import METHODS
from nasnb.plots.across import in_unit_range, plot_factors, plot_measures, plot_prices, plot_shares, with_spread
from nasnb.search import begin
from nasnb.search.perturbation import perturbation
from nasnb.search.selection import magnitude
from nasnb.spaces import with_nodes

TINY = SearchConfig(epochs=2, batch_size=16, channels=4, cells=3, pace=0.1, train_images=32)


def fresh(name, *, nodes=1, **changes):
    """An untrained supernet of a method, with cells of one node and an alpha that prefers something."""
    method = METHODS[name]
    method = replace(method, space=with_nodes(method.space, nodes), select=None, then=None)
    config = replace(TINY, channels=16 if name == "pc-darts" else 4)
    state = begin(replace(method, **changes), tiny_data(n=48), config)
    with torch.no_grad():
        for row, alpha in enumerate(state.relaxation.alpha["normal"]):
            alpha[row % len(alpha)] += 1.0
        for images, _ in state.batches(state.train, "warm up", 0):
            state.net(images, state.weights())
    return state


@pytest.fixture(scope="module")
def darts():
    return fresh("darts-1st")


def decided(state):
    for group, edges in state.relaxation.choices.groups.items():
        for edge in range(len(edges)):
            state.relaxation.decide(group, edge, 4)
    return state


# --- rows -------------------------------------------------------------------------------------------------------------

WITHOUT = {
    "darts-1st": set(),
    "sharpdarts-max-w": set(),
    "pc-darts": set(),
    "stacnas": set(),
    "msr-darts": {"agreement", "skip_gap", "entropy", "eigenvalue"},
    "darts-pt-fixed-alpha": {"agreement", "skip_gap", "entropy", "eigenvalue"},
}


@pytest.mark.parametrize("name", WITHOUT)
def test_a_row_has_every_diagnostic_or_the_reason_why_not(name):
    state = fresh(name)
    before = {key: tensor.clone() for key, tensor in state.net.state_dict().items()}
    genotype = state.method.space.discretise(measures.convolution_ranks(state))
    row = measures.diagnostics(state, genotype, n_batches=2, batch_size=8)
    assert list(row) == [*measures.DIAGNOSTICS, "group_size"]
    assert {key for key, value in row.items() if isinstance(value, str)} == WITHOUT[name]
    assert all(value.startswith(measures.NOT_DEFINED) for value in row.values() if isinstance(value, str))
    assert all(np.isfinite(value) for value in row.values() if not isinstance(value, str))
    assert row["cost"] > 0 and row["confusion"] >= 0
    assert all(torch.equal(before[key], tensor) for key, tensor in state.net.state_dict().items())


def test_a_decided_supernet_keeps_what_alpha_said_and_has_no_strengths():
    state = fresh("sgas")
    gap = measures.final_skip_gap(state)
    decided(state)
    assert measures.final_skip_gap(state) == gap
    for measure in (measures.strength_agreement, measures.largest_group, measures.curvature):
        arguments = () if measure is measures.strength_agreement else ([],)
        with pytest.raises(measures.NotDefined, match="every edge is decided"):
            measure(state, *arguments)


def test_the_skip_gap_is_the_one_of_the_mixing_weights(darts):
    weights, ops = darts.weights()["normal"], darts.method.space.choices.groups["normal"][0].ops
    convolutions = [i for i, op in enumerate(ops) if "conv" in op]
    by_hand = weights[:, ops.index("skip_connect")] - weights[:, convolutions].amax(1)
    assert measures.final_skip_gap(darts) == pytest.approx(float(by_hand.mean()))


def test_entropy_is_1_for_equal_weights_and_0_for_a_decided_alpha():
    state = fresh("darts-1st")
    with torch.no_grad():
        for alpha in state.relaxation.alpha.values():
            alpha.zero_()
        assert measures.alpha_entropy(state) == pytest.approx(1, abs=1e-6)
        for alpha in state.relaxation.alpha.values():
            alpha[:, 2] = 100
    assert measures.alpha_entropy(state) == pytest.approx(0, abs=1e-6)


def test_parts_share_no_image(darts):
    parts = measures.in_parts(darts, 3)
    assert sum(len(part.valid) for part in parts) == len(darts.valid)
    assert torch.equal(torch.cat([part.train.images for part in parts]), darts.train.images)


def test_agreement_is_the_mean_of_the_edges(darts, monkeypatch):
    rows = [(0, a, a**3) for a in (1.0, 2.0, 3.0)] + [(1, a, b) for a, b in ((1.0, 2.0), (2.0, 3.0), (3.0, 1.0))]
    table = pd.DataFrame(rows, columns=["edge", "alpha", "loss_without"])
    monkeypatch.setattr(measures, "strength_table", lambda *_: table)
    assert measures.strength_agreement(darts) == pytest.approx((1 - 0.5) / 2)


def test_groups_of_copies_are_found_as_the_largest(darts, monkeypatch):
    names = ["a", "b", "c", "d"]
    matrix = pd.DataFrame(np.eye(4), names, names)
    matrix.loc["a", "b"] = matrix.loc["b", "a"] = 0.9
    matrix.loc["c", "d"] = matrix.loc["d", "c"] = 0.6
    monkeypatch.setattr(measures, "operator_correlation", lambda *_, **__: matrix)
    assert measures.largest_group(darts, []) == (pytest.approx(0.9), 2)
    assert measures.largest_group(darts, [], tau=0.95) == (pytest.approx(0.9), 1)


def test_choosing_the_lowest_rank_is_below_chance_and_pools_have_none(darts):
    scores = measures.convolution_ranks(darts)
    genotype = darts.method.space.discretise(scores)
    assert measures.chosen_rank(darts, genotype) < 1
    ops = darts.method.space.choices.groups["normal"][0].ops
    assert set(genotype.ops("normal")) <= {op for op in ops if "conv" in op}
    pools = {group: torch.zeros_like(score) for group, score in scores.items()}
    for score in pools.values():
        score[:, ops.index("skip_connect")] = 1
    with pytest.raises(measures.NotDefined, match="no convolution"):
        measures.chosen_rank(darts, darts.method.space.discretise(pools))


def test_ranks_of_mixed_candidates_are_those_of_the_table(darts):
    table = stable_rank_table(darts.net, darts.data.image_size)
    ops = darts.method.space.choices.groups["normal"][0].ops
    for of in ("operator", "kernel"):
        scores = measures.convolution_ranks(darts, of=of)
        for (group, edge, op), rank in table.groupby(["group", "edge", "op"])[f"{of}_rank"].mean().items():
            assert -scores[group][edge, ops.index(op)] == pytest.approx(rank, rel=1e-4)


# --- rules on other supernets -----------------------------------------------------------------------------------------


def test_stable_ranks_are_those_of_the_method_that_brought_them():
    state = fresh("msr-darts")
    own, moved = state.method.score(state), measures.convolution_ranks(state)
    for group, ranks in own.items():
        torch.testing.assert_close(moved[group], ranks, rtol=1e-4, atol=1e-6)


def test_perturbation_chooses_on_a_supernet_without_alpha():
    state = fresh("msr-darts")
    state.method = replace(state.method, select=perturbation(interval=0, criterion="loss"), score=magnitude)
    state.epoch = state.config.epochs
    phase = state.method.select(state.method, state.config)
    phase.hook(state)
    ops = state.method.genotype(state).ops("normal")
    trace = {task["index"]: task["op"] for task in state.extra["decisions"] if task["group"] == "normal"}
    names = state.method.space.choices.groups["normal"]
    assert sorted(ops) == sorted(names[edge].ops[op] for edge, op in trace.items())


# --- many rows --------------------------------------------------------------------------------------------------------

ROWS = pd.DataFrame(
    {
        "method": ["a", "a", "b", "b", "c", "c"],
        "seed": [0, 1] * 3,
        "x": [1.0, 3.0, 10.0, 12.0, 20.0, 22.0],
        "y": ["not defined: too small", "not defined: too small", 1.0, 2.0, 5.0, "not defined: odd"],
    }
)


def test_what_no_seed_has_is_no_number():
    assert comparison.means(ROWS, ["x", "y"]).y.tolist()[1:] == [1.5, 5.0]
    assert np.isnan(comparison.means(ROWS, ["y"]).y["a"]) and np.isnan(comparison.spreads(ROWS, ["y"]).y["c"])
    assert comparison.spreads(ROWS, ["x"]).x.tolist() == pytest.approx([2**0.5] * 3)


def test_claims_are_paired_by_seed():
    names = ["DARTS", "StacNAS", "SDARTS-RS", "SGAS", "fixed"]
    lines = [
        {"method": m, "seed": s, "by magnitude": 90.0 + s, "by perturbation": 91.0 + s + i, "own": 90.0 + i}
        | {
            "by stable rank": 90.0,
            "skip_gap": i - s,
            "correlation": 0.1 * i,
            "eigenvalue": 1.0 + i,
            "agreement": 0.2 * s,
        }
        | {"confusion": float(-i), "stable_rank": 1.0}
        for s in range(3)
        for i, m in enumerate(names)
    ]
    table = pd.DataFrame(lines).astype({"by magnitude": object, "skip_gap": object})
    table.loc[table.method == "fixed", ["by magnitude", "skip_gap"]] = "not defined: alpha is not learnt"
    found = comparison.effects_by_seed(table)
    assert found["across/perturbation-beats-magnitude"].tolist() == pytest.approx([1 + (0 + 1 + 2 + 3) / 4] * 3)
    assert found["across/smaller-skip-gap"].tolist() == pytest.approx([-2.0] * 3)
    assert found["across/noise-flattens"].tolist() == pytest.approx([-2.0] * 3)
    assert found["across/confusion-foretells"].tolist() == pytest.approx([1.0] * 3)  # less of it, better cells
    assert found["across/alpha-ranks-strength"].tolist() == pytest.approx([0.0, 0.2, 0.4])
    assert len(found["across/stable-rank-foretells"]) == 0  # it never changes


def test_half_widths_are_those_of_a_t_interval():
    table = pd.DataFrame({"method": list("aaabb"), "x": [1.0, 3.0, 8.0, 1.0, 2.0]})
    width = stats.t.interval(0.95, 2, loc=4, scale=stats.sem([1.0, 3.0, 8.0]))[1] - 4
    assert comparison.half_widths(table, ["x"]).x["a"] == pytest.approx(width)
    assert np.isnan(comparison.half_widths(table, ["x"]).x["b"])


def test_one_shot_accuracy_is_that_of_the_chosen_operations_alone(darts):
    genotype = darts.method.space.discretise(measures.convolution_ranks(darts))
    weights = chosen_weights(darts, genotype)
    assert all(w.sum() == len(genotype.picks[group]) for group, w in weights.items())
    alone = darts.copied()
    with torch.no_grad():
        for group, w in weights.items():
            alone.relaxation.open(group).copy_(w.bool())
        alone.relaxation._changed()
    with statistics(alone.net, "batch"):
        by_hand = evaluate(lambda images: alone.net(images, alone.weights()), alone.valid, alone.data).accuracy
    assert one_shot_accuracy(darts, genotype) == pytest.approx(by_hand)


def test_names_are_listed():
    assert comparison.listed(["a", "b", "c"]) == "a, b and c" and comparison.listed([]) == "none"


# --- the matrix -------------------------------------------------------------------------------------------------------


def test_every_column_has_its_own_scale():
    grid = np.array([[1.0, 7.0, np.nan], [3.0, 7.0, 5.0], [2.0, 7.0, 9.0]])
    scaled = in_unit_range(grid)
    assert scaled[:, 0].tolist() == [0, 1, 0.5] and scaled[:, 1].tolist() == [0.5] * 3
    assert np.isnan(scaled[0, 2]) and scaled[1:, 2].tolist() == [0, 1]


def test_the_matrix_writes_mean_and_spread_and_what_is_not_defined():
    means = comparison.means(ROWS, ["x", "y"])
    ax = plot_measures(means, comparison.spreads(ROWS, ["x", "y"]), titles={"x": "width"})
    words = [text.get_text() for text in ax.texts]
    assert words[:3] == ["2.00\n± 1.4", "not\ndefined", "11.0\n± 1.4"] and words[-1] == "5.00"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["width", "y"]
    colours = [to_hex(text.get_color()) for text in ax.texts]
    assert len(set(colours)) == 3  # dark on pale, pale on dark, muted where there is nothing
    with pytest.raises(ValueError, match="one spread per mean"):
        plot_measures(means, means[["x"]])


def test_of_one_unit_a_pale_cell_is_lower_wherever_it_stands_and_n_is_written():
    means = pd.DataFrame({"a": [70.0, 71.0], "b": [90.0, 94.0]})
    ax = plot_measures(means, means * np.nan, counts=pd.DataFrame({"a": [6, 6], "b": [1, 6]}), one_scale=True)
    assert [text.get_text() for text in ax.texts] == ["70.0\nn = 6", "90.0\nn = 1", "71.0\nn = 6", "94.0\nn = 6"]
    shades = ax.collections[0].get_array().ravel()
    assert shades[0] < shades[2] < shades[1] < shades[3]


@pytest.mark.parametrize(
    "mean, spread, text",
    [
        (0.000012345, 0.0056, "1.2e−05\n± 0.0056"),
        (0.01234, 0.0056, "0.0123\n± 0.0056"),
        (-0.123, 0.04, "−0.123\n± 0.040"),
        (71.234, float("nan"), "71.2"),
        (12345.0, 99.0, "12345\n± 99"),
        (0.0, 0.0, "0\n± 0"),
    ],
)
def test_numbers_keep_three_and_two_digits(mean, spread, text):
    assert with_spread(mean, spread) == text


def test_shares_prices_and_factors_are_drawn_as_they_are():
    ax = plot_shares(
        pd.DataFrame({"trained": [0.5, -0.1], "untrained": [np.nan, 0.2]}, index=["a", "b"]), label="share"
    )
    assert [bar.get_width() for bars in ax.containers for bar in bars] == [0.5, 0, 0, 0.2]
    lines = [("x", "one", 10.0, 2.0), ("y", "one", 20.0, -1.0), ("x", "two", 30.0, 3.0)]
    ax = plot_prices(pd.DataFrame(lines, columns=["method", "rule", "cost", "lead"]), label="seconds")
    assert [line.get_ydata().tolist() for line in ax.lines[1:]] == [[2.0, -1.0], [3.0]]
    assert [text.get_text() for text in ax.texts] == ["x", "y", "x"]
    (panel,) = plot_factors({"made": pd.DataFrame({"share": [0.8, 0.2], "chance": [0.6, 0.4]})}).axes
    assert panel.lines[0].get_ydata().tolist() == pytest.approx([80, 20]) and "made" in (
        panel.get_title(),
        panel.get_title(loc="left"),
    )
