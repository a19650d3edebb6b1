"""Effects of claims as chapters compute them, seed by seed, and what must hold before anything is said of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from nasnb.published import published
from nasnb.runs import Result


def accuracies(runs: Iterable[Result]) -> np.ndarray:
    """Held-out (search) or test (training) accuracy in percent after the last epoch of each run."""
    return np.array([run.history.valid_accuracy.iloc[-1] for run in runs])


def learned(*accuracies: Sequence[float], classes: int, times: float = 2) -> bool:
    """Whether every group of networks is, in the mean, above so many times the accuracy (percent) of chance."""
    return all(np.mean(group) > times * 100 / classes for group in accuracies)


def as_printed(counted: float, paper: str, table: str, row: str, metric: str) -> bool:
    """Whether a counted number is the published one, rounded or cut to its last printed digit: papers do both.

    Raises ValueError if the paper has no such number.
    """
    found = published(paper=paper, table=table, metric=metric)
    found = found[found["row"] == row].value
    if found.empty:
        raise ValueError(f"{paper}, {table} has no {metric} of {row!r}")
    printed = f"{found.iloc[0]:g}"
    digits, number = len(printed.partition(".")[2]), float(counted)
    return float(printed) in (round(number, digits), math.trunc(number * 10**digits) / 10**digits)


def all_as_printed(paper: str, lines: Sequence[tuple[str, str, str, str]]) -> bool:
    """Whether all numbers that lines of `against_published` begin with are `as_printed`."""
    return all(as_printed(float(words.split()[0].strip(",")), paper, *place) for *place, words in lines)


def runs_learned(*groups: Iterable[Result], classes: int) -> bool:
    """Whether the runs of each group reach twice the accuracy of chance, in the mean.

    On held-out images; a search that trains on all holds none out, and is judged on those.
    """
    return learned(*([reached(run) for run in group] for group in groups), classes=classes)


def reached(run: Result) -> float:
    """Accuracy in percent after the last epoch: on held-out images, or where there are none on the training images."""
    last = run.history.iloc[-1]
    return last.valid_accuracy if np.isfinite(last.valid_accuracy) else last.train_accuracy
