"""Locks: what they follow, where there are none, who holds them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time

import pytest

from nasnb.runs import locks


def test_a_lock_that_is_no_plain_file_is_refused_and_its_target_stays(tmp_path):
    target = tmp_path / "thesis.txt"
    target.write_text("years of work")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").symlink_to(target)
    with (
        pytest.raises(OSError, match="is no plain file, so it cannot be the lock: remove it"),
        locks.locked(tmp_path / "run"),
    ):
        pass
    assert target.read_text() == "years of work"
    (tmp_path / "run" / "lock").unlink()
    os.mkfifo(tmp_path / "run" / "lock")
    with pytest.raises(OSError, match="is no plain file"), locks.locked(tmp_path / "run"):
        pass


def test_a_file_system_without_locks_is_told_and_soft_locks_help(tmp_path, monkeypatch):
    def none(handle, blocking):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(locks, "lock_descriptor", none)
    with (
        pytest.raises(OSError, match=r"has no locks \(Function not implemented\).*NASNB_LOCKS=soft"),
        locks.locked(tmp_path),
    ):
        pass
    monkeypatch.setenv("NASNB_LOCKS", "soft")
    assert not locks.is_locked(tmp_path)
    with locks.locked(tmp_path):
        assert locks.is_locked(tmp_path)
        with (
            pytest.raises(RuntimeError, match=r"being computed by the process named in .*lock.soft"),
            locks.locked(tmp_path),
        ):
            pass
    assert not locks.is_locked(tmp_path)
    monkeypatch.setenv("NASNB_LOCKS", "hard")
    with pytest.raises(ValueError, match="NASNB_LOCKS must be 'system' or 'soft', got 'hard'"):
        locks.is_soft()


def test_the_holder_is_named_and_waited_for(tmp_path):
    code = "import sys, time; from pathlib import Path; from nasnb.runs.locks import locked\n"
    code += "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(1.5)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    assert locks.is_locked(tmp_path)
    with (
        pytest.raises(RuntimeError, match=f"being computed by process {holder.pid} on "),
        locks.locked(tmp_path, patience=0),
    ):
        pass
    began = time.monotonic()
    with locks.locked(tmp_path, patience=60):
        assert time.monotonic() - began < 60
    holder.communicate()
    assert holder.returncode == 0
