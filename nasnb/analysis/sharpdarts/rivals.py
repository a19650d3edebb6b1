"""Rival explanations of the bias to small operations, each with its control: `none`, BatchNorm, scale (section 4.3).

All in one measure: weight in times the even share, so that 1 is no preference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from nasnb.analysis.sharpdarts import kinds
from nasnb.spaces.hypercuboid import HyperCuboid, Primitive, ResizablePool
from nasnb.supernet.layers import Source, StackedNorm

AS_IS, UNIT, NORMED = "as is", "unit scale", "BatchNorm"
COLUMNS = ["explanation", "case", "of", "times_even"]


class UnitScale(nn.Module):
    """A map over its root mean square, which is held constant: one number per batch, neither centred nor learnt."""

    def forward(self, x: Tensor, scale: Tensor | None = None) -> Tensor:
        """`scale` (1,) is the mixing weight."""
        y = x / x.detach().square().mean().sqrt().clamp(min=1e-6)
        return y if scale is None else scale.to(y.dtype) * y


class PoolThen(nn.Module):
    """A pool of the grid and, where it keeps its width, something after it."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, then: nn.Module):
        super().__init__()
        self.pool = ResizablePool(channels_in, channels_out, stride)
        self.then = then if channels_in == channels_out else None

    def forward(self, source: Source, scale: Tensor | None = None) -> Tensor:
        """As every operation of the grid."""
        return self.pool(source, scale) if self.then is None else self.then(self.pool(source), scale)


def unit_pool(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """The control for scale: what passes through has the scale that BatchNorm gives to its rivals, and nothing else."""
    return PoolThen(channels_in, channels_out, stride, UnitScale())


def normed_pool(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """The control for BatchNorm: the one that pools that change the width have."""
    return PoolThen(channels_in, channels_out, stride, StackedNorm(channels_out, affine=True, eps=1e-3))


CONTROLS: Mapping[str, Primitive] = {UNIT: unit_pool, NORMED: normed_pool}


def controlled_grids(grid: HyperCuboid) -> dict[str, HyperCuboid]:
    """The same grid with another pool, by the name of the case."""
    return {
        case: replace(grid, name=f"{grid.name}-{pool.__name__}", primitives={**grid.primitives, "max_pool_3x3": pool})
        for case, pool in CONTROLS.items()
    }


def pool_times_even(grid: HyperCuboid, weights: Mapping[str, np.ndarray]) -> float:
    """Weight of pools that keep the width, in the last stage at the end of a scalar search, in times its even share.

    `weights` {"stage i": (epochs, 1, entries)} are what it recorded. As the released weights are read.
    """
    stages = {stage: torch.as_tensor(values[-1]) for stage, values in weights.items() if stage.startswith("stage")}
    last = kinds.grid_kinds(grid, stages).query(f"stage == {len(stages)}").set_index("kind")
    return float(last.times_even[kinds.SAME_POOL])


def pools_by_case(grid: HyperCuboid, searched: Mapping[str, Sequence[Any]]) -> dict[str, list[float]]:
    """`pool_times_even` by case, of results (nasnb.runs.Result) of the search "scalar" and of the controlled ones."""
    names = {AS_IS: "scalar"} | {case: case for case in CONTROLS}
    return {case: [pool_times_even(grid, run.weights) for run in searched[name]] for case, name in names.items()}


def of_none(logged: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Of tables of `cell_kinds` by search: pools and skips together, with `none` in the softmax and left out."""
    rows = []
    for search, table in logged.items():
        for cell, part in table[table.kind.isin(["pool", "skip_connect"])].groupby("cell", sort=False):
            name = f"{search}, {cell}"
            rows.append(("none", "in the softmax", name, part.percent.sum() / part.even_with_none.sum()))
            rows.append(("none", "left out", name, part.without_none.sum() / part.even.sum()))
    return pd.DataFrame(rows, columns=COLUMNS)


def of_norm(by_kind: pd.DataFrame) -> pd.DataFrame:
    """Of a table of `grid_kinds`: pools that keep the width, and those that change it, which have BatchNorm."""
    cases = {kinds.SAME_POOL: "without", kinds.WIDTH_POOL: "with it"}
    rows = [
        ("BatchNorm", cases[r.kind], f"stage {r.stage}", r.times_even) for r in by_kind.itertuples() if r.kind in cases
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def of_scale(times: Mapping[str, Sequence[float]], seeds: Sequence[int]) -> pd.DataFrame:
    """Of `pool_times_even` per seed, by case."""
    rows = [("scale", case, f"seed {s}", x) for case, each in times.items() for s, x in zip(seeds, each, strict=True)]
    return pd.DataFrame(rows, columns=COLUMNS)
