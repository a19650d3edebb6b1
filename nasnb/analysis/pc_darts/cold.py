"""Searches whose alpha learns from the first step: what partial channels and edge normalisation do to alpha itself.

Three arms, one change each (sections 3.2 and 3.3): K = 1 and K = 4, both with edge normalisation, and K = 4
without. A warm-up would hide the head start of operations without weights, so there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from nasnb.analysis.pc_darts.mixing import variant
from nasnb.analysis.pc_darts.stability import edges_kept, weight_free_over_time
from nasnb.search.steps import bilevel
from nasnb.spaces import Space

K1, K4, WITHOUT_BETA = "K = 1", "K = 4", "K = 4, no edge normalisation"
BATCHES, DRAWS = (16, 64), 12  # whose gradients of alpha are compared, and how many of them
# alpha's rate times its steps is about 2, as in the paper's search
COLD: Mapping[str, Any] = {"epochs": 5, "cells": 3, "channels": 16, "train_images": 1280, "alpha_lr": 0.02}
COLD |= {"batch_size": 32, "crop_padding": 1, "validate_with": "batch"}


def cold_arms(method: Any) -> dict[str, Any]:
    """The three arms by name, of a nasnb.methods.Method with K = 4 and edge normalisation."""
    made = {K1: variant(method, k=1), K4: method, WITHOUT_BETA: variant(method, beta=False)}
    from_the_first = bilevel()
    return {name: replace(arm, name=f"{arm.name}-cold", step=from_the_first) for name, arm in made.items()}


def cold_row(space: Space, arm: str, seed: int, run: Any, noise: pd.DataFrame | None = None) -> dict[str, Any]:
    """What is kept of a search (nasnb.runs.Result), its `noise` as `alpha_noise` gives it.

    `weight_free`: percent of the normal cell's weight on skips and pools at the end; `kept`: 1 for each edge that the
    cells keep, else 0; `cosine_16`: agreement of the gradients of alpha of two batches of 16.
    """
    free = weight_free_over_time(space, {arm: [run]}, [seed]).percent.iloc[-1]
    kept = "".join(str(int(keeps)) for keeps in edges_kept(space, run.genotype))
    row = {"arm": arm, "seed": seed, "valid_accuracy": run.history.valid_accuracy.iloc[-1], "weight_free": free}
    if noise is not None:
        row |= {f"cosine_{size}": each for size, each in zip(noise.batch_size, noise.agreement, strict=True)}
    return row | {"kept": kept}


def cosines(table: pd.DataFrame) -> pd.DataFrame:
    """Of rows of `cold_row`, a line per search and batch size: `of` (K and batch, broken into lines), seed, cosine."""
    parts = [(arm, size) for arm, size in ((K1, BATCHES[0]), (K4, BATCHES[0]), (K4, BATCHES[1]), (K1, BATCHES[1]))]
    return pd.concat(
        pd.DataFrame({"of": f"{arm},\nbatch of {size}", "seed": rows.seed, "cosine": rows[f"cosine_{size}"]})
        for arm, size in parts
        for rows in [table[table.arm == arm]]
    ).reset_index(drop=True)


def edges_in_common(table: pd.DataFrame) -> pd.DataFrame:
    """Of rows of `cold_row`, by seed: percent of its kept edges that another seed keeps, mean over the others."""
    rows = []
    for arm, part in table.groupby("arm", sort=False):
        kept = np.array([[int(digit) for digit in word] for word in part.kept])
        shared = kept @ kept.T
        others = (shared.sum(1) - shared.diagonal()) / (len(kept) - 1)
        rows.append(pd.DataFrame({"arm": arm, "seed": part.seed, "common": 100 * others / shared.diagonal()}))
    return pd.concat(rows, ignore_index=True)


def cold_effects(table: pd.DataFrame) -> dict[str, Any]:
    """What the claims ask for, seed by seed, of rows of `cold_row`."""
    by_seed = table.pivot(index="seed", columns="arm")
    (small, large), free = (by_seed[f"cosine_{size}"] for size in BATCHES), by_seed.weight_free
    kept: Sequence[list[list[str]]] = [[[*word] for word in by_seed.kept[arm]] for arm in (K4, WITHOUT_BETA)]
    return {
        "pc-darts/partial-noisier": (small[K1] - small[K4]).to_numpy(),
        "pc-darts/larger-batch-steadies": (large[K4] - small[K1]).to_numpy(),
        "pc-darts/holds-back-weight-free": (free[K1] - free[K4]).to_numpy(),
        "pc-darts/seeds-agree-on-edges": tuple(kept),
    }
