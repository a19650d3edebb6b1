"""Checkpoints whose names carry their checksum; the last two are kept, and a damaged one is passed over."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from pathlib import Path
from typing import Any

import torch

from nasnb.runs.files import checksum, listing, read_whole, set_aside, write_whole

KEPT = 2
_NAME = re.compile(r"checkpoint-(\d+)-(\d+)-([0-9a-f]{16})\.pt")


def save(folder: Path, content: dict[str, Any], *, epoch: int, step: int) -> Path:
    """Write `content` (plain containers and tensors) whole, then drop all but the last two.

    An ordinary file of torch.save. Raises OSError if it cannot be written; the older ones are then all there.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    path = folder / f"checkpoint-{epoch:05d}-{step:06d}-{checksum(data)}.pt"
    write_whole(path, data)
    before = [other for other in newest_first(folder) if _place_of(other) < (epoch, step)]
    for other in before[KEPT - 1 :]:
        with contextlib.suppress(OSError):  # one too many does no harm
            other.unlink()
    return path


def load_checkpoint(folder: Path, *, name: str, device: torch.device, mend: bool = False) -> dict[str, Any] | None:
    """The newest whole checkpoint of the run `name`, or None. What was on the CPU stays there, the rest to `device`.

    Passes over, with a warning, only what is surely no checkpoint of this run: a wrong checksum, another run's name.
    To `mend` (only under the folder's lock) renames those. Raises OSError for one that cannot be read now, and
    RuntimeError for one that is whole and cannot be loaded here: nothing is touched then.
    """
    for path in newest_first(folder):
        data = read_whole(path)
        if data is None:  # its owner has just dropped it for a newer one
            continue
        why = "has a wrong checksum"
        if checksum(data) == _NAME.fullmatch(path.name)[3]:
            content = _loaded(data, path, device)
            if content["name"] == name:
                return content
            why = f"belongs to {content['name']}"
        if mend:
            set_aside(path, why)
        else:
            warnings.warn(f"{path.name} in {folder.name} {why}: it is passed over", stacklevel=2)
    return None


def _loaded(data: bytes, path: Path, device: torch.device) -> dict[str, Any]:
    try:
        content = torch.load(io.BytesIO(data), map_location=_to(device), weights_only=True)
        return {entry: content[entry] for entry in ("name", "state", "history", "seconds", "epoch_seconds")}
    except MemoryError:
        raise
    except Exception as error:
        raise RuntimeError(
            f"{path} is whole, but cannot be loaded here ({type(error).__name__}: {error}); nothing was changed: use "
            "the versions of torch and nasnb that stand in record.json beside it, or another runs_dir to begin anew"
        ) from error


def newest_first(folder: Path) -> list[Path]:
    """Checkpoints by epoch and step."""
    return sorted((path for path in listing(folder) if _NAME.fullmatch(path.name)), key=_place_of, reverse=True)


def _place_of(path: Path) -> tuple[int, int]:
    epoch, step, _ = _NAME.fullmatch(path.name).groups()
    return int(epoch), int(step)


def _to(device: torch.device):
    def place(storage, location: str):
        if location == "cpu" or device.type == "cpu":
            return storage
        return torch.serialization.default_restore_location(storage, str(device))

    return place
