"""HyperCuboid: a grid of hyperparameters as a search space; MultiChannelNet chooses widths (sharpDARTS, section 4.1).

Stages follow each other. A stage holds one map per width, and an entry for every (width in, width out, primitive); one
softmax goes over the entries of a whole stage. An architecture is a path: one entry per stage, widths matching.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasnb.architecture import Choices, Edge, Genotype, Pick
from nasnb.spaces.cells import score_rows
from nasnb.spaces.paths import best_paths
from nasnb.supernet.edges import Routed
from nasnb.supernet.layers import Source, StackedNorm
from nasnb.supernet.network import Network
from nasnb.supernet.operations import SepUnit
from nasnb.supernet.relaxation import Rule, softmax

Primitive = Callable[[int, int, int], nn.Module]  # channels in, channels out, stride


def gated(rule: Rule) -> Rule:
    """The rule with every entry off whose softmax is at most 1 / entries^2: the published code, not in the paper.

    The gate looks at the softmax, so with max_w it cuts entries whose factor is still near 1.
    """

    def weigh(alpha: Tensor, open: Tensor) -> Tensor:
        kept = softmax.weigh(alpha.detach(), open) > 1 / alpha.shape[1] ** 2
        return torch.where(kept, rule.weigh(alpha, open), torch.zeros_like(alpha))

    return replace(rule, name=f"gated({rule.name})", weigh=weigh)


class SharpSepConv(nn.Module):
    """Two units of ReLU, depthwise 3 x 3, pointwise, BatchNorm; affine in the search too (sharpDARTS, section 3.1)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.first = SepUnit(channels_in, channels_out, 3, edges=1, stride=stride, affine=True)
        self.second = SepUnit(channels_out, channels_out, 3, edges=1, affine=True)

    def forward(self, source: Source, scale: Tensor | None = None) -> Tensor:
        return self.second(F.relu(self.first(source.relu())), scale)


class ResizablePool(nn.Module):
    """3 x 3 max pooling; where the width changes, a 1 x 1 convolution and BatchNorm after it."""

    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.stride, self.conv, self.norm = stride, None, None
        if channels_in != channels_out:
            self.conv = nn.Conv2d(channels_in, channels_out, 1, bias=False)
            self.norm = StackedNorm(channels_out, affine=True, eps=1e-3)

    def forward(self, source: Source, scale: Tensor | None = None) -> Tensor:
        y = F.max_pool2d(source.x, 3, self.stride, 1)
        if self.conv is not None:
            return self.norm(self.conv(y), scale)
        return y if scale is None else scale.to(y.dtype) * y


PRIMITIVES: Mapping[str, Primitive] = {"sep_conv_3x3": SharpSepConv, "max_pool_3x3": ResizablePool}


@dataclass(frozen=True)
class HyperCuboid:
    """A grid of `widths`, one stage per stride, and primitives.

    Genotypes are written in `widths`. A network of other `channels`, those of the narrowest width, scales them all. The
    number of cells is that of the stages and not asked for. The last maps meet in `features` channels.
    """

    name: str = "hypercuboid"
    widths: tuple[int, ...] = (32, 64, 128, 256)
    strides: tuple[int, ...] = (1, 2) * 4
    primitives: Mapping[str, Primitive] = field(default_factory=lambda: PRIMITIVES)
    features: int = 768

    @cached_property
    def entries(self) -> tuple[Pick, ...]:
        """The entries of a stage, in the order of its alpha: width in, width out, primitive."""
        return tuple(Pick(op, i, o) for i, o, op in product(self.widths, self.widths, self.primitives))

    @cached_property
    def choices(self) -> Choices:
        """{"stage i": one edge with the candidates "sep_conv_3x3 32-64"}."""
        names = tuple(f"{op} {i}-{o}" for op, i, o in self.entries)
        return Choices({f"stage {i}": (Edge(0, 1, names),) for i in range(len(self.strides))})

    def supernet(
        self,
        *,
        channels: int | None = None,
        cells: int | None = None,
        classes: int,
        mix: object = None,
        image_channels: int = 3,
    ) -> Network:
        """The network of all entries. `mix` must be the full one: an entry sees all channels of its width."""
        if getattr(mix, "k", 1) != 1:
            raise ValueError(f"space {self.name!r} cannot mix {mix}: its entries see all channels")
        scaled = self._scale(channels)
        stages = [
            Stage([(i, o, self.primitives[op](scaled(i), scaled(o), stride)) for op, i, o in self.entries])
            for stride in self.strides
        ]
        groups = tuple(self.choices.groups)
        ends = {width: scaled(width) for width in self.widths}
        return Network(
            Stems(image_channels, ends),
            stages,
            groups,
            {group: StageWiring() for group in groups},
            JoiningHead(ends, scaled(self.features), classes),
        )

    def network(
        self,
        genotype: Genotype,
        *,
        channels: int | None = None,
        cells: int | None = None,
        classes: int,
        auxiliary: bool = False,
        image_channels: int = 3,
    ) -> Network:
        """The stand-alone network of a path, or of its beginning (the released builder loses the last operation)."""
        if auxiliary:
            raise ValueError(f"networks of {self.name!r} have no auxiliary head: train with auxiliary_weight=0")
        path, scaled = self._checked(genotype), self._scale(channels)
        stages = [
            Stage([(i, o, self.primitives[op](scaled(i), scaled(o), stride))])
            for (op, i, o), stride in zip(path, self.strides, strict=False)
        ]
        first, last = ({width: scaled(width)} for width in (path[0].source, path[-1].target))
        groups = [f"stage {i}" for i in range(len(path))]
        return Network(
            Stems(image_channels, first),
            stages,
            groups,
            {group: StageWiring() for group in groups},
            JoiningHead(last, scaled(self.features), classes),
        )

    def discretise(self, scores: Mapping[str, Tensor]) -> Genotype:
        """The path with the largest sum of scores, {"stage i": (1, entries)}; the narrower wins ties."""
        return best_paths(self, scores, n=1)[0].genotype

    def tables(self, scores: Mapping[str, Tensor]) -> list[dict[Pick, float]]:
        """The score of every entry, stage by stage."""
        rows = (score_rows(self.choices, scores, group)[0] for group in self.choices.groups)
        return [dict(zip(self.entries, row, strict=True)) for row in rows]

    def _scale(self, channels: int | None) -> Callable[[int], int]:
        narrowest = min(self.widths)
        return lambda width: width if channels is None else max(1, width * channels // narrowest)

    def _checked(self, genotype: Genotype) -> Sequence[Pick]:
        path = genotype.picks.get("path", ())
        if not 0 < len(path) <= len(self.strides):
            raise ValueError(f"space {self.name!r} needs a path of 1 to {len(self.strides)} stages, not {len(path)}")
        before = path[0].source
        for stage, pick in enumerate(path):
            if pick not in self.entries or pick.source != before:
                raise ValueError(
                    f"{pick.op!r} from {pick.source} to {pick.target} channels does not fit stage {stage}: it starts "
                    f"from {before}; widths {self.widths}, primitives {', '.join(self.primitives)}"
                )
            before = pick.target
        return path


class StageWiring(nn.Module):
    """A stage's weights (1, entries) as its stage wants them."""

    def forward(self, weights: Tensor | None, edge_scale: Tensor | None, open: Sequence | None) -> Routed:
        if weights is None:
            return Routed(None, None, None)
        mix = weights if edge_scale is None else weights * edge_scale[:, None]
        return Routed(mix[0], None, None if open is None else tuple(open[0]))


class Stage(nn.Module):
    """All entries (width in, width out, operation) of a stage: a map per width becomes a map per width.

    It takes what a cell takes; the last argument, how to call parts that several networks share, is of no use here.
    """

    def __init__(self, entries: Sequence[tuple[int, int, nn.Module]]):
        super().__init__()
        self.routes = [(width_in, width_out) for width_in, width_out, _ in entries]
        self.ops = nn.ModuleList(op for _, _, op in entries)

    def forward(
        self, _: object, maps: Mapping[int, Tensor], routed: Routed, drop_path: float = 0.0, __: object = None
    ) -> dict:
        sources = {width: Source(x) for width, x in maps.items()}
        sums: dict[int, Tensor] = {}
        for entry, ((width_in, width_out), op) in enumerate(zip(self.routes, self.ops, strict=True)):
            closed = routed.open is not None and not routed.open[entry]
            if closed or width_in not in sources:  # nothing reaches this width any more
                continue
            y = op(sources[width_in], None if routed.mix is None else routed.mix[entry : entry + 1])
            sums[width_out] = sums[width_out] + y if width_out in sums else y
        return sums


class Stems(nn.Module):
    """3 x 3 convolution and BatchNorm to every width: {width: map}."""

    def __init__(self, image_channels: int, widths: Mapping[int, int]):
        super().__init__()
        self.stems = nn.ModuleDict(
            {
                str(width): nn.Sequential(
                    nn.Conv2d(image_channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
                )
                for width, channels in widths.items()
            }
        )

    def forward(self, images: Tensor) -> tuple[None, dict[int, Tensor]]:
        return None, {int(width): stem(images) for width, stem in self.stems.items()}


class JoiningHead(nn.Module):
    """Every width to the same number of features, their sum, global average pool, linear."""

    def __init__(self, widths: Mapping[int, int], features: int, classes: int):
        super().__init__()
        self.joins = nn.ModuleDict(
            {str(width): SharpSepConv(channels, features, 1) for width, channels in widths.items()}
        )
        self.linear = nn.Linear(features, classes)

    def forward(self, maps: Mapping[int, Tensor]) -> Tensor:
        x = sum(self.joins[str(width)](Source(x)) for width, x in maps.items())
        return self.linear(F.avg_pool2d(x, x.shape[-2:]).flatten(1))


hypercuboid = HyperCuboid()
