"""Files that land whole or not at all, and reading that never takes trouble with a disk for an answer.

The rule: a file is absent only if the system says so. What is there and cannot be read raises; what can be read and is
odd is told and set aside, never removed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import secrets
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np

from nasnb.config import place

FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
TEMPORARY = ".partial-"  # what a killed process may leave behind; cleared away under the lock
DAMAGED = ".damaged"  # ending of what was set aside
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")

T = TypeVar("T")


def runs_folder(runs_dir: str | Path) -> Path:
    """A relative folder counts from the repository, also for a notebook whose working directory is `notebooks`."""
    return place(runs_dir)


def check_name(what: str, name: Any) -> str:
    """A name that becomes a file: it must not lead elsewhere, nor mean something to a shell, a parser or a template.

    Raises ValueError saying what `what` may be.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(
            f"{what} {name!r} cannot name a file: use at most 80 letters, digits, '-' and '_', and begin "
            "with a letter or a digit"
        )
    return name


# --- writing ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def landing(path: Path) -> Iterator[IO[bytes]]:
    """A binary file to write, which takes its place at the end of the block: whole, on the disk, or not at all.

    Raises OSError naming the file and the cure, and leaves what was there.
    """
    # no process may write into another's, on whatever machine it runs
    beside = path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{path.name}")
    try:
        with open(beside, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(error, path) from error
        raise


def write_whole(path: Path, content: bytes) -> None:
    """A reader sees the old file or the new one, never half of one. Raises OSError naming the file and the cure."""
    with landing(path) as file:
        file.write(content)


def unwritable(error: OSError, path: Path) -> OSError:
    """The same error, saying what was being written and what helps."""
    if error.errno in FULL:
        cure = "free some space"
    elif error.errno == errno.ENAMETOOLONG:
        cure = "give the method, the data or the sweep a shorter name"
    elif error.errno == errno.ENOENT:
        cure = "its folder was removed meanwhile"
    else:
        cure = "choose a runs_dir that can be written"
    message = f"cannot write {path}: {error.strerror}; what was there is untouched: {cure} and run again"
    return OSError(error.errno, message)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot; the file itself is on the disk
            raise
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Indented, in the given order."""
    write_whole(path, as_json(value))


def as_json(value: Any) -> bytes:
    """Indented, in the given order."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def as_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """An .npz without pickles."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def checksum(content: bytes) -> str:
    """Sixteen hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:16]


# --- reading ----------------------------------------------------------------------------------------------------------


def read_whole(path: Path) -> bytes | None:
    """The content; None if there is no such file.

    Raises OSError naming the file if it is there and cannot be read now, or is no plain file.
    """
    try:
        with open(path, "rb", opener=_plain) as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(error, path) from error


def unreadable(error: OSError, path: Path) -> OSError:
    """The same error, saying what was being read and what helps."""
    cure = "make it readable" if isinstance(error, PermissionError) else "see to the disk"
    return OSError(error.errno, f"cannot read {path}: {error.strerror}; nothing was changed: {cure} and run again")


def _plain(path: str, flags: int) -> int:
    """Opens files only: a pipe would wait for ever for somebody to write."""
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise OSError(errno.EINVAL, "it is no plain file", path)


def read_json(path: Path) -> Any:
    """Raises FileNotFoundError if it is not there, OSError if it cannot be read, ValueError if it is not JSON."""
    content = read_whole(path)
    if content is None:
        raise FileNotFoundError(errno.ENOENT, f"there is no {path}")
    try:
        return json.loads(content)
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None


def from_arrays(content: bytes) -> dict[str, np.ndarray]:
    """What `as_arrays` gave."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def listing(folder: Path) -> list[Path]:
    """What lies in a folder, by name; nothing if there is no such folder. Raises OSError if it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(error, folder) from error


def each_readable(folders: Iterable[Path], read: Callable[[Path], T | None]) -> Iterator[T]:
    """What `read` makes of each folder, unless that is None. One that it cannot read is skipped with a warning."""
    for folder in folders:
        try:
            found = read(folder)
        except Exception as error:  # whatever somebody left in one folder must not hide the others
            warnings.warn(f"{folder.name} is skipped: {error or type(error).__name__}", stacklevel=3)
        else:
            if found is not None:
                yield found


# --- what is odd ------------------------------------------------------------------------------------------------------


def set_aside(path: Path, why: str) -> None:
    """Rename a damaged file, so that nothing takes it for whole and nothing is lost. Only under the folder's lock."""
    warnings.warn(
        f"{path.name} in {path.parent.name} {why}: it is passed over, and kept as {path.name}{DAMAGED}", stacklevel=2
    )
    os.replace(path, path.with_name(f"{path.name}{DAMAGED}"))


def clear_leftovers(folder: Path) -> None:
    """Remove what a killed process was writing. Only under the folder's lock."""
    for path in listing(folder):
        if path.name.startswith(TEMPORARY):
            with contextlib.suppress(OSError):
                path.unlink()
