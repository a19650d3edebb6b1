"""Many searches at once on one device: processes that each take the next one, until all are done or time is up.

    python -m nasnb.workflow.crowd OUT --data cifar10-16.npz --device cuda --workers 16 --minutes 9

A search on 16 pixels leaves a graphics card, and a many-core machine, mostly idle; only side by side do they fill it.
Runs live in OUT/runs and go on where they stopped; `collect` writes what is finished as tables, `parcels` what is not.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import signal
import sys
import time
import traceback
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from nasnb.data import Data
from nasnb.data.packed import unpack
from nasnb.experiment import run_search
from nasnb.runs import Result
from nasnb.runs.files import read_json, write_whole
from nasnb.runs.result import read_result
from nasnb.spaces.bench201 import BENCH201_NAMES
from nasnb.workflow.arms import SIZES, Arm, arms
from nasnb.workflow.pool import stop_with_parent

PARCEL = 15 * 2**20  # bytes of a zip file: small enough for whatever carries it
AT_MOST = 48 * 2**20  # bytes of unfinished runs that travel
SAVING = 25.0  # seconds that stopping processes get
FAILED = 3  # exit code of a process whose search failed
Planned = tuple[Arm, int]  # an arm and a seed


def jobs(plan: Sequence[str], size: str = "whole") -> list[Planned]:
    """What `arm,arm@0-5` stand for at one of SIZES, in order; within one of them all arms of a seed before the next.

    So the n are even whenever time runs out. Raises ValueError for what is no such text, or an unknown arm.
    """
    found: dict[str, Planned] = {}
    for text in plan:
        names, _, seeds = text.partition("@")
        first, _, last = seeds.partition("-")
        if not (first.isdigit() and (last or first).isdigit()):
            raise ValueError(f"cannot read {text!r}: expected arms and seeds, such as 'darts-1st,sgas@0-5' or 'core@0'")
        for seed in range(int(first), int(last or first) + 1):
            for arm in arms(names.split(",") if names != "all" else [], size):
                found.setdefault(title((arm, seed)), (arm, seed))
    return list(found.values())


def title(job: Planned) -> str:
    """Of a job's folder and marks."""
    return f"{job[0].name}-{job[1]}"


def compute(job: Planned, data: Data, out: Path, changes: dict) -> None:
    """The search of a job, then the selections on its supernet; lands the rows of each, unless they are there."""
    arm, seed = job
    config, runs_dir = replace(arm.config, seed=seed, **changes), out / "runs" / title(job)
    searched = run_search(arm.method, data, config, runs_dir=runs_dir, observe=arm.observe)
    _land(out, arm.name, seed, searched)
    for method in arm.selections:
        name = f"{arm.name}/{method.name}"
        if not _landing(out, name, seed).exists():
            _land(out, name, seed, run_search(method, data, config, runs_dir=runs_dir, after=searched))
    (out / "done" / title(job)).touch()
    (out / "errors" / f"{title(job)}.txt").unlink(missing_ok=True)


def rows(arm: str, seed: int, result: Result) -> pd.DataFrame:
    """A line per epoch: accuracies, the cell as six digits, what alpha says. Digits count `BENCH201_NAMES`."""
    table = result.history.drop(columns=["genotype", "seconds"])
    cells = [
        "".join(str(BENCH201_NAMES.index(pick.op)) for pick in genotype.picks["cell"]) for genotype in result.genotypes
    ]
    weights = result.weights["cell"]
    table.insert(0, "arm", arm)
    table.insert(1, "seed", seed)
    return table.assign(cell=cells, largest=np.nanmax(weights, axis=2).mean(1), **_alpha(weights, result))


def _alpha(weights, result: Result) -> dict[str, list]:
    """The mixing weights of every edge as text, four digits each: for plots of how alpha moved."""
    return {
        "weights": [" ".join(f"{value:.4g}" for value in epoch.ravel()) for epoch in weights],
        "device": result.record["device"],
        "commit": result.record["commit"],
    }


# --- processes -----------------------------------------------------------------------------------------------------


def work(number: int, waiting: multiprocessing.Queue, where: dict) -> None:
    """A process: take jobs until none is left. SIGTERM, or the end of its parent, saves the run at hand and ends it.

    A search that fails leaves its error and ends the process, since a graphics card's errors stick to it; one that
    failed as a CUDA graph is put back to be run without.
    """
    out = Path(where["out"])
    log = open(out / f"worker-{number}.log", "a", buffering=1)  # noqa: SIM115, open as long as the process
    os.dup2(log.fileno(), 1), os.dup2(log.fileno(), 2)
    stop_with_parent()
    torch.set_num_threads(1)
    data = unpack(where["data"]).to(where["device"])
    todo = jobs(where["plan"], where["size"])
    while True:
        try:
            index, changes = waiting.get(timeout=1)
        except queue.Empty:
            return
        try:
            compute(todo[index], data, out, changes)
        except Exception:
            (out / "errors" / f"{title(todo[index])}.txt").write_text(traceback.format_exc())
            if changes.get("capture"):
                waiting.put((index, changes | {"capture": False}))
                time.sleep(1)  # until it is on its way
            sys.exit(FAILED)


def _landing(out: Path, name: str, seed: int) -> Path:
    return out / "rows" / f"{name.replace('/', '+')}-{seed}.csv"


def _land(out: Path, name: str, seed: int, result: Result) -> None:
    if not _landing(out, name, seed).exists():
        content = rows(name, seed, result).to_csv(index=False, float_format="%.5g")
        write_whole(_landing(out, name, seed), content.encode())


def run(where: dict, *, workers: int, minutes: float) -> None:
    """Start the processes, wait for the end or the time, stop what still runs."""
    out, until = Path(where["out"]), time.monotonic() + 60 * minutes
    for folder in ("runs", "rows", "done", "errors"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    todo = jobs(where["plan"], where["size"])
    left = [i for i, job in enumerate(todo) if not (out / "done" / title(job)).exists()]
    context = multiprocessing.get_context("spawn")
    waiting = context.Queue()
    for index in left:
        waiting.put((index, where["changes"]))

    def started(number: int) -> multiprocessing.Process:
        process = context.Process(target=work, args=(number, waiting, where))
        process.start()
        return process

    crowd = [started(number) for number in range(min(workers, len(left)))]
    try:
        with _told_to_stop() as told:
            while any(p.exitcode in (None, FAILED) for p in crowd) and time.monotonic() < until - SAVING and not told:
                crowd = [started(i) if p.exitcode == FAILED else p for i, p in enumerate(crowd)]
                time.sleep(0.5)
    finally:  # whatever ends us: no process stays behind, and none loses what it has
        _stop(crowd, time.monotonic() + SAVING)
    waiting.cancel_join_thread()
    done, errors = list((out / "done").iterdir()), [path.stem for path in (out / "errors").iterdir()]
    print(f"{len(done)} of {len(todo)} searches done, errors: {errors}", flush=True)


@contextmanager
def _told_to_stop() -> Iterator[list[int]]:
    """Signals that came within the block: they end the waiting, not this process."""
    came: list[int] = []
    before = {n: signal.signal(n, lambda number, _: came.append(number)) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(crowd: Sequence[multiprocessing.Process], until: float) -> None:
    for process in crowd:
        if process.is_alive():
            process.terminate()
    for process in crowd:
        process.join(max(1.0, until - time.monotonic()))
        if process.is_alive():
            process.kill()


# --- what travels --------------------------------------------------------------------------------------------------


def collect(out: Path, to: Path) -> None:
    """One table instead of hundreds; `finished` is False for searches that only got so far."""
    done = [
        pd.read_csv(path, dtype={"cell": str}).assign(finished=True) for path in sorted((out / "rows").glob("*.csv"))
    ]
    known = {(table.arm.iloc[0], table.seed.iloc[0]) for table in done}
    begun = [part for folder in _unfinished(out) for part in _so_far(folder)]
    tables = done + [part for part in begun if (part.arm.iloc[0], part.seed.iloc[0]) not in known]
    if tables:
        pd.concat(tables, ignore_index=True).to_csv(to / "rows.csv.gz", index=False, float_format="%.5g")


def _so_far(job: Path) -> list[pd.DataFrame]:
    """The epochs that the search of an unfinished job has behind it; those of its selections begin anew."""
    arm, _, seed = job.name.rpartition("-")
    searches = [path for path in job.iterdir() if (path / "history.csv").exists() and not _is_selection(path)]
    results = [read_result(path, rebuild=lambda: None) for path in searches]
    return [rows(arm, int(seed), result).assign(finished=False) for result in results if len(result.history)]


def parcels(out: Path, to: Path) -> list[Path]:
    """Zip files of at most `PARCEL` bytes with everything that going on needs: rows, marks, unfinished runs.

    Of the runs as many as `AT_MOST` bytes hold, the most advanced first; the others begin anew.
    """
    files = [path for folder in ("rows", "done", "errors") for path in sorted((out / folder).iterdir())]
    room = AT_MOST
    for folder in sorted(_unfinished(out), key=lambda folder: -_epochs(folder)):
        parts = [path for run_ in folder.iterdir() for path in _worth(run_)]
        room -= sum(path.stat().st_size for path in parts)
        files += parts if room >= 0 else []
    for old in to.glob("state-*.zip"):
        old.unlink()
    made: list[Path] = []
    size = PARCEL
    for path in files:
        if size + path.stat().st_size > PARCEL:
            made.append(to / f"state-{len(made)}.zip")
            size = 0
        with zipfile.ZipFile(made[-1], "a", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, path.relative_to(out))
        size += path.stat().st_size
    return made


def _unfinished(out: Path) -> list[Path]:
    return [folder for folder in (out / "runs").iterdir() if not (out / "done" / folder.name).exists()]


def _epochs(job: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in job.glob("*/history.csv"))


def _worth(run_folder: Path) -> list[Path]:
    """The last checkpoint and the small files; nothing of a run without checkpoint, or of a selection whose rows are
    there."""
    newest = sorted(run_folder.glob("checkpoint-*.pt"))[-1:]
    if not newest or (_is_selection(run_folder) and read_json(run_folder / "record.json")["state"] == "finished"):
        return []
    return newest + [path for path in run_folder.iterdir() if path.suffix in (".csv", ".json", ".npz")]


def _is_selection(run_folder: Path) -> bool:
    return "after" in read_json(run_folder / "identity.json")["facts"]


def lay_out(state: Sequence[Path], out: Path) -> None:
    """Lay out what `parcels` packed; what lies there already stays."""
    for path in state:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(out, [name for name in archive.namelist() if not (out / name).exists()])


def from_command_line(arguments: Sequence[str] | None = None) -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m nasnb.workflow.crowd", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder of the runs")
    parser.add_argument("--data", required=True, help="an image set that nasnb.data.packed.pack wrote")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--minutes", type=float, default=1e6, help="stop in time, saving what runs")
    parser.add_argument("--plan", nargs="*", default=["all@0-7"], help="arms and seeds: core@0-5 or k4,k4-beta@3")
    parser.add_argument("--size", default="whole", choices=SIZES, help="channels and images of the searches")
    parser.add_argument("--changes", type=json.loads, default={}, help="of every config, as JSON")
    parser.add_argument("--state", type=Path, nargs="*", default=[], help="zip files of an earlier call")
    parser.add_argument("--to", type=Path, help="folder for rows.csv.gz and state-*.zip")
    a = parser.parse_args(arguments)
    where = {name: getattr(a, name) for name in ("data", "device", "plan", "size", "changes")} | {"out": str(a.out)}
    jobs(a.plan)  # refuses what it cannot read before anything starts
    a.out.mkdir(parents=True, exist_ok=True)
    lay_out(a.state, a.out)
    run(where, workers=a.workers, minutes=a.minutes)
    if a.to is not None:
        a.to.mkdir(parents=True, exist_ok=True)
        collect(a.out, a.to)
        parcels(a.out, a.to)


if __name__ == "__main__":
    from_command_line()
