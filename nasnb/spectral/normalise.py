"""Rescaling convolutions to a fixed spectral norm before every training step (MSR-DARTS, section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Gamma

from nasnb.config import nearest
from nasnb.spectral.norms import TINY, Estimate, krylov, per_block, power_iteration, unit
from nasnb.spectral.operator import ConvOperator, Size, undilated
from nasnb.supernet.shapes import Kernels, Maps, NewMaps

BURN_IN = (8,) * 6  # rounds of the exact method at the first step, when there is no earlier vector to start from
Vectors = tuple[Tensor, Tensor]
_KNOWN = {
    "method": ("power", "exact"),
    "init": ("random", "code", "persistent"),
    "start": ("input", "output"),
    "pointwise": ("map", "pixel"),
}


@dataclass(frozen=True)
class SpectralRule:
    """How the norm is found and used. The defaults are the paper's (equation 5, Algorithm 1)."""

    method: str = "power"  # "power": the published estimate; "exact": the norm itself, and cheaper
    iterations: int = 5  # of either, per training step
    init: str = "random"  # of "power": "random" is the paper, "code" keeps the vectors of 1x1 kernels, "persistent" all
    start: str = "input"  # "input": Algorithm 1; "output": the order of the code
    pointwise: str = "map"  # where the power iteration of 1x1 kernels starts; one "pixel" is cheaper, and lower
    target: float = 1.0  # the norm afterwards, always, not only where it was larger
    eps: float = 0.0  # the code divides by sigma / target + 1e-5
    detach_sigma: bool = False  # the code differentiates through sigma, the paper is silent

    def __post_init__(self) -> None:
        for name, known in _KNOWN.items():
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"unknown {name} {value!r}{nearest(value, known)}; known: {', '.join(known)}")
        if self.iterations < 1 or self.target <= 0:
            raise ValueError(f"iterations={self.iterations}, target={self.target}: both must be positive")

    def keeps(self, matrix: bool) -> bool:
        """Whether a step begins with the vectors of the one before; `matrix`: of a 1x1 kernel."""
        if self.method == "exact":
            return not matrix
        return self.init == "persistent" or (self.init == "code" and matrix)


PUBLISHED_CODE = SpectralRule(init="code", start="output", eps=1e-5)


class SpectralNormalised(nn.Module):
    """Scales stacked convolutions so that each edge has the spectral norm `rule.target` on its input size.

    Owned by the convolution, whose raw weight, (edges * out, in / groups, height, width) edge-major, it is given at
    every forward: training iterates and keeps the vectors, evaluation uses the kept ones with the current weight. The
    vectors are buffers, sized at the first forward. A cold start draws from torch's default generator. Once sized, a
    step has static shapes and never waits for the device.
    """

    left: Tensor
    right: Tensor
    size: Tensor

    def __init__(self, edges: int, groups: int, rule: SpectralRule = SpectralRule(), **walk: Any) -> None:
        """`groups` of the stacked convolution; `walk` is its stride, padding and dilation."""
        super().__init__()
        self.edges, self.groups, self.rule, self.walk = edges, groups, rule, walk
        self.image_size: tuple[int, int] | None = None
        self.prepared: Tensor | None = None
        self.register_buffer("left", torch.empty(0))
        self.register_buffer("right", torch.empty(0))
        # image_size as a buffer, for checkpoints: `start_norms` then resumes as it would go on
        self.register_buffer("size", torch.empty(0))
        self.register_load_state_dict_pre_hook(_make_room)

    def forward(self, weight: Kernels, image_size: Size) -> Kernels:
        """The rescaled weight. The gradient also flows through sigma = <left, c(right)>, the vectors held constant."""
        size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
        prepared, self.prepared = self.prepared, None
        if size != self.image_size:
            self.image_size, self.size = size, torch.tensor(size)
        elif prepared is not None:
            return prepared
        return _rescaled([self], [weight])[0]

    def operator(self, weight: Kernels) -> ConvOperator:
        """What is measured: of 1x1 kernels, whose norm is the same on every map, a row of pixels for the map."""
        operator = ConvOperator(weight, self.image_size, groups=self.groups, **self.walk)
        if operator.is_matrix:
            channels = max(weight.shape[1], len(weight) // self.groups)
            return ConvOperator(weight, (1, min(self.pixels, channels)), groups=self.groups)
        return undilated(operator) if self.rule.method == "exact" else operator

    @property
    def pixels(self) -> int:
        """Of the map on which a power iteration of 1x1 kernels starts."""
        if self.rule.method == "exact" or self.rule.pointwise == "pixel":
            return 1
        return self.image_size[0] * self.image_size[1]

    def keep(
        self, left: Float[Tensor, "1 out out_height out_width"], right: Float[Tensor, "1 in in_height in_width"]
    ) -> None:
        """Vectors for the next forward; in place where possible, so that a captured graph finds them again."""
        for name, new in (("left", left), ("right", right)):
            old = getattr(self, name)
            if old.shape == new.shape:
                old.copy_(new)
            else:
                setattr(self, name, new.clone())


def start_norms(parts: Iterable[tuple[SpectralNormalised, Tensor]]) -> None:
    """Normalise the weights of many convolutions in few calls; the next forward of each returns what was prepared.

    Alike convolutions (kernel, channels, image, training or not) are one stack. Call it before every forward of a
    network, inside its step; parts that have not seen an image yet are left to their own forward.
    """
    alike: dict[tuple, list[tuple[SpectralNormalised, Tensor]]] = {}
    for part, weight in parts:
        if part.image_size is not None:
            operator = part.operator(weight)
            per_edge = (len(weight) // part.edges, part.groups // part.edges, *weight.shape[1:])
            walk = (part.pixels, operator.image_size, operator.stride, operator.padding, operator.dilation)
            alike.setdefault((per_edge, walk, part.rule, part.training), []).append((part, weight))
    for group in alike.values():
        members = [part for part, _ in group]
        for part, weight in zip(members, _rescaled(members, [weight for _, weight in group]), strict=True):
            part.prepared = weight


def _rescaled(parts: list[SpectralNormalised], weights: list[Tensor]) -> list[Tensor]:
    """The weights of alike convolutions, every edge at the norm that its rule asks for."""
    weight, edges, rule = torch.cat(weights), sum(part.edges for part in parts), parts[0].rule
    operator = replace(parts[0].operator(weights[0]), weight=weight, groups=sum(part.groups for part in parts))
    with torch.autocast(weight.device.type, enabled=False):
        left, right = _vectors(parts, replace(operator, weight=weight.detach()), edges)
        sigma = _estimated(operator, left, right, operator.groups if rule.method == "exact" else edges)
        sigma = sigma.reshape(edges, -1).amax(1)
    if rule.detach_sigma:
        sigma = sigma.detach()
    scale = 1 / (sigma.clamp_min(TINY) / rule.target + rule.eps)
    weight = (weight.reshape(edges, -1) * scale[:, None]).reshape(weight.shape)
    return list(weight.split([len(each) for each in weights]))


def _estimated(operator: ConvOperator, left: Maps, right: NewMaps, blocks: int) -> Float[Tensor, " {blocks}"]:
    """(blocks,): <left, c(right)>, the vectors held constant."""
    if not operator.is_product or operator.groups != blocks:
        return per_block(left * operator.apply(right), blocks)
    # a matrix on a row of pixels: <left right^T, weight>, whose gradient is there already
    pairs = (x.unflatten(1, (blocks, -1))[0, :, :, 0] for x in (left, right))
    outer = torch.bmm(next(pairs), next(pairs).mT)
    return (outer * operator.blocks[..., 0, 0]).sum((1, 2))


@torch.no_grad()
def _vectors(parts: list[SpectralNormalised], operator: ConvOperator, edges: int) -> tuple[Tensor, Tensor]:
    sized = sum(part.right.shape[1] for part in parts if part.right.shape[2:] == operator.image_size)
    kept = None
    if sized == operator.input_shape[0]:
        kept = torch.cat([part.left for part in parts], 1), torch.cat([part.right for part in parts], 1)
        if not parts[0].training:
            return kept
    warm = parts[0].rule.keeps(operator.is_matrix)
    kept = tuple(restarted(vectors, operator.groups) for vectors in kept) if kept and warm else None
    if parts[0].rule.method == "exact":
        left, right = _exact(operator, kept, parts[0].rule.iterations)
    else:
        left, right = estimate(operator, parts[0], kept, edges=edges)[1:]
    share = [part.groups / operator.groups for part in parts]
    pieces = (x.split([round(x.shape[1] * each) for each in share], 1) for x in (left, right))
    for part, *vectors in zip(parts, *pieces, strict=True):
        part.keep(*vectors)
    return left, right


def estimate(
    operator: ConvOperator, part: SpectralNormalised, vectors: Vectors | None = None, *, edges: int
) -> Estimate:
    """The power iteration that the rule of `part` asks for, of `edges` alike convolutions; cold without `vectors`."""
    rule = part.rule
    if vectors is None and operator.is_matrix:
        shape = operator.input_shape if rule.start == "input" else operator.output_shape
        vectors = (_map_start(operator, shape, part.pixels),) * 2  # one of the two is where it begins
    return power_iteration(operator, iterations=rule.iterations, start=rule.start, vectors=vectors, edges=edges)


def _map_start(operator: ConvOperator, shape: tuple[int, int, int], pixels: int) -> Float[Tensor, "1 channels 1 row"]:
    """White noise on a map of so many pixels, per edge, as a map of no more pixels than channels.

    A matrix that acts on every pixel alike, its norms and its gradient see noise X, (channels, pixels), only by X X^T.
    That is Wishart, and its triangular factor can be drawn itself (Bartlett): Gauss below the diagonal, chi on it.
    """
    channels, edges = shape[0] // operator.groups, operator.groups
    like = {"dtype": operator.weight.dtype, "device": operator.weight.device}
    if pixels <= shape[2]:
        noise = torch.randn(edges, channels, pixels, **like)
        return F.pad(noise, (0, shape[2] - pixels)).reshape(1, *shape)
    noise = torch.randn(edges, channels, min(channels, shape[2]), **like).tril(-1)
    freedom = (pixels - torch.arange(noise.shape[2], **like)).expand(edges, -1)
    half = torch.full_like(freedom, 0.5)
    chi = Gamma(half * freedom, half, validate_args=False).sample().sqrt()  # validation would wait for the device
    noise.diagonal(dim1=1, dim2=2).copy_(chi)
    return F.pad(noise, (0, shape[2] - noise.shape[2])).reshape(1, *shape)


def restarted(vectors: Maps, blocks: int) -> Maps:
    """Kept vectors, one per block; those of kernels that were zeros are zeros, and would stay so for ever."""
    fresh = torch.randn_like(vectors[:, : vectors.shape[1] // blocks]).repeat(1, blocks, 1, 1)
    dead = per_block(vectors.square(), blocks).eq(0).repeat_interleave(vectors.shape[1] // blocks)
    return torch.where(dead[:, None, None], unit(fresh, blocks), vectors)


def _exact(operator: ConvOperator, kept: Vectors | None, iterations: int) -> Vectors:
    if operator.is_matrix:
        matrices = operator.blocks[..., 0, 0]
        right = _top_eigenvector(matrices.mT @ matrices).reshape(1, *operator.input_shape)
        return unit(operator.apply(right), operator.groups), right
    rounds = [iterations] if kept else BURN_IN
    right = kept[1] if kept else torch.randn_like(operator.weight.new_empty(1, *operator.input_shape))
    for steps in rounds:
        basis, images = krylov(operator, unit(right, operator.groups), steps)
        mix = _top_eigenvector(images @ images.mT).unsqueeze(1)
        right = (mix @ basis).reshape(1, *operator.input_shape)
    return unit((mix @ images).reshape(1, *operator.output_shape), operator.groups), right


def _top_eigenvector(gram: Float[Tensor, "*stack n n"]) -> Float[Tensor, "*stack n"]:
    """(..., n) of positive semidefinite (..., n, n), by repeated squaring: 2^k power iterations in k products.

    Unlike torch.linalg.eigh it never waits for the device. The eigenvalue is exact to the dtype's precision: to be
    wrong by a relative g, a second eigenvalue must lie so near that 2^k iterations cannot tell, g < 2^-k.
    """
    for _ in range(7 if gram.dtype == torch.float32 else 14):
        gram = gram / gram.diagonal(dim1=-2, dim2=-1).sum(-1).clamp_min(TINY**3)[..., None, None]
        for _ in range(3):  # the largest eigenvalue is at least 1/n, so its 8th power is still far from underflow
            gram = gram @ gram
    column = gram.diagonal(dim1=-2, dim2=-1).argmax(-1)[..., None, None].expand(*gram.shape[:-1], 1)
    return F.normalize(gram.gather(-1, column)[..., 0], dim=-1, eps=TINY**3)


def _make_room(module: SpectralNormalised, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Buffers take the sizes of a checkpoint, so that a fresh module can load one."""
    for name in ("left", "right", "size"):
        if prefix + name in state:
            setattr(module, name, torch.empty_like(state[prefix + name], device=getattr(module, name).device))
    module.image_size = tuple(state.get(prefix + "size", torch.empty(0)).tolist()) or None
