"""How evenly a training makes progress: the time between improvements (sharpDARTS, section 3.2 and figure 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd


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


def compared_schedules(
    histories: Mapping[str, Sequence[pd.DataFrame]], seeds: Sequence[int]
) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Of the histories of trainings by schedule, one per seed: a row per epoch (with gap, schedule and seed); then, by
    schedule and seed, the mean gap in the middle of the run, and the last accuracy.
    """
    columns, gaps = ["epoch", "lr", "valid_accuracy"], time_between_improvements
    progress = pd.concat(
        history[columns].assign(schedule=name.replace("_", " "), seed=seed, gap=gaps(history.valid_accuracy))
        for name, each in histories.items()
        for seed, history in zip(seeds, each, strict=True)
    ).reset_index(drop=True)
    by_run = progress.groupby(["schedule", "seed"], sort=False)
    return progress, by_run.gap.apply(lambda gap: middle(gap).mean()), by_run.valid_accuracy.last()
