"""Files that land whole or not at all, and the lock that keeps two processes out of one folder."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nasnb.config import place

FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
PATIENCE = "NASNB_PATIENCE"  # environment variable: seconds to wait for a run that another process computes
TEMPORARY = ".partial-"  # what a killed process may leave behind; swept away under the lock


def runs_folder(runs_dir: str | Path) -> Path:
    """A relative folder counts from the repository, also for a notebook whose working directory is `notebooks`."""
    return place(runs_dir)


def write_whole(path: Path, content: bytes) -> None:
    """Write beside, flush to the disk, rename: a reader sees the old file or the new one, never half of one.

    Raises OSError naming the file and the cure, and leaves what was there.
    """
    beside = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise unwritable(error, path) from error


def unwritable(error: OSError, path: Path) -> OSError:
    """The same error, saying what was being written and what helps."""
    cure = "free some space" if error.errno in FULL else "choose a runs_dir that can be written"
    message = f"cannot write {path}: {error.strerror}; what was there is untouched: {cure} and run again"
    return OSError(error.errno, message)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Indented, in the given order."""
    write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Raises ValueError for a file that is not JSON."""
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """An .npz without pickles."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_whole(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """What `write_arrays` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def sweep(folder: Path) -> None:
    """Remove what a killed process was writing. Only under the folder's lock."""
    for path in folder.glob(f"{TEMPORARY}*"):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for one process. The system lets go of the lock when its holder dies, however it dies.

    Waits for as many seconds as the environment's NASNB_PATIENCE says, by default hardly at all.
    Raises RuntimeError naming the holder; OSError if the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise unwritable(error, folder) from error
    try:
        if not _take(handle, patience=float(os.environ.get(PATIENCE, 0.5))):
            holder = os.read(handle, 200).decode(errors="replace") or "another process"
            raise RuntimeError(f"{folder.name} is being computed by {holder}: wait for it, or stop it, then run again")
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
        try:
            yield
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def is_locked(folder: Path) -> bool:
    """Whether some process computes in this folder right now."""
    try:
        handle = os.open(folder / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _take(handle, patience=0.0, shared=True)
    finally:
        os.close(handle)


def _take(handle: int, *, patience: float, shared: bool = False) -> bool:
    """Try for so many seconds: `is_locked` of a neighbour may hold the lock for an instant."""
    until = time.monotonic() + patience
    while not _try_lock(handle, shared=shared):
        if time.monotonic() >= until:
            return False
        time.sleep(0.05)
    return True


def _try_lock(handle: int, *, shared: bool) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows has no such locks: one process per run is then up to the user
        return True
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
