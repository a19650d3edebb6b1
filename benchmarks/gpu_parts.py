"""What the record of a graphics card is made of. Every part yields rows; on a CPU the same work is done at toy size."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.bench import timed
from benchmarks.cases import CASES
from benchmarks.gpu_layers import Row, layers
from benchmarks.steps import VARIANTS, Size, noise_data, step_of
from nasnb.config import SearchConfig, TrainConfig
from nasnb.data import Data, load
from nasnb.methods import METHODS, Method
from nasnb.search import search
from nasnb.spaces import SPACES
from nasnb.training import prepare, train


@dataclass(frozen=True)
class Part:
    """`rows(device, toy)` does the work. What is `alone` is timed, so nothing else may run beside it."""

    name: str
    rows: Callable[[torch.device, bool], Iterator[Row]]
    seconds: float  # at most
    alone: bool = True


# --- does a replayed search compute what an eager one computes? ------------------------------------------------------

EQUAL = {
    "darts-1st": METHODS["darts-1st"],
    "darts-2nd": METHODS["darts-2nd"],
    "pc-darts": METHODS["pc-darts"],
    "stacnas": METHODS["stacnas"],
    "sdarts-rs": METHODS["sdarts-rs"],
    "msr-darts": METHODS["msr-darts"],
    "sgas": METHODS["sgas"],
    "sharpdarts": METHODS["sharpdarts"],
    "darts-s4": METHODS["darts-1st"].on("s4"),
    "bench201": METHODS["darts-1st"].on("bench201"),
    "bench201-2nd": METHODS["darts-2nd"].on("bench201"),
    "hypercuboid": METHODS["hypercuboid"],
}


def equal(name: str, device: torch.device, toy: bool) -> Iterator[Row]:
    """The same short search eagerly, recorded, and eagerly again: what two eager ones differ by is the yardstick."""
    torch.backends.cudnn.deterministic = True
    method, data = EQUAL[name], load("fashion-sample").resized(16).to(device)
    cells = 1 if "bench201" in name else 3
    config = replace(
        method.config,
        epochs=2,
        batch_size=64,
        train_images=200 if toy else 1280,
        cells=cells,
        pace=0.05,
        channels=8 if toy else 16,
        second_stage_cells=None,
    )
    runs = {}
    for variant, capture in (("eager", False), ("captured", True), ("again", False)):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            runs[variant] = _followed(method, data, replace(config, capture=capture))
        yield Row(name, variant, "seconds of the last epoch", runs[variant].epochs[-1].seconds)
        for text in sorted({str(warning.message)[:300] for warning in told}):
            yield Row(name, variant, "warning", text)
    for variant in ("captured", "again"):
        yield from _apart(name, variant, runs["eager"], runs[variant])


class _Followed(NamedTuple):
    """A search: the loss summed up to every step, its epochs, its weights and kernels in the end."""

    losses: list[float]
    epochs: list
    kernels: Tensor


def _followed(method: Method, data: Data, config: SearchConfig) -> _Followed:
    losses: list[float] = []
    epochs = list(search(method, data, config, on_step=lambda state: losses.append(state.tally.sums[0].item())))
    kernels = torch.cat([p.detach().flatten() for p in epochs[-1].state.net.parameters()])
    return _Followed(losses, epochs, kernels)


def _apart(name: str, variant: str, one: _Followed, other: _Followed) -> Iterator[Row]:
    for step in (1, 2, 3, 5, 8, len(one.losses)):
        if step <= len(one.losses):
            relative = abs(one.losses[step - 1] / other.losses[step - 1] - 1)
            yield Row(name, variant, f"loss apart after step {step}, relative", relative)
    ends = one.epochs[-1].weights, other.epochs[-1].weights
    yield Row(name, variant, "weights apart", max(float(abs(ends[0][g] - ends[1][g]).max()) for g in ends[0]))
    distance = (one.kernels - other.kernels).norm() / one.kernels.norm()
    yield Row(name, variant, "kernels apart, relative", distance.item())


def equal_training(device: torch.device, toy: bool) -> Iterator[Row]:
    """The same for the training of a final network, drop path and auxiliary head included."""
    torch.backends.cudnn.deterministic = True
    space, data = SPACES["darts"], load("fashion-sample").to(device)
    scores = {g: torch.rand(space.choices.shape(g)) for g in space.choices.groups}
    config = TrainConfig(epochs=2, batch_size=64, channels=8, cells=6, train_images=128 if toy else 1280)
    ends = {}
    for variant, capture in (("eager", False), ("captured", True), ("again", False)):
        state = prepare(space, space.discretise(scores), data, replace(config, capture=capture))
        ends[variant] = list(train(state))[-1]
        yield Row("training", variant, "seconds of the last epoch", ends[variant].seconds)
        yield Row("training", variant, "training loss", ends[variant].train.loss)


def tests(device: torch.device, toy: bool) -> Iterator[Row]:
    """The tests that are marked gpu."""
    mark = "gpu" if device.type == "cuda" else "not gpu and not slow"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-m",
        mark,
        "-p",
        "no:cacheprovider",
        "--tb=short",
        "tests/benchmarks",
        "tests/data/test_batches.py",
        "tests/runs/test_resume.py",
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    yield Row("tests", mark, "exit code", done.returncode)
    yield Row("tests", mark, "output", done.stdout[-6000:])


# --- steps ----------------------------------------------------------------------------------------------------------

_IN_BENCH201 = METHODS["darts-1st"].on("bench201")
STEPS: dict[str, tuple[Method, Size]] = {
    "bench201 16 px": (_IN_BENCH201, Size(batch=64, channels=16, cells=1, pixels=16)),
    "darts": (METHODS["darts-1st"], Size(batch=64, channels=16, cells=8)),
    "pc-darts": (METHODS["pc-darts"], Size(batch=256, channels=16, cells=8)),
    "bench201": (_IN_BENCH201, Size(batch=64, channels=16, cells=5)),
    "msr-darts": (METHODS["msr-darts"], Size(batch=128, channels=16, cells=8)),
    "overnight": (METHODS["darts-1st"], Size(batch=64, channels=8, cells=5, pixels=16)),
}
TOY = Size(batch=2, channels=8, cells=1, pixels=8)


def steps(name: str, device: torch.device, toy: bool) -> Iterator[Row]:
    """Seconds and memory of one step under every variant, timed in rounds so that neighbours share the machine."""
    method, size = STEPS[name]
    size = replace(TOY, cells=min(size.cells, 3)) if toy else size
    work = {}
    for variant in VARIANTS:
        try:
            run = step_of(method, size, VARIANTS[variant], device)
            yield Row(name, variant, "memory in MB", _added_memory(run, device))
            work[variant] = run
        except RuntimeError as error:  # a variant that cannot be recorded leaves the others alone
            yield Row(name, variant, "error", str(error)[:1500])
    for variant, seconds in timed(work, device, 2 if toy else 9).items():
        yield Row(name, variant, "seconds", sorted(seconds)[len(seconds) // 2])


def _added_memory(run: Callable[[], Any], device: torch.device) -> float | None:
    if device.type != "cuda":
        run()
        return None
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    for _ in range(3):
        run()
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 1e6


def kernels(name: str, variant: str, device: torch.device, toy: bool) -> Iterator[Row]:
    """Which kernels a step launches, how often, how long they run; the longest first."""
    method, size = STEPS[name]
    run = step_of(method, replace(TOY, cells=3) if toy else size, VARIANTS[variant], device)
    for _ in range(3):
        run()
    activity = torch.profiler.ProfilerActivity
    watched = [activity.CPU, activity.CUDA] if device.type == "cuda" else [activity.CPU]
    with torch.profiler.profile(activities=watched) as seen:
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    on_device = [e for e in seen.key_averages() if e.device_type.name == ("CUDA" if device.type == "cuda" else "CPU")]
    time = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    on_device.sort(key=lambda event: -getattr(event, time))
    yield Row(name, variant, "kernels", sum(event.count for event in on_device))
    yield Row(name, variant, "device ms", sum(getattr(event, time) for event in on_device) / 1e3)
    for event in on_device[:28]:
        yield Row(name, variant, f"us in {event.count} x {event.key[:150]}", round(getattr(event, time), 1))


# --- the rest of the bench, many searches at once, whole searches -----------------------------------------------------


def case(name: str, device: torch.device, toy: bool) -> Iterator[Row]:
    """A case of `make bench` that is no search step."""
    work = {variant: CASES[name].build(variant, device) for variant in ("plain", "ours")}
    for variant, seconds in timed(work, device, 1 if toy else 5).items():
        yield Row(name, variant, "seconds", sorted(seconds)[len(seconds) // 2])


def many(n: int, capture: bool, device: torch.device, toy: bool) -> Iterator[Row]:
    """NAS-Bench-201 searches in as many processes on one card: what they do together in a second."""
    context = multiprocessing.get_context("spawn")
    n = 2 if toy else n
    start, answers = context.Barrier(n), context.Queue()
    workers = [
        context.Process(target=_one_of_many, args=(seed, str(device), toy, capture, start, answers))
        for seed in range(n)
    ]
    for worker in workers:
        worker.start()
    epochs = [answers.get() for _ in workers]
    for worker in workers:
        worker.join()
    variant = f"{n} {'captured' if capture else 'eager'}"
    yield Row("many", variant, "seconds of an epoch", sum(epochs) / n)
    yield Row("many", variant, "epochs per second, together", sum(1 / seconds for seconds in epochs))


def _one_of_many(seed: int, device: str, toy: bool, capture: bool, start, answers) -> None:
    torch.set_num_threads(1)
    data = load("fashion-sample").resized(16).to(device)
    config = replace(
        _IN_BENCH201.config,
        channels=4 if toy else 16,
        cells=1,
        epochs=2 if toy else 8,
        seed=seed,
        capture=capture,
        train_images=256 if toy else None,
    )
    running = search(_IN_BENCH201, data, config)
    next(running)
    start.wait()
    seconds = sorted(epoch.seconds for epoch in running)
    answers.put(seconds[len(seconds) // 2])


def whole_search(name: str, device: torch.device, toy: bool, *, folder: str | None = None, **changes) -> Iterator[Row]:
    """A search from its first epoch to its last; data on the device."""
    method = METHODS[name]
    data = load("fashion-sample") if folder is None else load("imagefolder", data_dir=folder)
    small = {"epochs": 2, "train_images": 64, "cells": 3, "channels": 8, "batch_size": 16} if toy else {}
    config = replace(method.config, **{**changes, **small, "capture": True})
    total = 0.0
    for epoch in search(method, data.to(device), config):
        total += epoch.seconds
        yield Row(name, config.precision, f"validation accuracy after epoch {epoch.number}", epoch.valid.accuracy)
        yield Row(name, config.precision, f"seconds of epoch {epoch.number}", epoch.seconds)
        if epoch.number == config.epochs:
            yield Row(name, config.precision, "seconds", total)
            yield Row(name, config.precision, "genotype", json.dumps(epoch.genotype.to_dict()))


def epochs_of(name: str, precision: str, device: torch.device, toy: bool) -> Iterator[Row]:
    """Epochs of a paper's search at its own size, alpha learning from the first; random images cost what real ones do.

    The first one also loads what is loaded lazily.
    """
    method = METHODS[name]
    small = {"cells": 3, "channels": 8, "batch_size": 16} if toy else {}
    precision = "float32" if toy else precision  # in bf16, two channels on a CPU are not a number after two steps
    config = replace(method.config, epochs=3, pace=0.0, precision=precision, capture=True, **small)
    for epoch in search(method, noise_data(64 if toy else 50_000, device), config):
        yield Row(name, precision, f"seconds of epoch {epoch.number}", epoch.seconds)


def parts(folder: str | None) -> dict[str, Part]:
    """In the order of their worth."""
    listed = [Part(f"equal {name}", partial(equal, name), 90, alone=False) for name in EQUAL]
    listed += [Part("equal training", equal_training, 90, alone=False)]
    for name in ("darts", "pc-darts"):
        listed.append(Part(f"steps {name}", partial(steps, name), 70))
        listed.append(Part(f"kernels {name} ours", partial(kernels, name, "ours"), 30))
    listed += [Part("kernels darts ours bf16", partial(kernels, "darts", "ours bf16"), 30), Part("layers", layers, 45)]
    listed += [Part("epochs pc-darts bf16", partial(epochs_of, "pc-darts", "bf16"), 80)]
    listed += [Part(f"steps {name}", partial(steps, name), 60) for name in ("bench201 16 px", "msr-darts", "bench201")]
    listed += [Part("pt-normal", partial(case, "pt-normal"), 40), Part("data", partial(case, "data"), 40)]
    listed += [Part("kernels bench201 16 px ours", partial(kernels, "bench201 16 px", "ours"), 30)]
    listed += [Part("kernels darts plain", partial(kernels, "darts", "plain"), 30), Part("tests", tests, 240)]
    listed += [Part(f"many {n}", partial(many, n, True), 60) for n in (1, 4, 12)]
    listed += [Part("search pc-darts", partial(whole_search, "pc-darts", folder=folder, precision="bf16"), 560)]
    return {part.name: part for part in listed}
