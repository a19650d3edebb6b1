"""`python -m benchmarks.plan`: what many searches ask of a cluster: files, bytes, requests of the shared file system.

A tiny search is run here and every request that it makes of its folder is counted; the size of a checkpoint is that of
the real network. The rest is arithmetic over `Plan`, so that a cluster's own figures can be put in.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pandas as pd
import torch

from benchmarks.steps import noise_data, ready
from nasnb.config import SearchConfig
from nasnb.experiment import run_search
from nasnb.methods import METHODS
from nasnb.runs.files import write_whole
from tests.faults import failing


@dataclass(frozen=True)
class Plan:
    """What is to be run, and where. Times in minutes."""

    method: str = "darts-1st"
    searches: int = 1000
    cards: int = 64
    epoch: float = 3.0  # one epoch of a search
    start: float = 1.0  # a job: the scheduler, the imports, the data
    preempted: float = 1.0  # times a card and day, without warning
    poll: float = 1.0  # between two questions of the workflow engine to the scheduler


@dataclass(frozen=True)
class Needs:
    """Of one search, measured: requests whatever its length and per epoch, files at its end, bytes of a checkpoint."""

    fixed: float
    per_epoch: float
    files: int
    checkpoint: int


def needs(method: str) -> Needs:
    """Runs two tiny searches of different length, and one step of the real network."""
    with tempfile.TemporaryDirectory(prefix="plan-") as folder:
        short, long = (_requests(Path(folder) / str(epochs), epochs) for epochs in (2, 6))
        files = sum(path.is_file() for path in (Path(folder) / "6").rglob("*"))
    per_epoch = (long - short) / 4
    return Needs(short - 2 * per_epoch, per_epoch, files, _checkpoint(method))


def _requests(folder: Path, epochs: int) -> int:
    config = SearchConfig(epochs=epochs, cells=1, channels=4, batch_size=16, train_images=32)
    data = noise_data(64, torch.device("cpu"))
    with failing(folder, 0, 0) as disk:
        run_search(METHODS["darts-1st"].on("bench201"), data, config, runs_dir=folder)
    return disk.asked


def _checkpoint(name: str) -> int:
    method = METHODS[name]
    state = ready(method, replace(method.config, batch_size=2), torch.device("cpu"))
    images = torch.randn(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    batch = images, torch.arange(2)
    method.step(state, batch, lambda: batch)  # only now the optimisers have what they keep
    file = io.BytesIO()
    torch.save(state.state_dict(), file)
    return file.tell()


def told(plan: Plan, need: Needs) -> dict[str, str]:
    """The plan in numbers, in words that a table shows."""
    epochs = METHODS[plan.method].config.epochs
    minutes = plan.start + epochs * plan.epoch
    running = min(plan.cards, plan.searches)
    per_second = running * need.per_epoch / (60 * plan.epoch)
    written = plan.searches * epochs * need.checkpoint
    losses = {"without warning": plan.epoch / 2 + plan.start, "with the signal": plan.start}
    share = {how: plan.preempted * lost / (24 * 60) for how, lost in losses.items()}
    rounds = plan.searches * minutes / running
    return {
        "searches, cards": f"{plan.searches:,}, {plan.cards}",
        "epochs, minutes each": f"{epochs}, {plan.epoch:g}",
        "hours in all": f"{rounds * (1 + share['without warning']) / 60:,.0f}",
        "files at the end": f"{plan.searches * need.files:,} ({need.files} a search)",
        "a checkpoint": f"{need.checkpoint / 1e6:,.1f} MB, two of a run at a time",
        "held at the end": f"{2 * plan.searches * need.checkpoint / 1e9:,.1f} GB",
        "written in all": f"{written / 1e9:,.0f} GB, {written / rounds / 60 / 1e6:.2g} MB/s on average",
        "requests of the file system": f"{per_second:.1f} a second ({need.per_epoch:.0f} an epoch of a search)",
        "questions to the scheduler": f"{60 / plan.poll:.0f} an hour, whatever the number of jobs",
        **{
            f"lost if pre-empted {how}": f"{losses[how]:.1f} minutes each time, {100 * share[how]:.2f} % of the time"
            for how in losses
        },
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line: an option per entry of `Plan`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=__doc__.splitlines()[0])
    for entry in fields(Plan):
        parser.add_argument(f"--{entry.name}", type=type(entry.default), default=entry.default)
    parser.add_argument("--output", type=Path, help="file for the table; nothing is kept without")
    options = vars(parser.parse_args(arguments))
    output = options.pop("output")
    if options["method"] not in METHODS:
        parser.error(f"unknown method {options['method']!r}; known: {', '.join(METHODS)}")
    torch.set_num_threads(1)
    plan = Plan(**options)
    table = pd.DataFrame(told(plan, needs(plan.method)).items(), columns=["what", plan.method])
    print(table.to_string(index=False))
    if output:
        write_whole(output, table.to_csv(index=False, lineterminator=os.linesep).encode())


if __name__ == "__main__":
    main()
