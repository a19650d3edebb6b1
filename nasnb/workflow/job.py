"""What a row of a sweep asks of a cluster: by what its notebook does, and at which scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Job:
    """What one row asks of a cluster."""

    gpus: int
    cpus: int
    memory_gb: int
    minutes: int


TABLE = Job(gpus=0, cpus=1, memory_gb=4, minutes=30)  # reads what others computed

# A row that reaches its time limit saves, ends, and goes on in its next attempt: too short a time costs little.
JOBS: Mapping[str, Mapping[str, Job]] = {
    "smoke": dict.fromkeys(("search", "training", "chapter"), Job(gpus=0, cpus=1, memory_gb=4, minutes=30)),
    "laptop": dict.fromkeys(("search", "training", "chapter"), Job(gpus=0, cpus=2, memory_gb=8, minutes=60)),
    "overnight": {
        "search": Job(gpus=0, cpus=2, memory_gb=8, minutes=240),
        "training": Job(gpus=0, cpus=2, memory_gb=8, minutes=240),
        "chapter": Job(gpus=0, cpus=2, memory_gb=8, minutes=1440),
    },
    "gpu": {
        "search": Job(gpus=1, cpus=4, memory_gb=16, minutes=120),
        "training": Job(gpus=1, cpus=4, memory_gb=16, minutes=120),
        "chapter": Job(gpus=1, cpus=4, memory_gb=32, minutes=240),
    },
    "paper": {
        "search": Job(gpus=1, cpus=4, memory_gb=32, minutes=1440),
        "training": Job(gpus=1, cpus=4, memory_gb=16, minutes=2880),
        "chapter": Job(gpus=1, cpus=8, memory_gb=64, minutes=2880),
    },
}


def job_of(notebook: str, known: Mapping[str, Any], values: Mapping[str, Any], own: Mapping[str, int]) -> Job:
    """The job of a row of `notebook` (its name) with the parameters `known`; `own` replaces what the sweep says.

    A notebook that takes no `device` computes nothing. One that runs on the processor needs no card.
    """

    def value(name: str) -> Any:
        return values.get(name, known[name].default if name in known else None)

    if "device" not in known:
        return replace(TABLE, **own)
    kind = {"search": "search", "select": "search", "retrain": "training"}.get(notebook, "chapter")
    if notebook == "select" and value("protocol") == "short_training":
        kind = "training"
    job = JOBS[value("preset") or "laptop"][kind]
    return replace(job if value("device") != "cpu" else replace(job, gpus=0), **own)
