"""What a number or a name may be, for configs, and for whatever is to be chosen by a number."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from math import inf
from numbers import Integral, Real
from typing import Any

SCHEDULES = ("cosine", "cosine_power", "cosine_power_code", "linear", "exponential")

# Where the numbers of a config have a meaning.
LIMITS: Mapping[str, str] = {
    "epochs": "[0, inf)",  # 0: a selection on a supernet as it was drawn; nobody who asks for epochs means it
    **dict.fromkeys(("channels", "cells", "second_stage_cells", "train_images", "side"), "[1, inf)"),
    "batch_size": "[2, inf)",  # BatchNorm cannot normalise one value
    **dict.fromkeys(("lr", "lr_min", "alpha_lr", "weight_decay", "alpha_weight_decay", "alpha_init_std"), "[0, inf)"),
    **dict.fromkeys(("warmup_epochs", "pace", "crop_padding", "cutout", "auxiliary_weight"), "[0, inf)"),
    **dict.fromkeys(("drop_path", "label_smoothing", "momentum", "alpha_betas", "jitter"), "[0, 1)"),
    **dict.fromkeys(("clip", "alpha_clip"), "(0, inf)"),
    **dict.fromkeys(("train_fraction", "decay"), "(0, 1]"),
    "power": "[1, inf)",
}
NAMED: Mapping[str, tuple[str, ...]] = {
    "schedule": SCHEDULES,
    "stem": ("cifar", "imagenet"),
    "precision": ("float32", "tf32", "bf16"),
    "policy": ("autoaugment", "autoaugment-imagenet"),
    "crop": ("padded", "resized"),
    "validate_with": ("running", "batch"),
}


def nearest(name: str, known: Any) -> str:
    """`, did you mean 'epochs'?` for error messages, or nothing if no known name is near."""
    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f", did you mean {near[0]!r}?" if near else ""


def check_value(name: str, value: Any) -> None:
    """Raises ValueError for a value that has no meaning as the config's `name`; of several, for any of them."""
    for item in value if isinstance(value, tuple) else (value,):
        if name in NAMED and item not in NAMED[name]:
            raise ValueError(f"unknown {name} {item!r}{nearest(item, NAMED[name])}; known: {', '.join(NAMED[name])}")
        if name in LIMITS and not _lies_in(item, LIMITS[name]):
            raise ValueError(f"{name} must lie in {LIMITS[name]}, got {item!r}")


def decisive(number: float, what: str) -> float:
    """The number, if something may be chosen by it; minus infinity means never. Raises ValueError naming `what`."""
    if not number < inf:
        raise ValueError(f"{what} is {number}: nothing can be chosen by what is no number")
    return number


def _lies_in(value: float, interval: str) -> bool:
    low, high = map(float, interval[1:-1].split(","))
    return (low < value or (interval[0] == "[" and low == value)) and (
        value < high or (interval[-1] == "]" and value == high)
    )


def _check_kind(name: str, value: Any, annotation: str) -> None:
    kind = annotation.removesuffix(" | None")
    if kind.startswith("tuple"):
        if not isinstance(value, tuple) or len(value) != 2 or not all(isinstance(part, Real) for part in value):
            raise ValueError(f"{name} must be two numbers, got {value!r}")
        return
    expected = {"int": Integral, "float": Real, "str": str, "bool": bool}[kind]
    if not isinstance(value, expected) or (isinstance(value, bool) and kind != "bool"):
        raise ValueError(f"{name} must be {kind}, got {value!r}")


def check_fields(config: Any) -> None:
    """Raises ValueError for a field of a config (a dataclass) that is of another kind or has no meaning."""
    for field in fields(config):
        value = getattr(config, field.name)
        if value is None and field.type.endswith("| None"):
            continue
        _check_kind(field.name, value, field.type)
        check_value(field.name, value)
