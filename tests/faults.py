"""Faults of the file layer, in one place: the n-th thing asked of the disk below a folder fails.

`with failing(folder, nth, errno.EIO) as disk:` counts every open, read, write, flush, rename, removal, listing and look
at a file below `folder`, by whatever part of Python it is asked, and lets the n-th raise that error. `disk.asked` is
how many there were. Nothing else is imitated: what was written before the fault is really there.
"""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

# What takes a path, and what takes an open file.
BY_PATH = ("open", "replace", "rename", "unlink", "remove", "mkdir", "listdir", "scandir", "stat", "lstat")
BY_HANDLE = ("read", "write", "fsync", "fstat", "ftruncate")


class Disk:
    """Counts what is asked of the files below a folder."""

    def __init__(self, folder: Path, nth: int, number: int):
        self.folder, self.nth, self.number = os.fspath(folder), nth, number
        self.asked = 0
        self.failed: str | None = None  # what the fault hit

    def ask(self, what: str, path: Any) -> None:
        """Raises the error if it is the turn of this one."""
        try:
            path = os.fsdecode(path)
        except TypeError:
            return
        if not path.startswith(self.folder):
            return
        self.asked += 1
        if self.asked == self.nth:
            self.failed = f"{what} {os.path.basename(path)}"
            raise OSError(self.number, os.strerror(self.number), path)

    def by_path(self, name: str) -> Callable:
        """os.NAME, counted."""
        real = getattr(os, name)

        def asked(path: Any = ".", *arguments: Any, **more: Any) -> Any:
            self.ask(name, path)
            return real(path, *arguments, **more)

        return asked

    def by_handle(self, name: str) -> Callable:
        """os.NAME, counted."""
        real = getattr(os, name)

        def asked(handle: int, *arguments: Any) -> Any:
            self.ask(name, _path_of(handle))
            return real(handle, *arguments)

        return asked

    def open(
        self,
        path: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Callable | None = None,
    ) -> Any:
        """The built-in, whose reads and writes are counted."""
        if isinstance(path, int) or not os.fsdecode(path).startswith(self.folder):
            return REAL_OPEN(path, mode, buffering, encoding, errors, newline, closefd, opener)
        if opener is None:
            self.ask("open", path)
        raw = _Raw(self, path, mode.replace("b", "").replace("t", ""), opener)
        buffered = io.BufferedRandom if "+" in mode else io.BufferedReader if raw.readable() else io.BufferedWriter
        file = buffered(raw)
        return file if "b" in mode else io.TextIOWrapper(file, encoding or "utf-8", errors, newline)


class _Raw(io.FileIO):
    def __init__(self, disk: Disk, path: Any, mode: str, opener: Callable | None):
        self.disk, self.path = disk, path
        super().__init__(path, mode, opener=opener)

    def readinto(self, buffer: Any) -> int:
        self.disk.ask("read", self.path)
        return super().readinto(buffer)

    def readall(self) -> bytes:
        self.disk.ask("read", self.path)
        return super().readall()

    def write(self, content: Any) -> int:
        self.disk.ask("write", self.path)
        return super().write(content)


def _path_of(handle: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{handle}")
    except OSError:
        return ""


REAL_OPEN = io.open


@contextmanager
def failing(folder: Path, nth: int, number: int) -> Iterator[Disk]:
    """Within the block the n-th request fails with the error `number`; 0 lets none fail."""
    disk = Disk(folder, nth, number)
    replaced = {name: disk.by_path(name) for name in BY_PATH} | {name: disk.by_handle(name) for name in BY_HANDLE}
    opens = (mock.patch.object(module, "open", disk.open) for module in (builtins, io))
    with mock.patch.multiple(os, **replaced), next(opens), next(opens):
        yield disk
