"""record.json: where a run's numbers come from. `SCHEMA` says what each entry means."""

from __future__ import annotations

import functools
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

SCHEMA_VERSION = 1

SCHEMA: Mapping[str, str] = {
    "schema": "version of this layout: 1",
    "name": "the run's folder: kind, method, data set, seed and a digest of identity.json",
    "kind": "search, train, or the name of an analysis",
    "method": "the method's name; for a training the space's",
    "config": "every number of the run, by name; null for an analysis",
    "seed": "what everything random follows from; null for an analysis without one",
    "data": "name and checksum (of the images and labels) of the data set; null for an analysis",
    "package": "version of nasnb; commit and dirty (uncommitted changes) of its source, null outside a git checkout",
    "software": "versions of python, torch, cuda and cudnn (null without), and the operating system",
    "device": "name of the processor or graphics card; kind: cpu, cuda, ...; threads of the cpu",
    "deterministic": "true: the same run on this kind of device gives the same bits",
    "state": "running, finished, failed or interrupted",
    "error": "what stopped a failed run, else null",
    "started": "first begin, UTC, ISO 8601",
    "ended": "last end, UTC; null while running",
    "resumed": "how often the run went on after a stop",
    "progress": "epoch: finished ones, epochs: of so many, seconds_left: estimate, null if unknown",
    "seconds": "computing time over all resumes, saving included",
    "device_hours": "seconds / 3600 times the number of devices",
    "peak_memory_bytes": "most memory held: on the graphics card, else of the process; null if unknown",
    "metrics": "the last line of history.csv: losses, accuracies in percent",
    "genotype": "the final architecture in the notation of the papers; null if the run ends in none",
}


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_record(name: str, identity: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """The record of a run that starts now on `device`. Every entry of SCHEMA is there."""
    config = identity.get("config")
    return {
        "schema": SCHEMA_VERSION,
        "name": name,
        "kind": identity["kind"],
        "method": identity["method"],
        "config": config,
        "seed": (config or {}).get("seed"),
        "data": identity.get("data"),
        **environment(device),
        "state": "running",
        "error": None,
        "started": now(),
        "ended": None,
        "resumed": 0,
        "progress": {"epoch": 0, "epochs": (config or {}).get("epochs"), "seconds_left": None},
        "seconds": 0.0,
        "device_hours": 0.0,
        "peak_memory_bytes": None,
        "metrics": {},
        "genotype": None,
    }


def environment(device: torch.device) -> dict[str, Any]:
    """Package, software and device, as they are now."""
    on_gpu = device.type == "cuda"
    cpu_name = platform.processor() or platform.machine()
    return {
        "package": {"version": version(), **commit(Path(__file__).parent)},
        "software": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version() if on_gpu else None,
            "system": platform.system(),
        },
        "device": {
            "name": torch.cuda.get_device_name(device) if on_gpu else _cpu_name() or cpu_name,
            "kind": device.type,
            "threads": torch.get_num_threads(),
        },
        "deterministic": device.type == "cpu" or torch.are_deterministic_algorithms_enabled(),
    }


def version() -> str:
    """Of the installed package."""
    return metadata.version("nasnb")


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
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _cpu_name() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)
