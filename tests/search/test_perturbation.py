"""DARTS-PT: what is masked, what is decided from it, in which order; the cases P1 to P9 of its specification."""

from dataclasses import replace
from unittest.mock import Mock

import pytest
import torch
from conftest import tiny_data
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from nasnb.analysis.darts_pt.discretisation import discretisation_accuracy
from nasnb.architecture import Choices, Edge
from nasnb.config import SearchConfig
from nasnb.data.bench201 import Bench201Table
from nasnb.evaluation import Score, Tally, statistics
from nasnb.methods import METHODS
from nasnb.search import begin, search
from nasnb.search.decisions import candidates, kept_edges
from nasnb.search.perturbation import (
    Decision,
    decision_order,
    eliminated,
    perturbation,
    strongest_edges,
    timetable,
    weakest,
)
from nasnb.search.steps import alpha_gradient
from nasnb.search.strengths import Evaluation, edge_strengths, masked_scores, operation_strengths
from nasnb.spaces import SPACES, with_nodes
from nasnb.supernet.edges import FanOut
from nasnb.supernet.network import each_time
from nasnb.supernet.relaxation import Relaxation, softmax

TINY = SearchConfig(epochs=1, batch_size=16, channels=4, cells=3, pace=0.2, train_images=32)
PT = METHODS["darts-pt"]
SHALLOW = replace(PT.on("s2"), space=with_nodes(SPACES["s2"], 3))  # nodes 2, 3 and 4: nine edges per cell type


def state_in(space="s2", **changes):
    return state_of(PT.on(space), **changes)


def state_of(method, **changes):
    """With an alpha that prefers something."""
    state = begin(method, tiny_data(n=48), replace(TINY, **changes))
    with torch.no_grad():
        for i, alpha in enumerate(state.relaxation.alpha.values()):
            alpha += torch.randn(alpha.shape, generator=torch.Generator().manual_seed(i))
    return state


def accuracies(*values):
    return {i: Score(0.0, value) for i, value in enumerate(values)}


# --- rules ----------------------------------------------------------------------------------------------------------


def test_the_operation_without_which_the_supernet_does_worst_wins():
    assert weakest(accuracies(90.1, 88.0, 88.0, 91.0)) == 1
    losses = {i: Score(loss, 0.0) for i, loss in enumerate([0.30, 0.41, 0.41, 0.20])}
    assert weakest(losses, "loss") == 1
    assert weakest(accuracies(50.0)) == 0


def test_of_equal_accuracies_the_larger_loss_is_missed_more():
    equal = {0: Score(1.0, 88.0), 1: Score(1.3, 88.0), 2: Score(2.0, 90.0)}
    assert weakest(equal) == 1
    assert strongest_edges(equal, 2) == [1, 0]


def test_a_random_choice_is_any_operation_and_evaluates_nothing(monkeypatch):
    monkeypatch.setattr("nasnb.search.perturbation.operation_strengths", Mock(side_effect=AssertionError))
    chosen = set()
    for seed in range(4):
        method = replace(PT.on("bench201"), select=perturbation(criterion="random", interval=0))
        config = replace(TINY, epochs=0, cells=1, seed=seed)
        *_, last = search(method, tiny_data(n=48), config)
        chosen |= {pick.op for pick in last.genotype.picks["cell"]}
    assert chosen == {"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"}


def test_another_order_is_another_draw_of_the_edges():
    orders = [[d[0].index for d in decision_order(SPACES["bench201"], 3, order=order)] for order in range(3)]
    assert all(sorted(order) == list(range(6)) for order in orders) and len({tuple(order) for order in orders}) == 3


def measured(table):
    """A noise-free `measure` for `eliminated`."""
    return lambda edges, masked, draw: {edge: Score(0.0, table[edge]) for edge in edges}


def test_a_node_keeps_the_edges_that_are_missed_most():
    table = {5: 80.0, 6: 79.0, 7: 81.0, 8: 80.5}
    assert sorted(strongest_edges({e: Score(0.0, a) for e, a in table.items()}, 2)) == [5, 6]
    for cumulative in (False, True):
        assert sorted(eliminated(list(table), 2, measured(table), cumulative=cumulative)) == [5, 6]
    equal = dict.fromkeys((5, 6, 7), 80.0)
    assert eliminated(list(equal), 2, measured(equal), cumulative=False) == [5, 6]  # the last loses
    assert strongest_edges({e: Score(0.0, a) for e, a in equal.items()}, 2) == [5, 6]


@given(st.lists(st.integers(0, 5), min_size=2, max_size=6))
def test_without_noise_the_rounds_of_the_code_keep_what_one_round_keeps(values):
    table = dict(enumerate(map(float, values)))
    scores = {e: Score(0.0, a) for e, a in table.items()}
    assert sorted(strongest_edges(scores, 2)) == sorted(eliminated(list(table), 2, measured(table), cumulative=False))


def test_evaluations_of_the_rounds_of_the_code():
    """P4: 22 per cell type, for nodes of three, four and five incoming edges."""
    count = []

    def measure(edges, masked, draw):
        count.extend(edges)
        return {edge: Score(0.0, float(edge)) for edge in edges}

    for n_edges in (3, 4, 5):
        eliminated(range(n_edges), 2, measure, cumulative=False)
    assert len(count) == 22


def test_cumulative_rounds_mask_what_is_gone_and_the_others_draw_anew():
    seen = []

    def measure(edges, masked, draw):
        seen.append((list(edges), list(masked), draw))
        return {edge: Score(0.0, float(edge)) for edge in edges}

    eliminated([1, 2, 3, 4], 2, measure, cumulative=True)
    assert seen == [([1, 2, 3, 4], [], 0), ([1, 2, 3], [4], 1)]


# --- schedule ---------------------------------------------------------------------------------------------------------


def test_timetable_of_the_official_code():
    when, total = timetable(14, 3, 5)
    assert (when, total) == ([*range(0, 70, 5), 70, 75, 80], 81)
    assert timetable(6, 0, 5) == ([0, 5, 10, 15, 20, 24], 25)
    assert timetable(14, 3, 0) == ([0] * 17, 1)
    assert timetable(6, 0, 0) == ([0] * 6, 1)


def test_the_phase_follows_the_search_at_its_pace():
    config = PT.at("paper")
    phase = PT.select(PT, config)
    assert (phase.start, phase.end, phase.lr(60)) == (50, 131, 0.0025)
    annealed = perturbation(lr_min=0.001)(PT, config)
    assert annealed.lr(50) == 0.0025
    assert 0.001 < annealed.lr(130) < 0.00101
    assert PT.on("bench201").select(PT.on("bench201"), PT.on("bench201").config).end == 125


@pytest.mark.parametrize(
    ("space", "ops", "nodes"),
    [("darts-no-none", 196, 24), ("s1", 56, 24), ("s2", 56, 24), ("s3", 56, 24), ("s4", 56, 24), ("bench201", 30, 0)],
)
def test_number_of_masked_evaluations(space, ops, nodes):
    space = SPACES[space]
    tasks = [task for tasks in decision_order(space, 0) for task in tasks]
    assert sum(len(candidates(space, t.group, t.index)) for t in tasks if t.kind == "op") == ops
    targets = {g: [edge.target for edge in edges] for g, edges in space.choices.groups.items()}
    assert sum(targets[t.group].count(t.index) for t in tasks if t.kind == "node") == nodes


def test_plan_decides_every_edge_once_in_an_order_of_its_own():
    rounds = decision_order(SPACES["s2"], 0)
    assert [len(tasks) for tasks in rounds] == [2] * 17
    assert {task.kind for tasks in rounds[14:] for task in tasks} == {"node"}
    for group in ("normal", "reduce"):
        order = [t.index for tasks in rounds[:14] for t in tasks if t.group == group]
        assert sorted(order) == list(range(14)) != order
    assert sorted(t.index for tasks in rounds[14:] for t in tasks) == [3, 3, 4, 4, 5, 5]
    assert decision_order(SPACES["s2"], 1) != rounds
    single = decision_order(SPACES["s2"], 0, joint=False)
    assert [len(tasks) for tasks in single] == [1] * 34
    assert len({task for tasks in single for task in tasks}) == 34


def test_what_a_space_keeps_is_asked_of_the_space():
    assert set(kept_edges(SPACES["s2"])["normal"].items()) == {(2, 2), (3, 2), (4, 2), (5, 2)}
    assert set(kept_edges(SPACES["bench201"])["cell"].items()) == {(1, 1), (2, 2), (3, 3)}
    assert candidates(SPACES["s3"], "normal", 0) == [1, 2]  # none is for the supernet only
    assert candidates(SPACES["bench201"], "cell", 0) == [0, 1, 2, 3, 4]


# --- masks ------------------------------------------------------------------------------------------------------------


def plainly(state, group, edge, op, how=Evaluation()):
    """One mask at a time, the whole network at a time, nothing skipped."""
    weights = {name: w.clone() for name, w in state.weights().items()}
    weights[group][edge, slice(None) if op is None else op] = 0
    tally = Tally()
    with statistics(state.net, how.statistics), torch.no_grad():
        for images, labels in state.batches(state.valid, "strengths 0", state.epoch, augment=how.augment):
            logits = state.net(images, weights)
            tally.add(nn.functional.cross_entropy(logits, labels), logits, labels)
    return tally.score()


@pytest.mark.parametrize("group", ["normal", "reduce"])
@pytest.mark.parametrize("how", [Evaluation(), Evaluation("running", augment=False)], ids=["batch", "running"])
def test_shared_evaluations_equal_plain_ones(group, how):
    state = state_in("darts-no-none")
    state.relaxation.decide(group, 2, 3)
    found = operation_strengths(state, group, 6, how=how)
    assert set(found) == set(range(7))
    for op in (0, 2, 3, 6):
        assert_close(found[op].loss, plainly(state, group, 6, op, how).loss, rtol=1e-5, atol=1e-6)
    whole = edge_strengths(state, group, [5, 2], how=how)
    for edge in (5, 2):
        assert_close(whole[edge].loss, plainly(state, group, edge, None, how).loss, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("space", "group"), [("darts-no-none", "normal"), ("s4", "reduce"), ("bench201", "cell")])
def test_sharing_within_cells_changes_no_bit_and_spares_calls(space, group, monkeypatch):
    """S4 draws noise, so nothing may be shared there: every mask sees the same draws."""
    state, calls = state_in(space, cells=2 if space == "bench201" else 3), []
    for fan in [module for module in state.net.modules() if isinstance(module, FanOut)]:
        fan.register_forward_hook(lambda *_: calls.append(1))
    masks = [[(4, 0)], [], [(4, 1)], [(5, None), (4, 1)]]
    shared, n_shared = masked_scores(state, group, masks), len(calls)
    monkeypatch.setattr("nasnb.search.strengths.Once", lambda known: each_time)
    assert masked_scores(state, group, masks) == shared
    assert (n_shared < len(calls) - n_shared) == (space != "s4")


@pytest.mark.parametrize(("precision", "expected"), [("float32", "ieee"), ("tf32", "tf32"), ("bf16", "tf32")])
def test_evaluations_compute_as_exactly_as_the_search(precision, expected):
    state, seen = state_in(precision=precision), set()

    def note(module, images, logits):
        seen.add((torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision, logits.dtype))

    before = torch.backends.cudnn.conv.fp32_precision
    state.net.head.register_forward_hook(note)
    operation_strengths(state, "normal", 0)
    assert seen == {(expected, expected, torch.bfloat16 if precision == "bf16" else torch.float32)}
    assert torch.backends.cudnn.conv.fp32_precision == before


def test_evaluations_leave_no_trace():
    state = state_in("s4")
    before = {key: value.clone() for key, value in state.net.state_dict().items()}
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first = operation_strengths(state, "reduce", 3)
    assert torch.rand(1) == expected
    assert operation_strengths(state, "reduce", 3) == first  # the noise operation draws the same again
    assert all(torch.equal(value, before[key]) for key, value in state.net.state_dict().items())


def test_masks_are_not_renormalised_unless_asked():
    from nasnb.search.strengths import _routed

    state = begin(METHODS["darts-pt-fixed-alpha"], tiny_data(n=48), TINY)
    wiring = state.net.wirings["normal"]
    for how, total in [(Evaluation(), 6 / 7), (Evaluation(renormalise=True), 1.0)]:
        base = state.net.route(state.weights())["normal"]
        routed = _routed(state, "normal", [(0, 3)], how, base)
        rows = {
            row: sums
            for r, rows in zip(routed, wiring.leaving, strict=True)
            for row, sums in zip(rows, r.mix.sum(1).tolist(), strict=True)
        }
        assert rows.pop(0) == pytest.approx(total)
        assert all(value == pytest.approx(1) for value in rows.values())


def test_masking_none_changes_nothing_and_masking_a_convolution_does():
    state = state_in("s3")
    how = Evaluation("running", augment=False)
    without_none, without_skip, without_sep = operation_strengths(state, "normal", 4, how=how).values()
    (untouched,) = masked_scores(state, "normal", [()], how=how)
    assert without_none == untouched
    assert without_sep.loss != untouched.loss
    assert without_skip.loss != untouched.loss


def test_strengths_need_images_to_measure_on():
    state = state_in(train_fraction=1.0)
    with pytest.raises(ValueError, match=r"train_fraction=1\.0 holds no images out"):
        operation_strengths(state, "normal", 0)


# --- decisions --------------------------------------------------------------------------------------------------------


def test_alpha_of_decided_edges_rests_and_gets_no_gradient():
    state = state_in()
    state.relaxation.decide("normal", 1, 0)
    state.relaxation.decide("normal", 4, None)
    before = state.relaxation.alpha["normal"].detach().clone()
    batches = [next(state.batches(part, "test", 0)) for part in (state.train, state.valid)]
    state.method.step(state, batches[0], lambda: batches[1])
    gradient, after = state.relaxation.alpha["normal"].grad, state.relaxation.alpha["normal"].detach()
    assert not gradient[[1, 4]].any()
    assert gradient[[0, 2, 3]].any(1).all()
    assert torch.equal(after[[1, 4]], before[[1, 4]])
    assert (after[[0, 2, 3]] != before[[0, 2, 3]]).all()
    weights = state.weights()["normal"]
    assert weights[1].tolist() == [1, 0]
    assert weights[4].tolist() == [0, 0]


class Planted(nn.Module):
    """One edge with two operations: the first says nothing, the second tells the class. The interface of a Network."""

    groups = ("cell",)

    def __init__(self):
        super().__init__()
        self.wirings = {"cell": Mock(side_effect=lambda weights, edges, open: [weights], leaving=[(0,)])}

    def stem(self, images):
        return images.mean((1, 2, 3))

    def route(self, weights, open):
        return {"cell": [weights["cell"]]}

    def features(self, brightness, routed, *, start=0, stop=None, call=None):
        if stop == 0:
            return brightness
        levels = torch.arange(4) * 0.63  # the four classes differ by their brightness
        signal = -((brightness[:, None] - brightness.min() - levels) ** 2)
        ((_, second),) = routed["cell"][0]
        return None, second * signal

    def head(self, x):
        return x


def test_perturbation_takes_the_operation_that_carries_the_label_and_magnitude_the_larger_alpha():
    state = begin(PT, tiny_data(n=48), replace(TINY, crop_padding=0))
    choices = Choices({"cell": (Edge(0, 1, ("skip_connect", "sep_conv_3x3")),)})
    state.net, state.relaxation = Planted(), Relaxation(choices, softmax, std=0.0)
    with torch.no_grad():
        state.relaxation.alpha["cell"][0, 0] = 3.0
    strengths = operation_strengths(state, "cell", 0)
    assert strengths[0].accuracy > 60 > strengths[1].accuracy
    assert weakest(strengths) == 1
    assert state.weights()["cell"][0].argmax() == 0


def decided(method, state):
    """What a selection phase decides at once (interval 0), without tuning."""
    state.config = replace(state.config, pace=0.0)
    state.epoch = state.config.epochs
    method.select(method, state.config).hook(state)
    return state


@pytest.mark.parametrize("topology", ["one_round", "greedy_code", "greedy_cumulative", "magnitude"])
def test_every_topology_rule_keeps_two_edges_per_node(topology):
    method = replace(SHALLOW, select=perturbation(topology=topology))
    state = decided(method, state_of(method))
    for group, edges in method.space.choices.groups.items():
        rows = state.weights()[group].sum(1).tolist()
        assert [sum(r for r, e in zip(rows, edges, strict=True) if e.target == n) for n in (2, 3, 4)] == [2] * 3
    genotype = method.genotype(state)
    trace = {(d["group"], d["index"]): d for d in state.extra["decisions"] if d["kind"] == "op"}
    for group, picks in genotype.picks.items():
        edges = method.space.choices.groups[group]
        for op, source, target in picks:
            edge = next(i for i, e in enumerate(edges) if (e.source, e.target) == (source, target))
            assert edges[edge].ops[trace[group, edge]["op"]] == op
        assert [p.source for p in picks] == [
            s for n in (2, 3, 4, 5) for s in sorted(p.source for p in picks if p.target == n)
        ]


def test_magnitude_decides_by_alpha_alone_and_evaluates_nothing_for_it():
    method = replace(METHODS["darts-pt-mag"], space=SHALLOW.space)
    state = state_of(method)
    largest = {group: alpha.argmax(1).tolist() for group, alpha in state.relaxation.alpha.items()}
    decided(method, state)
    ops = [d for d in state.extra["decisions"] if d["kind"] == "op"]
    assert all(d["op"] == largest[d["group"]][d["index"]] for d in ops)
    assert not any(d["without"] for d in ops)
    weights = {(d["group"], d["index"]): d["weight"] for d in ops}
    for node in [d for d in state.extra["decisions"] if d["kind"] == "node"]:
        edges = method.space.choices.groups[node["group"]]
        incoming = [i for i, e in enumerate(edges) if e.target == node["index"]]
        gone = set(incoming) - set(node["kept"])
        assert min(weights[node["group"], e] for e in node["kept"]) >= max(weights[node["group"], e] for e in gone)


def test_the_reduction_edge_is_decided_under_the_normal_decision():
    state = decided(SHALLOW, state_of(SHALLOW))
    first, second = state.extra["decisions"][:2]
    again = state_of(SHALLOW)
    again.config, again.epoch = state.config, state.epoch
    again.relaxation.decide(first["group"], first["index"], first["op"])
    expected = operation_strengths(again, second["group"], second["index"])
    assert second["without"] == {op: [s.loss, s.accuracy] for op, s in expected.items()}


def test_genotype_after_selection():
    """P9: all separable convolutions but edge 3, a skip; node by node the kept edges in ascending order."""
    state = state_in("s2")
    for edge in range(14):
        state.relaxation.decide("normal", edge, 0 if edge == 3 else 1)
    for keep, expected in [
        ({2, 4, 6, 8, 10, 13}, "s30 s31 / s30 s32 / s31 s33 / s31 s34"),
        ({3, 4, 6, 8, 10, 13}, "s30 s31 / sk1 s32 / s31 s33 / s31 s34"),
    ]:
        other = state.copied()
        for edge in set(range(2, 14)) - keep:
            other.relaxation.decide("normal", edge, None)
        assert other.method.genotype(other).short("normal") == expected


def test_the_cell_of_known_strengths_is_looked_up(monkeypatch):
    """P15: where every edge misses its skip most, NAS-Bench-201 says what that cell is worth."""
    method = PT.on("bench201")
    skip = method.space.choices.groups["cell"][0].ops.index("skip_connect")

    def known(state, group, edge, *, candidates, how):
        return {op: Score(0.0, 10.0 if op == skip else 50.0) for op in candidates}

    monkeypatch.setattr("nasnb.search.perturbation.operation_strengths", known)
    *_, last = search(method, tiny_data(n=32), replace(TINY, cells=1, train_images=16, pace=0.02))
    arch = last.genotype.notation()
    assert arch == "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
    assert Bench201Table({arch: (54.2967, 15.6, 16.3)}).accuracy(last.genotype)["cifar10"] == 54.2967


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="unknown criterion 'acc'; known: accuracy, loss, magnitude"):
        perturbation(criterion="acc")
    with pytest.raises(ValueError, match="unknown topology 'none'; known: one_round"):
        perturbation(topology="none")


def test_tasks_are_plain_data():
    assert Decision("op", "normal", 3)._asdict() == {"kind": "op", "group": "normal", "index": 3}


# --- discretisation accuracy ------------------------------------------------------------------------------------------


def test_discretisation_accuracy_leaves_the_supernet_alone_and_repeats():
    state = state_in("s2")
    before = [p.detach().clone() for p in state.net.parameters()]
    first, again = (discretisation_accuracy(state, "normal", 3, op=1, epochs=1, lr=0.05) for _ in range(2))
    assert first == again
    assert all(torch.equal(a, b) for a, b in zip(before, state.net.parameters(), strict=True))
    assert state.relaxation.is_open() is None
    assert first.epochs == 1 and 0 <= first.running <= 100
    other = discretisation_accuracy(state, "normal", 3, op=1, epochs=1, lr=0.05, repeat=1)
    assert other.loss != first.loss, "another repeat draws other batches"


def test_tuning_to_convergence_stops_when_nothing_gets_better():
    state = state_in("s2")
    epochs = []
    state.method = replace(state.method, step=lambda s, train, valid: epochs.append(s.epoch) or idle(train))
    discretisation_accuracy(state, "normal", 3, op=1, patience=2)
    assert sorted(set(epochs)) == [0, 1, 2]  # the first is the best for ever


def idle(train):
    return torch.zeros(()), torch.zeros(len(train[1]), 4)


def test_a_supernet_that_is_lost_while_tuned_has_no_worth():
    state = state_in("s2")
    with pytest.raises(FloatingPointError, match=r"edge 3 of 'normal' was tuned; try lr below 1e\+20"):
        discretisation_accuracy(state, "normal", 3, op=1, lr=1e20, epochs=1)


def test_alpha_rests_behind_a_cell_that_is_nothing_but_noise():
    state = state_in("s4")
    for edge in range(len(state.relaxation.choices.groups["reduce"])):
        noise = state.relaxation.choices.groups["reduce"][edge].ops.index("noise")
        state.relaxation.decide("reduce", edge, noise)
    batch = next(iter(state.batches(state.train, "train", 0)))
    normal, reduce = alpha_gradient(state, batch, batch)
    assert not normal.any() and reduce.shape == state.relaxation.alpha["reduce"].shape
