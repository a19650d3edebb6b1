"""The NAS-Bench-201 space: one cell of four nodes on every position; `none` is a legal choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch.nn.functional as F
from torch import Tensor, nn

from nasnb.architecture import Choices, Edge, Genotype, Pick
from nasnb.spaces.cells import score_rows
from nasnb.supernet.edges import Wiring
from nasnb.supernet.network import Cell, CifarStem, FullMix, Head, Network, full_mix
from nasnb.supernet.operations import BENCH201_OPS

BENCH201_NAMES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
OUTPUT = 3  # node 0 is the cell's input, node 3 its output
N_EDGES = 6


@dataclass(frozen=True)
class Bench201Space:
    """Three stages of `cells` equal cells, with 1, 2 and 4 times the channels (Dong and Yang 2020, section 2).

    `affine`: whether the BatchNorms of the supernet's cells have an affine part; DARTS-PT searches without.
    `candidates`: {"cell": the operations of each edge}, in the order of the benchmark.
    """

    name: str = "bench201"
    affine: bool = False
    candidates: Mapping[str, Sequence[tuple[str, ...]]] = field(
        default_factory=lambda: {"cell": (BENCH201_NAMES,) * N_EDGES}
    )
    families: tuple[tuple[str, ...], ...] = ()  # as those of CellSpace

    @cached_property
    def choices(self) -> Choices:
        """One group, `cell`: edges in the order of the benchmark, by target, then by source."""
        pairs = [(source, target) for target in range(1, OUTPUT + 1) for source in range(target)]
        rows = zip(pairs, self.candidates["cell"], strict=True)
        return Choices({"cell": tuple(Edge(source, target, tuple(ops)) for (source, target), ops in rows)})

    def supernet(
        self, *, channels: int = 16, cells: int = 5, classes: int, mix: FullMix = full_mix, image_channels: int = 3
    ) -> Network:
        """The network in which all candidates compete. `cells` counts those of one stage."""
        return _stack(
            self.choices.groups["cell"],
            mix=mix,
            channels=channels,
            cells=cells,
            classes=classes,
            affine=self.affine,
            image_channels=image_channels,
        )

    def network(
        self,
        genotype: Genotype,
        *,
        channels: int = 16,
        cells: int = 5,
        classes: int,
        auxiliary: bool = False,
        image_channels: int = 3,
    ) -> Network:
        """The benchmark's own network of an architecture. Raises ValueError for one that is not of this space."""
        if auxiliary:
            raise ValueError("networks of bench201 have no auxiliary head: train with auxiliary_weight=0")
        edges = _edges(genotype)
        return _stack(
            edges,
            mix=full_mix,
            channels=channels,
            cells=cells,
            classes=classes,
            affine=True,
            image_channels=image_channels,
        )

    def discretise(self, scores: Mapping[str, Tensor]) -> Genotype:
        """The strongest operation of every edge, `none` included; the first wins ties. Scores: {"cell": (6, 5)}."""
        edges = zip(self.choices.groups["cell"], score_rows(self.choices, scores, "cell"), strict=True)
        picks = tuple(Pick(_first_best(edge.ops, row), edge.source, edge.target) for edge, row in edges)
        return Genotype({"cell": picks}, {"cell": (OUTPUT,)})


def _first_best(ops: Sequence[str], row: Sequence[float]) -> str:
    own = list(row[: len(ops)])  # what an edge lacks of the longest row is no candidate
    return ops[own.index(max(own))]


def _edges(genotype: Genotype) -> tuple[Edge, ...]:
    if set(genotype.picks) != {"cell"}:
        raise ValueError(f"space 'bench201' needs one group 'cell', the genotype has {', '.join(genotype.picks)}")
    genotype = genotype.canonical()  # equal genotypes make equal networks
    for op, source, target in genotype.picks["cell"]:
        if op not in BENCH201_NAMES or target > OUTPUT:
            raise ValueError(
                f"{op!r} on edge {source}->{target} does not fit: space 'bench201' has {', '.join(BENCH201_NAMES)} "
                f"and nodes up to {OUTPUT}"
            )
    edges = [(source, target) for _, source, target in genotype.picks["cell"]]
    needed = [(source, target) for target in range(1, OUTPUT + 1) for source in range(target)]
    if edges != needed:
        written = [", ".join(f"{source}->{target}" for source, target in pairs) for pairs in (needed, edges)]
        raise ValueError(f"space 'bench201' needs one operation on each of the edges {written[0]}; got {written[1]}")
    return tuple(Edge(source, target, (op,)) for op, source, target in genotype.picks["cell"])


class Residual(nn.Module):
    """ReLU, 3 x 3 convolution, BatchNorm twice, the first at stride 2; beside it average pool and 1 x 1 convolution.

    Between two stages: halves the resolution and doubles the channels, always with affine BatchNorms.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.path = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * channels),
        )
        self.shortcut = nn.Conv2d(channels, 2 * channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.path(x) + self.shortcut(F.avg_pool2d(x, 2, ceil_mode=True))


def _stack(
    edges: Sequence[Edge], *, mix: FullMix, channels: int, cells: int, classes: int, affine: bool, image_channels: int
) -> Network:
    if cells < 1:
        raise ValueError(f"cells={cells}: every stage of bench201 needs at least one cell")
    wiring, stem = Wiring(edges), CifarStem(image_channels, channels)
    blocks, groups = [], []
    for stage in range(3):
        if stage:
            blocks.append(Residual(channels))
            groups.append(None)
            channels *= 2
        for _ in range(cells):
            blocks.append(
                Cell(
                    wiring,
                    [nn.Identity()],
                    BENCH201_OPS,
                    mix=mix,
                    channels=channels,
                    reduction=False,
                    affine=affine,
                    concat=(OUTPUT,),
                )
            )
            groups.append("cell")
    before = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
    return Network(stem, blocks, groups, {"cell": wiring}, Head(channels, classes, before))


bench201 = Bench201Space()

# The groups of similar operations in the manner of StacNAS; the first of each stands for it.
BENCH201_GROUPS = (("nor_conv_3x3", "nor_conv_1x1"), ("skip_connect",), ("avg_pool_3x3",))

# One candidate per group, and none, on every edge: the first stage of a search with groups.
_ONE_OF_EACH = (*(group[0] for group in BENCH201_GROUPS), "none")
bench201_groups = Bench201Space("bench201-groups", candidates={"cell": (_ONE_OF_EACH,) * N_EDGES})
