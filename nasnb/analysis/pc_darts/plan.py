"""How much of the paper each preset of the chapter runs, and what that takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from nasnb.analysis.pc_darts.mixing import compared, early_epochs
from nasnb.config import SearchConfig, TrainConfig
from nasnb.data import n_batches

# Small images that are hardly altered, a faster alpha, and small batches, for a supernet with K = 4 needs many steps to
# get above chance. They are too few for BatchNorm's running statistics, so those of the batch measure its accuracy.
_MILD = {"batch_size": 32, "crop_padding": 1}
_SEARCH: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"epochs": 1, "channels": 8, "train_images": 64, "validate_with": "batch"},
    "laptop": _MILD
    | {"epochs": 4, "batch_size": 16, "channels": 8, "train_images": 192, "alpha_lr": 0.03, "validate_with": "batch"},
    "gpu": {"epochs": 15},
}
_TRAINING: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"train_images": 64},
    "laptop": _MILD | {"epochs": 3, "train_images": 512, "lr": 0.05, "cutout": 0, "drop_path": 0.0},
    "gpu": {"epochs": 15},
}


@dataclass(frozen=True)
class Plan:
    """Repetitions, and what changes of the preset's own numbers, for searches and for trainings."""

    searches: int  # seeds of every arm
    retrainings: int  # of every published cell
    ks: tuple[int, ...]
    detection_epochs: int
    scenes: tuple[int, int]  # of the detector: training, test
    draws: int  # batches whose gradients of alpha are compared in this run's supernets; 0: they have learnt too little
    masks: int  # seeds of the arms with other masks, MASKS
    cold: bool = True  # searches without a warm-up, too: in a few dozen steps they say nothing
    side: int | None = None  # of the images; None: as they are
    search: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


_PLANS: Mapping[str, Plan] = {
    "smoke": Plan(1, 1, (1, 4), 1, (32, 16), 3, 1, side=12),
    "laptop": Plan(3, 3, (1, 4), 6, (240, 120), 0, 1, cold=False, side=12),
    "overnight": Plan(8, 8, (1, 2, 4, 8), 20, (2000, 500), 16, 8),
    "gpu": Plan(3, 3, (1, 2, 4, 8), 20, (4000, 500), 16, 3),
    "paper": Plan(5, 5, (1, 2, 4, 8), 60, (4000, 500), 32, 5),
}


def runs_ahead(plan: Plan, config: SearchConfig, training: TrainConfig, *, images: int) -> pd.DataFrame:
    """What the chapter is going to search and train, before it does: number, epochs and steps of each, and of all.

    The arms of Table 3, random masks and shifted channels, other K, searches without warm-up; a network per search
    and random cell, and the published ones.
    """
    others = len(set(plan.ks) - {1, 4})
    seen = min(config.train_images or images, images)
    per_epoch = n_batches(int(seen * config.train_fraction), config.batch_size)
    networks = (5 + others) * plan.searches + 2 * plan.masks
    trained = n_batches(min(training.train_images or images, images), training.batch_size)
    rows = [
        ("searches: Table 3", 4 * plan.searches, config.epochs, per_epoch),
        ("searches: random masks, shifted channels", 2 * plan.masks, config.epochs, per_epoch),
        ("searches: other K (figure 3)", others * plan.searches, config.epochs, per_epoch),
        ("searches: without warm-up", 3 * plan.cold * plan.searches, early_epochs(config), per_epoch),
        ("trainings: a network per search, and random cells", networks, training.epochs, trained),
        ("trainings: the cells of Table 4", 3 * plan.retrainings, training.epochs, trained),
    ]
    table = pd.DataFrame(rows, columns=["what", "number", "epochs of each", "steps of each"])
    table["steps of each"] *= table["epochs of each"]
    return table.assign(**{"steps of all": table.number * table["steps of each"]}).query("number > 0")


def planned(preset: str, *, ks: Sequence[int] | None = None, **wanted: Any) -> Plan:
    """The plan of a preset; of what is `wanted`, None keeps the preset's value."""
    plan = _PLANS[preset]
    plan = replace(plan, search=_SEARCH.get(preset, {}), training=_TRAINING.get(preset, {}))
    given = {name: value for name, value in wanted.items() if value is not None}
    plan = replace(plan, ks=compared(plan.ks if ks is None else ks), **given)
    return replace(plan, masks=min(plan.masks, plan.searches))
