"""How much of the paper each preset of the chapter runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nasnb.config import n_seeds

_SHORT: Mapping[str, Any] = {"batch_size": 16, "lr": 0.1, "epochs": 2}


@dataclass(frozen=True)
class Amounts:
    """Of searches, depths and batches, and what changes of the preset's own numbers. The defaults are the paper's."""

    searches: int  # seeds of every setting
    depths: tuple[int, ...] = (5, 8, 11, 14, 17, 20)  # cells of stage one; the last are those of the final network
    shallow: int = 8  # cells of DARTS' supernet
    order: int = 1  # of the bilevel gradient
    images: int = 10_000  # over which feature maps are correlated
    search: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    confusion: Mapping[str, int] = field(default_factory=lambda: {"m": 10, "iterations": 10, "batch_size": 96})
    by_batches: Mapping[str, Any] = field(default_factory=lambda: {"sizes": (16, 64), "rounds": 4})


def amounts(preset: str) -> Amounts:
    """Those of a preset. Laptop's searches are so short that they need a larger rate of alpha to move it at all."""
    n = n_seeds(preset)
    return {
        "smoke": Amounts(
            n,
            depths=(3, 4),
            shallow=3,
            images=64,
            search={"epochs": 1, "train_images": 64},
            training={"train_images": 64, "cells": 4},
            confusion={"m": 2, "iterations": 1, "batch_size": 4},
            by_batches={"sizes": (4,), "rounds": 1},
        ),
        "laptop": Amounts(
            2,
            depths=(3, 4, 5),
            shallow=3,
            images=400,
            search=_SHORT | {"train_images": 224, "alpha_lr": 0.05, "validate_with": "batch"},
            training=_SHORT | {"train_images": 256, "channels": 4, "cells": 5, "drop_path": 0.0},
            confusion={"m": 5, "iterations": 2, "batch_size": 16},
        ),
        "overnight": Amounts(n, depths=(5, 8, 11, 14), shallow=5, training={"cells": 14}),
        "gpu": Amounts(
            n,
            depths=(8, 14, 20),
            search={"epochs": 5, "train_images": 10_000},
            training={"epochs": 8, "train_images": 10_000, "cells": 20},
        ),
        "paper": Amounts(n, order=2),
    }[preset]
