"""What kind of operation the released weights of the authors' searches prefer: of the grid, and of cells.

EVIDENCE of three rival explanations: few parameters, no BatchNorm, `none`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from importlib import resources

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from nasnb.architecture import Pick
from nasnb.spaces import SPACES
from nasnb.spaces.hypercuboid import HyperCuboid

CONV, WIDTH_POOL, SAME_POOL = "SharpSepConv", "pool that changes the width", "pool of the same width"
KINDS = (
    SAME_POOL,
    WIDTH_POOL,
    CONV,
)  # without BatchNorm and parameters; with 1 x 1 convolution and BatchNorm; likewise


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
    best = [space.entries[i] for i in total.argsort(descending=True)[:n].tolist()]
    return [f"{'conv' if 'conv' in entry.op else 'pool'} {entry.source}→{entry.target}" for entry in best]


def grid_table(space: HyperCuboid, scores: Mapping[str, Tensor]) -> np.ndarray:
    """(stages, entries): weights in times the even one, entries in the order of convolutions, then pools."""
    order = [i for i, e in enumerate(space.entries) if "conv" in e.op] + [
        i for i, e in enumerate(space.entries) if "conv" not in e.op
    ]
    rows = [w.flatten()[order].numpy() for _, w in sorted(scores.items(), key=lambda item: int(item[0].split()[1]))]
    table = np.stack(rows)
    return table / table.sum(axis=1, keepdims=True) * table.shape[1]


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
    """Per cell and kind of operation, of a logged search: percent of the weight, of what `none` leaves, of an even
    share of that; and on how many edges the kind leads, with `none` among them and without.
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
            even = 100 * float(of_kind.sum()) / (len(ops) - 1) if real else np.nan
            counts = int((leads == kind).sum()), int((leads_rest == kind).sum())
            rows.append((group, kind, 100 * float(w[:, of_kind].sum(1).mean()), left, even, *counts))
    columns = ["cell", "kind", "percent", "without_none", "even", "leads", "leads_without_none"]
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
