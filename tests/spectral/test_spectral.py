import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from nasnb.randomness import generator, seeded
from nasnb.spectral import (
    PUBLISHED_CODE,
    ConvOperator,
    SpectralNormalised,
    SpectralRule,
    estimate_ratios,
    frobenius_norm,
    group_norms,
    noise_sensitivity,
    operator_of,
    power_iteration,
    sampled_noise_sensitivity,
    spectral_norm,
    stable_rank,
    stacked_norms,
    stacked_stable_ranks,
    start_norms,
)

BOX = torch.ones(1, 1, 3, 3).double()
SOBEL = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]).double()[None, None]
COUNTING = torch.arange(1.0, 10).double().reshape(1, 1, 3, 3)


def matrix(rows):
    return torch.tensor(rows).double()[..., None, None]


def delta(value, at):
    kernel = torch.zeros(1, 1, 3, 3).double()
    kernel[0, 0, at, at] = value
    return kernel


def dense(operator):
    """The matrix, column by column, through the layer that torch trains."""
    columns = torch.eye(math.prod(operator.input_shape)).double().reshape(-1, *operator.input_shape)
    conv = torch.nn.Conv2d(
        operator.input_shape[0],
        len(operator.weight),
        operator.weight.shape[2:],
        bias=False,
        stride=operator.stride,
        padding=operator.padding,
        dilation=operator.dilation,
        groups=operator.groups,
    )
    conv.weight.data = operator.weight
    return conv(columns).detach().flatten(1).T


@st.composite
def operators(draw):
    kernel = draw(st.tuples(st.sampled_from([1, 2, 3, 5]), st.sampled_from([1, 3])))
    stride, dilation = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
    padding = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    size = tuple(
        draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), max(1, d * (k - 1) + 1 - 2 * p) + 6))
        for k, p, d in zip(kernel, padding, dilation, strict=True)
    )
    groups, out, into = draw(st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2)))
    weight = torch.randn(groups * out, into, *kernel, generator=generator(draw(st.integers(0, 99)), "kernel")).double()
    return ConvOperator(weight, size, stride, padding, dilation, groups)


@given(operators())
@settings(max_examples=60, deadline=None)
def test_norms_are_those_of_the_dense_matrix(operator):
    a = dense(operator)
    singular = torch.linalg.svdvals(a)
    assert_close(frobenius_norm(operator, operator.image_size), a.norm())
    assert_close(spectral_norm(operator, operator.image_size), singular[0], rtol=1e-9, atol=1e-12)
    assert spectral_norm(operator, operator.image_size, method="bound") >= singular[0] * (1 - 1e-12)
    per_group = [
        dense(ConvOperator(w, operator.image_size, operator.stride, operator.padding, operator.dilation))
        for w in operator.blocks
    ]
    expected = torch.stack([torch.linalg.matrix_norm(block, ord=2) for block in per_group])
    assert_close(group_norms(operator), expected, rtol=1e-9, atol=1e-12)


@given(operators())
@example(ConvOperator(torch.ones(1, 1, 1, 1).double(), (1, 2), (1, 2)))  # a row of which the stride leaves some out
@example(ConvOperator(torch.ones(2, 1, 1, 1).double(), (1, 1)))
@settings(max_examples=60, deadline=None)
def test_adjoint_is_the_transposed_matrix(operator):
    a = dense(operator)
    y = torch.randn(2, *operator.output_shape).double()
    assert_close(operator.adjoint(y).flatten(1), y.flatten(1) @ a)


@given(operators(), st.floats(-5, 5).filter(lambda factor: abs(factor) > 0.1))
@settings(max_examples=20, deadline=None)
def test_stable_rank_ignores_scale_and_lies_between_one_and_the_rank(operator, factor):
    assume(frobenius_norm(operator, operator.image_size) > 0)
    rank = stable_rank(operator, operator.image_size)
    scaled = ConvOperator(
        operator.weight * factor,
        *(getattr(operator, n) for n in ("image_size", "stride", "padding", "dilation", "groups")),
    )
    assert_close(stable_rank(scaled, operator.image_size), rank)
    assert 1 - 1e-9 <= rank <= min(map(math.prod, (operator.input_shape, operator.output_shape))) + 1e-9


@given(operators(), st.sampled_from(["input", "output"]), st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_power_iteration_rises_towards_the_norm(operator, start, seed):
    estimates = [
        power_iteration(operator, iterations=z, start=start, generator=generator(seed, "start")).sigma.item()
        for z in (1, 2, 5, 20)
    ]
    exact = spectral_norm(operator, operator.image_size).item()
    slack = 1e-9 * exact
    assert all(low <= high + slack for low, high in zip(estimates, [*estimates[1:], exact], strict=True))


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("groups", [1, 4])
def test_adjoint_is_the_transposed_convolution(kernel, dilation, stride, size, groups):
    padding = dilation * (kernel - 1) // 2
    weight = torch.randn(4, 4 // groups, kernel, kernel).double()
    operator = ConvOperator(weight, size, stride, padding, dilation, groups)
    x, y = torch.randn(1, *operator.input_shape).double(), torch.randn(1, *operator.output_shape).double()
    assert_close((operator.apply(x) * y).sum(), (x * operator.adjoint(y)).sum())
    left_over = size - ((operator.output_shape[1] - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1)
    assert left_over == (stride == 2 and size == 8)
    expected = F.conv_transpose2d(y, weight, None, stride, padding, left_over, groups, dilation)
    assert_close(operator.adjoint(y), expected)


# weight, image size, walk, spectral norm, squared Frobenius norm, stable rank: worked out by hand or closed form
WORKED = {
    "diagonal": (matrix([[3, 0], [0, 4]]), (5, 7), {}, 4, 875, 54.6875),
    "identity": (torch.eye(16).double()[..., None, None], 32, {}, 1, 16384, 16384),
    "rank one": (matrix([[1, 2], [2, 4]]), 4, {}, 5, 400, 16),
    "box": (BOX, 8, {"padding": 1}, (1 + 2 * math.cos(math.pi / 9)) ** 2, 484, 7.041193),
    "box 32": (BOX, 32, {"padding": 1}, 8.945745, 8836, 110.413625),
    "box, stride 2": (BOX, 8, {"padding": 1, "stride": 2}, 4.532089, 121, 5.890993),
    "delta, stride 2": (delta(1, 1), 8, {"padding": 1, "stride": 2}, 1, 16, 16),
    "box, dilation 2": (BOX, 8, {"padding": 2, "dilation": 2}, 6.854102, 400, 8.514495),
    "box, both 2": (BOX, 8, {"padding": 2, "dilation": 2, "stride": 2}, 6.854102, 100, 2.128624),
    "corner, dilation 2": (delta(1, 0), 8, {"padding": 2, "dilation": 2}, 1, 36, 36),
    "groups": (torch.cat([delta(2, 1), delta(1, 1)]), 4, {"padding": 1, "groups": 2}, 2, 80, 20),
    "dense": (BOX.expand(2, 2, 3, 3), 8, {"padding": 1}, 16.581719, 1936, 7.041193),
    "sobel": (SOBEL, 8, {"padding": 1}, 7.290859, 644, 12.115140),
    "counting": (COUNTING, 6, {"padding": 1}, 39.893698, 8000, 5.026682),
}


@pytest.mark.parametrize("case", WORKED)
def test_worked_cases(case):
    weight, size, walk, sigma, squares, rank = WORKED[case]
    operator = ConvOperator(weight, size, **walk)
    assert_close(spectral_norm(operator, size).item(), float(sigma), rtol=0, atol=6e-7)
    assert_close(frobenius_norm(operator, size).item() ** 2, float(squares), rtol=1e-12, atol=0)
    assert_close(stable_rank(operator, size).item(), float(rank), rtol=0, atol=6e-7)


@pytest.mark.parametrize(
    ("weight", "size", "sigma", "rank"),
    [(BOX, 8, 9, 64 / 9), (BOX, 32, 9, 1024 / 9), (SOBEL, 8, 8, 12), (COUNTING, 6, 45, 5.066667)],
)
def test_circular_norms_of_the_published_code(weight, size, sigma, rank):
    operator = ConvOperator(weight, size, padding=1)
    assert_close(spectral_norm(operator, size, method="circular").item(), float(sigma))
    assert_close(stable_rank(operator, size, of="circular").item(), float(rank), rtol=0, atol=6e-7)


def test_the_circular_norm_at_the_same_size_is_no_upper_bound():
    operator = ConvOperator(torch.tensor([1.0, -1, 0]).double().reshape(1, 1, 1, 3), (1, 3), padding=(0, 1))
    exact = spectral_norm(operator, (1, 3))
    assert_close(exact.item(), 2 * math.cos(math.pi / 7))
    assert spectral_norm(operator, (1, 3), method="circular") < exact < spectral_norm(operator, (1, 3), method="bound")


@pytest.mark.parametrize(("rows", "rank"), [([[3, 0], [0, 4]], 25 / 16), ([[1, 2], [2, 4]], 1)])
def test_kernel_rank_is_the_operator_rank_per_pixel(rows, rank):
    operator = ConvOperator(matrix(rows) * -7, (5, 7))
    assert_close(stable_rank(operator, (5, 7), of="kernel").item(), float(rank))
    assert_close(stable_rank(operator, (5, 7)).item(), 35.0 * rank)


def test_a_layer_is_its_operator():
    conv = torch.nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, dtype=torch.float64)
    expected = torch.linalg.matrix_norm(dense(ConvOperator(conv.weight.detach(), 7, 2, 1, 1, 2)), ord=2)
    assert_close(spectral_norm(conv, (7, 7)), expected)
    assert_close(stable_rank(conv, 7), frobenius_norm(conv, 7) ** 2 / expected**2)


def test_stacked_norms_are_those_of_each_edge():
    depthwise = torch.randn(3 * 4, 1, 5, 5).double()
    norms = stacked_norms(ConvOperator(depthwise, 9, 1, 4, 2, groups=12), edges=3)
    each = [spectral_norm(ConvOperator(w, 9, 1, 4, 2, groups=4), 9) for w in depthwise.split(4)]
    assert_close(norms, torch.stack(each))
    pointwise = torch.randn(3 * 4, 5, 1, 1).double()
    assert_close(
        stacked_norms(ConvOperator(pointwise, 9, groups=3), edges=3),
        torch.stack([torch.linalg.matrix_norm(w[..., 0, 0], ord=2) for w in pointwise.split(4)]),
    )
    for of in ("operator", "kernel"):
        each = [stable_rank(ConvOperator(w, (9, 5)), (9, 5), of=of) for w in pointwise.split(4)]
        assert_close(stacked_stable_ranks(pointwise, 3, (9, 5), of=of), torch.stack(each))


# --- power iteration ----------------------------------------------------------------------------------------------


def test_power_iteration_of_a_diagonal():
    operator, start = ConvOperator(matrix([[2, 0], [0, 1]]), 1), torch.full((1, 2, 1, 1), 0.5**0.5).double()
    paper = [power_iteration(operator, iterations=z, vectors=(start, start)).sigma.item() for z in range(6)]
    assert_close(paper, [math.sqrt((4 * 16**z + 1) / (16**z + 1)) for z in range(6)])
    code = {
        z: power_iteration(operator, iterations=z, start="output", vectors=(start, start)).sigma.item()
        for z in (1, 2, 5)
    }
    assert_close(code, {1: 1.8439089, 2: 1.9884281, 5: 1.9999971}, rtol=0, atol=1e-7)


def test_power_iteration_of_the_box():
    operator, ones = ConvOperator(BOX, 8, padding=1), torch.ones(1, 1, 8, 8).double()
    found = [power_iteration(operator, iterations=z, vectors=(ones, ones)).sigma.item() for z in range(6)]
    assert_close(found, [7.75, 8.199203, 8.269283, 8.285818, 8.289685, 8.290586], rtol=0, atol=6e-7)


def test_a_row_of_pixels_goes_through_the_gram_matrix_as_forth_and_back():
    weight = torch.randn(6, 4, 1, 1, generator=generator(0, "weights"), dtype=torch.float64)
    row, column = ConvOperator(weight, (1, 5), groups=2), ConvOperator(weight, (5, 1), groups=2)
    assert row.is_product and not column.is_product
    for start, at in (("input", 1), ("output", 0)):
        x = torch.randn(1, (6, 8)[at], 1, 5, generator=generator(1, "start"), dtype=torch.float64)
        ours, plain = (
            power_iteration(each, iterations=4, start=start, vectors=(v, v), edges=2)
            for each, v in ((row, x), (column, x.mT.contiguous()))
        )
        assert_close(ours.sigma, plain.sigma)
        assert_close(ours.right, plain.right.mT)


def test_warm_start_goes_on_where_the_estimate_stopped():
    operator = ConvOperator(COUNTING, 6, padding=1)
    for start in ("input", "output"):
        whole = power_iteration(operator, iterations=6, start=start, generator=generator(0, "start"))
        half = power_iteration(operator, iterations=3, start=start, generator=generator(0, "start"))
        again = power_iteration(operator, iterations=3, start=start, vectors=half[1:])
        assert_close(again, whole)
        assert_close((whole.left * operator.apply(whole.right)).sum(), whole.sigma[0])


def test_five_iterations_from_a_random_start_miss_several_percent():
    with seeded(0, "weights"):
        conv = torch.nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False)
    few, many = (estimate_ratios(conv, 32, iterations=z, generator=generator(1, "start")) for z in (5, 50))
    assert few.shape == (10,) and few.max() < 0.98 and few.min() > 0.8
    assert many.min() > 0.98 and many.max() <= 1 + 1e-9


# --- noise sensitivity --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "expected"), [((1, 0), 1.25), ((0, 3), 5.0), ((-2, -2), 2.0)])
def test_noise_sensitivity_of_a_diagonal(x, expected):
    operator, image = ConvOperator(matrix([[2, 0], [0, 1]]), 1), matrix([list(x)])
    assert_close(noise_sensitivity(operator, image).item(), expected)
    sampled = sampled_noise_sensitivity(operator, image, draws=50_000, generator=generator(0, "noise"))
    assert_close(sampled.item(), expected, rtol=0.02, atol=0)


def test_noise_sensitivity_of_a_layer_is_at_least_its_stable_rank():
    conv = torch.nn.Conv2d(3, 4, 3, padding=1, bias=False)
    images = torch.randn(5, 3, 6, 6)
    value = noise_sensitivity(conv, images)
    assert value > stable_rank(conv, 6)
    sampled = sampled_noise_sensitivity(conv, images, draws=500, generator=generator(0, "noise"))
    assert_close(sampled.double(), value.double(), rtol=0.05, atol=0)


# --- normalising --------------------------------------------------------------------------------------------------

KINDS = {  # weight of two edges, and how it walks
    "depthwise": (torch.randn(8, 1, 3, 3, generator=generator(0, "weights")).double(), 8, {"padding": 1}),
    "strided": (torch.randn(8, 1, 3, 3, generator=generator(1, "weights")).double(), 8, {"padding": 1, "stride": 2}),
    "dilated": (torch.randn(8, 1, 5, 5, generator=generator(2, "weights")).double(), 8, {"padding": 4, "dilation": 2}),
    "pointwise": (torch.randn(8, 4, 1, 1, generator=generator(3, "weights")).double(), 2, {}),
}
EXACT = SpectralRule(method="exact")


def exact_norms(weight, groups, walk, size=9):
    return stacked_norms(ConvOperator(weight.detach(), size, groups=groups, **walk), 2)


@pytest.mark.parametrize("kind", KINDS)
def test_exact_rule_reaches_the_target_on_every_edge(kind):
    weight, groups, walk = KINDS[kind]
    part = SpectralNormalised(2, groups, SpectralRule(method="exact", target=3.0), **walk)
    with seeded(0, "start"):
        for step in range(3):
            moved = weight * (1 + 0.1 * step)
            assert_close(
                exact_norms(part(moved, (9, 9)), groups, walk), torch.full((2,), 3.0).double(), rtol=1e-4, atol=0
            )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", [SpectralRule(), PUBLISHED_CODE, SpectralRule(init="persistent")])
def test_power_rules_leave_norms_at_one_or_above(kind, rule):
    weight, groups, walk = KINDS[kind]
    part = SpectralNormalised(2, groups, rule, **walk)
    with seeded(0, "start"):
        for _ in range(60):
            norms = exact_norms(part(weight, (9, 9)), groups, walk)
    assert (norms > 1 - 2e-5).all() and (norms < 1.3).all()
    if rule.init == "persistent":  # sixty warm estimates converge, a cold one does not
        assert (norms < 1.001).all()


@pytest.mark.parametrize("start", ["input", "output"])
@pytest.mark.parametrize("side", [9, 1])
def test_pointwise_kernels_start_on_the_whole_map(start, side):
    """The factor of a Wishart matrix gives the estimates of white noise on all pixels: same mean, same spread."""
    n, kernel = 4000, torch.randn(4, 4, 1, 1, generator=generator(3, "weights"))
    rule = SpectralRule(start=start, iterations=1)
    with seeded(0, "start"):
        mine = SpectralNormalised(n, n, rule)(kernel.repeat(n, 1, 1, 1), side)
        whole = ConvOperator(kernel.repeat(n, 1, 1, 1), (side, side), groups=n)
        theirs = power_iteration(whole, iterations=1, start=start, edges=n).sigma
    mine = (kernel[0, 0, 0, 0] / mine.reshape(n, 16)[:, 0]).log()
    theirs = theirs.log()
    assert abs(mine.mean() - theirs.mean()) < 4 * theirs.std() * (2 / n) ** 0.5
    assert mine.std().item() == pytest.approx(theirs.std().item(), rel=0.1)


def test_one_pixel_is_a_lower_start():
    weight, groups, _ = KINDS["pointwise"]
    found = {}
    for pointwise in ("map", "pixel"):
        part = SpectralNormalised(2, groups, SpectralRule(pointwise=pointwise, iterations=1))
        with seeded(0, "start"):
            found[pointwise] = torch.stack([exact_norms(part(weight, 9), groups, {}) for _ in range(50)])
    assert found["pixel"].std() > 3 * found["map"].std()


@pytest.mark.parametrize(
    "rule", [EXACT, SpectralRule(init="persistent"), SpectralRule(init="persistent", start="output")]
)
def test_a_channel_that_was_zero_is_found_again(rule):
    weight, groups, walk = KINDS["depthwise"]
    part = SpectralNormalised(2, groups, rule, **walk)
    gone, back = weight.clone(), weight.clone()
    gone[0], back[0] = 0, 5 * weight[0]
    with seeded(0, "start"):
        part(gone, 9)
        for _ in range(10):
            norms = exact_norms(part(back, 9), groups, walk)
    assert_close(norms[0], torch.tensor(1.0).double(), rtol=0.02, atol=0)


def test_an_edge_is_normalised_as_if_alone():
    weight, groups, walk = KINDS["depthwise"]
    stack = SpectralNormalised(2, groups, SpectralRule(init="persistent"), **walk)
    stack(weight, 9)
    alone = [SpectralNormalised(1, 4, SpectralRule(init="persistent"), **walk) for _ in range(2)]
    for part, left, right in zip(alone, stack.left.split(4, 1), stack.right.split(4, 1), strict=True):
        part.keep(left, right)
    together = stack(weight, 9)
    assert_close(together, torch.cat([part(w, 9) for part, w in zip(alone, weight.split(4), strict=True)]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", [SpectralRule(), EXACT, SpectralRule(detach_sigma=True)])
def test_gradient_through_sigma(kind, rule):
    raw, groups, walk = KINDS[kind]
    weight = raw.clone().requires_grad_()
    part = SpectralNormalised(2, groups, rule, **walk)
    direction = torch.randn_like(raw)
    loss = (part(weight, 9) * direction).sum()
    loss.backward()
    along = (weight.grad * raw).sum()
    expected = loss.detach() if rule.detach_sigma else torch.zeros(()).double()
    assert_close(along, expected, rtol=1e-6, atol=1e-6 * (weight.grad.norm() * raw.norm()).item())


def test_gradient_is_that_of_the_exact_norm():
    raw = KINDS["pointwise"][0]
    one, two = raw.clone().requires_grad_(), raw.clone().requires_grad_()
    SpectralNormalised(2, 2, EXACT)(one, 9)[::3].sum().backward()
    norms = torch.linalg.matrix_norm(two.reshape(2, 4, 4), ord=2)
    (two / norms.repeat_interleave(4)[:, None, None, None])[::3].sum().backward()
    assert_close(one.grad, two.grad)


def test_eps_is_the_code_s():
    part = SpectralNormalised(1, 1, SpectralRule(method="exact", eps=1e-5))
    weight = matrix([[2, 0], [0, 1]])
    assert_close(part(weight, 4), weight / 2.00001)


def test_evaluation_uses_kept_vectors_and_the_current_weight():
    weight, groups, walk = KINDS["strided"]
    part = SpectralNormalised(2, groups, SpectralRule(), **walk)
    part(weight, 9)
    kept = part.left.clone(), part.right.clone()
    part.eval()
    sigma = (kept[0] * ConvOperator(weight * 2, 9, groups=groups, **walk).apply(kept[1])).reshape(2, -1).sum(1)
    assert_close(part(weight * 2, 9), weight * 2 / sigma.repeat_interleave(4)[:, None, None, None])
    assert_close((part.left, part.right), kept, rtol=0, atol=0)


@pytest.mark.parametrize("rule", [SpectralRule(init="persistent"), PUBLISHED_CODE, EXACT])
def test_a_checkpoint_resumes_exactly(rule):
    weight, groups, walk = KINDS["dilated"]
    first, fresh = (SpectralNormalised(2, groups, rule, **walk) for _ in range(2))
    first(weight, 9)
    fresh.load_state_dict(first.state_dict())
    copied = copy.deepcopy(first)
    after = []
    for part in (first, fresh, copied):
        with seeded(0, "next step"):
            start_norms([(part, weight * 1.1 + 0.01)])
            assert part.prepared is not None
            after.append(part(weight * 1.1 + 0.01, 9))
    assert_close(after[1:], [after[0]] * 2, rtol=0, atol=0)


@pytest.mark.parametrize("rule", [SpectralRule(init="persistent"), EXACT])
def test_prepared_weights_are_those_of_each_forward(rule):
    parts = [SpectralNormalised(2, groups, rule, **walk) for _, groups, walk in KINDS.values() for _ in range(2)]
    weights = [(w * factor).requires_grad_() for w, *_ in KINDS.values() for factor in (1, 2)]
    for part, weight in zip(parts, weights, strict=True):
        part(weight, 9)
    alone = [copy.deepcopy(part)(weight, 9) for part, weight in zip(parts, weights, strict=True)]
    start_norms(zip(parts, weights, strict=True))
    assert all(part.prepared is not None for part in parts)
    together = [part(weight, 9) for part, weight in zip(parts, weights, strict=True)]
    assert_close(together, alone)
    assert all(part.prepared is None for part in parts)
    gradients = torch.autograd.grad(sum((w**3).sum() for w in together), weights)
    assert_close(gradients, torch.autograd.grad(sum((w**3).sum() for w in alone), weights))


def test_prepared_weights_are_only_for_the_size_they_were_made_for():
    weight, groups, walk = KINDS["depthwise"]
    part, other = (SpectralNormalised(2, groups, EXACT, **walk) for _ in range(2))
    part(weight, 9)
    start_norms([(part, weight)])
    with seeded(0, "start"):
        smaller = part(weight, 5)
    with seeded(0, "start"):
        assert_close(smaller, other(weight, 5))


def test_cold_starts_follow_the_default_generator():
    weight, groups, walk = KINDS["depthwise"]
    results = []
    for seed in (0, 0, 1):
        with seeded(seed, "start"):
            results.append(SpectralNormalised(2, groups, SpectralRule(), **walk)(weight, 9))
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


def test_autocast_does_not_touch_the_norm():
    weight = KINDS["pointwise"][0].float()
    plain = SpectralNormalised(2, 2, EXACT)(weight, 9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_close(SpectralNormalised(2, 2, EXACT)(weight, 9), plain, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ConvOperator(BOX, 2), "kernel is larger than the padded image"),
        (lambda: operator_of(torch.nn.Conv2d(1, 1, 3, padding="same"), 8), "'same'.*give numbers"),
        (lambda: operator_of(torch.nn.Conv2d(1, 1, 3, padding_mode="circular"), 8), "'circular'.*mode 'zeros'"),
        (lambda: spectral_norm(ConvOperator(BOX, 8), 8, method="fft"), "unknown method 'fft'"),
        (lambda: stable_rank(ConvOperator(BOX * 0, 8), 8), "every image zero"),
        (lambda: stable_rank(ConvOperator(BOX, 8), 8, of="matrix"), "unknown stable rank 'matrix'"),
        (lambda: stacked_stable_ranks(torch.cat([matrix([[1.0]]), matrix([[0.0]])]), 2, 8), r"edges \[1\]"),
        (lambda: stacked_stable_ranks(BOX, 1, 8), "of 1x1 kernels"),
        (lambda: power_iteration(ConvOperator(BOX, 8), iterations=0, start="output"), "iterations >= 1"),
        (lambda: noise_sensitivity(torch.nn.Conv2d(1, 1, 1), torch.ones(1, 1, 2, 2)), "bias=False"),
        (lambda: SpectralRule(init="persistant"), "did you mean 'persistent'"),
        (lambda: SpectralRule(target=0.0), "target=0.0"),
    ],
)
def test_errors_say_what_to_change(call, message):
    with pytest.raises(ValueError, match=message):
        call()
