"""`python -m benchmarks.growth`: how seconds and bytes grow with each size of a search, an analysis, a runs folder.

One size at a time, the others as in `BASE`. Processor seconds, not the clock's: another program beside this one
changes them little. Exponents are slopes between logarithms, with their 95 % intervals.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy import stats

from benchmarks.steps import VARIANTS, Size, noise_data, ready, step_of
from nasnb.analysis.stacnas import operator_correlations
from nasnb.config import SearchConfig
from nasnb.data import Data
from nasnb.evaluation import evaluate
from nasnb.experiment import run_search
from nasnb.methods import METHODS, Method
from nasnb.plots.curves import plot_small_multiples
from nasnb.plots.style import svg, use_style
from nasnb.runs.files import write_whole
from nasnb.runs.kept import keep, kept
from nasnb.runs.record import environment, now
from nasnb.runs.table import find_runs
from nasnb.search import SearchState
from nasnb.search.strengths import masked_scores
from nasnb.spaces import with_nodes
from nasnb.supernet.memory import need
from nasnb.supernet.partial_channels import partial_channels
from nasnb.workflow.row import plan_as_json
from nasnb.workflow.sweep_file import read_sweep

CPU = torch.device("cpu")
BASE = Size(batch=32, channels=16, cells=5, pixels=16)
DARTS, PC_DARTS = METHODS["darts-1st"], METHODS["pc-darts"]
Work = Callable[[], Any]


@dataclass(frozen=True)
class Factor:
    """`work(value)` makes a function that does it once; `memory(value)` are its bytes, "peak" those of a process."""

    name: str
    values: Sequence[int]
    work: Callable[[int], Work]
    memory: Callable[[int], int] | str | None = None


# --- a search step --------------------------------------------------------------------------------------------------


def _step(method: Method = DARTS, **sizes: int) -> Work:
    return step_of(method, replace(BASE, **sizes), VARIANTS["ours"], CPU)


def _step_bytes(method: Method = DARTS, **sizes: int) -> int:
    """Weights, gradients, momentum, and what the backward pass keeps: counted, not measured."""
    size = replace(BASE, **sizes)
    net = ready(method, _config(method, size), CPU).net
    weights = {group: torch.ones(method.space.choices.shape(group)) for group in method.space.choices.groups}
    return need(net, (3, size.pixels, size.pixels), weights if method is not PC_DARTS else None).of(size.batch)


def _config(method: Method, size: Size) -> SearchConfig:
    sizes = {"batch_size": size.batch, "channels": size.channels, "cells": size.cells}
    return replace(method.config, second_stage_cells=None, **sizes)


def _of_step(name: str, key: str, values: Sequence[int]) -> Factor:
    return Factor(name, values, lambda value: _step(**{key: value}), lambda value: _step_bytes(**{key: value}))


def _nodes(nodes: int) -> Method:
    return replace(DARTS, space=with_nodes(DARTS.space, nodes))


def _partial(k: int) -> Method:
    return replace(PC_DARTS, mix=partial_channels(k))


# --- analyses -------------------------------------------------------------------------------------------------------


def _trained(images: int) -> tuple[SearchState, Data]:
    state = ready(DARTS, _config(DARTS, replace(BASE, batch=64)), CPU)
    return state, noise_data(images, CPU)


def _evaluation(images: int) -> Work:
    state, data = _trained(images)
    weights = state.weights()
    return lambda: evaluate(lambda x: state.net(x, weights), data.test, data, batch_size=64)


def _correlation(images: int) -> Work:
    state, data = _trained(images)
    batches = list(zip(data.test.images.split(64), data.test.labels.split(64), strict=True))
    stream = lambda: ((x.float() / 255, y) for x, y in batches)  # noqa: E731
    return lambda: operator_correlations(state.net, stream(), state.weights())


def _masks(masks: int, images: int = 64) -> Work:
    state, data = _trained(images)
    state = replace(state, valid=data.test)
    return lambda: masked_scores(state, "normal", [[(6, op)] for op in range(masks)])


# --- folders --------------------------------------------------------------------------------------------------------


def _listing(runs: int) -> Work:
    """A folder with copies of one finished search, without what is only read when a run is opened."""
    folder = Path(tempfile.mkdtemp(prefix="growth-"))
    data = noise_data(64, CPU)
    config = SearchConfig(epochs=1, cells=1, channels=4, batch_size=16, train_images=32)
    found = run_search(METHODS["darts-1st"].on("bench201"), data, config, runs_dir=folder / "one")
    for number in range(runs):
        copy = folder / "runs" / f"{found.folder.name}-{number}"
        copy.mkdir(parents=True)
        for name in ("record.json", "identity.json"):
            shutil.copy(found.folder / name, copy / name)
    assert len(find_runs(folder / "runs")) == runs
    return _as_long_as(folder, lambda: find_runs(folder / "runs"))


def _plan(rows: int) -> Work:
    folder = Path(tempfile.mkdtemp(prefix="growth-"))
    sweep = folder / "many.yaml"
    sweep.write_text(
        f"title: many\nparameters: {{preset: smoke}}\nsteps:\n  - {{name: s, notebook: stages/search, seeds: {rows}}}\n"
    )
    return _as_long_as(folder, lambda: plan_as_json(read_sweep(sweep)))


def _as_long_as(folder: Path, work: Work) -> Work:
    """The work, with which the folder goes."""
    weakref.finalize(work, shutil.rmtree, folder)
    return work


FACTORS: dict[str, Factor] = {
    factor.name: factor
    for factor in (
        _of_step("channels", "channels", (8, 16, 32, 64)),
        _of_step("cells", "cells", (3, 5, 8, 12)),
        Factor("nodes", (2, 3, 4, 6), lambda n: _step(_nodes(n)), lambda n: _step_bytes(_nodes(n))),
        _of_step("pixels a side", "pixels", (8, 12, 16, 24, 32, 48)),
        _of_step("batch", "batch", (8, 16, 32, 64, 128)),
        Factor("K of PC-DARTS", (1, 2, 4, 8), lambda k: _step(_partial(k)), lambda k: _step_bytes(_partial(k))),
        Factor("masks of DARTS-PT", (1, 2, 4, 8), _masks, "peak"),
        Factor("images masked", (64, 256, 1024), lambda n: _masks(2, n), "peak"),
        Factor("images evaluated", (64, 256, 1024, 2048), _evaluation, "peak"),
        Factor("images correlated", (64, 256, 1024, 2048), _correlation, "peak"),
        Factor("runs in a folder", (200, 2000, 20000), _listing),
        Factor("rows of a sweep", (200, 2000, 20000), _plan),
    )
}


# --- measuring ------------------------------------------------------------------------------------------------------


def measure(factor: Factor, repeats: int) -> Iterator[dict[str, Any]]:
    """A row per value. Every round takes all values once, so that they share what else the machine is doing."""
    work = {value: factor.work(value) for value in factor.values}
    seconds: dict[int, list[float]] = {value: [] for value in work}
    for number in range(-1, repeats):
        for value, run in work.items():
            gc.collect()
            started = time.process_time()
            run()
            if number >= 0:
                seconds[value].append(time.process_time() - started)
    for value, times in seconds.items():
        memory = _peak(factor.name, value) if factor.memory == "peak" else factor.memory and factor.memory(value)
        spread = max(times) - min(times)
        yield {
            "size": factor.name,
            "value": value,
            "seconds": statistics.median(times),
            "spread": spread,
            "megabytes": None if memory is None else memory / 1e6,
            "n": repeats,
        }


def _peak(name: str, value: int) -> int:
    command = [sys.executable, "-m", "benchmarks.growth", "--memory-of", name, str(value)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def added_memory(factor: Factor, value: int) -> int:
    """Bytes that the work adds to this process at its peak, which has done nothing else since it began."""
    run = factor.work(value)
    with open("/proc/self/clear_refs", "w") as peak:
        peak.write("5")  # the peak starts again from what is held now: the images among it
    before = _status("VmRSS")
    run()
    return _status("VmHWM") - before


def _status(entry: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(entry)).split()[1])


def exponents(table: pd.DataFrame) -> pd.DataFrame:
    """Per size: how seconds and bytes grow, as powers of it, over the values that were measured."""
    rows = []
    for size, part in table.groupby("size", sort=False):
        row = {"size": size, "from": part.value.min(), "to": part.value.max()}
        for column in ("seconds", "megabytes"):
            row[column] = _power(part.value, part[column]) if part[column].notna().all() else ""
        rows.append(row)
    return pd.DataFrame(rows)


def _power(x: pd.Series, y: pd.Series) -> str:
    fit = stats.linregress(np.log(x), np.log(y))
    half = stats.t.ppf(0.975, len(x) - 2) * fit.stderr
    return f"{fit.slope:.2f} ± {half:.2f}"


def plot(table: pd.DataFrame) -> plt.Figure:
    """Seconds of every size over its value, relative to the smallest, beside the line of slope 1."""

    def draw(part: pd.DataFrame, ax: plt.Axes) -> None:
        x = part.value / part.value.min()
        ax.plot(x, x, color="0.6", linewidth=1, linestyle=":", label="proportional")
        ax.plot(x, part.seconds / part.seconds.iloc[0], "o-", label="seconds")
        if part.megabytes.notna().all():
            ax.plot(x, part.megabytes / part.megabytes.iloc[0], "s--", label="memory")
        ax.set(xscale="log", yscale="log")

    figure = plot_small_multiples(table, by="size", draw=draw, columns=3, height=1.9)
    figure.supxlabel("times the smallest value"), figure.supylabel("times its cost")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def write(table: pd.DataFrame, seconds: float, figures: Path) -> None:
    """The figure with its numbers and record, and the exponents as a table of the page."""
    use_style()
    fits = exponents(table)
    said = "; ".join(f"{row['size']} {row.seconds}" for _, row in fits.iterrows())
    record = environment(CPU) | {"data": "random numbers", "seed": None, "seconds": seconds, "measured": now()}
    record |= {"config": {"base": BASE.__dict__, "threads": 1, "statistic": "median processor seconds"}}
    record |= {"load": os.getloadavg()}
    record["alt"] = f"Cost over size, both relative to the smallest, in logarithms. Exponents of the seconds: {said}."
    record["scale"] = f"One thread, batch {BASE.batch}, {BASE.channels} channels, {BASE.cells} cells, {BASE.pixels} px"
    keep("bench/growth", svg(plot(table)), table, record, figures_dir=figures)
    write_whole(figures / "bench" / "growth-exponents.csv", fits.to_csv(index=False).encode())


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="*", choices=list(FACTORS), help="which; all of them if left out")
    parser.add_argument("--repeats", type=int, default=5, help="rounds that count")
    parser.add_argument("--output", type=Path, default=Path("figures"), help="folder of the kept result")
    parser.add_argument("--memory-of", nargs=2, metavar=("SIZE", "VALUE"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if options.memory_of:
        name, value = options.memory_of
        print(added_memory(FACTORS[name], int(value)))
        return
    started, rows = time.monotonic(), []
    for name in options.sizes or FACTORS:
        rows += measure(FACTORS[name], options.repeats)
        print(pd.DataFrame(rows[-len(FACTORS[name].values) :]).to_string(index=False), flush=True)
    seconds = round(time.monotonic() - started, 1)
    write(_with_others(pd.DataFrame(rows), options.output), seconds, options.output)


def _with_others(measured: pd.DataFrame, figures: Path) -> pd.DataFrame:
    """The sizes that were measured earlier stay, in their order."""
    old = kept("bench/growth", figures_dir=figures)
    if old is None:
        return measured
    both = pd.concat([old.table[~old.table["size"].isin(measured["size"])], measured])
    return both.sort_values("size", key=lambda names: names.map(list(FACTORS).index), kind="stable")


if __name__ == "__main__":
    main()
