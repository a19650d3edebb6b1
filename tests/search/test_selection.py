"""Selection besides perturbation: SGAS, disturbed weights, one-level steps, stable ranks, exported epochs."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from conftest import tiny_data
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from nasnb.architecture import Choices, Edge
from nasnb.config import SearchConfig
from nasnb.methods import METHODS
from nasnb.search import begin, search
from nasnb.search.decisions import edge_scores, greedy, likelihoods, most_likely, most_missed, undecided
from nasnb.search.disturb import back_to_simplex, gaussian_noise, uniform_noise
from nasnb.search.ranks import (
    cell_ranks,
    maximum_stable_rank,
    minimum_stable_rank,
    rank_weighted,
    stable_ranks,
    with_edges_of_minimum,
)
from nasnb.search.selection import exported_epoch, logit, magnitude, softmax_weights
from nasnb.search.steps import one_level, weights_only
from nasnb.spaces import SPACES, with_nodes
from nasnb.supernet.relaxation import Relaxation, max_w, softmax

TINY = SearchConfig(epochs=2, batch_size=16, channels=4, cells=3, train_images=32)
MSR = replace(METHODS["msr-darts"], space=with_nodes(SPACES["msr"], 3))


def filled(space, alpha, *, rule=softmax):
    """As much of a state as scores look at, every group with this alpha."""
    relaxation = Relaxation(space.choices, rule, std=0.0).double()
    with torch.no_grad():
        for value in relaxation.alpha.values():
            value.copy_(torch.as_tensor(alpha))
    method = SimpleNamespace(space=space)
    config = SimpleNamespace(pace=1.0, batch_size=64)
    return SimpleNamespace(
        relaxation=relaxation,
        method=method,
        config=config,
        extra={},
        epoch=0,
        stage_epoch=0,
        weights=lambda: {n: w.detach() for n, w in relaxation().items()},
    )


def waves(n_edges=14, n_ops=8):
    edge, op = torch.arange(n_edges, dtype=torch.float64), torch.arange(n_ops, dtype=torch.float64)
    return torch.sin(1.7 * edge[:, None] + 0.9 * op)


# --- SGAS -----------------------------------------------------------------------------------------------------------


def test_importance_and_certainty_by_hand():
    ops = ("none", "skip_connect", "sep_conv_3x3", "sep_conv_5x5")
    space = SimpleNamespace(choices=Choices({"cell": tuple(Edge(i, 3, ops) for i in range(3))}))
    state = filled(space, [[0.0, 1, 0, 0], [2, 0, 0, 0], [0, 2, 1, 0]])
    importance = 1 - state.weights()["cell"][:, 0]
    assert importance.tolist() == pytest.approx([0.825122, 0.288765, 0.917405], abs=1e-6)
    p = likelihoods(state, "cell")[:, 1:]
    certainty = 1 + (p * p.log()).sum(1) / math.log(3)
    assert certainty.tolist() == pytest.approx([0.112218, 0, 0.242321], abs=1e-6)
    assert edge_scores(state, "cell").tolist() == pytest.approx([0.395116, 0, 1], abs=1e-5)
    assert most_likely(state, "cell", 2) == 1


def test_the_surest_edges_of_a_known_alpha():
    state = filled(SPACES["darts"], waves())
    scores = edge_scores(state, "normal")
    assert scores.argsort(descending=True)[:2].tolist() == [10, 6]
    assert scores[[10, 6]].tolist() == pytest.approx([1.0, 0.901786], abs=1e-5)
    assert most_likely(state, "normal", 10) == 4


def test_stability_counts_in_criterion_2():
    state = filled(SPACES["darts"], waves())
    stable = likelihoods(state, "normal")
    # all equally stable: that says nothing, and drops out
    assert_close(edge_scores(state, "normal", [stable.tolist()]), edge_scores(state, "normal"))
    moved = stable.clone()
    moved[10] = moved[10].roll(1)
    assert edge_scores(state, "normal", [moved.tolist()])[10] == 0


def test_without_none_the_most_certain_edge_comes_first():
    state = filled(SPACES["darts-no-none"], waves(n_ops=7))
    p = likelihoods(state, "normal")
    certainty = 1 + (p * p.log()).sum(1) / math.log(7)
    # the importance of every edge is 1 where no edge has `none`: a constant factor, which must not make all scores 0
    assert edge_scores(state, "normal").argmax() == certainty.argmax() != 0
    assert edge_scores(state, "normal").unique().numel() > 5


def test_sgas_decides_by_an_alpha_that_has_been_trained():
    state = begin(METHODS["sgas"], tiny_data(n=48), TINY)
    before = {group: alpha.detach().clone() for group, alpha in state.relaxation.alpha.items()}
    next(search(METHODS["sgas"], state.data, TINY, state=state))
    assert any(not torch.equal(before[group], alpha) for group, alpha in state.relaxation.alpha.items())


def test_decisions_of_a_whole_search():
    state, hook = filled(SPACES["darts"], waves()), greedy()
    when, sizes = [], []
    for state.stage_epoch in range(51):
        before = len(state.extra.get("greedy", {"decisions": []})["decisions"])
        hook(state)
        sizes.append(state.extra["batch_size"])
        if len(state.extra["greedy"]["decisions"]) > before:
            when.append(state.stage_epoch - 1)  # decided at the end of this epoch, counted from 0
    assert when == [9, 14, 19, 24, 29, 34, 39, 44]
    assert sorted(set(sizes)) == list(range(64, 129, 8))
    decisions = [d for d in state.extra["greedy"]["decisions"] if d["group"] == "normal"]
    assert [d["edge"] for d in decisions[:2]] == [10, 6]
    assert not undecided(state, "normal")
    for node, n_edges in zip((2, 3, 4, 5), (2, 3, 4, 5), strict=True):
        rows = [r for r, e in enumerate(SPACES["darts"].choices.groups["normal"]) if e.target == node]
        sums = state.weights()["normal"][rows].sum(1).tolist()
        assert sorted(sums) == [0.0] * (n_edges - 2) + [1.0] * 2
    assert all(SPACES["darts"].choices.groups["normal"][d["edge"]].ops[d["op"]] != "none" for d in decisions)


def test_short_searches_take_all_decisions_at_their_pace():
    state, hook = filled(SPACES["darts"], waves()), greedy()
    state.config.pace, done = 2 / 50, []
    for state.stage_epoch in (0, 1, 2):
        hook(state)
        done.append(state.extra["greedy"]["rounds"])
    assert done == [0, 4, 8]


def test_sgas_by_perturbation_never_takes_none():
    state = begin(METHODS["sgas-pt"], tiny_data(n=48), TINY)
    with torch.no_grad():
        for alpha in state.relaxation.alpha.values():
            alpha[:, 0] = 5.0
    assert most_missed()(state, "normal", 0) != 0


def test_unknown_criterion():
    with pytest.raises(ValueError, match="criterion=3: SGAS has criterion 1 and 2"):
        greedy(criterion=3)


# --- SDARTS -----------------------------------------------------------------------------------------------------------


def test_noisy_rows_return_to_the_simplex():
    rows = torch.tensor([(0.8, 0.2), (0.8, 0.8), (-0.2, 0.4), (-0.1, -0.3), (-0.3, -0.1), (1.3, 0.5)])
    expected = torch.tensor([(0.8, 0.2), (0.5, 0.5), (0, 1), (1, 0), (0, 1), (2 / 3, 1 / 3)])
    assert_close(back_to_simplex(rows, torch.ones(6, 2, dtype=torch.bool)), expected)


@given(st.lists(st.lists(st.floats(-1, 2), min_size=3, max_size=3), min_size=1, max_size=4), st.integers(0, 7))
def test_any_row_becomes_shares_of_its_open_candidates(rows, mask):
    open = torch.tensor([[bool(mask >> i & 1) for i in range(3)]] * len(rows))
    found = back_to_simplex(torch.tensor(rows), open)
    assert (found >= 0).all()
    assert not found[~open].any()
    assert_close(found.sum(1), torch.full((len(rows),), float(mask > 0)))


@pytest.mark.parametrize("noise", [uniform_noise, gaussian_noise])
def test_noise_grows_with_the_epoch_and_spares_decided_edges(noise):
    state = filled(SPACES["s2"], 0.0)
    state.config.epochs = 50
    state.relaxation.decide("normal", 0, 1)
    state.relaxation.decide("normal", 1, None)
    torch.manual_seed(0)
    spread = []
    for state.stage_epoch in (0, 25, 50, 90):
        draws = torch.stack([noise()(state, state.weights())["normal"] for _ in range(200)])
        assert torch.equal(draws[:, 0], torch.tensor([0.0, 1.0]).double().expand(200, 2))
        assert not draws[:, 1].any()
        assert_close(draws[:, 2:].sum(-1), torch.ones(200, 12).double())
        spread.append(draws[:, 2:].std().item())
    assert spread[0] < spread[1] / 3 < spread[2] / 4
    assert spread[2] == pytest.approx(spread[3], rel=0.1)  # stays when the selection follows the search


def test_eps_of_the_official_schedule():
    state = filled(SPACES["s2"], 0.0)
    state.config.epochs = 50
    for state.stage_epoch, eps in [(0, 0.03), (1, 0.0354), (25, 0.165), (49, 0.2946), (70, 0.3)]:
        torch.manual_seed(3)
        drawn = uniform_noise()(state, state.weights())["normal"]
        torch.manual_seed(3)
        expected = 0.5 + eps * (2 * torch.rand(14, 2, dtype=torch.float64) - 1)
        assert_close(drawn, expected / expected.sum(1, keepdim=True))


# --- one level --------------------------------------------------------------------------------------------------------


def test_one_level_takes_both_gradients_at_the_old_point():
    """L = (w softmax(beta)_0 - 1)^2 / 2 at w = 1, beta = 0; StacNAS, equations 8 and 9."""
    w = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
    relaxation = Relaxation(Choices({"g": (Edge(0, 1, ("a", "b")),)}), softmax, std=0.0).double()
    net = torch.nn.Module()
    net.w = w

    def two_logits(images, weights):  # whose cross entropy has the gradient of L where the logits are (L, 0)
        out = (w * weights["g"][0, 0] - 1) ** 2 / 2
        return torch.stack([out * 0, out * 0]).expand(1, 2) + torch.stack([-out, out]).expand(1, 2)

    state = SimpleNamespace(
        net=net,
        relaxation=relaxation,
        logits=two_logits,
        config=SimpleNamespace(clip=100.0, alpha_clip=None),
        weight_optimizer=torch.optim.SGD([w], 0.1),
        alpha_optimizer=torch.optim.SGD(relaxation.parameters(), 0.0),
    )
    one_level()(state, (None, torch.tensor([0])), None)
    factor = 2 * torch.sigmoid(torch.tensor(2 * 0.125, dtype=torch.float64))  # d cross entropy / dL at L = 1/8
    assert_close(relaxation.alpha["g"].grad[0] / factor, torch.tensor([-0.125, 0.125], dtype=torch.float64))
    assert_close(w.grad / factor, torch.tensor(-0.25, dtype=torch.float64))
    assert_close(w.detach(), 1 + 0.1 * 0.25 * factor)


def test_one_level_clips_weights_alone():
    method = METHODS["stacnas"]
    config = replace(TINY, train_fraction=1.0, clip=1e-6)
    state = begin(method, tiny_data(n=48), config)
    assert len(state.train) == 32
    method.step(state, next(state.batches(state.train, "train", 0)), None)
    norm = torch.stack([p.grad.norm() for p in state.net.parameters()]).norm()
    assert norm.item() == pytest.approx(1e-6, rel=1e-3)
    assert all(p.grad.norm() > 1e-5 for p in state.relaxation.parameters())


# --- multicollinearity, Zero, Max-W -----------------------------------------------------------------------------------


def test_two_equal_operations_split_their_weight_and_lose():
    pair = Relaxation(Choices({"g": (Edge(0, 1, ("pool", "sep")),)}), softmax, std=0.0)
    three = Relaxation(Choices({"g": (Edge(0, 1, ("pool", "sep", "sep again")),)}), softmax, std=0.0)
    with torch.no_grad():
        pair.alpha["g"][:] = torch.tensor([0.5, 0.8])
        three.alpha["g"][:] = torch.tensor([0.5, 0.8 - math.log(2), 0.8 - math.log(2)])
    assert pair()["g"][0].tolist() == pytest.approx([0.4256, 0.5744], abs=5e-5)
    assert three()["g"][0].tolist() == pytest.approx([0.4256, 0.2872, 0.2872], abs=5e-5)


def test_none_absorbs_an_edge_but_not_its_logits():
    alpha = torch.zeros(14, 5)
    alpha[0, 4] = 1e4  # none is the last candidate
    state = filled(SPACES["stacnas"], alpha)
    assert magnitude(state)["normal"][0, :4].max() == 0
    assert logit(state)["normal"][0, :4].tolist() == [0.0] * 4


def test_max_w_ranks_edges_by_softmax():
    alpha = torch.zeros(14, 8)
    alpha[4, 3], alpha[3, 2] = 2.0, 1.0
    state = filled(SPACES["darts"], alpha, rule=max_w)
    assert torch.equal(magnitude(state)["normal"].amax(1), torch.ones(14).double())  # of no use between edges
    genotype = SPACES["darts"].discretise(softmax_weights(state))
    assert genotype.short("normal").split(" / ")[1] == "sk2 ap1"


def test_max_w_and_scalar_weights_have_the_same_best_path():
    space = SPACES["hypercuboid"]
    alpha = {
        g: torch.randn(space.choices.shape(g), generator=torch.Generator().manual_seed(i))
        for i, g in enumerate(space.choices.groups)
    }
    scalar, other = filled(space, 0.0), filled(space, 0.0, rule=max_w)
    for state in (scalar, other):
        state.relaxation.load_state_dict(
            {**state.relaxation.state_dict(), **{f"alpha.{g}": a for g, a in alpha.items()}}
        )
    assert space.discretise(magnitude(other)) == space.discretise(softmax_weights(scalar))


# --- stable ranks -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def msr_state():
    return begin(MSR, tiny_data(n=48, size=16), replace(TINY, cells=6))


def test_ranks_grow_with_the_true_maps_or_with_those_of_the_code(msr_state):
    kernels, true, published = (
        cell_ranks(msr_state, of=of, shape_rule=rule)
        for of, rule in [("kernel", "true"), ("operator", "true"), ("operator", "published_code")]
    )
    assert [key for key in true if key[0] == "reduce"] == [("reduce", 2), ("reduce", 4)]
    for (group, block), ranks in true.items():
        side = {0: 16, 1: 16, 2: 8, 3: 8, 4: 4, 5: 4}[block]
        assert_close(ranks / kernels[group, block], torch.full((9, 4), float(side * side), dtype=torch.float64))
        later = torch.tensor([e.source >= 2 for e in MSR.space.choices.groups[group]])[:, None]
        factor = torch.where(later, 4.0, 1.0).double() if group == "reduce" else torch.ones(9, 1).double()
        assert_close(published[group, block], ranks * factor)


def test_ranks_are_those_of_single_matrices(msr_state):
    cell = msr_state.net.blocks[0]
    conv = cell.fans[1].ops["sep_conv_5x5"].units[-1].pointwise
    matrix = conv.weight.detach().double().unflatten(0, (conv.edges, -1))[2, :, :, 0, 0]  # 1 -> 4, the last of three
    values = torch.linalg.svdvals(matrix)
    row = [i for i, e in enumerate(MSR.space.choices.groups["normal"]) if e.source == 1][2]
    expected = 16 * 16 * (values.square().sum() / values[0] ** 2)
    assert_close(cell_ranks(msr_state)["normal", 0][row, 1], expected)


def test_average_over_cells_is_of_operators_unless_asked(monkeypatch):
    tables = {"operator": [[4096.0, 4300.8], [1280.0, 1024.0]], "kernel": [[4.0, 4.2], [20.0, 16.0]]}

    def fake(state, *, of, shape_rule):
        return {("cell", i): torch.tensor([row]) for i, row in enumerate(tables[of])}

    monkeypatch.setattr("nasnb.search.ranks.cell_ranks", fake)
    state = SimpleNamespace(relaxation=SimpleNamespace(choices=SimpleNamespace(groups={"cell": ()})))
    assert stable_ranks(state)["cell"].tolist() == [[2688.0, pytest.approx(2662.4)]]
    assert minimum_stable_rank()(state)["cell"].argmax() == 1
    tables["operator"][1][0] = 18 * 64.0  # kernel rank 18 instead of 20
    assert minimum_stable_rank()(state)["cell"].argmax() == 0
    assert minimum_stable_rank(of="kernel")(state)["cell"].argmax() == 1
    assert maximum_stable_rank()(state)["cell"].argmax() == 1


def test_swapped_operations_on_the_same_edges():
    ranks = (100.0 + (7 * torch.arange(14)[:, None] + 13 * torch.arange(4)) % 29).double()
    space = SPACES["msr"]
    least = space.discretise({"normal": -ranks, "reduce": -ranks})
    swapped = space.discretise({g: with_edges_of_minimum(ranks) for g in ("normal", "reduce")})
    assert [p[1:] for p in swapped.picks["normal"]] == [p[1:] for p in least.picks["normal"]]
    best = {
        (e.source, e.target): e.ops[row.argmax()] for e, row in zip(space.choices.groups["normal"], ranks, strict=True)
    }
    assert all(pick.op == best[pick.source, pick.target] for pick in swapped.picks["normal"])


def test_the_weights_of_the_published_code_are_nearly_one_hot(msr_state):
    big = torch.softmax(-1024 * torch.tensor([4.0, 4.1, 4.2, 4.3]), 0)
    assert big[0] == 1
    assert (big[1:] < 1e-40).all()
    assert_close(
        torch.softmax(-64 * torch.tensor([17.0, 17.01, 17.02, 17.03]), 0),
        torch.tensor([0.5123, 0.2701, 0.1424, 0.0751]),
        atol=5e-5,
        rtol=0,
    )
    state = msr_state.copied()
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        before = state.net.eval()(images, state.weights())
        rank_weighted(shape_rule="true")(state)
        weights = state.weights()
        assert_close(weights["normal/0"].sum(1), torch.ones(9))
        assert_close(weights["normal"], torch.ones(9, 4))  # the relaxation itself still sums
        assert not torch.equal(state.net(images, weights), before)
        same = {**state.relaxation(), **{k: torch.ones(9, 4) for k in weights if "/" in k}}
        assert_close(state.net(images, same), before)  # a cell's own weights replace those of its type


def test_ranks_want_convolutions():
    state = begin(METHODS["darts-1st"], tiny_data(n=48), TINY)
    with pytest.raises(ValueError, match="'max_pool_3x3' does not end in a convolution of its own"):
        stable_ranks(state)
    with pytest.raises(ValueError, match="unknown shape_rule 'code'; known: true, published_code"):
        cell_ranks(state, shape_rule="code")


# --- exported epoch ---------------------------------------------------------------------------------------------------


def history(losses, phases=None):
    return [
        {"epoch": i + 1, "phase": (phases or "s" * 99)[i], "valid_loss": loss, "valid_accuracy": -loss}
        for i, loss in enumerate(losses)
    ]


def test_exported_epochs():
    rows = history([3.0, 1.0, 2.0, 1.0])
    assert exported_epoch(rows) == 4
    assert exported_epoch(rows, "min_val_loss") == exported_epoch(rows, "best_valid") == 2
    assert exported_epoch(history([0.0] * 50), "38/50") == 38
    assert exported_epoch(history([0.0] * 12), "38/50") == 10
    assert exported_epoch(history([0.5, 0.1, 0.4, 0.3], "sstt"), "min_val_loss") == 4  # of the last phase
    for rule in ("best", "39", "0/50", "51/50", "a/b"):
        with pytest.raises(ValueError, match="unknown rule"):
            exported_epoch(rows, rule)


def test_every_method_names_a_rule():
    for method in METHODS.values():
        assert exported_epoch(history([1.0, 2.0]), method.export) in (1, 2)


# --- bad ends ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("could not create a memory object"),  # oneDNN
        RuntimeError("std::bad_alloc"),
        MemoryError(),
    ],
)
def test_out_of_memory_says_what_would_fit(error):
    def greedy_step(state, train, next_valid):
        raise error

    method = replace(METHODS["darts-1st"], step=greedy_step)
    told = (
        r"epoch 1, step 0: batch_size=16 with channels=4 needs about .* GiB, the device has .* GiB; batch_size=\d+ or "
    )
    with pytest.raises(MemoryError, match=told + "channels=2 would fit, and precision='bf16' needs about half"):
        next(search(method, tiny_data(n=48), TINY))


def test_other_errors_pass_through():
    def broken(state, train, next_valid):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        next(search(replace(METHODS["darts-1st"], step=broken), tiny_data(n=48), TINY))


def test_weights_only_needs_no_held_out_part():
    epoch = next(search(replace(MSR, step=weights_only()), tiny_data(n=48), replace(TINY, train_fraction=1.0)))
    assert math.isnan(epoch.valid.accuracy)
