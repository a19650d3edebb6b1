"""`python -m benchmarks.work`: what searches and trainings at the papers' scale have to compute, and so may cost.

Multiply-adds of an image and forward passes of a step are counted, each pass with a backward pass of twice its work.
Hours are those of a card that works as fast as the one of DARTS, whose price is published.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pandas as pd
import torch

from benchmarks.steps import ready
from nasnb.architecture import Genotype
from nasnb.config import SearchConfig, TrainConfig
from nasnb.data import n_batches
from nasnb.methods import METHODS, Method
from nasnb.published.genotypes import GENOTYPES
from nasnb.published.numbers import published_value
from nasnb.runs.files import write_whole
from nasnb.supernet.counts import count

CPU = torch.device("cpu")
IMAGES = 50_000  # CIFAR-10's training part
FORWARD_AND_BACKWARD = 3  # a forward pass, and the gradients of inputs and weights
CELLS = {  # a published cell of each paper, whose final training is priced
    "darts-1st": "DARTS_V1",
    "darts-2nd": "DARTS_V2",
    "sharpsepconv-darts": "SHARPSEPCONV_DARTS",
    "sharpdarts": "SHARP_DARTS",
    "pc-darts": "PC_DARTS_cifar",
    "stacnas": "STACNAS_CIFAR10",
    "msr-darts": "MSRDARTS",
}
PUBLISHED = {  # paper, table, row with the GPU days of the search; and of how many searches those are
    "darts-1st": ("DARTS", "Table 1", "DARTS (1st order)", 4),
    "darts-2nd": ("DARTS", "Table 1", "DARTS (2nd order)", 4),
    "sharpsepconv-darts": ("sharpDARTS", "Table 2", "SharpSepConvDARTS", 1),
    "sharpdarts": ("sharpDARTS", "Table 2", "sharpDARTS", 1),
    "pc-darts": ("PC-DARTS", "Table 1", "PC-DARTS", 1),
    "stacnas": ("StacNAS", "Table 3", "StacNAS (base)", 1),
    "msr-darts": ("MSR-DARTS", "Table 2", "MSR-DARTS", 1),
    "darts-pt": ("DARTS-PT", "Table 2", "DARTS+PT (average)", 1),
    "sdarts-rs-pt": ("DARTS-PT", "Table 2", "SDARTS-RS+PT (average)", 1),
}


@dataclass(frozen=True)
class Work:
    """Of one search: multiply-adds of an image's forward pass, forward passes of a step, and the total."""

    method: str
    epochs: int
    per_image: float
    passes_per_step: float
    total: float


def search_work(method: Method) -> Work:
    """Both stages where there are two, and the tuning and the masks where operations are selected after the search."""
    parts = [_stage(method, config) for config in _stages(method)]
    total = sum(part.total for part in parts)
    selection = 0 if method.select is None else method.select(method, method.config).end - method.config.epochs
    if selection:
        one = parts[0]
        tuning = selection * _images(method.config) * one.passes_per_step * FORWARD_AND_BACKWARD * one.per_image
        total += tuning + _masks(method) * (IMAGES - _images(method.config)) * one.per_image
    epochs = sum(part.epochs for part in parts) + selection
    return replace(parts[0], epochs=epochs, total=total)


def _stages(method: Method) -> list[SearchConfig]:
    config = method.config
    if method.then is None:
        return [config]
    return [config, replace(config, cells=config.second_stage_cells or config.cells)]


def _stage(method: Method, config: SearchConfig) -> Work:
    net = ready(method, _small(config), CPU).net
    per_image = count(net, choices=method.space.choices).multiply_adds
    passes = sum(_passes(method, config)) / config.epochs
    total = config.epochs * _images(config) * passes * FORWARD_AND_BACKWARD * per_image
    return Work(method.name, config.epochs, per_image, passes, total)


def _small(config: SearchConfig) -> SearchConfig:
    """For two images, half of them held out if some are."""
    fraction = 1.0 if config.train_fraction == 1 else 0.5
    return replace(config, batch_size=2, train_fraction=fraction, second_stage_cells=None)


def _images(config: SearchConfig) -> int:
    """Seen by the weights in an epoch; whole batches, as the steps are."""
    return n_batches(int(IMAGES * config.train_fraction), config.batch_size) * config.batch_size


def _masks(method: Method) -> int:
    return sum(len(edge.ops) for edges in method.space.choices.groups.values() for edge in edges)


def _passes(method: Method, config: SearchConfig) -> Iterator[int]:
    """Forward passes of a step in every epoch: fewer before alpha learns. The epoch where that changes is bisected."""
    first, last = _passes_at(method, config, 0), _passes_at(method, config, config.epochs - 1)
    low, high = 0, config.epochs - 1  # as at first, as at last
    while first != last and high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _passes_at(method, config, middle) == first else (low, middle)
    yield from (first if epoch <= low and first != last else last for epoch in range(config.epochs))


def _passes_at(method: Method, config: SearchConfig, epoch: int) -> int:
    state, seen = ready(method, replace(_small(config), channels=8, cells=3), CPU), []  # their number stays
    state.epoch = epoch
    state.net.register_forward_hook(lambda *_: seen.append(1))
    batch = torch.randn(2, 3, 32, 32), torch.arange(2)
    method.step(state, batch, lambda: batch)
    return len(seen)


def training_work(method: Method, genotype: Genotype, config: TrainConfig | None = None) -> float:
    """Multiply-adds of a final training, by default the paper's; the auxiliary head is left out, as in all counts."""
    c = config or method.training
    space = method.final or method.space
    net = space.network(genotype, channels=c.channels, cells=c.cells, classes=10, auxiliary=False)
    return c.epochs * IMAGES * FORWARD_AND_BACKWARD * count(net).multiply_adds


def published_hours(name: str) -> float:
    """Of one search, as the paper says."""
    *where, searches = PUBLISHED[name]
    return 24 * published_value(*where, "gpu_days") / searches


@cache
def search_rate() -> float:
    """Hours per multiply-add of a search, on the card of DARTS."""
    return published_hours("darts-1st") / search_work(METHODS["darts-1st"]).total


@cache
def training_rate() -> float:
    """Hours per multiply-add of a final training, on the same card: a plain network uses it several times better."""
    days = published_value("DARTS", "text", "final training (CIFAR-10)", "training_gpu_days")
    return 24 * days / training_work(METHODS["darts-2nd"], GENOTYPES["DARTS_V2"])


def table(methods: Sequence[str]) -> pd.DataFrame:
    """A line per method; hours at the rate that DARTS of first order had, from its published price."""
    per_search, per_training = search_rate(), training_rate()
    lines = []
    for name in methods:
        work, cell = search_work(METHODS[name]), CELLS.get(name)
        trained = training_work(METHODS[name], GENOTYPES[cell]) if cell else float("nan")
        lines.append(
            {
                "method": name,
                "epochs": work.epochs,
                "passes a step": round(work.passes_per_step, 2),
                "multiply-adds an image (M)": round(work.per_image / 1e6, 1),
                "search (10^15)": round(work.total / 1e15, 2),
                "search (GPU hours)": round(per_search * work.total, 1),
                "published": round(published_hours(name), 1) if name in PUBLISHED else None,
                "training (10^15)": round(trained / 1e15, 1),
                "training (GPU hours)": round(per_training * trained, 1),
            }
        )
    return pd.DataFrame(lines)


SHOWN = tuple(PUBLISHED)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.work", description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", default=SHOWN, help="names in METHODS")
    parser.add_argument("--output", type=Path, help="file for the table; nothing is kept without")
    options = parser.parse_args(arguments)
    found = table(options.methods)
    print(found.to_string(index=False))
    if options.output:
        write_whole(options.output, found.to_csv(index=False, lineterminator=os.linesep).encode())


if __name__ == "__main__":
    main()
