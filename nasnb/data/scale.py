"""The image set of a preset: found before any work, loaded in the preset's size."""

from __future__ import annotations

from pathlib import Path

import torch

from nasnb.config import PRESETS, nearest
from nasnb.config import image_size as usual_size
from nasnb.data.loaders import load
from nasnb.data.sets import Data

SAMPLE = "fashion-sample"


def dataset_of(preset: str, dataset: str | None = None) -> str:
    """The data set that is given, or else the preset's own.

    Raises ValueError for the paper's numbers on the embedded sample: they would look like a result and be none.
    """
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}{nearest(preset, PRESETS)}; known: {', '.join(PRESETS)}")
    if dataset == SAMPLE and preset == "paper":
        raise ValueError(
            f"preset='paper' with dataset={SAMPLE!r}: the sample's 4,000 images say nothing at the paper's scale; "
            "leave dataset out for CIFAR-10, or take preset='gpu'"
        )
    return dataset or PRESETS[preset]["data"].get("dataset", "cifar10")


def load_at(
    preset: str,
    dataset: str | None = None,
    *,
    data_dir: str | Path | None = None,
    device: torch.device | str | None = None,
    image_size: int | None = None,
) -> Data:
    """The images of a preset, or those of `dataset`, in the preset's size or `image_size`, on `device`."""
    data = load(dataset_of(preset, dataset), data_dir=data_dir, device=device, image_size=image_size)
    return data.resized(image_size or usual_size(preset))
