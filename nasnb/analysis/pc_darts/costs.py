"""What partial channels save: memory, batch size, multiply-adds and time, per K (PC-DARTS, section 3.2)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from nasnb.architecture import Choices
from nasnb.config import SearchConfig
from nasnb.data import Data
from nasnb.published.genotypes import GENOTYPES
from nasnb.search import SearchState, begin
from nasnb.spaces import Space
from nasnb.supernet.counts import count
from nasnb.supernet.memory import need
from nasnb.supernet.partial_channels import partial_channels


def supernet_costs(
    space: Space,
    *,
    ks: Sequence[int],
    channels: int,
    cells: int,
    classes: int,
    image_size: tuple[int, int, int],
    capacity: int,
    stem: str = "cifar",
) -> pd.DataFrame:
    """Per K: parameters, multiply_adds of an image, bytes_per_image kept for the backward pass, and the batch_size
    that `capacity` bytes hold. Exact, and nothing is computed: the paper's own sizes can be asked for anywhere.
    """
    rows, weights = [], _equal_weights(space.choices)
    for k in ks:
        net = space.supernet(
            channels=channels,
            cells=cells,
            classes=classes,
            mix=partial_channels(k),
            stem=stem,
            image_channels=image_size[0],
        )
        counts, needed = count(net, image_size, space.choices), need(net, image_size, weights)
        batch_size = max(0, (capacity - needed.fixed) // needed.per_image)
        rows.append((k, counts.parameters, counts.multiply_adds, needed.per_image, batch_size))
    return pd.DataFrame(rows, columns=["k", "parameters", "multiply_adds", "bytes_per_image", "batch_size"])


def _equal_weights(choices: Choices) -> dict[str, Tensor]:
    shapes = {group: choices.shape(group) for group in choices.groups}
    return {group: torch.full(shape, 1 / shape[1]) for group, shape in shapes.items()}


def search_totals(
    costs: pd.DataFrame, *, images: int = 50_000, epochs: int = 50, warmup: int = 15, batch: int = 64
) -> pd.DataFrame:
    """What a whole search takes, exactly: rows of `supernet_costs`, each K with a batch of `batch` times K.

    K, batch_size, weight_steps and alpha_steps (half of the images trains each; alpha rests in the warm-up),
    multiply_adds of all passes (a backward one counts twice a forward one), and the bytes that a step keeps.
    """
    size = batch * costs.k
    per_epoch = (images // 2 + size - 1) // size
    seen = images // 2 * (2 * epochs - warmup)
    return pd.DataFrame(
        {
            "K": costs.k,
            "batch_size": size,
            "weight_steps": epochs * per_epoch,
            "alpha_steps": (epochs - warmup) * per_epoch,
            "multiply_adds": 3 * seen * costs.multiply_adds,
            "bytes_per_step": size * costs.bytes_per_image,
        }
    )


def times_less(costs: pd.DataFrame) -> pd.DataFrame:
    """Rows of `supernet_costs` by K: by how many times less than the first row, in what is counted per image."""
    counted = costs.set_index("k")[["bytes_per_image", "multiply_adds", "parameters"]]
    return counted.iloc[0] / counted


def cost_table(costs: pd.DataFrame, *, gigabytes: float) -> pd.DataFrame:
    """`supernet_costs` and `search_totals` side by side, to be read."""
    totals, less = search_totals(costs), times_less(costs)
    return pd.DataFrame(
        {
            "K": costs.k,
            "parameters": costs.parameters,
            "multiply-adds, 10⁶": (costs.multiply_adds / 1e6).round(2),
            "MB per image": (costs.bytes_per_image / 1e6).round(2),
            "times less": less.bytes_per_image.round(2).tolist(),
            f"fit in {gigabytes:g} GB": costs.batch_size,
            "batch": totals.batch_size,
            "steps": totals.weight_steps,
            "of alpha": totals.alpha_steps,
            "search, 10¹⁵": (totals.multiply_adds / 1e15).round(2),
        }
    )


def step_costs(method: Any, data: Data, config: SearchConfig, *, ks: Sequence[int], repeats: int = 3) -> pd.DataFrame:
    """Per K, of real search steps after the warm-up: seconds (the fastest of `repeats`) and peak_bytes.

    Seconds are those of the clock on a GPU and of the processor elsewhere, so that other programs do not count.
    `method` is a nasnb.methods.Method. Peak bytes are the device's peak on a GPU; elsewhere what a weight step keeps
    for its backward pass, every storage once, which unlike a process's size is exact. The largest K comes first: it
    needs the least memory.
    """
    rows = []
    for k in sorted(ks, reverse=True):
        state = begin(replace(method, mix=partial_channels(k)), data, config)
        seconds = fastest_step(state, repeats=repeats)
        rows.append((k, seconds, _peak_bytes(state, next(state.batches(state.train, "costs", 0)))))
    return pd.DataFrame(rows[::-1], columns=["k", "seconds", "peak_bytes"])


def fastest_step(state: SearchState, *, repeats: int = 3) -> float:
    """Seconds of a search step after the warm-up, the fastest of `repeats`: of the clock on a GPU, else the processor.

    The steps change the state.
    """
    state.epoch = state.config.epochs  # past any warm-up
    batch = next(state.batches(state.train, "costs", 0))
    state.method.step(state, batch, lambda: batch)  # the first one allocates
    return min(_seconds(state, batch) for _ in range(repeats))


def _seconds(state: SearchState, batch: tuple[Tensor, Tensor]) -> float:
    on_gpu = batch[0].device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    if on_gpu:
        torch.cuda.synchronize(batch[0].device)
    began = clock()
    state.method.step(state, batch, lambda: batch)
    if on_gpu:
        torch.cuda.synchronize(batch[0].device)
    return clock() - began


def _peak_bytes(state: SearchState, batch: tuple[Tensor, Tensor]) -> int:
    device = batch[0].device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        state.method.step(state, batch, lambda: batch)
        return torch.cuda.max_memory_allocated(device)
    return saved_bytes(state, batch)


def saved_bytes(state: SearchState, batch: tuple[Tensor, Tensor]) -> int:
    """What the forward pass of a weight step keeps for the backward one, every storage counted once."""
    saved: dict[int, Tensor] = {}  # holding the tensors keeps their storages apart

    def keep(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        state.loss(batch, state.weights())
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values())


def published_sizes(space: Space) -> list[tuple[tuple[str, str, str], float, str]]:
    """Of the published cells: (table, row, metric) of the paper, the number counted, and words for it."""
    cifar, imagenet = GENOTYPES["PC_DARTS_cifar"], GENOTYPES["PC_DARTS_image"]
    small = count(space.network(cifar, channels=36, cells=20, classes=10), (3, 32, 32)).parameters / 1e6
    found = [(("Table 1", "PC-DARTS", "parameters_millions"), small, f"{small:.3f} (published cell, exact)")]
    for row, cell in (("PC-DARTS (CIFAR-10)", cifar), ("PC-DARTS (ImageNet)", imagenet)):
        net = space.network(cell, channels=48, cells=14, classes=1000, stem="imagenet")
        layers, elements = (count(net, (3, 224, 224), how=how) for how in ("layers", "elementwise"))
        parameters, ours, usual = elements.parameters / 1e6, elements.multiply_adds / 1e6, layers.multiply_adds / 1e6
        found += [
            (("Table 2", row, "parameters_millions"), parameters, f"{parameters:.3f} (published cell, exact)"),
            (
                ("Table 2", row, "multiply_adds_millions"),
                ours,
                f"{ours:.1f} as the paper counts, {usual:.1f} in convolutions and linear layers",
            ),
        ]
    return found
