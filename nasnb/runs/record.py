"""record.json: where a run's numbers come from. `SCHEMA` says what each entry means."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from nasnb.device.distributed import is_shared, n_processes

SCHEMA_VERSION = 1

SCHEMA: Mapping[str, str] = {
    "schema": "version of this layout: 1",
    "name": "the run's folder: kind, method, data set, seed and a digest of identity.json",
    "kind": "search, train, or the name of an analysis",
    "method": "the method's name; for a training the space's",
    "config": "every number of the run, by name; null for an analysis",
    "seed": "what everything random follows from; null for an analysis without one",
    "dataset": "its name; null for an analysis",
    "checksum": "of the data set's images and labels; null for an analysis",
    "version": "of nasnb",
    "commit": "of nasnb's source; null outside a git checkout",
    "dirty": "whether nasnb's source had uncommitted changes; null outside a git checkout",
    "python": "its version",
    "torch": "its version",
    "cuda": "the version that torch was built with; null without",
    "cudnn": "its version; null if not used",
    "system": "Linux, Darwin or Windows",
    "device": "name of the processor or graphics card, after `2 x` where two of them shared every batch",
    "device_kind": "cpu, cuda, ...",
    "threads": "of the processor that torch used",
    "deterministic": "true: the same run on this kind of device, with as many threads, gives the same bits",
    "state": "running, finished, failed or interrupted",
    "error": "what stopped a failed run, else null",
    "started": "first begin, UTC, ISO 8601",
    "ended": "last end, UTC; null while running",
    "resumed": "how often the run went on after a stop",
    "epoch": "finished epochs",
    "epochs": "of so many; null for an analysis",
    "seconds_left": "estimate; null if unknown",
    "seconds": "time of the work that is kept, over all resumes, saving included",
    "device_hours": "seconds / 3600 times the number of devices",
    "peak_memory_bytes": "most memory held: on the graphics card, else of the process; null if unknown",
    "metrics": "the last line of history.csv: losses, accuracies in percent",
    "genotype": "the final architecture in the notation of the papers; null if the run ends in none",
    "preset": "of the notebook that began the run; null if none said one",
    "files": "of a finished run: the checksum of each file of results beside this one",
}


LATER = ("preset", "files")
PRESET = "NASNB_PRESET"  # environment variable, set by a notebook's first cell: told in records, decides nothing


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_record(name: str, identity: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """The record of a run that starts now on `device`. Every entry of SCHEMA is there."""
    config, data = identity.get("config") or {}, identity.get("data") or {}
    known = {
        "schema": SCHEMA_VERSION,
        "name": name,
        "kind": identity["kind"],
        "method": identity["method"],
        "config": config or None,
        "seed": config.get("seed"),
        "dataset": data.get("name"),
        "checksum": data.get("checksum"),
        "preset": os.environ.get(PRESET),
        **environment(device),
        "state": "running",
        "started": now(),
        "resumed": 0,
        "epoch": 0,
        "seconds": 0.0,
        "device_hours": 0.0,
        "metrics": {},
    }
    return {entry: known.get(entry) for entry in SCHEMA}


def is_record(value: Any) -> bool:
    """Whether this is a record as `new_record` makes it; what was added LATER may be missing."""
    return (
        isinstance(value, dict)
        and value.get("schema") == SCHEMA_VERSION
        and all(entry in value for entry in SCHEMA if entry not in LATER)
        and isinstance(value["metrics"], dict)
        and isinstance(value["resumed"], int)
    )


def environment(device: torch.device) -> dict[str, Any]:
    """Package, software and device, as they are now."""
    on_gpu = device.type == "cuda"
    return {
        "version": version(),
        **commit(Path(__file__).parent),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if on_gpu else None,
        "system": platform.system(),
        "device": f"{n_processes()} x " * is_shared() + (torch.cuda.get_device_name(device) if on_gpu else _cpu_name()),
        "device_kind": device.type,
        "threads": torch.get_num_threads(),
        "deterministic": device.type == "cpu" or torch.are_deterministic_algorithms_enabled(),
    }


def version() -> str:
    """Of the installed package."""
    try:
        return metadata.version("nasnb")
    except metadata.PackageNotFoundError:  # a source tree that is not installed
        return "0+unknown"


@functools.cache
def commit(folder: Path) -> dict[str, Any]:
    """Commit and dirty flag of the git checkout that `folder` belongs to; null if it is no tracked part of one."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        tracked = git("ls-files", "--error-unmatch", "__init__.py")
        if not tracked:
            return {"commit": None, "dirty": None}
        return {"commit": git("rev-parse", "HEAD") or None, "dirty": bool(git("status", "--porcelain", "--", ".."))}
    except (OSError, subprocess.SubprocessError):  # no git on this machine
        return {"commit": None, "dirty": None}


def peak_memory(device: torch.device) -> int | None:
    """Bytes: allocated on the graphics card since the run began, or held by this process since its start."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:  # Linux: getrusage would count what the parent held when it started us
        status = Path("/proc/self/status").read_text()
        return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def children_seconds() -> float:
    """Processor seconds, of all cores, that finished child processes have taken; 0 on Windows."""
    times = os.times()
    return times.children_user + times.children_system


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
