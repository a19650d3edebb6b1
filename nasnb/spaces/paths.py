"""Paths through a HyperCuboid: the best ones by dynamic programming, greedy ones, handmade and random ones."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from nasnb.architecture import Genotype, Pick
from nasnb.randomness import generator


class Grid(Protocol):
    """What a path runs through: widths, a stride and the same entries at every stage."""

    widths: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def entries(self) -> tuple[Pick, ...]:
        """Of a stage: width in, width out, primitive."""

    def tables(self, scores: Mapping[str, Tensor]) -> list[dict[Pick, float]]:
        """The score of every entry, stage by stage."""


class ScoredPath(NamedTuple):
    """A path and the sum of its entries' scores."""

    score: float
    genotype: Genotype


def best_paths(space: Grid, scores: Mapping[str, Tensor], *, n: int = 1) -> list[ScoredPath]:
    """The n best paths, best first: best_k(out) = max over entries into `out` of best_(k-1)(in) + score.

    Ties go to the narrower width in, then to the earlier primitive.
    """
    ending: dict[int, list[tuple[float, tuple[Pick, ...]]]] = {width: [(0.0, ())] for width in space.widths}
    for table in space.tables(scores):
        longer: dict[int, list[tuple[float, tuple[Pick, ...]]]] = {width: [] for width in space.widths}
        for pick, score in table.items():
            longer[pick.target] += [(before + score, (*path, pick)) for before, path in ending[pick.source]]
        ending = {width: _best(paths, n) for width, paths in longer.items()}
    ended = [path for paths in ending.values() for path in paths]
    return [ScoredPath(score, _genotype(path)) for score, path in _best(ended, n)]


def greedy_path(space: Grid, scores: Mapping[str, Tensor], *, bottom_up: bool = False) -> ScoredPath:
    """Always the best entry that fits: from the first stage on, or with `bottom_up` from the last one back."""
    tables = space.tables(scores)
    path: list[tuple[Pick, float]] = []
    for table in reversed(tables) if bottom_up else tables:
        fits = [
            (pick, score)
            for pick, score in table.items()
            if not path or (pick.target == path[-1][0].source if bottom_up else pick.source == path[-1][0].target)
        ]
        path.append(max(fits, key=lambda entry: entry[1]))
    picks = [pick for pick, _ in (reversed(path) if bottom_up else path)]
    return ScoredPath(sum(score for _, score in path), _genotype(picks))


def released_weights(search: str) -> dict[str, Tensor]:
    """The softmax weights {"stage i": (1, 32)} that a "scalar" or "max_w" search ended with, rounded.

    Data of ahundt/sharpDARTS (Apache 2.0), whose files list the primitives the other way round; put right here: only in
    this order do they lead to the released paths.
    """
    with (resources.files("nasnb.published") / "multichannel_weights.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["search"] == search]
    if not rows:
        raise ValueError(f"no released weights of {search!r}: there are 'scalar' and 'max_w'")
    stages: dict[str, list[float]] = {}
    for row in rows:
        stages.setdefault(f"stage {row['stage']}", []).extend(map(float, row["weights"].split()))
    return {stage: torch.tensor([weights], dtype=torch.float64) for stage, weights in stages.items()}


def path_score(space: Grid, scores: Mapping[str, Tensor], genotype: Genotype) -> float:
    """The sum of a path's entries."""
    return sum(table[pick] for table, pick in zip(space.tables(scores), genotype.picks["path"], strict=True))


def handmade_path(space: Grid, *, convolution: str = "sep_conv_3x3", pool: str = "max_pool_3x3") -> Genotype:
    """Widths double at every stride 2 up to the widest; a convolution at stride 1, a pool at stride 2, as released.

    The paper's sentence reads as convolutions everywhere: `pool="sep_conv_3x3"`.
    """
    widths, path = sorted(space.widths), []
    at = 0
    for stride in space.strides:
        after = min(at + 1, len(widths) - 1) if stride == 2 else at
        path.append(Pick(pool if stride == 2 else convolution, widths[at], widths[after]))
        at = after
    return _genotype(path)


def random_path(space: Grid, seed: int) -> Genotype:
    """Every path with the same probability."""
    draw, path = generator(seed, "random path"), []
    for _ in space.strides:
        fits = [pick for pick in space.entries if not path or pick.source == path[-1].target]
        path.append(fits[int(torch.randint(len(fits), (), generator=draw))])
    return _genotype(path)


def graph(space: Grid) -> tuple[list[str], list[tuple[str, str]]]:
    """Nodes and edges of the search network as drawn in figure 6: entries are nodes, sums of a stage's maps too."""
    edges = []
    ends = {}
    for width in space.widths:
        edges += [("source", f"conv {width}"), (f"conv {width}", f"norm {width}")]
        ends[width] = f"norm {width}"
    for stage in range(len(space.strides)):
        for op, width_in, width_out in space.entries:
            entry = f"{stage} {op} {width_in}-{width_out}"
            edges += [(ends[width_in], entry), (entry, f"{stage} add {width_out}")]
        ends = {width: f"{stage} add {width}" for width in space.widths}
    for width in space.widths:
        edges += [(ends[width], f"join {width}"), (f"join {width}", "add")]
    edges += [("add", "pool"), ("pool", "linear")]
    return list(dict.fromkeys(node for edge in edges for node in edge)), edges


def _best(paths: list, n: int) -> list:
    return sorted(paths, key=lambda path: -path[0])[:n]  # stable: what came first wins ties


def _genotype(path: Sequence[Pick]) -> Genotype:
    return Genotype({"path": tuple(path)}, {"path": ()})
