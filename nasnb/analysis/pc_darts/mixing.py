"""Partial channels as parts of a method: other K, with and without edge normalisation (PC-DARTS)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from nasnb.config import SearchConfig
from nasnb.supernet.partial_channels import partial_channels
from nasnb.supernet.relaxation import edge_normalised, softmax


def variant(method: Any, *, k: int = 4, beta: bool = True) -> Any:
    """A nasnb.methods.Method with another K, with or without edge weights; its softmax stays (Table 3, figure 3)."""
    name = method.name + (f"-k{k}" if partial_channels(k) != method.mix else "") + ("" if beta else "-no-beta")
    return replace(method, name=name, mix=partial_channels(k), relax=edge_normalised(softmax) if beta else softmax)


def compared(ks: Sequence[int]) -> tuple[int, ...]:
    """Values of K in order, 1 (DARTS) and 4 (the paper's choice) among them: every other is compared with these two."""
    return tuple(sorted({1, 4, *ks}))


def in_proportion(config: SearchConfig, k: int, *, of: int = 4) -> SearchConfig:
    """Batch and learning rate for another K, in proportion: those of DARTS at K = 1 from those of PC-DARTS at 4.

    The paper gives no numbers for other K.
    """
    return replace(config, batch_size=max(2, config.batch_size * k // of), lr=config.lr * k / of)


def processed_counts(
    channels: int, k: int, *, nodes: int, mixing: str = "shuffle"
) -> Int[np.ndarray, "rows {channels}"]:
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


def chain_of(n: int, k: int, mixing: str, *, nodes: int = 3, seed: int = 0) -> tuple[list[list[int]], list[list[int]]]:
    """The channels of an input of n and of `nodes` states after it, and the positions that are processed next.

    Mixing: "first, then shuffle" as published, "first, then shift", "first, nothing more", or "random".
    Raises ValueError for another word, or a K that does not divide n.
    """
    known = ("first, then shuffle", "first, then shift", "first, nothing more", "random")
    if mixing not in known or n % k:
        raise ValueError(f"K = {k} of {n} channels, {mixing!r}: K divides them; known: {'; '.join(known)}")
    draw, part = np.random.default_rng(seed), n // k
    order, states, processed = np.arange(n), [], []
    for _ in range(nodes + 1):
        through = np.sort(draw.choice(n, part, replace=False)) if mixing == "random" else np.arange(part)
        states.append(order.tolist())
        processed.append(through.tolist())
        if mixing == known[0]:
            order = order.reshape(k, part).T.flatten()
        elif mixing == known[1]:
            order = np.roll(order, -part)
    return states, processed


def never_processed(states: Sequence[Sequence[int]], processed: Sequence[Sequence[int]]) -> int:
    """How many channels of the input have gone through no operation after the last state but one."""
    through = {order[at] for order, each in zip(states[:-1], processed[:-1], strict=True) for at in each}
    return len(states[0]) - len(through)


def expected_untouched(n: int, k: int, nodes: int) -> float:
    """Of n channels, those that random masks of so many edges in a row leave out, on average."""
    return n * math.pow(1 - 1 / k, nodes)
