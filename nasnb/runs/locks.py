"""One process per folder: a lock that the system takes back when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import SoftFileLock, Timeout, lock_descriptor

from nasnb.runs.files import unwritable
from nasnb.runs.progress import say

PATIENCE = "NASNB_PATIENCE"  # environment variable: seconds to wait for a run that another process computes
LOCKS = "NASNB_LOCKS"  # environment variable: `soft` where the file system has no locks
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
POLL = 0.05  # seconds between tries
SILENCE = 5.0  # seconds of waiting before a word of it
AT = 1  # where the holder's name stands in the lock: Windows lets nobody read the locked byte, which is the first


@contextlib.contextmanager
def locked(folder: Path, *, patience: float | None = None) -> Iterator[None]:
    """Hold the folder for one process.

    Waits for so many seconds; None: as many as the environment's NASNB_PATIENCE says, by default hardly at all.
    Raises RuntimeError naming the holder; OSError if the folder cannot be written or locked; ValueError for a setting
    in the environment that means nothing.
    """
    patience = patience_from_environment() if patience is None else patience
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(error, folder) from error
    with (_soft if is_soft() else _native)(folder, patience):
        yield


def is_locked(folder: Path) -> bool:
    """Whether some process computes in this folder right now. Raises OSError where that cannot be known."""
    try:
        if is_soft():
            with _soft(folder, 0.0):
                return False
        handle = _opened_to_look(folder / "lock")
    except FileNotFoundError:
        return False
    except RuntimeError:
        return True
    try:
        # others who only look hold the lock for an instant: look more than once
        return not _waited(lambda: lock_descriptor(handle, blocking=False), patience=3 * POLL, holder=str)
    finally:
        os.close(handle)


def patience_from_environment() -> float:
    """Seconds. Raises ValueError for a text that is no number of them."""
    text = os.environ.get(PATIENCE, "0.5")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise ValueError(f"{PATIENCE} must be a number of seconds or inf, got {text!r}")
    return seconds


def is_soft() -> bool:
    """Whether a file's existence is to be the lock. Raises ValueError for an unknown kind of lock."""
    kind = os.environ.get(LOCKS, "system")
    if kind not in ("system", "soft"):
        raise ValueError(f"{LOCKS} must be 'system' or 'soft', got {kind!r}")
    return kind == "soft"


# --- the system's locks -----------------------------------------------------------------------------------------------

# Never through a link, whose target we would write, and never waiting for the other end of a pipe.
_CAREFULLY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


@contextlib.contextmanager
def _native(folder: Path, patience: float) -> Iterator[None]:
    handle = _opened(folder / "lock")
    try:
        if not _waited(lambda: _try(handle, folder), patience=patience, holder=lambda: _holder(handle)):
            raise _busy(folder, _holder(handle))
        _sign(handle, f"process {os.getpid()} on {socket.gethostname()}")
        try:
            yield
        finally:
            _sign(handle, "")
    finally:
        os.close(handle)


def _opened_to_look(path: Path) -> int:
    try:  # over NFS only what may be written can be locked
        return os.open(path, os.O_RDWR | _CAREFULLY)
    except PermissionError:
        return os.open(path, os.O_RDONLY | _CAREFULLY)


def _opened(path: Path) -> int:
    try:
        if path.is_symlink() or not stat.S_ISREG(os.lstat(path).st_mode):
            raise _odd(path)
    except FileNotFoundError:
        pass
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | _CAREFULLY, 0o666)
    except OSError as error:
        raise unwritable(error, path) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _odd(path)
    return handle


def _odd(path: Path) -> OSError:
    return OSError(errno.EINVAL, f"{path} is no plain file, so it cannot be the lock: remove it and run again")


def _try(handle: int, folder: Path) -> bool:
    try:
        return lock_descriptor(handle, blocking=False)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise unwritable(error, folder / "lock") from error
        raise OSError(
            error.errno,
            f"the file system of {folder} has no locks ({error.strerror}), so nothing keeps two processes out of one "
            f"run: choose a runs_dir on another disk, mount this one with locks (Lustre: flock), or set {LOCKS}=soft, "
            "where a killed process may leave a lock that is to be removed by hand",
        ) from error


def _sign(handle: int, name: str) -> None:
    """Who holds the lock, for others to read; a full disk must not stop a run for that."""
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.lseek(handle, AT, os.SEEK_SET)
        os.write(handle, name.encode())


def _holder(handle: int) -> str:
    with contextlib.suppress(OSError):
        os.lseek(handle, AT, os.SEEK_SET)
        return os.read(handle, 200).decode(errors="replace")
    return ""


# --- a file's existence as the lock -----------------------------------------------------------------------------------


@contextlib.contextmanager
def _soft(folder: Path, patience: float) -> Iterator[None]:
    path = folder / "lock.soft"
    lock = SoftFileLock(path)
    try:
        lock.acquire(timeout=-1 if patience == math.inf else patience, poll_interval=POLL)
    except Timeout:
        raise _busy(folder, f"the process named in {path} (remove that file if there is no such process)") from None
    except OSError as error:
        raise unwritable(error, path) from error
    try:
        yield
    finally:
        lock.release()


def _busy(folder: Path, holder: str) -> RuntimeError:
    return RuntimeError(
        f"{folder.name} is being computed by {holder or 'another process'}: wait for it, or stop it, "
        f"then run again; {PATIENCE}=inf waits"
    )


def _waited(take: Callable[[], bool], *, patience: float, holder: Callable[[], str]) -> bool:
    """Whether `take` succeeded in time."""
    began, told = time.monotonic(), False
    while not take():
        waited = time.monotonic() - began
        if waited >= patience:
            return False
        if waited > SILENCE and not told:
            say(f"waiting for {holder() or 'another process'}")
            told = True
        time.sleep(POLL)
    return True
