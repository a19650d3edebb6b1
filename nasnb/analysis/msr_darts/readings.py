"""Several searches of MSR-DARTS read at once: a value per search, so that seeds and not candidates are the sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from nasnb.analysis.differences import relative
from nasnb.analysis.msr_darts.rank_history import before_and_after, choice_over_time, ranks_over_epochs
from nasnb.analysis.msr_darts.ranks import noise_against_rank
from nasnb.analysis.shapes import cell_depth, cell_width, topologies
from nasnb.architecture import Genotype
from nasnb.published import GENOTYPES
from nasnb.search.state import SearchState
from nasnb.spaces import SPACES
from nasnb.supernet.counts import count

MEASURES = {"depth": cell_depth, "width": cell_width}
LEAST, DRAWN, MOST, CHANCE = "minimum rank", "minimum, untrained", "maximum rank", "random"
AGAIN = "random, again"  # the same cell, another training
AGAINST = {  # what the cell of minimum rank is compared with, claim by claim
    "msr-darts/better-than-darts": "DARTS",
    "msr-darts/minimum-beats-maximum": MOST,
    "msr-darts/minimum-beats-random": CHANCE,
    "msr-darts/minimum-beats-untrained": DRAWN,
}


def ranks_of(states: Sequence[SearchState], reading: str = "kernel") -> pd.DataFrame:
    """`ranks_over_epochs` of all, with their seed."""
    return pd.concat(ranks_over_epochs(state, reading).assign(seed=state.config.seed) for state in states)


def agreement_of(states: Sequence[SearchState]) -> pd.DataFrame:
    """`choice_over_time` of all by the operators' ranks, with their seed."""
    return pd.concat(
        choice_over_time(ranks_over_epochs(state, "operator")).assign(seed=state.config.seed) for state in states
    )


def moves_of(ranks: pd.DataFrame) -> pd.DataFrame:
    """`before_and_after` of every search, with its seed and `moved`, the change relative to the rank before."""
    ends = pd.concat(before_and_after(part).assign(seed=seed) for seed, part in ranks.groupby("seed"))
    return ends.assign(moved=ends.after / ends.before - 1)


def ops_apart(ranks: pd.DataFrame) -> np.ndarray:
    """(searches,): range of the operations' mean ranks over the spread of one candidate's, within cells, then averaged.

    Cells differ in channels and so in rank: pooled over cells the spread would be that of widths. `ranks` of one epoch.
    """
    cells = ranks.groupby(["seed", "block"])["rank"]
    means = ranks.groupby(["seed", "block", "op"])["rank"].mean().unstack()
    return ((means.max(axis=1) - means.min(axis=1)) / cells.std()).groupby("seed").mean().to_numpy()


def noise_of(states: Sequence[SearchState]) -> pd.DataFrame:
    """`noise_against_rank` on a held-out batch of each search, with seed and per_pixel sensitivity."""
    tables = []
    for state in states:
        images, _ = next(state.batches(state.valid, "noise sensitivity", 0, augment=False))
        tables.append(noise_against_rank(state.net, images, state.weights()).assign(seed=state.config.seed))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(per_pixel=table.noise_sensitivity / (table.height * table.width))


def within_edges(noise: pd.DataFrame) -> pd.DataFrame:
    """A row per search: `correlation` of rank and sensitivity among an edge's candidates, and `quietest`.

    The latter is the share of edges whose candidate of least rank is the least sensitive one too.
    """
    edges = ["seed", "block", "edge"]
    ordered = noise.groupby(edges)[["kernel_rank", "per_pixel"]].rank().assign(seed=noise.seed)
    correlation = ordered.groupby("seed").corr().xs("per_pixel", level=1).kernel_rank
    least = [noise.loc[noise.groupby(edges)[column].idxmin()] for column in ("kernel_rank", "per_pixel")]
    same = pd.Series(least[0].op.to_numpy() == least[1].op.to_numpy(), least[0].seed.to_numpy())
    return pd.DataFrame({"correlation": correlation, "quietest": same.groupby(level=0).mean()})


def changed_picks(first: Genotype, second: Genotype) -> float:
    """Share of picks, edge and operation, of one that the other does not have in the same place."""
    picks = [[pick for group in genotype.picks.values() for pick in group] for genotype in (first, second)]
    return float(np.mean([a != b for a, b in zip(*picks, strict=True)]))


def shape_table(cells: Mapping[str, Sequence[Genotype]]) -> pd.DataFrame:
    """Depth and width (section 4.5) of named lists of cells: cell, measure, group, value."""
    rows = [
        (name, measure, group, float(of(cell, group)))
        for name, several in cells.items()
        for cell in several
        for measure, of in MEASURES.items()
        for group in ("normal", "reduce")
    ]
    return pd.DataFrame(rows, columns=["cell", "measure", "group", "value"])


def shape_effects(shapes: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the claims on depth and width ask for, seed by seed, of a `shape_table` with "minimum rank" and, for the
    first two, "DARTS".
    """
    values = {place: part.value.to_numpy() for place, part in shapes.groupby(["cell", "measure", "group"])}
    wide = {"msr-darts/reduction-wide-by-true-sizes": values[LEAST, "width", "reduce"] - topologies().width.mean()}
    if "DARTS" not in set(shapes.cell):
        return wide
    return wide | {
        "msr-darts/deeper": values[LEAST, "depth", "normal"] - values["DARTS", "depth", "normal"],
        "msr-darts/narrower": values["DARTS", "width", "normal"] - values[LEAST, "width", "normal"],
    }


def effects_of_cells(kept: pd.DataFrame) -> dict[str, np.ndarray]:
    """By how many percent of the error minimum rank is better, claim by claim of AGAINST and seed by seed, of the kept
    table `05-msr-darts/cells`.
    """
    errors = kept.pivot(index="seed", columns="cell", values="error_percent")
    return {id: relative(errors[other], errors[LEAST]) for id, other in AGAINST.items()}


def told_apart(kept: pd.DataFrame) -> dict[str, float]:
    """Whether networks tell cells apart, of the kept table `05-msr-darts/cells-fashion`: standard deviations of the
    test error in points, of the `cells` of a seed and two `trainings` of one cell, and `p` of the F test between them.

    A cell that several choices found counts once.
    """
    errors = kept.pivot(index="seed", columns="cell", values="error_percent")
    twice = errors[AGAIN] - errors[CHANCE]
    seeds = kept[kept.cell != AGAIN].drop_duplicates(["seed", "genotype"]).groupby("seed").error_percent
    apart = seeds.transform(lambda of: of - of.mean())
    noise, freedom = (twice**2).mean() / 2, len(apart) - len(seeds)
    spread = (apart**2).sum() / freedom
    p = stats.f.sf(spread / noise, freedom, len(twice))
    return {"cells": float(np.sqrt(spread)), "trainings": float(np.sqrt(noise)), "p": float(p)}


def supernet_effects(kept: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the claims on supernets ask for, seed by seed, of the kept table `05-msr-darts/cells`."""
    found = kept.groupby("cell", sort=False).genotype.agg(lambda cells: list(map(Genotype.from_notation, cells)))
    one = kept.drop_duplicates("seed")
    read = {"msr-darts/low-rank-low-sensitivity": one.correlation, "msr-darts/loss-turns-up": one.late_slope}
    return shape_effects(shape_table(found)) | {id: values.to_numpy() for id, values in read.items()}


def sizes_in_tables() -> dict[tuple[str, str], tuple[float, float]]:
    """Of the published cell as networks of Tables 1 to 3, {(table, row): (million parameters, million multiply-adds)}.

    Multiply-adds are those of convolutions and linear layers.
    """
    space, cell, cifar = SPACES["msr"], GENOTYPES["MSRDARTS"], {"channels": 36, "classes": 10}
    networks = {
        ("Table 1", "MSR-DARTS, 8 cells, convolutions only"): (cifar | {"cells": 8}, 32),
        ("Table 2", "MSR-DARTS"): (cifar | {"cells": 20}, 32),
        ("Table 3", "MSR-DARTS (CIFAR-10)"): ({"channels": 48, "cells": 14, "classes": 1000, "stem": "imagenet"}, 224),
    }
    found = {}
    for place, (shape, side) in networks.items():
        counted = count(space.network(cell, **shape), image_size=(3, side, side))
        found[place] = counted.parameters / 1e6, counted.multiply_adds / 1e6
    return found
