"""`python -m benchmarks.rival PATH`: a search step of somebody else's checkout beside ours, in turn, at equal sizes.

PATH is a checkout of quark0/darts or of a code grown from it (PC-DARTS and others): a folder with a `model_search.py`
whose `Network(channels, classes, cells, criterion)` has `_loss` and `arch_parameters`. Or it is `FILE.py:FUNCTION`, a
function of your own: `function(batch, channels, cells, pixels, device)` returns one that takes a step, whatever the
code; what it leaves out of that code it says in `function.stubbed`. Nothing of the checkout is kept, only its seconds.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import nn

from benchmarks.bench import timed
from benchmarks.steps import VARIANTS, Size, step_of
from nasnb.methods import METHODS, Method
from nasnb.runs.files import write_json, write_whole
from nasnb.runs.record import environment, now

OWN_MODULES = ("model_search", "operations", "genotypes", "utils", "architect")  # names that such checkouts share
Work = Callable[[], Any]


class Rival(NamedTuple):
    """`step(size, device)` makes a function that takes one; `method` is ours of the same algorithm."""

    name: str
    method: Method
    step: Callable[[Size, torch.device], Work]
    stubbed: str


def find(path: str) -> Rival:
    """The rival at a path. Raises ValueError saying what was looked for where there is none."""
    file, _, function = path.partition(".py:")
    if function:
        make = getattr(_load(Path(f"{file}.py")), function, None)
        if make is None:
            raise ValueError(f"{file}.py has no function {function}")
        step = lambda size, device: make(size.batch, size.channels, size.cells, size.pixels, device)  # noqa: E731
        stubbed = getattr(make, "stubbed", "nothing")
        return Rival(f"{Path(file).name}:{function}", METHODS["darts-1st"], step, stubbed)
    folder = next((at for at in (Path(path), Path(path) / "cnn") if (at / "model_search.py").exists()), None)
    if folder is None:
        raise ValueError(
            f"{path} holds no model_search.py, nor does its folder cnn: name a checkout of quark0/darts or of a code "
            "grown from it, or FILE.py:FUNCTION with a function that makes a step"
        )
    with _importing(folder):
        module = _load(folder / "model_search.py")
    method = METHODS["pc-darts" if hasattr(module, "channel_shuffle") else "darts-1st"]
    name = f"{Path(path).resolve().name} {_commit(folder)}".strip()
    return Rival(name, method, lambda size, device: _official(module, size, device), ".cuda(), where there is no card")


def _official(module: ModuleType, size: Size, device: torch.device) -> Work:
    """First order, as such codes' architect.py and train_search.py take a step, at DARTS' rates."""
    with _without_card(device):
        net = module.Network(size.channels, 10, size.cells, nn.CrossEntropyLoss()).to(device)
    alpha = torch.optim.Adam(net.arch_parameters(), lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)
    weights = torch.optim.SGD(net.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
    images = torch.randn(size.batch, 3, size.pixels, size.pixels, device=device)
    labels = torch.arange(size.batch, device=device) % 10

    def take() -> None:
        with _without_card(device):
            alpha.zero_grad()
            net._loss(images, labels).backward()
            alpha.step()
            weights.zero_grad()
            net._loss(images, labels).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            weights.step()

    return take


@contextmanager
def _without_card(device: torch.device) -> Iterator[None]:
    """On a processor, `.cuda()` gives back what it was called on."""
    with ExitStack() as stubs:
        if device.type == "cpu":
            for owner in (torch.Tensor, nn.Module):
                stubs.enter_context(mock.patch.object(owner, "cuda", lambda self, *_, **__: self))
        yield


@contextmanager
def _importing(folder: Path) -> Iterator[None]:
    """Its modules import each other by bare names; afterwards none of these is left for others to find."""
    before = {name: sys.modules.pop(name, None) for name in OWN_MODULES}
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def _load(file: Path) -> ModuleType:
    if not file.exists():
        raise ValueError(f"there is no file {file}")
    spec = importlib.util.spec_from_file_location(f"rival_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _commit(folder: Path) -> str:
    done = subprocess.run(["git", "-C", str(folder), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip()


def beside(rival: Rival, size: Size, device: torch.device, repeats: int) -> dict[str, Any]:
    """Seconds of both steps, on a processor those of its own, and the median of the ratios of neighbours in time."""
    ours = step_of(rival.method, size, VARIANTS["captured" if device.type == "cuda" else "ours"], device)
    clock = time.perf_counter if device.type == "cuda" else time.process_time  # of a processor, whatever else it does
    times = timed({"rival": rival.step(size, device), "ours": ours}, device, repeats, clock=clock)
    ratios = [theirs / own for theirs, own in zip(times["rival"], times["ours"], strict=True)]
    return {
        "rival": rival.name,
        "method": rival.method.name,
        **size.__dict__,
        "rival_seconds": round(statistics.median(times["rival"]), 4),
        "our_seconds": round(statistics.median(times["ours"]), 4),
        "times_faster": round(statistics.median(ratios), 3),
        "least": round(min(ratios), 3),
        "most": round(max(ratios), 3),
        "n": repeats,
        "stubbed": rival.stubbed,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rival", description=__doc__.splitlines()[0])
    parser.add_argument("path", help="a checkout, or FILE.py:FUNCTION")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5, help="rounds that count")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    parser.add_argument("--output", type=Path, help="folder for rivals.csv and rivals.json; nothing is kept without")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    device, started = torch.device(options.device), time.monotonic()
    try:
        rival = find(options.path)
    except ValueError as error:
        parser.error(str(error))
    row = beside(rival, Size(options.batch, options.channels, options.cells, options.pixels), device, options.repeats)
    print("\n".join(f"{name:14} {value}" for name, value in row.items()))
    if options.output:
        _write(row, device, time.monotonic() - started, options.output)


def _write(row: dict[str, Any], device: torch.device, seconds: float, folder: Path) -> None:
    """One line per rival and size; a new one takes the place of an old one."""
    folder.mkdir(parents=True, exist_ok=True)
    file, key = folder / "rivals.csv", ("rival", "batch", "channels", "cells", "pixels")
    known = list(csv.DictReader(io.StringIO(file.read_text()))) if file.exists() else []
    rows = [old for old in known if [old[k] for k in key] != [str(row[k]) for k in key]] + [row]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(row), lineterminator="\n")
    writer.writeheader(), writer.writerows(rows)
    write_whole(file, text.getvalue().encode())
    origin = environment(device) | {"measured": now(), "seconds": round(seconds, 1), "load": os.getloadavg()}
    write_json(file.with_suffix(".json"), origin | {"data": "random numbers", "seed": None})


if __name__ == "__main__":
    main()
