"""Spectral norms, estimated and exact, and what follows from them: stable rank and noise sensitivity.

A grouped convolution is block-diagonal, so its norm is the largest of its groups'. Every iteration here runs on all
groups, or on all edges of stacked convolutions, at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nasnb import randomness
from nasnb.spectral.operator import (
    ConvOperator,
    Size,
    circular_singular_values,
    frobenius_norm,
    gram_of,
    operator_of,
    undilated,
)
from nasnb.supernet.shapes import Images, Kernels, Maps, Scalar

TINY = 1e-12  # no norm is divided by anything smaller
KEPT = 6  # vectors that survive a restart of the exact iteration
MAX_RESTARTS = 500
Generator = torch.Generator | None


class Estimate(NamedTuple):
    """Estimated norms, (edges,), and the unit vectors that gave them: sigma = <left, c(right)> for every edge."""

    sigma: Tensor
    left: Tensor
    right: Tensor


def power_iteration(
    operator: ConvOperator,
    *,
    iterations: int = 5,
    start: str = "input",
    vectors: tuple[Tensor, Tensor] | None = None,
    generator: Generator = None,
    edges: int = 1,
) -> Estimate:
    """The published estimate of the spectral norm, from below; of each of `edges` convolutions stacked edge-major.

    start="input" is the paper's Algorithm 1; "output", the order of its code, is half an iteration less. The start is
    random, or warm from `vectors`, the (left, right) of an earlier estimate. A 1x1 kernel that is started on many
    pixels goes forth and back in one product with its Gram matrix.
    """
    least = {"input": 0, "output": 1}
    if start not in least or iterations < least[start]:
        raise ValueError(f"start={start!r}, iterations={iterations}: needs 'input', or 'output' and iterations >= 1")
    if start == "input":
        right = unit(_noise(operator, operator.input_shape, generator) if vectors is None else vectors[1], edges)
    else:
        image = _noise(operator, operator.output_shape, generator) if vectors is None else vectors[0]
        right = unit(operator.adjoint(unit(image, edges)), edges)
    if operator.is_product and operator.image_size[1] > 1:
        right = _powers(gram_of(operator), right, iterations - least[start], edges)
    else:
        for _ in range(iterations - least[start]):
            right = unit(operator.adjoint(unit(operator.apply(right), edges)), edges)
    image = operator.apply(right)
    return Estimate(per_block(image.square(), edges).sqrt(), unit(image, edges), right)


def _powers(gram: ConvOperator, right: Maps, n: int, edges: int) -> Maps:
    """`gram`, n times, at length 1 after every fifth: over its Frobenius norm it shrinks nothing by more than that.

    With c channels the largest eigenvalue is then at least c^(-1/2), so five steps lose no digit of float32.
    """
    lengths = gram.blocks.square().sum((1, 2, 3, 4), keepdim=True).sqrt().clamp_min(TINY**3)
    gram = replace(gram, weight=(gram.blocks / lengths).flatten(0, 1))
    for step in range(1, n + 1):
        right = gram.apply(right)
        if step == n or step % 5 == 0:
            right = unit(right, edges)
    return right


def unit(x: Maps, blocks: int) -> Maps:
    """A map whose channels fall into `blocks` vectors, each scaled to length 1."""
    lengths = per_block(x.square(), blocks).sqrt().clamp_min(TINY)
    return x / lengths.repeat_interleave(x.shape[1] // blocks)[:, None, None]


def per_block(x: Maps, blocks: int) -> Float[Tensor, " {blocks}"]:
    """(blocks,): sums over a map whose channels fall into blocks; whatever its memory format, it is not copied."""
    return x.sum((0, 2, 3)).reshape(blocks, -1).sum(1)


def _noise(operator: ConvOperator, shape: tuple[int, ...], generator: Generator) -> Tensor:
    device = operator.weight.device if generator is None else generator.device
    noise = torch.randn(1, *shape, generator=generator, device=device, dtype=operator.weight.dtype).to(operator.weight)
    # depthwise convolutions on a CPU are several times faster so
    return noise if noise.device.type != "cpu" else noise.contiguous(memory_format=torch.channels_last)


def krylov(operator: ConvOperator, rights: Maps, steps: int) -> tuple[Tensor, Tensor]:
    """Per group, an orthonormal basis grown by `steps` from orthonormal `rights`, (n, *input_shape), and its image.

    Lanczos on c^T c: (groups, n + steps, inputs) and (groups, n + steps, outputs). The largest singular value of the
    image is an estimate from below, and a far better one than power iteration gives for as many convolutions.
    """
    count = min(len(rights) + steps, rights[0].numel() // operator.groups)
    basis = rights.new_empty(count, *operator.input_shape)
    images = rights.new_empty(count, *operator.output_shape)
    basis[: len(rights)], images[: len(rights)] = rights, operator.apply(rights)
    source = 0
    for i in range(len(rights), count):
        new = _per_group(operator.adjoint(images[source : source + 1]), operator.groups)
        basis[i] = _orthonormal(new, _per_group(basis[:i], operator.groups)).reshape(operator.input_shape)
        images[i : i + 1] = operator.apply(basis[i : i + 1])
        source = i
    return _per_group(basis, operator.groups), _per_group(images, operator.groups)


def _orthonormal(
    new: Float[Tensor, "groups 1 elements"], known: Float[Tensor, "groups n elements"]
) -> Float[Tensor, "groups 1 elements"]:
    """What `known`, (groups, n, elements), cannot express of `new`, at length 1; zero where that is only rounding."""
    new = F.normalize(new, dim=2, eps=TINY)
    for _ in range(2):  # a second sweep removes the rounding that the first one magnified
        shares = (known * new).sum(2, keepdim=True)  # products, not bmm: on a CPU slow for such thin matrices
        new = new - (known * shares).sum(1, keepdim=True)
        length = new.norm(dim=2, keepdim=True)
        new = torch.where(length > 500 * torch.finfo(new.dtype).eps, new / length, 0)
    return new


def _per_group(maps: Maps, groups: int) -> Float[Tensor, "{groups} batch elements"]:
    """(groups, maps, elements of one group), a view."""
    return maps.unflatten(1, (groups, -1)).flatten(2).transpose(0, 1)


def group_norms(operator: ConvOperator, *, tolerance: float = 1e-10) -> Float[Tensor, " groups"]:
    """(groups,): the exact spectral norm of every group, in float64.

    Iterates until the residual proves that c^T c has an eigenvalue within `tolerance` (relative) of the squared norm.
    Raises ArithmeticError if it never does.
    """
    operator = undilated(replace(operator, weight=operator.weight.detach().double()))
    if operator.is_matrix:
        return torch.linalg.matrix_norm(operator.blocks[..., 0, 0], ord=2)
    start = randomness.generator(0, "exact spectral norm")
    rights = unit(_noise(operator, operator.input_shape, start), operator.groups)
    for _ in range(MAX_RESTARTS):
        basis, images = krylov(operator, rights, steps=24)
        values, mixes = torch.linalg.eigh(images @ images.mT)
        # A real kernel answers alike to the frequencies w and -w: top eigenvalues come in near pairs, so keep several.
        best = (mixes[..., -KEPT:].flip(-1).mT @ basis).transpose(0, 1)
        rights = best.reshape(-1, *operator.input_shape)
        back = operator.adjoint(operator.apply(rights[:1])).reshape(operator.groups, -1)
        if ((back - values[:, -1:] * best[0]).norm(dim=1) <= tolerance * values[:, -1]).all():
            return values[:, -1].clamp_min(0).sqrt()
    raise ArithmeticError(f"no norm within {tolerance} after {MAX_RESTARTS} restarts; allow a larger tolerance")


def spectral_norm(conv: nn.Conv2d | ConvOperator, image_size: Size, *, method: str = "exact") -> Scalar:
    """The largest singular value of a convolution on images of one size, in float64.

    method="exact"; "circular", the stride-1 wrap-around convolution that the published code measures; "bound", cheap
    and never below the exact norm: wrap-around on an image so large that nothing meets its own copy.
    """
    operator = operator_of(conv, image_size)
    if method == "exact":
        return group_norms(operator).max()
    if method == "bound":
        operator = replace(operator, image_size=tuple(axis.image + axis.reach for axis in operator.axes))
    elif method != "circular":
        raise ValueError(f"unknown method {method!r}; known: exact, circular, bound")
    return circular_singular_values(operator).max()


def stacked_norms(operator: ConvOperator, edges: int) -> Float[Tensor, " {edges}"]:
    """(edges,): the exact norm of each of `edges` convolutions stacked along the channels, edge-major."""
    return group_norms(operator).reshape(edges, -1).amax(1)


def stable_rank(conv: nn.Conv2d | ConvOperator, image_size: Size, *, of: str = "operator") -> Scalar:
    """Squared Frobenius norm over squared spectral norm: how many directions a convolution really uses (section 3.1).

    of="operator"; "kernel", the weight flattened to (out, rest), which does not grow with the image; "circular", the
    published code's wrap-around operator. Raises ValueError for an operator that is zero.

    >>> from nasnb.randomness import seeded
    >>> with seeded(0, "weights"):
    ...     conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
    >>> round(float(stable_rank(conv, (6, 6), of="kernel")), 1)  # of 8
    5.2
    """
    operator = operator_of(conv, image_size)
    if of == "operator":
        total, top = frobenius_norm(operator, image_size), group_norms(operator).max()
    elif of in ("kernel", "circular"):
        kernels = operator.blocks.detach().double().flatten(2)
        values = torch.linalg.svdvals(kernels) if of == "kernel" else circular_singular_values(operator)
        total, top = values.norm(), values.max()
    else:
        raise ValueError(f"unknown stable rank {of!r}; known: operator, kernel, circular")
    if top == 0:
        raise ValueError(
            f"a convolution that makes every image zero, weight {tuple(operator.weight.shape)}, has no stable rank"
        )
    return (total / top) ** 2


def stacked_stable_ranks(
    weight: Kernels, edges: int, image_size: Size, *, of: str = "operator"
) -> Float[Tensor, " {edges}"]:
    """(edges,): stable rank of each 1x1 convolution of (edges * out, in, 1, 1) on maps of `image_size`, in float64."""
    operator = ConvOperator(weight.detach().double(), image_size, groups=edges)
    if not operator.is_matrix or of not in ("operator", "kernel"):
        raise ValueError(f"of={of!r}, kernel {tuple(weight.shape[2:])}: wants 'operator' or 'kernel', of 1x1 kernels")
    if not torch.isfinite(weight).all():
        raise ValueError("a kernel holds NaN or infinities: it has no stable rank, and nothing can be chosen by it")
    values = torch.linalg.svdvals(operator.blocks[..., 0, 0])
    if (values[:, 0] == 0).any():
        zeros = values[:, 0].eq(0).nonzero().flatten().tolist()
        raise ValueError(f"the kernels of edges {zeros} are zeros and have no stable rank; give them weights")
    ranks = (values / values[:, :1]).square().sum(1)
    return ranks * operator.image_size[0] * operator.image_size[1] if of == "operator" else ranks


def estimate_ratios(
    conv: nn.Conv2d | ConvOperator,
    image_size: Size,
    *,
    iterations: int = 5,
    starts: int = 10,
    start: str = "input",
    generator: Generator = None,
) -> Float[Tensor, " {starts}"]:
    """(starts,): the power-iteration estimate over the exact norm, from as many random starts at once."""
    operator = operator_of(conv, image_size)
    operator = replace(operator, weight=operator.weight.detach().double())
    many = replace(operator, weight=operator.weight.repeat(starts, 1, 1, 1), groups=operator.groups * starts)
    found = power_iteration(many, iterations=iterations, start=start, generator=generator, edges=starts)
    return found.sigma / group_norms(operator).max()


def noise_sensitivity(conv: nn.Conv2d | ConvOperator, images: Images) -> Scalar:
    """Equation 3 for standard normal noise, mean over the images; never below the stable rank.

    For a linear c the expectation is ||x||^2 ||c||_F^2 / ||c(x)||^2, infinite for an image that c sends to zero.
    Raises ValueError for a layer with a bias, which is not linear.
    """
    operator = _linear(conv, images)
    length, signal = (x.flatten(1).norm(dim=1) for x in (images, operator.apply(images)))
    return (length / signal).square().mean() * frobenius_norm(operator, operator.image_size) ** 2


def sampled_noise_sensitivity(
    conv: nn.Conv2d | ConvOperator, images: Images, *, draws: int, generator: Generator = None
) -> Scalar:
    """Equation 3 as it stands, with `draws` noises per image; what `noise_sensitivity` computes in closed form."""
    operator = _linear(conv, images)
    total = images.new_zeros(())
    for x in images.split(1):
        clean = operator.apply(x)
        for first in range(0, draws, 256):
            shape = (min(256, draws - first), *x.shape[1:])
            noise = torch.randn(shape, generator=generator, dtype=x.dtype, device=x.device)
            total += (operator.apply(x + noise * x.norm()) - clean).square().sum() / clean.square().sum()
    return total / (draws * len(images))


def _linear(conv: nn.Conv2d | ConvOperator, images: Images) -> ConvOperator:
    if getattr(conv, "bias", None) is not None:
        raise ValueError("noise sensitivity is of a linear map, and this layer has a bias; build it with bias=False")
    operator = operator_of(conv, tuple(images.shape[2:]))
    return replace(operator, weight=operator.weight.detach().to(images))
