"""How much of the paper each preset of the chapter runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

# Tiny images: the paper's own cutout would not fit, and a few dozen steps are too few for the running
# statistics of BatchNorm.
_MILD = {"batch_size": 32, "crop_padding": 1, "cutout": 0}
_TINY_SEARCH = {"batch_size": 32, "crop_padding": 1, "alpha_lr": 0.02, "validate_with": "batch", "cells": 5}
_TINY_TRAIN = _MILD | {"lr": 0.05, "drop_path": 0.0}


@dataclass(frozen=True)
class SharpPlan:
    """Seeds, and what changes of the preset's own numbers: in searches of cells and of the grid, and in trainings."""

    searches: int
    side: int | None = None  # of the images; None: as they are
    whole_grid: bool = True  # that of the paper; False: three widths, four stages
    search: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    paths: Mapping[str, Any] = field(default_factory=dict)
    annealing: Mapping[str, Any] = field(default_factory=dict)


_GRID = {"batch_size": 32, "crop_padding": 1, "cutout": 0, "alpha_lr": 0.02, "validate_with": "batch"}
_SHARP_PLANS: Mapping[str, SharpPlan] = {
    "smoke": SharpPlan(
        1,
        12,
        False,
        search=_TINY_SEARCH | {"epochs": 1, "train_images": 64},
        grid=_GRID | {"epochs": 1, "train_images": 64},
    ),
    "laptop": SharpPlan(  # two seeds: what more would say is kept
        2,
        12,
        False,
        search=_TINY_SEARCH | {"epochs": 4, "train_images": 192},
        grid=_GRID | {"epochs": 4, "train_images": 384},
        training=_TINY_TRAIN | {"epochs": 3, "train_images": 512},
        paths={"epochs": 6, "train_images": 1024, "crop_padding": 1, "cutout": 0},
        annealing=_TINY_TRAIN | {"epochs": 10, "channels": 4, "train_images": 384},
    ),
    "overnight": SharpPlan(8, grid={"epochs": 20}, paths={"epochs": 15, "channels": 16}, annealing={"epochs": 200}),
    "gpu": SharpPlan(3, paths={"channels": 32}),
    "paper": SharpPlan(3),
}


def sharp_plan(preset: str, *, searches: int | None = None) -> SharpPlan:
    """The plan of a preset, with another number of seeds if one is given."""
    plan = _SHARP_PLANS[preset]
    return plan if searches is None else replace(plan, searches=searches)
