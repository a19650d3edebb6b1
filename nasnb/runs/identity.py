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

PLAIN = (str, int, float, bool, type(None))


def describe(value: Any) -> Any:
    """JSON for any part of a method: numbers as they are, functions by name with what they hold.

    Equal descriptions mean equal results. The package's own functions are told by name, since the package's version
    stands for their code; of functions written in a notebook the code counts, and what they use of the notebook.
    Raises TypeError for a value that it cannot look into.
    """
    return _describe(value, ())


def _describe(value: Any, within: tuple) -> Any:
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Mapping):
        return {str(key): _describe(item, within) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [_describe(item, within) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_describe(item, within) for item in value), key=repr)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | torch.Tensor):
        return _array(value)
    if isinstance(value, torch.device | torch.dtype | types.ModuleType):
        return str(getattr(value, "__name__", value))
    if callable(value):
        return _callable(value, within)
    return _object(value, within)


def _array(value: np.ndarray | torch.Tensor) -> Any:
    array = np.asarray(value.detach().cpu()) if isinstance(value, torch.Tensor) else value
    digest_ = hashlib.sha256(np.ascontiguousarray(array)).hexdigest()[:16]
    return {"array": [str(array.dtype), *array.shape], "sha256": digest_}


def _callable(value: Any, within: tuple) -> Any:
    if isinstance(value, functools.partial):
        parts = (value.func, value.args, value.keywords)
        return dict(zip(("is", "args", "keywords"), (_describe(part, within) for part in parts), strict=True))
    if isinstance(value, types.MethodType):
        return {"is": _name(value), "of": _describe(value.__self__, within)}
    if isinstance(value, types.FunctionType):
        return _name(value) if value in within else _function(value, (*within, value))
    if isinstance(value, type | types.BuiltinFunctionType):
        return _name(value)
    return _object(value, within)


def _object(value: Any, within: tuple) -> Any:
    if not is_dataclass(value) and not hasattr(value, "__dict__"):
        raise TypeError(f"cannot tell what determines {value!r}: give a number, a text or a dataclass instead")
    names = [f.name for f in fields(value)] if is_dataclass(value) else list(vars(value))
    held = {name: _describe(getattr(value, name), within) for name in names if not name.startswith("_")}
    return {"is": _name(type(value)), **held} if held else _name(type(value))


def _function(function: types.FunctionType, within: tuple) -> Any:
    variables = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    held = {name: _describe(cell.cell_contents, within) for name, cell in variables}
    defaults = {**(function.__kwdefaults__ or {}), **dict(enumerate(function.__defaults__ or ()))}
    held |= {f"default {name}": _describe(item, within) for name, item in defaults.items()}
    if function.__module__ == "__main__":
        held["code"] = hashlib.sha256(repr(_code(function.__code__)).encode()).hexdigest()[:16]
        held["uses"] = _uses(function, within)
    return {"is": _name(function), **held} if held else _name(function)


def _uses(function: types.FunctionType, within: tuple) -> dict[str, Any]:
    """The notebook's own functions and plain values that this one mentions."""
    found = {name: function.__globals__.get(name) for name in _mentioned(function.__code__)}
    kinds = (types.FunctionType, int, float, str, list, tuple, dict)
    return {name: _describe(item, within) for name, item in sorted(found.items()) if isinstance(item, kinds)}


def _mentioned(code: types.CodeType) -> set[str]:
    inner = (_mentioned(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*inner)


def _code(code: types.CodeType) -> tuple:
    """What a function does, without where it stands in a file."""
    return code.co_code.hex(), code.co_names, code.co_varnames, [_constant(value) for value in code.co_consts]


def _constant(value: Any) -> Any:
    if isinstance(value, types.CodeType):
        return _code(value)
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)  # sets have no order of their own


def _name(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}".replace("<locals>.", "")


def digest(value: Any) -> str:
    """Ten hexadecimal digits of plain values; the order of names does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]


def folder_name(identity: Mapping[str, Any]) -> str:
    """`search-darts-1st-fashion-sample-seed0-<digest>`: enough to read, and a digest of all that counts."""
    seed = (identity.get("config") or {}).get("seed")
    parts = [identity["kind"], identity["method"], (identity.get("data") or {}).get("name"),
             None if seed is None else f"seed{seed}"]
    words = [re.sub(r"[^a-z0-9.]+", "-", str(part).lower()).strip("-.") for part in parts if part]
    return "-".join([*filter(None, words), digest(identity)])
