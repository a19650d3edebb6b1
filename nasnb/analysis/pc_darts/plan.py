"""How much of the paper each preset of the chapter runs, and what that takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nasnb.analysis.pc_darts.mixing import compared

# Small images that are hardly altered, and a faster alpha. A few dozen steps are too few for the running statistics of
# BatchNorm, so there the accuracy of a supernet is measured with those of the batch.
_MILD = {"batch_size": 32, "crop_padding": 1}
_SEARCH: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"epochs": 1, "channels": 8, "train_images": 64, "validate_with": "batch"},
    "laptop": _MILD | {"epochs": 4, "channels": 8, "train_images": 256, "alpha_lr": 0.03, "validate_with": "batch"},
    "gpu": {"epochs": 15},
}
_TRAINING: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"train_images": 64},
    "laptop": _MILD | {"epochs": 3, "train_images": 768, "lr": 0.05, "cutout": 0, "drop_path": 0.0},
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
    draws: int  # batches whose gradients of alpha are compared
    side: int | None = None  # of the images; None: as they are
    search: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


_PLANS: Mapping[str, Plan] = {
    "smoke": Plan(1, 1, (1, 4), 1, (32, 16), 3, side=12),
    "laptop": Plan(3, 3, (1, 2, 4, 8), 6, (240, 120), 8, side=12),
    "overnight": Plan(8, 8, (1, 2, 4, 8), 20, (2000, 500), 16),
    "gpu": Plan(3, 3, (1, 2, 4, 8), 20, (4000, 500), 16),
    "paper": Plan(5, 5, (1, 2, 4, 8), 60, (4000, 500), 32),
}


def planned(preset: str, *, ks: Sequence[int] | None = None, **wanted: Any) -> Plan:
    """The plan of a preset; of what is `wanted`, None keeps the preset's value."""
    plan = _PLANS[preset]
    plan = replace(plan, search=_SEARCH.get(preset, {}), training=_TRAINING.get(preset, {}))
    given = {name: value for name, value in wanted.items() if value is not None}
    return replace(plan, ks=compared(plan.ks if ks is None else ks), **given)
