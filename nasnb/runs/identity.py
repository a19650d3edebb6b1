"""What determines a run, as plain values; the run's name is made of it."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch


def describe(value: Any) -> Any:
    """JSON for any part of a method: numbers as they are, functions by name with what their closure holds.

    Equal descriptions mean equal results. Of functions written in a notebook the code counts too, since they change
    without the package's version; of the package's own only the name.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [describe(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((describe(item) for item in value), key=repr)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | torch.Tensor):
        array = np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value)
        return {"array": list(array.shape), "sha256": hashlib.sha256(np.ascontiguousarray(array)).hexdigest()[:16]}
    if isinstance(value, functools.partial):
        return {"is": describe(value.func), "args": describe(value.args), "keywords": describe(value.keywords)}
    if isinstance(value, types.FunctionType):
        return _function(value)
    if isinstance(value, type | types.BuiltinFunctionType):
        return _name(value)
    return _object(value)


def _object(value: Any) -> Any:
    kept = (
        {f.name: getattr(value, f.name) for f in fields(value)}
        if is_dataclass(value)
        else getattr(value, "__dict__", {})
    )
    described = {name: describe(item) for name, item in kept.items() if not name.startswith("_")}
    return {"is": _name(type(value)), **described} if described else _name(type(value))


def _function(function: types.FunctionType) -> Any:
    held = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if cell.cell_contents is not function:  # a recursive function holds itself
            held[name] = describe(cell.cell_contents)
    defaults = {**(function.__kwdefaults__ or {}), **dict(enumerate(function.__defaults__ or ()))}
    held |= {f"default {name}": describe(item) for name, item in defaults.items()}
    if function.__module__ == "__main__" or function.__name__ == "<lambda>":
        held["code"] = hashlib.sha256(repr(_code(function.__code__)).encode()).hexdigest()[:16]
    return {"is": _name(function), **held} if held else _name(function)


def _code(code: types.CodeType) -> tuple:
    """What a function does, without where it stands in a file."""
    constants = tuple(_code(c) if isinstance(c, types.CodeType) else c for c in code.co_consts)
    return code.co_code, code.co_names, code.co_varnames, constants


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}".replace("<locals>.", "")


def digest(value: Any) -> str:
    """Ten hexadecimal digits of plain values; the order of names does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]


def folder_name(identity: Mapping[str, Any]) -> str:
    """`search-darts-1st-fashion-sample-seed0-<digest>`: enough to read, and a digest of all that counts."""
    seed = (identity.get("config") or {}).get("seed")
    parts = [identity["kind"], identity["method"], (identity.get("data") or {}).get("name"),
             None if seed is None else f"seed{seed}"]  # fmt: skip
    words = [re.sub(r"[^a-z0-9.]+", "-", str(part).lower()).strip("-.") for part in parts if part]
    return "-".join([*filter(None, words), digest(identity)])
