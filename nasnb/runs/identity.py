"""What determines a run, as plain values; the run's name is made of it."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import os
import re
import sys
import sysconfig
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd
import torch

PLAIN = (str, int, float, bool, type(None))
PLAIN_KINDS = (*PLAIN, list, tuple, dict, set, frozenset, np.ndarray, torch.Tensor)
OF_CLASSES = (
    "__module__",
    "__qualname__",
    "__doc__",
    "__dict__",
    "__weakref__",
    "__firstlineno__",
    "__static_attributes__",
    "__annotations__",
    "__match_args__",
    "__dataclass_fields__",
    "__dataclass_params__",
)
INSTALLED = [Path(__file__).resolve().parents[1], *map(Path, {*sysconfig.get_paths().values()})]


def describe(value: Any) -> Any:
    """JSON for any part of a method: numbers as they are, functions by name with what they hold.

    Equal descriptions mean equal results. The functions of installed packages are told by name, since a version stands
    for their code; of functions and classes written in a notebook or in a module beside it the code counts, and what
    they use of it. Of a path (pathlib) the content counts, not where it lies.
    Raises TypeError for a value that it cannot look into, FileNotFoundError for a path that leads nowhere.
    """
    try:
        return _describe(value, ())
    except RecursionError:
        raise TypeError(f"cannot tell what determines {type(value).__name__!r}: it holds itself") from None


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
    if isinstance(value, PurePath):
        return {"content": content_of(Path(value))}
    if isinstance(value, pd.DataFrame | pd.Series):
        kinds = list(map(str, value.dtypes)) if isinstance(value, pd.DataFrame) else str(value.dtype)
        return {"table": kinds, "sha256": _sha256(value.to_csv().encode())}
    if isinstance(value, torch.nn.Module):
        return {"is": _name(type(value)), "parts": repr(value), "weights": _describe(value.state_dict(), within)}
    if callable(value):
        return _callable(value, within)
    return _object(value, within)


def _array(value: np.ndarray | torch.Tensor) -> Any:
    array = np.asarray(value.detach().cpu()) if isinstance(value, torch.Tensor) else value
    return {"array": [str(array.dtype), *array.shape], "sha256": _sha256(np.ascontiguousarray(array))}


def _sha256(content: Any) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def content_of(path: Path) -> str:
    """Of a file's bytes, or of all files below a folder and their names; hidden ones and our own caches do not count.

    Raises FileNotFoundError.
    """
    if not path.expanduser().exists():
        raise FileNotFoundError(f"nothing to read at {path.expanduser().resolve()}")
    path, whole = path.expanduser(), hashlib.sha256()
    inside = [part for part in sorted(path.rglob("*")) if part.is_file()] if path.is_dir() else [path]
    for part in inside:
        name = part.relative_to(path).as_posix()
        if any(word.startswith((".", "nasnb-cache-")) for word in name.split("/")) and part != path:
            continue
        with part.open("rb") as file:
            whole.update(os.fsencode(f"{name}\0") + hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:16]


def _callable(value: Any, within: tuple) -> Any:
    if isinstance(value, functools.partial):
        parts = (value.func, value.args, value.keywords)
        return dict(zip(("is", "args", "keywords"), (_describe(part, within) for part in parts), strict=True))
    if isinstance(value, types.MethodType):
        return {"is": _name(value), "of": _describe(value.__self__, within)}
    if isinstance(value, types.FunctionType):
        value = inspect.unwrap(value)  # what checks shapes or counts calls around it changes no result
        return _name(value) if value in within else _function(value, (*within, value))
    if isinstance(value, type) and _is_own(value):
        return _name(value) if value in within else _class(value, (*within, value))
    if isinstance(value, type | types.BuiltinFunctionType):
        return _name(value)
    return _object(value, within)


def _object(value: Any, within: tuple) -> Any:
    if not is_dataclass(value) and not hasattr(value, "__dict__"):
        raise TypeError(f"cannot tell what determines {value!r}: give a number, a text or a dataclass instead")
    names = _told(value) if is_dataclass(value) else list(vars(value))
    held = {name: _describe(getattr(value, name), within) for name in names}
    if _is_own(type(value)) and type(value) not in within:
        held["class"] = _class(type(value), (*within, type(value)))
    return {"is": _name(type(value)), **held} if held else _name(type(value))


def _told(value: Any) -> list[str]:
    """The fields of a dataclass that count; one that was added later does not at its default (nasnb.config)."""
    counted = [f for f in fields(value) if f.init]
    return [f.name for f in counted if not (f.metadata.get("later") and getattr(value, f.name) == f.default)]


def _is_own(value: Any) -> bool:
    """Whether this was written in a notebook or beside it, so that no version stands for its code."""
    if value.__module__ == "__main__":
        return True
    file = getattr(sys.modules.get(value.__module__), "__file__", None)
    return file is not None and not any(Path(file).is_relative_to(place) for place in INSTALLED)


def _class(value: type, within: tuple) -> Any:
    """Its own methods and plain values, and those of its own bases."""
    parts = {name: part for name, part in vars(value).items() if not (name.startswith("__") and name in OF_CLASSES)}
    parts = {name: getattr(part, "__func__", getattr(part, "fget", part)) for name, part in parts.items()}
    kinds = (types.FunctionType, *PLAIN_KINDS)
    held = {name: _describe(part, within) for name, part in sorted(parts.items()) if isinstance(part, kinds)}
    return {"is": _name(value), "bases": [_describe(base, within) for base in value.__bases__], **held}


def _function(function: types.FunctionType, within: tuple) -> Any:
    variables = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    held = {name: _describe(cell.cell_contents, within) for name, cell in variables}
    defaults = {**(function.__kwdefaults__ or {}), **dict(enumerate(function.__defaults__ or ()))}
    held |= {f"default {name}": _describe(item, within) for name, item in defaults.items()}
    if _is_own(function):
        held["code"] = hashlib.sha256(repr(_code(function.__code__)).encode()).hexdigest()[:16]
        held["uses"] = _uses(function, within)
    return {"is": _name(function), **held} if held else _name(function)


def _uses(function: types.FunctionType, within: tuple) -> dict[str, Any]:
    """The functions, classes and values of its module that this function mentions; not the modules it imports."""
    mentioned = sorted(_mentioned(function.__code__) & function.__globals__.keys())
    found = {name: function.__globals__[name] for name in mentioned}
    return {name: _describe(item, within) for name, item in found.items() if not isinstance(item, types.ModuleType)}


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
    parts = [
        identity["kind"],
        identity["method"],
        (identity.get("data") or {}).get("name"),
        None if seed is None else f"seed{seed}",
    ]
    words = [re.sub(r"[^a-z0-9.]+", "-", str(part).lower()).strip("-.") for part in parts if part]
    return "-".join([*filter(None, ["-".join(filter(None, words))[:150]]), digest(identity)])
