"""`python -m benchmarks.bench`: how much faster and smaller a search is than a plain one, measured here and now.

The plain one runs one operation of one edge at a time (tests/plain.py, the judge of the tests), as the official codes
do. Both run in turn in the same minutes; what counts is the median of the ratios of neighbours.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.cases import CASES, Case, launched
from nasnb.runs.files import write_json, write_whole
from nasnb.runs.record import environment, now, peak_memory

COLUMNS = ("case", "variant", "seconds", "times_faster", "memory_mb", "times_smaller", "kernels", "gigabytes", "n")


class Line(NamedTuple):
    """One variant of a case. Ratios are over the plain one; memory is what the work adds to the process or the card."""

    case: str
    variant: str
    seconds: float
    times_faster: float
    memory_mb: float | None
    times_smaller: float | None
    kernels: int | None
    gigabytes: float | None
    n: int


def measure(case: Case, device: torch.device, repeats: int, memory: dict[str, float | None]) -> Iterator[Line]:
    """The plain variant first, then ours; `memory` has been measured before."""
    seconds = timed({v: case.build(v, device) for v in case.variants(device)}, device, repeats)
    counts = {variant: launched(case, variant) for variant in seconds}
    for variant, times in seconds.items():
        ratio = statistics.median(p / t for p, t in zip(seconds["plain"], times, strict=True))
        smaller = memory["plain"] / memory[variant] if memory["plain"] and memory[variant] else None
        middle = statistics.median(times)
        yield Line(case.name, variant, middle, ratio, memory[variant], smaller, *counts[variant], repeats)


def timed(
    work: dict[str, Callable[[], Any]],
    device: torch.device,
    repeats: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of every variant, in rounds: neighbours in time share what else the machine is doing."""
    seconds: dict[str, list[float]] = {variant: [] for variant in work}
    warm_up = 2 if device.type == "cuda" else 1  # a step is run, then recorded, before it is replayed
    for number in range(-warm_up, repeats):
        for variant, run in work.items():
            _wait(device)
            started = clock()
            run()
            _wait(device)
            if number >= 0:
                seconds[variant].append(clock() - started)
    return seconds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def separately(case: Case, variant: str, device: torch.device) -> float | None:
    """Peak memory in MB that the work adds, measured in a process of its own; None if that is too little to tell."""
    command = [sys.executable, "-m", "benchmarks.bench", "--memory-of", case.name, variant, "--device", str(device)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def added_memory(case: Case, variant: str, device: torch.device) -> float | None:
    """In this process, which has done nothing else."""
    run = case.build(variant, device)
    before = torch.cuda.memory_allocated(device) if device.type == "cuda" else peak_memory(device)
    for _ in range(3 if device.type == "cuda" else 1):  # on a GPU the third is the first one replayed
        run()
    added = (peak_memory(device) - before) / 1e6
    return added if added > 1 else None


def table(lines: list[Line]) -> str:
    """For reading: one line a variant."""
    head = f"{'case':<16}{'variant':<12}{'seconds':>10}{'faster':>9}{'MB':>9}{'smaller':>9}{'kernels':>10}{'GB':>9}"
    rows = [
        f"{x.case:<16}{x.variant:<12}{x.seconds:>10.4f}{_times(x.times_faster):>9}{_number(x.memory_mb):>9}"
        f"{_times(x.times_smaller):>9}{_number(x.kernels):>10}{_number(x.gigabytes):>9}"
        for x in lines
    ]
    return "\n".join([head, *rows])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}x"


def write(lines: list[Line], device: torch.device, folder: Path, seconds: float) -> Path:
    """The numbers (CSV) and where they come from (JSON), named after the device; `seconds` is what the bench took."""
    origin = environment(device) | {"data": "random numbers of the sizes of CIFAR-10", "seed": None, "seconds": seconds}
    cases = {line.case: CASES[line.case].text for line in lines}
    config = {"repeats": lines[0].n, "statistic": "median of the ratios of neighbours in time", "cases": cases}
    origin |= {"config": config, "measured": now(), "load": os.getloadavg()}
    name = re.sub(r"[^a-z0-9]+", "-", f"{device.type} {origin['device']}".lower()).strip("-")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *lines])
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.csv", text.getvalue().encode())
    write_json(folder / f"{name}.json", origin)
    return folder / f"{name}.csv"


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    device, started = torch.device(options.device), time.monotonic()
    if options.memory_of:
        name, variant = options.memory_of
        print(json.dumps(added_memory(CASES[name], variant, device)))
        return
    cases, lines = [CASES[name] for name in options.rows or CASES], []
    # first of all: a new process counts as its own what the one that starts it has held
    memory = {case.name: {v: separately(case, v, device) for v in case.variants(device)} for case in cases}
    for case in cases:
        lines += measure(case, device, options.repeats, memory[case.name])
        print(f"\n{case.name}: {case.text}\n{table([x for x in lines if x.case == case.name])}", flush=True)
        kept = write(lines, device, Path(options.output), round(time.monotonic() - started, 1))
    print(f"\n{table(lines)}\n\n{kept}")


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--rows", nargs="*", choices=list(CASES), help="which cases; all of them if left out")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that count")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    parser.add_argument("--output", default="figures/bench", help="folder of the record")
    parser.add_argument("--memory-of", nargs=2, metavar=("CASE", "VARIANT"), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
