"""Layers that work for all edges leaving a state at once: channels of the edges lie side by side."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nasnb.supernet.depthwise import depthwise
from nasnb.supernet.shapes import Maps, NewMaps, Positions, Scale


class Source:
    """A state of the cell as its outgoing edges see it: what several candidates need is computed once."""

    def __init__(self, x: Maps):
        self.x = x
        self._made: dict[object, Tensor] = {}

    def relu(self) -> Maps:
        """ReLU, not in place: other candidates read the raw state."""
        if "relu" not in self._made:
            self._made["relu"] = F.relu(self.x)
        return self._made["relu"]

    def relu_for(self, edges: int, every: int = 1) -> Maps:
        """(batch, edges * channels, height, width): the ReLU once per edge, input of a depthwise convolution.

        Of `every` 2, only pixels in even rows and columns.
        """
        if (edges, every) not in self._made:
            relu = self.relu() if every == 1 else self.relu()[:, :, ::every, ::every]
            self._made[edges, every] = repeated(relu, edges)
        return self._made[edges, every]


def repeated(x: Maps, edges: int) -> Float[Tensor, "batch stacked height width"]:
    """(batch, edges * channels, height, width). Unlike Tensor.repeat, this keeps the memory format."""
    return x if edges == 1 else torch.cat([x] * edges, dim=1)


class StackedConv(nn.Module):
    """One convolution per edge, side by side, without bias.

    With `shared_input` all edges read the same channels (one dense convolution); otherwise edge e reads its own block
    of channels (a grouped one). `reparametrise` maps the raw weight to the one used, e.g. to a spectral norm of 1.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *,
        edges: int = 1,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        shared_input: bool = False,
    ):
        super().__init__()
        self.edges, self.groups, self.shared_input = edges, groups, shared_input
        self.is_depthwise = groups == channels_in == channels_out and not shared_input
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.weight = nn.Parameter(torch.empty(edges * channels_out, channels_in // groups, kernel, kernel))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # torch's default for nn.Conv2d
        self.reparametrise: nn.Module | None = None

    def forward(self, x: Maps, open: Positions = None) -> NewMaps:
        weight = self.weight if self.reparametrise is None else self.reparametrise(self.weight, x.shape[-2:])
        edges = self.edges
        if open is not None:  # closed edges are left out of the kernel, not multiplied by 0
            edges, weight = len(open), weight.unflatten(0, (self.edges, -1))[open].flatten(0, 1)
        if self.is_depthwise:
            return depthwise(x, weight, stride=self.stride, padding=self.padding, dilation=self.dilation)
        # edges that read one map are wider outputs of one dense convolution; else each is a group of its own
        groups = 1 if self.shared_input else edges * self.groups
        return F.conv2d(x, weight, None, self.stride, self.padding, self.dilation, groups)


class StackedNorm(nn.Module):
    """BatchNorm of every edge's channels, times the edge's mixing weight.

    w * BN(x) of an affine-free BatchNorm is a BatchNorm with scale w, so mixing costs no pass of its own.
    """

    def __init__(self, channels: int, *, edges: int = 1, affine: bool = False, eps: float = 1e-5):
        super().__init__()
        self.channels, self.edges, self.eps = channels, edges, eps
        self.weight = nn.Parameter(torch.ones(edges * channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(edges * channels)) if affine else None
        self.register_buffer("running_mean", torch.zeros(edges * channels))
        self.register_buffer("running_var", torch.ones(edges * channels))
        self.register_buffer("zeros", torch.zeros(edges * channels), persistent=False)  # GPU kernels want a bias
        self.momentum = 0.1

    def forward(self, x: Maps, scale: Scale = None, open: Positions = None) -> Maps:
        mean, var = self._of(self.running_mean, open), self._of(self.running_var, open)
        weight, bias = self._of(self.weight, open), self._of(self.bias, open)
        if scale is not None:
            scale = scale.to(self.running_mean.dtype).repeat_interleave(self.channels)
            # an affine part is scaled as a whole, gamma and beta: w * (gamma * x + beta)
            weight = scale if weight is None else weight * scale
            bias = self._of(self.zeros, open) if bias is None else bias * scale
        y = F.batch_norm(x, mean, var, weight, bias, self.training, self.momentum, self.eps)
        if self.training and open is not None:  # indexing copied the running statistics: write back what BatchNorm did
            self._put_back(mean, var, open)
        return y

    def _of(self, vector: Float[Tensor, " stacked"] | None, open: Positions) -> Float[Tensor, " kept"] | None:
        if vector is None or open is None:
            return vector
        return vector.unflatten(0, (self.edges, -1))[open].flatten()

    @torch.no_grad()
    def _put_back(self, mean: Float[Tensor, " kept"], var: Float[Tensor, " kept"], open: Positions) -> None:
        for buffer, part in ((self.running_mean, mean), (self.running_var, var)):
            buffer.unflatten(0, (self.edges, -1))[open] = part.unflatten(0, (len(open), -1))
