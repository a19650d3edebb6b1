import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from conftest import tiny_data
from torch.testing import assert_close

from nasnb.analysis.darts.hypergradient import hypergradient_errors
from nasnb.architecture import Choices, Edge
from nasnb.config import PRESETS, SearchConfig, TrainConfig, image_size, n_seeds, scaled
from nasnb.methods import METHODS
from nasnb.published.genotypes import GENOTYPES
from nasnb.schedules import cosine, cosine_power, drop_path_probability, learning_rate
from nasnb.search import begin, search, validate
from nasnb.search.steps import alpha_gradient, bilevel, exact_unrolled_gradient, unrolled_gradient
from nasnb.spaces import SPACES, random_genotype
from nasnb.supernet.relaxation import Relaxation, edge_normalised, max_w, plain_sum, softmax, uniform
from nasnb.training import prepare, train

TINY = SearchConfig(epochs=2, batch_size=16, channels=4, cells=3)
METHOD = METHODS["darts-1st"]


def fingerprint(state):
    return torch.cat([t.flatten().double() for t in [*state.net.state_dict().values(), *state.relaxation.parameters()]])


def run(method=METHOD, config=TINY, data=None):
    return list(search(method, data or tiny_data(), config))[-1]


def test_same_seed_same_numbers_other_seed_others():
    first, again, other = run(), run(), run(config=replace(TINY, seed=1))
    assert torch.equal(fingerprint(first.state), fingerprint(again.state))
    assert first.train == again.train
    assert first.valid == again.valid
    assert not torch.equal(fingerprint(first.state), fingerprint(other.state))


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_looking_at_spectral_norms_does_not_move_them(statistics):
    """Not even before the first step, and whoever looks at other batches sees the same network."""
    state = begin(METHODS["msr-darts"], tiny_data(48), replace(TINY, validate_with=statistics))
    first, norms = validate(state), fingerprint(state)
    again = validate(state)
    # the first look learns the sizes of the maps, convolution by convolution; then norms are taken together
    assert again.loss == pytest.approx(first.loss, rel=1e-5) and again.accuracy == first.accuracy
    assert torch.equal(fingerprint(state), norms)


@pytest.mark.parametrize("stop_at", [1, 3, 5])
def test_stopped_at_any_step_and_resumed_ends_in_the_same_numbers(stop_at):
    whole = run()
    saved = {}

    def stop(state):
        if state.epoch * 3 + state.step == stop_at:
            saved.update(torch.load(_bytes(state.state_dict()), weights_only=True))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(search(METHOD, tiny_data(), TINY, on_step=stop))
    state = begin(METHOD, tiny_data(), TINY)
    state.load_state_dict(saved)
    resumed = list(search(METHOD, tiny_data(), TINY, state=state))[-1]
    assert torch.equal(fingerprint(whole.state), fingerprint(resumed.state))
    assert whole.train == resumed.train


def _bytes(value):
    import io

    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return buffer


def test_a_search_learns_and_ends_in_a_legal_genotype():
    config = replace(TINY, epochs=12, channels=4, lr=0.05)
    epochs = list(search(METHOD, tiny_data(), config))
    assert epochs[-1].train.loss < epochs[0].train.loss * 0.7
    assert set(epochs[-1].row()) >= {"epoch", "train_loss", "valid_accuracy", "seconds"}
    SPACES["darts"].network(epochs[-1].genotype, channels=4, cells=3, classes=4)
    assert "none" not in epochs[-1].genotype.ops("normal")


def test_warmup_leaves_alpha_bit_identical_and_then_moves_it():
    method = replace(METHOD, step=bilevel(warmup=1))
    start = begin(method, tiny_data(), TINY)
    before = [p.detach().clone() for p in start.relaxation.parameters()]
    epochs = search(method, tiny_data(), TINY, state=start)
    next(epochs)
    assert all(torch.equal(a, b) for a, b in zip(before, start.relaxation.parameters(), strict=True))
    next(epochs)
    moved = [(a - b).abs() for a, b in zip(before, start.relaxation.parameters(), strict=True)]
    assert all((m > 0).all() for m in moved)


def test_the_alpha_step_touches_no_weight_gradient_and_the_weight_step_no_alpha_gradient():
    state = begin(METHOD, tiny_data(), TINY)
    batch = next(state.batches(state.train, "train", 0))
    alpha_gradient(state, batch, batch)
    assert all(p.grad is None for p in state.net.parameters())
    METHOD.step(state, batch, lambda: batch)
    before = [p.grad.clone() for p in state.relaxation.parameters()]
    replace(METHOD, step=bilevel(warmup=9)).step(state, batch, lambda: batch)
    assert all(torch.equal(a, p.grad) for a, p in zip(before, state.relaxation.parameters(), strict=True))


@pytest.mark.parametrize(
    ("xi", "expected"), [(None, -4.0), (0.5, 2.0), (0.7, 4.4)], ids=["first order", "xi 0.5", "xi 0.7"]
)
@pytest.mark.parametrize("gradient", [unrolled_gradient, exact_unrolled_gradient], ids=["published", "exact"])
def test_the_bilevel_toy_of_the_darts_paper(xi, expected, gradient):
    """L_val = a w - 2 a + 1, L_train = w^2 - 2 a w + a^2 at (a, w) = (2, -2); DARTS, figure 2."""
    state = toy_state(a=2.0, w=-2.0, lr=xi or 1.0)
    (got,) = (alpha_gradient if xi is None else gradient)(state, "train", "valid")
    assert got.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("gradient", [unrolled_gradient, exact_unrolled_gradient], ids=["published", "exact"])
def test_the_bilevel_toy_rests_at_its_solution(gradient):
    """(1, 1) solves the bilevel problem; the first order does not notice."""
    (got,) = gradient(toy_state(a=1.0, w=1.0, lr=0.5), "train", "valid")
    assert got.item() == pytest.approx(0.0, abs=1e-6)
    (first,) = alpha_gradient(toy_state(a=1.0, w=1.0, lr=0.5), "train", "valid")
    assert first.item() == -1.0


class Toy(torch.nn.Module):
    def __init__(self, w):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(w, dtype=torch.float64))

    def forward(self, which, a, open=None):
        return a * self.w - 2 * a + 1 if which == "valid" else self.w**2 - 2 * a * self.w + a**2


def toy_state(a, w, lr):
    """As much of a search state as the gradients ask for, with the toy losses instead of networks."""
    net = Toy(w)
    relaxation = SimpleNamespace()
    alpha = torch.nn.Parameter(torch.tensor(a, dtype=torch.float64))

    class Alpha(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.alpha = alpha

        def forward(self):
            return self.alpha

        def is_open(self):
            return None

    relaxation = Alpha()
    return SimpleNamespace(
        net=net,
        relaxation=relaxation,
        lr=lr,
        config=SimpleNamespace(momentum=0.0, weight_decay=0.0, precision="float32"),
        weight_optimizer=torch.optim.SGD(net.parameters(), lr),
        weights=lambda: alpha.detach(),
        loss=lambda which, weights: net(which, weights),
        loss_at=lambda params, which: torch.func.functional_call(net, params, (which, relaxation())),
    )


def test_second_order_gradient_is_that_of_the_unrolled_loss():
    """Against central differences of L_val(w - xi * step(w, alpha), alpha) itself, which shares no code with either."""
    state = begin(METHOD, tiny_data(size=8), replace(TINY, lr=0.01))
    state.net.double(), state.relaxation.double()
    train, valid = (tuple(t.double() if t.is_floating_point() else t for t in b) for b in two_batches(state))
    METHOD.step(state, train, lambda: valid)  # gives the optimiser a momentum buffer
    exact = exact_unrolled_gradient(state, train, valid)
    published = unrolled_gradient(state, train, valid, radius=1e-6)
    for group, entry in [("normal", (3, 4)), ("reduce", (0, 1)), ("normal", (13, 7))]:
        at = list(state.relaxation.alpha).index(group)
        reference = difference_of_unrolled_loss(state, train, valid, group, entry)
        assert exact[at][entry].item() == pytest.approx(reference, rel=1e-4, abs=1e-9)
        assert published[at][entry].item() == pytest.approx(reference, rel=1e-3, abs=1e-8)


def two_batches(state):
    return next(state.batches(state.train, "train", 0)), next(state.batches(state.valid, "valid", 0))


def difference_of_unrolled_loss(state, train, valid, group, entry, eps=1e-7):
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            state.relaxation.alpha[group][entry] += sign * eps
        values.append(unrolled_loss(state, train, valid))
        with torch.no_grad():
            state.relaxation.alpha[group][entry] -= sign * eps
    return (values[0] - values[1]) / (2 * eps)


def unrolled_loss(state, train, valid):
    import copy

    net, c = copy.deepcopy(state.net), state.config
    loss = torch.nn.functional.cross_entropy(net(train[0], state.weights()), train[1])
    gradients = torch.autograd.grad(loss, list(net.parameters()))
    with torch.no_grad():
        for p, live, g in zip(net.parameters(), state.net.parameters(), gradients, strict=True):
            buffer = state.weight_optimizer.state[live]["momentum_buffer"]
            p -= state.lr * (c.momentum * buffer + g + c.weight_decay * p)
        return torch.nn.functional.cross_entropy(net(valid[0], state.weights()), valid[1]).item()


def test_a_loss_that_is_no_number_stops_with_epoch_step_and_rate():
    told = r"epoch 1, at or before step \d+, learning rate 1e\+20; try a smaller lr or clip, or precision='float32'"
    with pytest.raises(FloatingPointError, match=told):
        run(config=replace(TINY, lr=1e20, clip=1e20))


# --- relaxation ---------------------------------------------------------------------------------------------------


def chain():
    return Choices({"g": (Edge(0, 2, ("a", "b", "c")), Edge(1, 2, ("a", "b")), Edge(0, 3, ("a", "b", "c")))})


def test_weights_of_every_rule_sum_to_what_the_papers_say():
    for rule, total in [(softmax, 1.0), (uniform, 1.0)]:
        assert_close(Relaxation(chain(), rule, std=1.0)()["g"].sum(1), torch.full((3,), total))
    assert Relaxation(chain(), plain_sum)()["g"].tolist() == [[1, 1, 1], [1, 1, 0], [1, 1, 1]]
    w = Relaxation(chain(), max_w, std=1.0)()["g"]
    p = Relaxation(chain(), softmax, std=1.0)()["g"]
    n = torch.tensor([3.0, 2.0, 3.0])
    assert_close(w.sum(1), n * (1 - p.amax(1)) + 1)  # sharpDARTS, equation 3
    assert_close(w.amax(1), torch.ones(3))


def test_max_w_gradient_in_closed_form():
    relaxation = Relaxation(Choices({"g": (Edge(0, 1, tuple("abcd")),)}), max_w, std=1.0, seed=3).double()
    g = torch.tensor([0.3, -1.2, 0.7, 2.0], dtype=torch.float64)
    (relaxation()["g"][0] * g).sum().backward()
    alpha = relaxation.alpha["g"].detach()[0]
    w = torch.softmax(alpha, 0)
    m = int(w.argmax())
    expected = w * (g - (w * g).sum()) + w[m] * w * g.sum()
    expected[m] = w[m] * (g[m] - (w * g).sum()) - w[m] * (1 - w[m]) * g.sum()
    assert_close(relaxation.alpha["g"].grad[0], expected)


def test_edge_weights_are_a_softmax_over_each_node():
    relaxation = Relaxation(chain(), edge_normalised(softmax), std=0.0)
    assert_close(relaxation()["g/edges"], torch.tensor([0.5, 0.5, 1.0]))
    with torch.no_grad():
        relaxation.beta["g"] += torch.tensor([5.0, 5.0, -3.0])  # a constant per node changes nothing
    assert_close(relaxation()["g/edges"], torch.tensor([0.5, 0.5, 1.0]))


def test_decided_and_pruned_edges():
    relaxation = Relaxation(chain(), softmax, std=1.0)
    assert relaxation.is_open() is None
    relaxation.decide("g", 0, 2)
    relaxation.decide("g", 2, None)
    weights = relaxation()["g"]
    assert weights[0].tolist() == [0, 0, 1]
    assert weights[2].tolist() == [0, 0, 0]
    assert relaxation.is_open()["g"][2] == (False, False, False)


def test_rules_that_do_not_learn_have_no_optimiser():
    state = begin(replace(METHOD, relax=uniform), tiny_data(), TINY)
    assert state.alpha_optimizer is None
    assert_close(state.weights()["normal"], torch.full((14, 8), 1 / 8))


# --- schedules ----------------------------------------------------------------------------------------------------


def test_learning_rates_of_the_papers():
    darts = SearchConfig()
    for epoch, lr in [(0, 0.025), (1, 0.02497632), (25, 0.013), (49, 0.00102368)]:
        assert learning_rate(darts, epoch) == pytest.approx(lr, rel=1e-6)
    pc = SearchConfig(lr=0.1, lr_min=0.0)
    for epoch, lr in [(1, 0.09990133642141358), (14, 0.08187119948743449), (49, 9.866357858642206e-05)]:
        assert learning_rate(pc, epoch) == pytest.approx(lr, rel=1e-12)
    assert learning_rate(SearchConfig(epochs=80), 79) == pytest.approx(0.00100925, rel=1e-5)
    assert drop_path_probability(TrainConfig(), 300) == pytest.approx(0.1)


def test_cosine_power_annealing_meets_its_ends_and_the_cosine():
    assert cosine_power(0, 10, 1.0, 0.1, 10) == pytest.approx(1.0)
    assert cosine_power(10, 10, 1.0, 0.1, 10) == pytest.approx(0.1)
    assert cosine_power(5, 10, 1.0, 0.0, 10) == pytest.approx(1 / (1 + math.sqrt(10)))
    assert cosine_power(3, 10, 1.0, 0.0, 1) == cosine(3, 10, 1.0)
    assert cosine_power(3, 10, 1.0, 0.0, 1 + 1e-9) == pytest.approx(cosine(3, 10, 1.0))
    with pytest.raises(ValueError, match=r"power=0\.5"):
        cosine_power(1, 10, 1.0, 0.0, 0.5)


# --- training of final networks --------------------------------------------------------------------------------------


def small_training(**changes):
    config = TrainConfig(epochs=2, batch_size=16, channels=4, cells=3, cutout=4)
    data = tiny_data(size=32, n=48)
    return prepare(SPACES["darts"], GENOTYPES["DARTS_V2"], data, replace(config, **changes))


def test_training_with_drop_path_and_auxiliary_head_repeats_and_resumes():
    whole = list(train(small_training()))[-1]
    first = small_training()
    next(train(first))
    saved = torch.load(_bytes(first.state_dict()), weights_only=True)
    second = small_training()
    second.load_state_dict(saved)
    resumed = list(train(second))[-1]
    assert resumed.train == whole.train
    assert resumed.test == whole.test


def test_training_without_auxiliary_head_builds_none():
    assert small_training(auxiliary_weight=0.0).net.auxiliary is None


def test_presets_and_unknown_parameters():
    assert scaled(SearchConfig(), "smoke").epochs == 2
    assert scaled(SearchConfig(), "smoke", epochs=7).epochs == 7
    with pytest.raises(ValueError, match="unknown preset 'lptop', did you mean 'laptop'"):
        scaled(SearchConfig(), "lptop")
    with pytest.raises(ValueError, match="unknown parameter 'epoch', did you mean 'epochs'"):
        scaled(SearchConfig(), "smoke", epoch=7)
    with pytest.raises(ValueError, match="epochs must be int, got 'seven'"):
        scaled(SearchConfig(), "smoke", epochs="seven")


def test_every_preset_says_how_often_it_repeats():
    assert [n_seeds(preset) for preset in PRESETS] == [1, 3, 8, 8, 4]
    with pytest.raises(ValueError, match="unknown preset 'over', did you mean 'overnight'"):
        n_seeds("over")


def test_overnight_takes_what_its_evidence_was_planned_with():
    config = METHODS["darts-1st"].at("overnight")
    assert (config.channels, config.cells, config.epochs, config.batch_size) == (8, 5, 60, 64)
    assert config.train_images * config.train_fraction / config.batch_size * config.epochs == pytest.approx(
        2400, rel=0.03
    )
    assert image_size("overnight") == 16


def test_the_finite_difference_tends_to_the_exact_gradient_as_its_radius_shrinks():
    start = begin(METHOD, tiny_data(), TINY)
    found = hypergradient_errors(start, radii=(1e-2, 1e-6), batches=1, dtype=torch.float64)["errors"]
    assert next(start.net.parameters()).dtype == torch.float32, "the search itself stays as it is"
    error = found[found.measure == "relative error"].set_index("gradient").value
    assert error["radius 1e-06"] < 1e-3 < error["first order"]
    assert error["radius 1e-06"] < error["radius 0.01"]
    seconds = found[found.measure == "seconds"].set_index("gradient").value
    assert set(seconds.index) == {"exact", *error.index} and (seconds > 0).all()


def test_random_genotypes_differ_by_seed_and_hold_no_none():
    drawn = {random_genotype(SPACES["darts"], seed=seed) for seed in range(4)}
    assert len(drawn) == 4
    assert random_genotype(SPACES["darts"], seed=0) in drawn
    assert not any("none" in genotype.ops("normal") for genotype in drawn)
