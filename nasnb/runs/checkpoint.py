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
    # what claims to be from as late or later was passed over as damaged when this session began
    before = [other for other in newest_first(folder) if _place_of(other) < (epoch, step)]
    for other in newest_first(folder):
        if other not in (path, *before[: KEPT - 1]):
            other.unlink(missing_ok=True)
    return path


def load_checkpoint(folder: Path, *, name: str, device: torch.device) -> dict[str, Any] | None:
    """The newest whole checkpoint of the run `name`, or None; warns of every damaged one that it passes over.

    What was saved from a graphics card comes to `device`; what was on the CPU stays there.
    """
    for path in newest_first(folder):
        try:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest()[:16] != _NAME.fullmatch(path.name)[3]:
                raise ValueError("its checksum is wrong")
            content = torch.load(io.BytesIO(data), map_location=_to(device), weights_only=True)
            if content["name"] != name:
                raise ValueError(f"it belongs to {content['name']}")
        except Exception as error:
            warnings.warn(f"{path.name} in {folder.name} is passed over: {error}", stacklevel=2)
        else:
            return content
    return None


def newest_first(folder: Path) -> list[Path]:
    """Checkpoints by epoch and step."""
    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=_place_of, reverse=True)


def _place_of(path: Path) -> tuple[int, int]:
    epoch, step, _ = _NAME.fullmatch(path.name).groups()
    return int(epoch), int(step)


def _to(device: torch.device):
    def place(storage, location: str):
        if location == "cpu" or device.type == "cpu":
            return storage
        return torch.serialization.default_restore_location(storage, str(device))

    return place
