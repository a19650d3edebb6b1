"""What the chapter across papers adds: diagnostics of a supernet as a row, rules that move, the matrix."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny_data
from matplotlib.colors import to_hex

from nasnb.analysis.across import comparison, measures
from nasnb.analysis.msr_darts import stable_rank_table
from nasnb.config import SearchConfig, TrainConfig
from nasnb.methods import METHODS
from nasnb.plots.across import in_unit_range, plot_measures, with_spread
from nasnb.search import begin
from nasnb.search.decisions import greedy
from nasnb.search.perturbation import perturbation
from nasnb.search.selection import magnitude
from nasnb.spaces import with_nodes
from nasnb.training import accuracy_on, prepare

SHORT = TrainConfig(epochs=1, channels=4, cells=3, auxiliary_weight=0.0)
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


def test_a_network_is_tested_with_the_statistics_asked_for(darts):
    state = prepare(darts.method.space, darts.method.genotype(darts), darts.data, SHORT)
    assert measures.final_accuracy(state) == accuracy_on(state).accuracy
    before = {name: buffer.clone() for name, buffer in state.net.named_buffers()}
    assert 0 <= measures.final_accuracy(state, statistics="batch") <= 100
    assert all(torch.equal(before[name], buffer) for name, buffer in state.net.named_buffers())


# --- rules on other supernets -----------------------------------------------------------------------------------------


def test_stable_ranks_are_those_of_the_method_that_brought_them():
    state = fresh("msr-darts")
    own, moved = state.method.score(state), measures.convolution_ranks(state)
    for group, ranks in own.items():
        torch.testing.assert_close(moved[group], ranks, rtol=1e-4, atol=1e-6)


def test_a_greedy_search_decides_by_rank():
    state = fresh("sgas")
    state.config = replace(state.config, pace=0.0)
    greedy(first=0, interval=0, choose=measures.lowest_rank)(state)
    decision = state.extra["greedy"]["decisions"][0]
    ranks = measures.convolution_ranks(state)[decision["group"]][decision["edge"]]
    assert decision["op"] == int(ranks.argmax())


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


def test_reasons_stand_where_no_seed_has_a_number():
    assert comparison.means(ROWS, ["x", "y"]).y.tolist()[1:] == [1.5, 5.0]
    assert np.isnan(comparison.means(ROWS, ["y"]).y["a"]) and np.isnan(comparison.spreads(ROWS, ["y"]).y["c"])
    assert comparison.spreads(ROWS, ["x"]).x.tolist() == pytest.approx([2**0.5] * 3)
    assert comparison.reasons(ROWS, ["x", "y"]) == {("a", "y"): "too small"}
    assert comparison.common(comparison.means(ROWS, ["x", "y"]), "x", "y") == 2


def test_separation_is_the_spread_of_means_over_the_spread_of_seeds():
    assert comparison.separation(ROWS, ["x"]).x == pytest.approx(np.std([2, 11, 21], ddof=1) / 2**0.5)
    noise = np.random.default_rng(0).standard_normal((400, 4))
    table = pd.DataFrame({"method": np.repeat(np.arange(400), 4), "x": noise.ravel()})
    assert comparison.separation(table, ["x"]).x == pytest.approx(0.5, abs=0.05)


def test_chance_stays_below_the_critical_correlation():
    draw = np.random.default_rng(0)
    ranks = [draw.permutation(8) for _ in range(4000)]
    r = [np.corrcoef(np.arange(8), rank)[0, 1] for rank in ranks]
    assert np.mean(np.abs(r) > comparison.critical_correlation(8)) == pytest.approx(0.05, abs=0.02)
    assert np.isnan(comparison.critical_correlation(3))
    few = pd.DataFrame({"x": [1.0, 2, 3, 4, 5], "y": [1.0, 2, 3, 4, np.nan]})
    assert np.isnan(comparison.column_correlations(few).loc["x", "y"])


def test_names_are_listed_by_their_verdict():
    assert comparison.in_words({"a": "open", "b": "opposite", "c": "open"}) == "open for a and c; opposite for b"
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


def test_foretelling_is_one_rank_correlation_per_seed_with_the_sign_of_the_claim():
    rows = [
        (f"m{i}", seed, value, own)
        for seed, order in ((0, 1), (1, -1))
        for i, (value, own) in enumerate(zip(range(5), [10 + order * k for k in range(5)], strict=True))
    ]
    table = pd.DataFrame(rows, columns=["method", "seed", "gap", "own"])
    assert comparison.foretelling(table, "gap", sign=-1).to_dict() == pytest.approx({0: -1.0, 1: 1.0})
    few = table.assign(gap=[value if i else "– not defined" for i, value in enumerate(table.gap)])
    assert list(comparison.foretelling(few, "gap", sign=1).index) == [1]  # the first seed has but four methods
