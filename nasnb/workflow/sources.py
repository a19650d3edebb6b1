"""What a notebook reads besides its parameters' values: files and folders whose contents decide its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nasnb.data import source_checksum
from nasnb.runs.files import runs_folder
from nasnb.runs.identity import content_of

PLACES = ("runs_dir", "device")  # where something is computed: no part of what is
READ = ("_dir", "_table", "_weights", "_file", "_path")  # how names of parameters end that say what is read


def deciding(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that decide a result: without places, and with the checksum of what is read instead of where it lies.

    Raises ValueError where a set of images cannot be read.
    """
    return {name: _content(name, value, values) for name, value in values.items() if name not in PLACES}


def _content(name: str, value: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(value, str) or not name.endswith(READ):
        return value
    path = runs_folder(value)
    try:
        if name == "data_dir":
            return source_checksum(str(values.get("dataset")), path)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from None
    return {"content": content_of(path)} if path.exists() else value
