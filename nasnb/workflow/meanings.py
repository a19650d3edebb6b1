"""What the values of the chapters' parameters must be to mean something."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

from nasnb.config import PRESETS, nearest
from nasnb.runs.record import PRESET

PLAIN = (str, bool, int, float, list, tuple)


Meaning = Callable[[str, Any], str]  # (name, value) -> what is wrong with it, or ""


def _fits(what: str, fits: Callable[[Any], bool]) -> Meaning:
    """A number that fits; True and False are none."""

    def mistake(name: str, value: Any) -> str:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if is_number and fits(value) else f"{name} must be {what}, got {value!r}"

    return mistake


def _at_least(least: int) -> Meaning:
    return _fits(f"an int of at least {least}", lambda value: isinstance(value, int) and value >= least)


def _one_of(known: Callable[[], Collection[Any]]) -> Meaning:
    def mistake(name: str, value: Any) -> str:
        names = list(known())
        if isinstance(value, str | int) and not isinstance(value, bool) and value in names:
            return ""
        return f"unknown {name} {value!r}{nearest(value, map(str, names))}; known: {', '.join(map(str, names))}"

    return mistake


def _each(meaning: Meaning) -> Meaning:
    def mistake(name: str, values: Any) -> str:
        if not isinstance(values, list | tuple) or len(set(map(str, values))) < len(values):
            return f"{name} must be a list without repetitions, got {values!r}"
        return next(filter(None, (meaning(f"each of {name}", value) for value in values)), "")

    return mistake


def _datasets() -> Collection[str]:
    from nasnb.data import NAMES

    return NAMES


def _supernets() -> Collection[str]:
    from nasnb.workflow.eight_supernets import EIGHT

    return EIGHT


def _methods() -> Collection[str]:
    from nasnb.methods import METHODS

    return METHODS


def _scores() -> Collection[str]:
    from nasnb.experiment import SCORES

    return SCORES


def _protocols() -> Collection[str]:
    from nasnb.experiment import PROTOCOLS

    return PROTOCOLS


def _recipes() -> Collection[str]:
    from nasnb.experiment import RECIPES

    return RECIPES


def _cell(name: str, value: Any) -> str:
    from nasnb.experiment import given_cell

    try:
        given_cell(value)
    except ValueError as error:
        return str(error)
    return ""


def _spaces() -> Collection[str]:
    from nasnb.spaces import SPACES

    return SPACES


def _device(name: str, value: Any) -> str:
    kind, _, number = str(value).partition(":")
    fits = isinstance(value, str) and kind in ("cpu", "cuda", "mps") and (number.isdecimal() or ":" not in value)
    return "" if fits else f"{name} must be cpu, cuda, or a graphics card such as cuda:1, got {value!r}"


def _export(name: str, value: Any) -> str:
    number, slash, total = str(value).partition("/")
    is_share = slash and number.isdecimal() and total.isdecimal() and 0 < int(number) <= int(total)
    fits = is_share or value in ("last", "min_val_loss", "best_valid")
    return "" if fits else f"{name} must be last, min_val_loss, best_valid, or a share such as 38/50, got {value!r}"


def _count_or_counts(name: str, value: Any) -> str:
    return (_each(_count) if isinstance(value, list | tuple) else _count)(name, value)


def _two_shares(name: str, values: Any) -> str:
    plain = isinstance(values, list | tuple) and len(values) == 2 and all(isinstance(v, int | float) for v in values)
    fits = plain and min(values) > 0 and sum(values) <= 1 + 1e-9
    return "" if fits else f"{name} must be two shares that add up to at most 1, got {values!r}"


def _path(name: str, value: Any) -> str:
    return "" if isinstance(value, str) and value.strip() else f"{name} must be the path of a file, got {value!r}"


_count = _at_least(1)
_positive = _fits("a positive number", lambda value: 0 < value < math.inf)

# What a value of the chapters' parameters must be to mean something; None is a value where the notebook says so.
MEANINGS: Mapping[str, Meaning] = {
    "preset": _one_of(lambda: PRESETS),
    "dataset": _one_of(_datasets),
    "device": _device,
    "method": _one_of(_methods),
    "space": _one_of(_spaces),
    "edge_space": _one_of(_spaces),
    "official_space": _one_of(_spaces),
    "score": _one_of(_scores),
    "protocol": _one_of(_protocols),
    "recipe": _one_of(_recipes),
    "cell": _cell,
    "regimen": _one_of(lambda: ("plain", "improved")),
    "cells_from": _one_of(lambda: ("search", "published")),
    "order": _one_of(lambda: (1, 2)),
    "supernets": _one_of(lambda: ("kept", "searched")),
    "look": _one_of(_supernets),
    "image_size": _at_least(8),
    **dict.fromkeys(
        (
            "epochs",
            "train_epochs",
            "detection_epochs",
            "short_epochs",
            "channels",
            "cells",
            "second_stage_cells",
            "batch_size",
            "searches",
            "retrainings",
            "k",
            "edges_per_supernet",
            "swaps",
            "diagnostic_batches",
        ),
        _count,
    ),
    "annealing_epochs": _at_least(0),
    "levels": _one_of(lambda: (1, 2)),
    "nodes": _count_or_counts,
    "log": _path,
    "log_run": _at_least(0),
    "ks": _each(_count),
    "subsets": _two_shares,
    "export": _export,
    "tau": _fits("a number from 0 to 1", lambda value: 0 <= value <= 1),
    "memory_gigabytes": _positive,
}


def check_meaning(name: str, value: Any) -> None:
    """Raises ValueError for a value that says nothing, such as 0 searches. None and unknown names pass."""
    if value is not None and name in MEANINGS and (mistake := MEANINGS[name](name, value)):
        raise ValueError(mistake)


def check_parameters(namespace: Mapping[str, Any]) -> None:
    """For a notebook's first cell, `check_parameters(globals())`: a value that says nothing is refused before any work.

    It holds for what is typed into the parameters cell in JupyterLab, and for papermill, which checks nothing.
    The records of the runs that follow tell the preset.
    """
    for name in MEANINGS.keys() & namespace.keys():
        if isinstance(namespace[name], PLAIN):  # once the notebook has run, some names stand for what it made of them
            check_meaning(name, namespace[name])
    os.environ.pop(PRESET, None)  # that of a notebook which started this one is none of its own
    if namespace.get("preset") in PRESETS:
        os.environ[PRESET] = namespace["preset"]
