"""Partial channels and edge normalisation (PC-DARTS): what they save, what they touch, what beta decides."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from nasnb.analysis.shapes import edge_agreement
from nasnb.architecture import Choices, Genotype
from nasnb.config import SearchConfig
from nasnb.data import Data, balanced_subsets, checksum_of
from nasnb.measure import count
from nasnb.memory import need
from nasnb.mixes import partial_channels
from nasnb.relaxation import edge_normalised, softmax
from nasnb.search import SearchState, begin
from nasnb.spaces import Space


class Effect(NamedTuple):
    """What a claim rests on: its size (positive as claimed), the noise to hold it against, and both in words."""

    size: float
    spread: float
    words: str


def variant(method: Any, *, k: int = 4, beta: bool = True) -> Any:
    """A nasnb.methods.Method with another K, with or without edge weights; its softmax stays (Table 3, figure 3)."""
    name = method.name + (f"-k{k}" if partial_channels(k) != method.mix else "") + ("" if beta else "-no-beta")
    return replace(method, name=name, mix=partial_channels(k), relax=edge_normalised(softmax) if beta else softmax)


def in_proportion(config: SearchConfig, k: int, *, of: int = 4) -> SearchConfig:
    """Batch and learning rate for another K, in proportion: those of DARTS at K = 1 from those of PC-DARTS at 4.

    The paper gives no numbers for other K.
    """
    return replace(config, batch_size=max(1, config.batch_size * k // of), lr=config.lr * k / of)


def processed_counts(channels: int, k: int, *, nodes: int, mixing: str = "shuffle") -> np.ndarray:
    """(nodes + 1, channels): by how many mixtures each channel has gone, after every node of a chain.

    Column c is the c-th channel of that node, so a row also shows which kind comes first to the next edge.
    """
    mix = partial_channels(k, mixing=mixing)
    counts, part = torch.zeros(1, channels, 1, 1), channels // k
    rows = [counts]
    for _ in range(nodes):
        processed, bypass = counts[:, :part] + 1, counts[:, part:]
        counts = processed if k == 1 else mix.join((processed, bypass))
        rows.append(counts)
    return torch.cat(rows).flatten(1).to(torch.int64).numpy()


# --- cost -------------------------------------------------------------------------------------------------------------


def supernet_costs(space: Space, *, ks: Sequence[int], channels: int, cells: int, classes: int,
                   image_size: tuple[int, int, int], capacity: int, stem: str = "cifar") -> pd.DataFrame:  # fmt: skip
    """Per K: parameters, multiply_adds of an image, bytes_per_image kept for the backward pass, and the batch_size
    that `capacity` bytes hold. Exact, and nothing is computed: the paper's own sizes can be asked for anywhere.
    """
    rows, weights = [], _equal_weights(space.choices)
    for k in ks:
        net = space.supernet(channels=channels, cells=cells, classes=classes, mix=partial_channels(k), stem=stem,
                             image_channels=image_size[0])  # fmt: skip
        counts, needed = count(net, image_size, space.choices), need(net, image_size, weights)
        batch_size = max(0, (capacity - needed.fixed) // needed.per_image)
        rows.append((k, counts.parameters, counts.multiply_adds, needed.per_image, batch_size))
    return pd.DataFrame(rows, columns=["k", "parameters", "multiply_adds", "bytes_per_image", "batch_size"])


def _equal_weights(choices: Choices) -> dict[str, Tensor]:
    shapes = {group: choices.shape(group) for group in choices.groups}
    return {group: torch.full(shape, 1 / shape[1]) for group, shape in shapes.items()}


def step_costs(method: Any, data: Data, config: SearchConfig, *, ks: Sequence[int], repeats: int = 3) -> pd.DataFrame:
    """Per K, of real search steps after the warm-up: seconds (the fastest of `repeats`) and peak_bytes.

    Seconds are those of the clock on a GPU and of the processor elsewhere, so that other programs do not count.
    `method` is a nasnb.methods.Method. Peak bytes are the device's peak on a GPU; elsewhere what a weight step keeps
    for its backward pass, every storage once, which unlike a process's size is exact.
    """
    rows = []
    for k in ks:
        state = begin(replace(method, mix=partial_channels(k)), data, config)
        seconds = fastest_step(state, repeats=repeats)
        rows.append((k, seconds, _peak_bytes(state, next(state.batches(state.train, "costs", 0)))))
    return pd.DataFrame(rows, columns=["k", "seconds", "peak_bytes"])


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


# --- edges ------------------------------------------------------------------------------------------------------------


def decoded(space: Space, weights: Mapping[str, np.ndarray], epoch: int = -1, *, beta: bool = True) -> Genotype:
    """The genotype of one epoch's recorded weights {group: (epochs, edges, ops)}: by alpha times beta, or alpha alone.

    Section 3.3 of PC-DARTS against section 2.4 of DARTS. Weights without "group/edges" have no beta to use.
    """
    scores = {group: torch.from_numpy(np.array(weights[group][epoch])) for group in space.choices.groups}
    if beta:
        shares = {group: weights[f"{group}/edges"][epoch] for group in scores if f"{group}/edges" in weights}
        scores |= {group: scores[group] * torch.from_numpy(np.array(share))[:, None] for group, share in shares.items()}
    return space.discretise(scores)


def beta_effect(space: Space, weights: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Per epoch and group, `changed`: the share of kept edges that beta exchanges (0 to 1)."""
    rows = []
    for epoch in range(len(next(iter(weights.values())))):
        both = [decoded(space, weights, epoch, beta=beta) for beta in (True, False)]
        for group in space.choices.groups:
            shared = edge_agreement(*both, group)
            rows.append((epoch + 1, group, 1 - float(np.mean(list(shared.values())))))
    return pd.DataFrame(rows, columns=["epoch", "group", "changed"])


def kept_in_common(genotypes: Sequence[Genotype]) -> np.ndarray:
    """(pairs,): the share of kept edges that every two of some genotypes have in common, mean over nodes and cells."""
    pairs = combinations(genotypes, 2)
    shares = [[share for group in a.picks for share in edge_agreement(a, b, group).values()] for a, b in pairs]
    return np.array([np.mean(pair) for pair in shares])


def beta_table(space: Space, weights: Mapping[str, np.ndarray], group: str = "normal") -> pd.DataFrame:
    """Softmaxed beta over the epochs: epoch, node, source, weight."""
    return pd.DataFrame(
        [
            (epoch + 1, edge.target, edge.source, float(row[at]))
            for epoch, row in enumerate(weights[f"{group}/edges"])
            for at, edge in enumerate(space.choices.groups[group])
        ],
        columns=["epoch", "node", "source", "weight"],
    )


# --- claims -----------------------------------------------------------------------------------------------------------


def lower(claimed: Sequence[float], other: Sequence[float], *, unit: str = "points") -> Effect:
    """That the mean of `claimed` is lower; the noise is both standard deviations, added in squares."""
    gain, noise = float(np.mean(other) - np.mean(claimed)), float(np.hypot(sd(claimed), sd(other)))
    return Effect(gain, noise, f"lower by {gain:+.2f} {unit}, spread {noise:.2f}, n = {len(claimed)}")


def steadier(claimed: Sequence[float], other: Sequence[float], *, unit: str = "points") -> Effect:
    """That `claimed` varies less. The standard deviation of n values has an error of one part in sqrt(2 (n - 1))."""
    calm, wild = sd(claimed), sd(other)
    errors = [value / np.sqrt(2 * max(1, len(v) - 1)) for value, v in ((calm, claimed), (wild, other))]
    words = f"standard deviation {calm:.2f} against {wild:.2f} {unit}, n = {len(claimed)}"
    return Effect(wild - calm, float(np.hypot(*errors)), words)


def sd(values: Sequence[float]) -> float:
    """Sample standard deviation; NaN of fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


# --- the proxy of ImageNet --------------------------------------------------------------------------------------------


def on_subsets(data: Data, fractions: Sequence[float] = (0.1, 0.025), *, seed: int = 0) -> Data:
    """The set with disjoint class-balanced parts of its training images, one after the other (section 4.3).

    With `train_fraction = fractions[0] / sum(fractions)` the first trains the weights, the second alpha and beta.
    Which images these are depends on seed and position alone (`nasnb.data.balanced_subsets`).
    """
    chosen = torch.cat(balanced_subsets(data.train.labels.cpu(), fractions, seed=seed))
    train = data.train.take(chosen)
    checksum = checksum_of(train.images, train.labels, data.test.images, data.test.labels)
    name = f"{data.name}/{'+'.join(f'{100 * fraction:g}%' for fraction in fractions)}"
    return replace(data, name=name, train=train, checksum=checksum)
