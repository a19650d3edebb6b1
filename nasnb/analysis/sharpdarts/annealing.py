"""How evenly a training makes progress: the time between improvements (sharpDARTS, section 3.2 and figure 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nasnb.analysis.differences import relative

SCHEDULES = ("cosine", "cosine_power")
# of the kept trainings: small images that are hardly altered, and enough epochs for gaps of one percent of the run
KEPT: Mapping[str, Any] = {"epochs": 80, "channels": 4, "train_images": 640, "batch_size": 32, "lr": 0.05}
KEPT |= {"crop_padding": 1, "cutout": 0, "drop_path": 0.0}
PANELS: Mapping[str, str] = {  # of a figure of them: columns and what their axes say
    "lr": "learning rate",
    "valid_accuracy": "test accuracy (%)",
    "gap": "time between\nimprovements (%)",
}


def time_between_improvements(accuracy: Sequence[float]) -> np.ndarray:
    """(epochs,): length of the gap between two new best accuracies that each epoch lies in, in percent of the run.

    A gap runs from one improvement to the next, the last one to the end. The first epoch is an improvement.
    """
    accuracy = np.asarray(accuracy, dtype=float)
    if len(accuracy) == 0:
        raise ValueError("no accuracy given: a training has at least one epoch")
    before = np.concatenate([[-np.inf], np.maximum.accumulate(accuracy)[:-1]])
    marks = np.append(np.flatnonzero(accuracy > before), len(accuracy))
    return 100 * np.repeat(np.diff(marks), np.diff(marks)) / len(accuracy)


def middle(values: Sequence[float], *, first: float = 0.3, last: float = 0.7) -> np.ndarray:
    """The part of a run's values that the paper reads figure 4 in: epochs 300 to 700 of 1000."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    return values[min(round(first * n), n - 1) : max(round(last * n), 1)]


def compared_schedules(histories: Mapping[str, Sequence[pd.DataFrame]], seeds: Sequence[int]) -> pd.DataFrame:
    """Of the histories of trainings by schedule, one per seed: a row per epoch, with gap, schedule and seed."""
    columns, gaps = ["epoch", "lr", "valid_accuracy"], time_between_improvements
    return pd.concat(
        history[columns].assign(schedule=name.replace("_", " "), seed=seed, gap=gaps(history.valid_accuracy))
        for name, each in histories.items()
        for seed, history in zip(seeds, each, strict=True)
    ).reset_index(drop=True)


def ends_of_trainings(progress: pd.DataFrame) -> pd.DataFrame:
    """Of `compared_schedules`, by schedule and seed: the last epoch's accuracy and test error in percent, and the
    mean time between improvements in percent of the run: `gap` in its middle, as the paper reads it, `late` after it.
    """
    by_run = progress.groupby(["schedule", "seed"], sort=False)
    accuracy = by_run.valid_accuracy.last()
    gap = by_run.gap.apply(lambda gaps: middle(gaps).mean())
    late = by_run.gap.apply(lambda gaps: middle(gaps, first=0.7, last=1).mean())
    return pd.DataFrame({"gap": gap, "late": late, "accuracy": accuracy, "error_percent": 100 - accuracy})


def annealing_effects(ends: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the claims on the schedule ask for, seed by seed, of `ends_of_trainings`."""
    by_cosine, by_power = (ends.loc[name.replace("_", " ")] for name in SCHEDULES)
    return {
        "sharpdarts/annealing-gaps": (by_cosine.gap - by_power.gap).to_numpy(),
        "sharpdarts/annealing-accuracy": relative(by_cosine.error_percent, by_power.error_percent),
    }
