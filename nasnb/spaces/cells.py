"""Spaces of DARTS-like cells: which operations each of the 14 edges may carry, and how a cell is read off scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from nasnb.architecture import N_INPUTS, Choices, Edge, Genotype, Pick, checked
from nasnb.config import nearest
from nasnb.limits import decisive
from nasnb.supernet.edges import Wiring
from nasnb.supernet.network import (
    AuxiliaryHead,
    Cell,
    CifarStem,
    FullMix,
    Halve,
    Head,
    ImageNetStem,
    Network,
    ReLUConvNorm,
    full_mix,
)
from nasnb.supernet.operations import DARTS_OPS, Builder

STEMS = {"cifar": CifarStem, "imagenet": ImageNetStem}
KEPT_EDGES = 2  # per node
GROUPS = ("normal", "reduce")


@dataclass(frozen=True)
class CellSpace:
    """A stack of normal cells with two reduction cells, at one and two thirds of the depth (DARTS, section 2.1).

    `candidates` gives per group the operations of every edge, node by node, then source by source; a second copy of an
    operation on the same edge is called `skip_connect#2`. `search_ops` replaces single operations in the supernet
    (MSR-DARTS normalises them there).
    """

    name: str
    candidates: Mapping[str, tuple[tuple[str, ...], ...]]
    ops: Mapping[str, Builder]
    search_ops: Mapping[str, Builder] | None = None
    before_forward: Callable[[Network], None] | None = None  # of the supernet
    # the ImageNet auxiliary head with its second BatchNorm, which DARTS leaves out and sharpDARTS' code does not
    auxiliary_norm: bool = False
    families: tuple[tuple[str, ...], ...] = ()  # groups of similar operations, whose first members stand here (StacNAS)

    def __post_init__(self) -> None:
        for group, rows in self.candidates.items():
            for edge in _edges(rows):
                for op in edge.ops:
                    self._check_op(op, edge.source, edge.target, group)

    @cached_property
    def choices(self) -> Choices:
        """Edges of both cell types, in the order of alpha's rows."""
        return Choices({group: _edges(rows) for group, rows in self.candidates.items()})

    @property
    def nodes(self) -> tuple[int, ...]:
        """The intermediate nodes, which the cell's output concatenates."""
        return tuple(dict.fromkeys(edge.target for edge in self.choices.groups["normal"]))

    def supernet(
        self,
        *,
        channels: int,
        cells: int,
        classes: int,
        mix: FullMix = full_mix,
        image_channels: int = 3,
        stem: str = "cifar",
    ) -> Network:
        """The network in which all candidates compete; BatchNorms of its cells have no affine part."""
        built = {**self.ops, **(self.search_ops or {})}
        names = {op for rows in self.candidates.values() for row in rows for op in row}
        ops = {name: built[plain_name(name)] for name in names if name != "none"}
        concat = dict.fromkeys(self.candidates, self.nodes)
        net = _stack(
            self.choices.groups,
            concat,
            ops,
            mix=mix,
            channels=channels,
            cells=cells,
            classes=classes,
            affine=False,
            image_channels=image_channels,
            stem=stem,
        )
        if self.before_forward is not None:
            net.register_forward_pre_hook(lambda net, _: self.before_forward(net))
        return net

    def network(
        self,
        genotype: Genotype,
        *,
        channels: int,
        cells: int,
        classes: int,
        auxiliary: bool = False,
        image_channels: int = 3,
        stem: str = "cifar",
    ) -> Network:
        """The final network of a genotype. Raises ValueError for operations that this space does not know."""
        self._check(genotype)
        genotype = genotype.canonical()  # so that equal genotypes make equal networks, to the last drawn weight
        edges = {g: tuple(Edge(p.source, p.target, (p.op,)) for p in picks) for g, picks in genotype.picks.items()}
        return _stack(
            edges,
            genotype.concat,
            self.ops,
            mix=full_mix,
            channels=channels,
            cells=cells,
            classes=classes,
            affine=True,
            image_channels=image_channels,
            stem=stem,
            auxiliary=auxiliary,
            auxiliary_norm=self.auxiliary_norm,
        )

    def discretise(self, scores: Mapping[str, Tensor]) -> Genotype:
        """The two strongest edges of each node, with the strongest operation of each (DARTS, section 2.4).

        Scores are {group: (edges, ops)}. `none` is never chosen; ties go to the lower source, then the lower operation.
        """
        picks = {}
        for group, edges in self.choices.groups.items():
            rows = score_rows(self.choices, scores, group)
            best = [_best(edge, row) for edge, row in zip(edges, rows, strict=True)]
            picks[group] = tuple(pick for node in self.nodes for pick in _strongest(node, best))
        return Genotype(picks, dict.fromkeys(picks, self.nodes))

    def _check(self, genotype: Genotype) -> None:
        if set(genotype.picks) != set(GROUPS):
            raise ValueError(f"space {self.name!r} needs the cells {GROUPS}, the genotype has {tuple(genotype.picks)}")
        for group, picks in checked(genotype).picks.items():
            for op, source, target in picks:
                self._check_op(op, source, target, group)
            self._check_edges(picks, group)

    def _check_edges(self, picks: Sequence[Pick], group: str) -> None:
        inputs = {target: [p.source for p in picks if p.target == target] for target in {p.target for p in picks}}
        for target, sources in inputs.items():
            # cells of other sizes, as NASNet's, may read a state twice
            twice = len(set(sources)) < len(sources) and len(inputs) == len(self.nodes)
            if len(sources) != KEPT_EDGES or twice:
                raise ValueError(
                    f"{group!r}: state {target} is made of states {', '.join(map(str, sorted(sources)))}; "
                    f"space {self.name!r} has {KEPT_EDGES} different ones for each"
                )

    def _check_op(self, op: str, source: int, target: int, group: str) -> None:
        if op != "none" and plain_name(op) not in self.ops:
            raise ValueError(
                f"unknown operation {op!r} on edge {source}->{target} of {group!r}{nearest(op, self.ops)}; "
                f"space {self.name!r} has {', '.join(self.ops)}"
            )


def plain_name(op: str) -> str:
    """`skip_connect` for `skip_connect#2`, the second copy of an operation on one edge."""
    return op.partition("#")[0]


def score_rows(choices: Choices, scores: Mapping[str, Tensor | Sequence], group: str) -> list[list[float]]:
    """A group's scores (edges, ops) on the host. Raises ValueError if they are missing, misshapen or no numbers."""
    if group not in scores:
        raise ValueError(
            f"no scores for {group!r}: the groups are {', '.join(choices.groups)}, got {', '.join(scores)}"
        )
    rows = scores[group].tolist() if isinstance(scores[group], Tensor) else [list(row) for row in scores[group]]
    shape = (len(rows), len(rows[0]) if rows else 0)
    if shape != choices.shape(group):
        raise ValueError(
            f"scores of {group!r} have shape {shape}, this space has (edges, ops) = {choices.shape(group)}"
        )
    for edge, row in zip(choices.groups[group], rows, strict=True):
        for op, score in zip(edge.ops, row, strict=False):
            decisive(score, f"the score of {op!r} on edge {edge.source}->{edge.target} of {group!r}")
    return rows


def _edges(rows: Sequence[tuple[str, ...]]) -> tuple[Edge, ...]:
    edges, target = [], N_INPUTS
    while len(edges) < len(rows):
        edges += [(source, target) for source in range(target)]
        target += 1
    if len(edges) != len(rows):
        raise ValueError(f"{len(rows)} edges do not fill whole nodes: 2, 5, 9, 14 or 20 do")
    return tuple(Edge(source, target, ops) for (source, target), ops in zip(edges, rows, strict=True))


def _best(edge: Edge, scores: Sequence[float]) -> tuple[float, Pick]:
    """The edge's best operation other than none, and its score; the first wins ties."""
    score, op = max(
        ((score, op) for score, op in zip(scores, edge.ops, strict=False) if op != "none"), key=lambda pair: pair[0]
    )
    return score, Pick(plain_name(op), edge.source, edge.target)


def _strongest(node: int, best: Sequence[tuple[float, Pick]]) -> list[Pick]:
    incoming = sorted((b for b in best if b[1].target == node), key=lambda b: -b[0])  # stable: lower source first
    return [pick for _, pick in incoming[:KEPT_EDGES]]


def _stack(
    edges: Mapping[str, Sequence[Edge]],
    concat: Mapping[str, Sequence[int]],
    ops: Mapping[str, Builder],
    *,
    mix: FullMix,
    channels: int,
    cells: int,
    classes: int,
    affine: bool,
    image_channels: int,
    stem: str,
    auxiliary: bool = False,
    auxiliary_norm: bool = False,
) -> Network:
    """Cells on a stem, channels doubling at the two reductions. The arithmetic of darts: paper, section 3.1 and 3.2."""
    _check_size(channels, cells, stem)
    reductions = {cells // 3, 2 * cells // 3}
    wirings = {group: Wiring(rows) for group, rows in edges.items()}
    # the CIFAR stem is three times wider than the first cell; so is the ImageNet stem of a supernet (PC-DARTS)
    first = STEMS[stem](image_channels, channels if stem == "imagenet" and affine else 3 * channels)
    before, last = first.channels
    halved, blocks, groups = first.halves, [], []
    at_auxiliary = 0
    for i in range(cells):
        reduction = i in reductions
        channels = 2 * channels if reduction else channels
        group = "reduce" if reduction else "normal"
        reads = [
            (Halve if halved else ReLUConvNorm)(before, channels, affine=affine),
            ReLUConvNorm(last, channels, affine=affine),
        ]
        blocks.append(
            Cell(
                wirings[group],
                reads,
                ops,
                mix=mix,
                channels=channels,
                reduction=reduction,
                affine=affine,
                concat=concat[group],
            )
        )
        groups.append(group)
        before, last, halved = last, channels * len(concat[group]), reduction
        at_auxiliary = last if i == 2 * cells // 3 else at_auxiliary
    head = AuxiliaryHead(at_auxiliary, classes, last_norm=auxiliary_norm or stem != "imagenet") if auxiliary else None
    return Network(first, blocks, groups, wirings, Head(last, classes), auxiliary=head, auxiliary_after=2 * cells // 3)


def _check_size(channels: int, cells: int, stem: str) -> None:
    if stem not in STEMS:
        raise ValueError(f"unknown stem {stem!r}; stems: {', '.join(STEMS)}")
    if cells < 3:
        raise ValueError(f"cells={cells}: two reductions at a third and two thirds need at least 3 cells")
    if channels < 2 or channels % 2:
        raise ValueError(f"channels={channels}: must be even, since a stride-2 skip halves them")


def every_edge(ops: Sequence[str], *, nodes: int = 4) -> Mapping[str, tuple[tuple[str, ...], ...]]:
    """The same candidates on all edges of both cell types."""
    n_edges = sum(N_INPUTS + i for i in range(nodes))
    return {group: (tuple(ops),) * n_edges for group in GROUPS}


DARTS_NAMES = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)

darts = CellSpace("darts", every_edge(DARTS_NAMES), DARTS_OPS)
darts_no_none = CellSpace("darts-no-none", every_edge(DARTS_NAMES[1:]), DARTS_OPS)


def with_nodes(space: CellSpace, nodes: int) -> CellSpace:
    """The space with another number of intermediate nodes; its edges must all have the same candidates."""
    kinds = set(space.candidates["normal"] + space.candidates["reduce"])
    if len(kinds) != 1:
        raise ValueError(f"space {space.name!r} has edges with different candidates; nodes cannot be added to it")
    return replace(space, name=f"{space.name}-{nodes}-nodes", candidates=every_edge(kinds.pop(), nodes=nodes))
