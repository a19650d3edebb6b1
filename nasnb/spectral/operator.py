"""The linear operator of a convolution on images of one size, its adjoint, and what has a closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from nasnb.supernet.depthwise import depthwise
from nasnb.supernet.shapes import Maps, NewMaps, Scalar

Size = int | tuple[int, int]


class Axis(NamedTuple):
    """One spatial axis: lengths of image, kernel and output, and how the kernel walks."""

    image: int
    kernel: int
    stride: int
    padding: int
    dilation: int

    @property
    def reach(self) -> int:
        """Distance from the first to the last tap."""
        return self.dilation * (self.kernel - 1)

    @property
    def output(self) -> int:
        return (self.image + 2 * self.padding - self.reach - 1) // self.stride + 1


@dataclass(frozen=True, eq=False)
class ConvOperator:
    """The matrix (never written out) of a bias-free, zero-padded convolution on images of one size.

    `weight` is (out, in / groups, height, width); every size is (height, width) or one number for both.
    Raises ValueError if the dilated kernel is larger than the padded image.
    """

    weight: Tensor
    image_size: Size
    stride: Size = 1
    padding: Size = 0
    dilation: Size = 1
    groups: int = 1

    def __post_init__(self) -> None:
        for name in ("image_size", "stride", "padding", "dilation"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value, value) if isinstance(value, int) else (value[0], value[1]))
        for axis in self.axes:
            if axis.output < 1:
                raise ValueError(f"{axis}: the kernel is larger than the padded image; use a larger image or padding")

    @property
    def axes(self) -> tuple[Axis, Axis]:
        kernel = self.weight.shape[2:]
        return tuple(map(Axis, self.image_size, kernel, self.stride, self.padding, self.dilation))

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return (self.weight.shape[1] * self.groups, *self.image_size)

    @property
    def output_shape(self) -> tuple[int, int, int]:
        return (self.weight.shape[0], *(axis.output for axis in self.axes))

    @property
    def is_matrix(self) -> bool:
        """Whether every output pixel is the same matrix times one input pixel: a 1x1 kernel without padding."""
        return self.weight.shape[2:] == (1, 1) and self.padding == (0, 0)

    @property
    def blocks(self) -> Float[Tensor, "groups out in height width"]:
        """(groups, out / groups, in / groups, height, width): the operator is block-diagonal over groups."""
        return self.weight.unflatten(0, (self.groups, -1))

    @property
    def is_product(self) -> bool:
        """Whether it is computed as one batched product: such a matrix on a row of pixels."""
        return self.is_matrix and self.image_size[0] == 1 and self.stride == (1, 1)

    def apply(self, x: Maps) -> NewMaps:
        """c(x) for x of (batch, *input_shape)."""
        if self.is_product:  # one batched product: far cheaper than a convolution
            return _times(self.blocks, x)
        rows, columns = zip(self.stride, self.padding, self.dilation, strict=True)
        height, width = self.weight.shape[2:]
        if self.weight.shape[:2] == (self.groups, 1) and rows == columns and height == width:
            return depthwise(x, self.weight, **dict(zip(("stride", "padding", "dilation"), rows, strict=True)))
        return F.conv2d(x, self.weight, None, self.stride, self.padding, self.dilation, self.groups)

    def adjoint(self, y: Maps) -> NewMaps:
        """The transposed convolution, <c(x), y> = <x, adjoint(y)>, for y of (batch, *output_shape).

        Written as a convolution, with the flipped kernel, of y stretched by the stride: the fast route for depthwise
        kernels. Rows that no output reads (a remainder of the stride) come out as zeros.
        """
        flipped = self.blocks.transpose(1, 2).flip(-1, -2)
        if self.is_product:
            return _times(flipped, y)
        if self.stride != (1, 1):
            y = _stretched(y, self.stride)
        margins = []  # what is missing before and behind, last axis first; a negative margin crops
        for axis, length in zip(reversed(self.axes), reversed(y.shape[2:]), strict=True):
            margins += [axis.reach - axis.padding, axis.image - length + axis.padding]
        padding = (margins[2], margins[0])
        if margins[0::2] != margins[1::2] or min(padding) < 0:
            y, padding = F.pad(y, margins), 0
        return F.conv2d(y, flipped.flatten(0, 1), None, 1, padding, self.dilation, self.groups)


def gram_of(operator: ConvOperator) -> ConvOperator:
    """c^T c of an operator that is a matrix on every pixel, as another one."""
    blocks = operator.blocks[..., 0, 0]
    return replace(operator, weight=(blocks.mT @ blocks).flatten(0, 1)[..., None, None])


def _times(blocks: Float[Tensor, "groups out in 1 1"], x: Maps) -> Float[Tensor, "batch new_channels 1 row"]:
    return (blocks[..., 0, 0] @ x.unflatten(1, (len(blocks), -1))[..., 0, :]).flatten(1, 2).unsqueeze(2)


def _stretched(y: Maps, stride: tuple[int, int]) -> Float[Tensor, "batch channels new_height new_width"]:
    down, right = stride
    batch, channels, height, width = y.shape
    wide = y.new_zeros(batch, (height - 1) * down + 1, (width - 1) * right + 1, channels).permute(0, 3, 1, 2)
    wide[..., ::down, ::right] = y
    return wide


def operator_of(conv: nn.Conv2d | ConvOperator, image_size: Size) -> ConvOperator:
    """The linear part of a layer on images of this size. Raises ValueError for padding other than zeros."""
    if isinstance(conv, ConvOperator):
        return replace(conv, image_size=image_size)
    if conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        raise ValueError(f"padding {conv.padding!r} in mode {conv.padding_mode!r}; give numbers and mode 'zeros'")
    return ConvOperator(conv.weight.detach(), image_size, conv.stride, conv.padding, conv.dilation, conv.groups)


def undilated(operator: ConvOperator) -> ConvOperator:
    """An operator with the same spectral norm in every group, without dilation where that is possible.

    With dilation d and padding a multiple of d, pixels of different residues modulo d never meet. Residue 0 has the
    largest image, and the other residues' matrices are submatrices of its; if the stride is a multiple of d, no other
    residue is read at all.
    """
    walks = []
    for n, _, s, p, d in operator.axes:
        apart = p % d == 0 and (s == 1 or s % d == 0)
        walks.append((-(-n // d), max(s // d, 1), p // d, 1) if apart else (n, s, p, d))
    size, stride, padding, dilation = zip(*walks, strict=True)
    return replace(operator, image_size=size, stride=stride, padding=padding, dilation=dilation)


def frobenius_norm(conv: nn.Conv2d | ConvOperator, image_size: Size) -> Scalar:
    """Exact, in float64: every squared weight counts as often as its tap lands inside the image."""
    operator = operator_of(conv, image_size)
    squares = operator.weight.detach().double().square().sum((0, 1))
    rows, columns = (_landings(axis).to(squares) for axis in operator.axes)
    return (rows @ squares @ columns).sqrt()


def _landings(axis: Axis) -> Int[Tensor, " taps"]:
    taps = torch.arange(axis.kernel)[:, None] * axis.dilation - axis.padding
    pixels = taps + torch.arange(axis.output) * axis.stride
    return ((pixels >= 0) & (pixels < axis.image)).sum(1)


def circular_singular_values(operator: ConvOperator) -> Float[Tensor, "height width groups rank"]:
    """(height, width, groups, rank): all of the stride-1 wrap-around convolution, float64, by a Fourier transform."""
    height, width = operator.image_size
    weight = operator.weight.detach().double()
    rows, columns = (torch.arange(axis.kernel) * axis.dilation % axis.image for axis in operator.axes)
    taps = (rows[:, None] * width + columns).flatten().to(weight.device)
    wrapped = weight.new_zeros(*weight.shape[:2], height * width).index_add_(2, taps, weight.flatten(2))
    spectrum = torch.fft.fft2(wrapped.unflatten(2, (height, width))).unflatten(0, (operator.groups, -1))
    return torch.linalg.svdvals(spectrum.permute(3, 4, 0, 1, 2))
