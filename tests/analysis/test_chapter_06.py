"""What the chapter on DARTS-PT adds: selections from any supernet, their tables and figures, and kept results."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny_data
from matplotlib.figure import Figure

from nasnb.analysis.darts_pt.noise import noise_missed
from nasnb.analysis.darts_pt.selecting import (
    decision_table,
    discretisation_table,
    drops,
    random_edges,
    selected,
    strength_table,
    trajectory,
)
from nasnb.config import SearchConfig
from nasnb.methods import METHODS
from nasnb.plots import plot_picks, plot_trajectory, plot_weight_and_worth
from nasnb.runs.kept import keep, kept
from nasnb.search import begin
from nasnb.search.perturbation import perturbation
from nasnb.search.strengths import Evaluation, operation_strengths

B201 = METHODS["darts-pt"].on("bench201")
TINY = SearchConfig(epochs=2, batch_size=16, channels=4, cells=1, pace=0.1, train_images=32)


@pytest.fixture(scope="module")
def state():
    """A NAS-Bench-201 supernet whose alpha prefers something else on every edge."""
    state = begin(replace(B201, select=None), tiny_data(n=48), TINY)
    with torch.no_grad():
        for edge, row in enumerate(state.relaxation.alpha["cell"]):
            row[edge % 5] += 1.0
    return state


# --- selections -------------------------------------------------------------------------------------------------------


def test_selection_works_on_a_copy_from_where_the_supernet_stands(state):
    before = {name: tensor.clone() for name, tensor in state.net.state_dict().items()}
    end = selected(state, perturbation(criterion="magnitude", interval=0))
    assert state.relaxation.is_open() is None and "decisions" not in state.extra
    assert all(torch.equal(before[name], tensor) for name, tensor in state.net.state_dict().items())
    assert [task["op"] for task in sorted(end.extra["decisions"], key=lambda task: task["index"])] == [0, 1, 2, 3, 4, 0]
    assert end.config.epochs == state.stage_epoch


def test_another_seed_of_the_selection_takes_the_edges_in_another_order(state):
    orders = []
    for seed in (0, 1):
        end = selected(state, perturbation(criterion="magnitude", interval=0), seed=seed)
        orders.append([task["index"] for task in end.extra["decisions"]])
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(6)) and orders[0] != orders[1]


def test_decisions_become_rows_that_say_where_alpha_disagrees():
    space = METHODS["darts-pt"].on("s2").space
    decisions = [
        {
            "kind": "op",
            "group": "normal",
            "index": 3,
            "epoch": 5,
            "op": 1,
            "largest_alpha": 0,
            "without": {0: [0.5, 71.0], 1: [0.6, 70.0]},
        },
        {
            "kind": "op",
            "group": "reduce",
            "index": 0,
            "epoch": 5,
            "op": 0,
            "largest_alpha": 0,
            "accuracy_after": 69.0,
            "without": {0: [0.5, 70.0], 1: [0.6, 70.0]},
        },
        {"kind": "node", "group": "normal", "index": 3, "epoch": 9, "kept": [2, 3], "without": {}},
    ]
    table = decision_table(decisions, space.choices)
    assert table.op.tolist() == ["sep_conv_3x3", "skip_connect"]
    assert table.agree.tolist() == [False, True] and table.tie.tolist() == [False, True]
    assert (table.source[0], table.target[0]) == (1, 3) and np.isnan(table.accuracy_after[0])


def test_trajectory_has_every_epoch_up_to_the_last_snapshot():
    rules = {"PT": perturbation(interval=0), "PT-Mag": perturbation(criterion="magnitude", interval=0)}
    table = trajectory(B201, tiny_data(n=48), replace(TINY, epochs=3), selections=rules, snapshots=[1, 2])
    assert table.groupby("how").epoch.apply(list).to_dict() == {"PT": [1, 2], "PT-Mag": [1, 2], "magnitude": [1, 2]}
    by_alpha = table[table.how != "PT"].groupby("epoch").genotype.nunique()
    assert (by_alpha == 1).all(), "without tuning, deciding by alpha edge by edge is deciding by alpha at once"


def test_strengths_as_rows_are_those_of_each_edge(state):
    how = Evaluation(augment=False)
    table = strength_table(state, "cell", [2], how=how)
    scores = operation_strengths(state, "cell", 2, how=how)
    assert table.accuracy_without.tolist() == [score.accuracy for score in scores.values()]
    assert table.op[table.weight.idxmax()] == "nor_conv_1x1" and table.weight.sum() == pytest.approx(1)


def test_every_candidate_is_measured_as_often_as_told(state):
    table = discretisation_table(state, "cell", [1], epochs=1, repeats=2)
    assert table.groupby("op")["repeat"].apply(list).tolist() == [[0, 1]] * 5
    assert set(table.columns) >= {"alpha", "weight", "batch", "running", "loss", "epochs"}


def test_rounds_of_decisions_have_a_price_at_once():
    """Two cells decided in one round, then a node: before the first, after the last."""
    trace = [
        {"kind": "op", "accuracy_before": 60.0},
        {"kind": "op", "accuracy_after": 57.5},
        {"kind": "node", "accuracy_before": 58.0, "accuracy_after": 58.0},
    ]
    assert drops(trace).values.tolist() == [[1, "op", 60.0, 57.5, 2.5], [2, "node", 58.0, 58.0, 0.0]]


def test_a_selection_tells_both_sides_of_every_round(state):
    end = selected(state, perturbation(criterion="random", interval=0))
    found = drops(end.extra["decisions"])
    assert len(found) == 6 and found.notna().all().all()
    assert found.after[:-1].tolist() == found.before[1:].tolist(), "no tuning in between, and the same batches"


def test_random_edges_are_different_and_follow_the_seed():
    choices = METHODS["darts-pt"].space.choices
    drawn = random_edges(choices, "normal", 3, seed=1)
    assert len(set(drawn)) == 3 and drawn == sorted(drawn) == random_edges(choices, "normal", 3, seed=1)
    assert random_edges(choices, "normal", 99) == list(range(14))


# --- figures ----------------------------------------------------------------------------------------------------------


def test_weights_are_bars_and_worths_are_points():
    table = pd.DataFrame(
        {
            "panel": ["a", "a", "b", "b"],
            "op": ["skip_connect", "sep_conv_3x3"] * 2,
            "weight": [0.7, 0.3, 0.4, 0.6],
            "batch": [60.0, 62.0, 61.0, 59.0],
            "running": [50.0, 52.0, 51.0, 49.0],
            "noise": [0.5, 0.5, np.nan, np.nan],
        }
    )
    fig = plot_weight_and_worth(table)
    bars = [[bar.get_height() for bar in ax.patches] for ax in fig.axes if ax.patches]
    assert bars == [[0.7, 0.3], [0.4, 0.6]]
    points = [line.get_ydata().tolist() for ax in fig.axes for line in ax.lines if line.get_marker() == "o"]
    assert points == [[60.0, 62.0], [61.0, 59.0]]
    crosses = [line.get_ydata().tolist() for ax in fig.axes for line in ax.lines if line.get_marker() == "x"]
    assert crosses == [[50.0, 52.0], [51.0, 49.0]]


def test_picks_are_coloured_fields_with_letters_that_differ():
    table = pd.DataFrame(
        {"by": ["alpha", "alpha", "PT"], "edge": [0, 1, 1], "op": ["skip_connect", "sep_conv_3x3", "tie"]}
    )
    fig = plot_picks(table, row="by", column="edge")
    (ax,) = fig.axes
    letters = [text.get_text() for text in ax.texts]
    assert len(ax.patches) == 3 and len(set(letters)) == 3
    assert [patch.get_xy() for patch in ax.patches] == [(0, 0), (1, 0), (1, 1)]


def test_trajectories_have_a_point_per_seed_and_a_line_through_the_means():
    table = pd.DataFrame(
        {
            "panel": "cifar10",
            "how": ["DARTS", "DARTS", "PT", "PT"],
            "epoch": 1,
            "seed": [0, 1, 0, 1],
            "value": [54.0, 56.0, 88.0, 90.0],
        }
    )
    fig = plot_trajectory(table, label="accuracy", lines={"cifar10": {"median": 90.7}})
    assert isinstance(fig, Figure)
    heights = [np.ravel(line.get_ydata()).tolist() for line in fig.axes[0].lines]
    assert heights == [[54.0, 56.0], [55.0], [88.0, 90.0], [89.0], [90.7, 90.7]]


# --- kept results -----------------------------------------------------------------------------------------------------


def test_a_kept_result_comes_back_and_needs_its_record(tmp_path):
    table = pd.DataFrame({"epoch": [1, 2], "value": [0.5, 0.25]})
    record = {"data": "tiny", "config": {}, "seed": [0], "device": "CPU", "commit": "a" * 40, "seconds": 1.5}
    keep("chapter/figure", "<svg/>", table, record, figures_dir=tmp_path)
    found = kept("chapter/figure", figures_dir=tmp_path)
    assert found.svg == "<svg/>" and found.record == record and found.table.equals(table)
    assert "tiny" in str(found) and "aaaaaaaaaa" in str(found)
    assert kept("chapter/other", figures_dir=tmp_path) is None
    with pytest.raises(ValueError, match="lacks commit; it must say data"):
        keep("x", "<svg/>", table, {k: v for k, v in record.items() if k != "commit"}, figures_dir=tmp_path)


def test_every_edge_of_s4_is_judged_on_as_many_images_as_told():
    data = tiny_data(n=48)
    on_s4 = begin(replace(METHODS["darts-pt"].on("s4"), select=None), data, replace(TINY, cells=3, channels=2))
    table = noise_missed(on_s4, data.test, (8,))
    assert table.groupby("images").size().tolist() == [28] and set(table.weight.round(2)) == {0.5}
    per_image = table.gap * table.images / 100  # of so few images, whole ones
    assert per_image.tolist() == pytest.approx(per_image.round().tolist(), abs=1e-3)
    assert table.noise[table.gap > 0].all() and not table.noise[table.gap < 0].any()
    with pytest.raises(ValueError, match="999 held-out images asked for; there are"):
        noise_missed(on_s4, data.test, (999,))
