"""Checkpoints whose names carry their checksum; the last two are kept, and a damaged one is passed over."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from pathlib import Path
from typing import Any

import torch

from nasnb.runs.files import write_whole

KEPT = 2
_NAME = re.compile(r"checkpoint-(\d+)-(\d+)-([0-9a-f]{16})\.pt")


def save(folder: Path, content: dict[str, Any], *, epoch: int, step: int) -> Path:
    """Write `content` (plain containers and tensors) whole, then drop all but the last two.

    An ordinary file of torch.save. Raises OSError if it cannot be written; the older ones are then all there.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    path = folder / f"checkpoint-{epoch:05d}-{step:06d}-{hashlib.sha256(data).hexdigest()[:16]}.pt"
    write_whole(path, data)
    for old in [other for other in newest_first(folder) if other != path][KEPT - 1 :]:
        old.unlink(missing_ok=True)
    return path


def load(folder: Path, *, name: str, device: torch.device) -> dict[str, Any] | None:
    """The newest whole checkpoint of the run `name`, or None; warns of every damaged one that it passes over.

    What was saved from a graphics card comes to `device`; what was on the CPU stays there.
    """
    for path in newest_first(folder):
        try:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest()[:16] != _NAME.fullmatch(path.name)[3]:
                raise ValueError("its checksum is wrong")
            content = torch.load(io.BytesIO(data), map_location=_place(device), weights_only=True)
            if content["name"] != name:
                raise ValueError(f"it belongs to {content['name']}")
        except Exception as error:
            warnings.warn(f"{path.name} in {folder.name} is passed over: {error}", stacklevel=2)
        else:
            return content
    return None


def newest_first(folder: Path) -> list[Path]:
    """Checkpoints by epoch and step."""
    found = [(match, path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, key=lambda pair: (int(pair[0][1]), int(pair[0][2])), reverse=True)]


def _place(device: torch.device):
    def place(storage, location: str):
        if location == "cpu" or device.type == "cpu":
            return storage
        return torch.serialization.default_restore_location(storage, str(device))

    return place
