"""What kind of operation the released weights of the authors' searches prefer: of the grid, and of cells.

EVIDENCE of three rival explanations: few parameters, no BatchNorm, `none`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from nasnb.architecture import Pick
from nasnb.spaces import SPACES
from nasnb.spaces.hypercuboid import HyperCuboid
from nasnb.spaces.paths import best_paths, released_weights

CONV, WIDTH_POOL, SAME_POOL = "SharpSepConv", "pool that changes the width", "pool of the same width"
KINDS = (SAME_POOL, WIDTH_POOL, CONV)  # without BatchNorm and parameters; with 1 x 1 and BatchNorm; likewise
TITLES = {"scalar": "scalar weights", "max_w": "Max-W"}  # of the released searches


def kind_of(entry: Pick) -> str:
    """Of an entry of the grid."""
    if "conv" in entry.op:
        return CONV
    return SAME_POOL if entry.source == entry.target else WIDTH_POOL


def grid_kinds(space: HyperCuboid, scores: Mapping[str, Tensor]) -> pd.DataFrame:
    """Per stage (from 1) and kind: percent of the weight, and how many times its even share that is."""
    kinds = np.array([kind_of(entry) for entry in space.entries])
    rows = []
    for stage, (_, w) in enumerate(sorted(scores.items(), key=lambda item: int(item[0].split()[1])), 1):
        share = w.flatten().numpy() / float(w.sum())
        for kind in KINDS:
            is_kind = kinds == kind
            rows.append((stage, kind, 100 * share[is_kind].sum(), share[is_kind].sum() / is_kind.mean()))
    return pd.DataFrame(rows, columns=["stage", "kind", "percent", "times_even"])


def heaviest_entries(space: HyperCuboid, scores: Mapping[str, Tensor], *, n: int = 4) -> list[str]:
    """The entries with most weight over all stages, best first: `pool 32→32`."""
    total = sum(w.flatten() for w in scores.values())
    return [short_name(space.entries[i]) for i in total.argsort(descending=True)[:n].tolist()]


def short_name(entry: Pick) -> str:
    """`pool 32→64`."""
    return f"{'conv' if 'conv' in entry.op else 'pool'} {entry.source}→{entry.target}"


def in_order(space: HyperCuboid) -> list[Pick]:
    """The entries of a stage: convolutions, then pools."""
    return sorted(space.entries, key=lambda entry: "conv" not in entry.op)


def grid_table(space: HyperCuboid, scores: Mapping[str, Tensor]) -> np.ndarray:
    """(stages, entries): weights in times the even one, entries as `in_order`."""
    order = [space.entries.index(entry) for entry in in_order(space)]
    rows = [w.flatten()[order].numpy() for _, w in sorted(scores.items(), key=lambda item: int(item[0].split()[1]))]
    table = np.stack(rows)
    return table / table.sum(axis=1, keepdims=True) * table.shape[1]


class Released(NamedTuple):
    """A released search of the grid: its weights (`grid_table`, `grid_kinds`), the entries of its best path, and by how
    much that leads the next one.
    """

    table: np.ndarray
    kinds: pd.DataFrame
    path: list[str]
    ahead: float
    heaviest: list[str]


def released(search: str) -> Released:
    """Of a search of `TITLES`. Raises ValueError for another."""
    space, scores = SPACES["hypercuboid"], released_weights(search)
    best, second = best_paths(space, scores, n=2)
    path = [short_name(pick) for pick in best.genotype.picks["path"]]
    ahead, heaviest = best.score - second.score, heaviest_entries(space, scores)
    return Released(grid_table(space, scores), grid_kinds(space, scores), path, ahead, heaviest)


def logged_weights(search: str) -> dict[str, Tensor]:
    """The softmax weights {"normal": (14, ops), "reduce": ...} that a cell search of the authors printed last.

    Search is "darts-ssc" or "sharp-code", a name of SPACES. Data of ahundt/sharpDARTS (Apache 2.0).
    Raises ValueError for another.
    """
    with (resources.files("nasnb.published") / "logged_cell_weights.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["search"] == search]
    if not rows:
        raise ValueError(f"no logged weights of {search!r}: there are 'darts-ssc' and 'sharp-code'")
    return {
        group: torch.tensor([list(map(float, row["weights"].split())) for row in rows if row["group"] == group])
        for group in ("normal", "reduce")
    }


def cell_kinds(search: str) -> pd.DataFrame:
    """Per cell and kind of operation, of a logged search: percent of the weight and an even share of it, the same of
    what `none` leaves; and on how many edges the kind leads, with `none` among them and without.
    """
    ops = SPACES[search].choices.groups["normal"][0].ops
    kinds = np.array([_kind(op) for op in ops])
    rows = []
    for group, w in logged_weights(search).items():
        rest = torch.where(torch.tensor(kinds == "none"), torch.zeros_like(w), w)
        leads, leads_rest = kinds[w.argmax(1).numpy()], kinds[rest.argmax(1).numpy()]
        for kind in dict.fromkeys(kinds):
            of_kind, real = torch.tensor(kinds == kind), kind != "none"
            left = float(100 * rest[:, of_kind].sum() / rest.sum()) if real else np.nan
            n = int(of_kind.sum())
            even = 100 * n / (len(ops) - 1) if real else np.nan
            counts = int((leads == kind).sum()), int((leads_rest == kind).sum())
            shares = 100 * float(w[:, of_kind].sum(1).mean()), 100 * n / len(ops), left, even
            rows.append((group, kind, *shares, *counts))
    columns = ["cell", "kind", "percent", "even_with_none", "without_none", "even", "leads", "leads_without_none"]
    return pd.DataFrame(rows, columns=columns)


def _kind(op: str) -> str:
    return op if op in ("none", "skip_connect") else ("convolution" if "conv" in op else "pool")


def times_even(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Of tables of `grid_kinds` by search: how many times its even share each kind has, first, on average and last."""
    rows = [
        (search, kind, *(f"{x:.2f}" for x in (times.iloc[0], times.mean(), times.iloc[-1])))
        for search, table in tables.items()
        for kind, times in table.groupby("kind", sort=False).times_even
    ]
    return pd.DataFrame(rows, columns=["search", "kind of entry", "first stage", "mean", "last stage, times even"])
