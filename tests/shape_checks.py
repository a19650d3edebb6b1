"""Checks the shapes in signatures, and nothing but them: a type checker for jaxtyping's import hook."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from beartype import beartype

import nasnb.supernet.shapes

NAMES = [name for name in vars(nasnb.supernet.shapes) if name[0].isupper() and name != "Tensor"]
SHAPES = re.compile(rf"jaxtyping|\b({'|'.join([*NAMES, 'Shaped'])})\b")


def shapes_only(function: Callable) -> Callable:
    """Beartype on the parameters and results that are arrays of a named shape; tests may fake all others."""
    hints = getattr(function, "__annotations__", {})
    function.__annotations__ = {k: hint if SHAPES.search(_text(hint)) else Any for k, hint in hints.items()}
    return beartype(function)


def _text(hint: Any) -> str:
    return hint if isinstance(hint, str) else f"{getattr(hint, '__module__', '')} {hint!r}"
