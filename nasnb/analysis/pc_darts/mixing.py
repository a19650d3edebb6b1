"""Partial channels as parts of a method: other K, with and without edge normalisation (PC-DARTS)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nasnb.config import SearchConfig
from nasnb.search.steps import bilevel
from nasnb.supernet.partial_channels import partial_channels
from nasnb.supernet.relaxation import edge_normalised, softmax


def variant(method: Any, *, k: int = 4, beta: bool = True) -> Any:
    """A nasnb.methods.Method with another K, with or without edge weights; its softmax stays (Table 3, figure 3)."""
    name = method.name + (f"-k{k}" if partial_channels(k) != method.mix else "") + ("" if beta else "-no-beta")
    return replace(method, name=name, mix=partial_channels(k), relax=edge_normalised(softmax) if beta else softmax)


MASKS = ("random masks", "shifted channels")  # arms of `table_3_arms` that Table 3 has not


def table_3_arms(method: Any) -> dict[str, Any]:
    """The four of Table 3, each change alone; then masks that are drawn, as equation 1 says, and channels shifted."""
    return {
        "PC no, EN no": variant(method, k=1, beta=False),
        "PC no, EN yes": variant(method, k=1),
        "PC yes, EN no": variant(method, beta=False),
        "PC yes, EN yes": method,
        MASKS[0]: replace(method, name="pc-darts-random", mix=partial_channels(4, select="random")),
        MASKS[1]: replace(method, name="pc-darts-shift", mix=partial_channels(4, mixing="shift")),
    }


def early_epochs(config: SearchConfig) -> int:
    """How long searches without a warm-up are: 60 % of the epochs."""
    return max(1, round(0.6 * config.epochs))


def without_warmup(method: Any, config: SearchConfig) -> dict[str, tuple[Any, SearchConfig]]:
    """Searches of 60 % of the epochs in which alpha learns from the first step, which a warm-up would hide.

    K = 1 and 4; and K = 1 with DARTS' own rate of alpha, which is half.
    """
    cold = {k: replace(variant(method, k=k), name=f"pc-darts-k{k}-no-warmup", step=bilevel()) for k in (1, 4)}
    early = replace(config, epochs=early_epochs(config))
    own_rate = replace(early, alpha_lr=early.alpha_lr / 2)
    return {"K = 1": (cold[1], early), "K = 4": (cold[4], early), "K = 1, DARTS' alpha rate": (cold[1], own_rate)}


def compared(ks: Sequence[int]) -> tuple[int, ...]:
    """Values of K in order, 1 (DARTS) and 4 (the paper's choice) among them: every other is compared with these two."""
    return tuple(sorted({1, 4, *ks}))


def in_proportion(config: SearchConfig, k: int, *, of: int = 4) -> SearchConfig:
    """Batch and learning rate for another K, in proportion: those of DARTS at K = 1 from those of PC-DARTS at 4.

    The paper gives no numbers for other K.
    """
    return replace(config, batch_size=max(2, config.batch_size * k // of), lr=config.lr * k / of)


MIXINGS = ("first, then shuffle", "first, then shift", "first, nothing more", "random")


def chains(n: int = 16, ks: Sequence[int] = (1, 2, 4, 8)) -> dict[tuple[int, str], tuple]:
    """`chain_of` n channels for every K and every word of MIXINGS."""
    return {(k, mixing): chain_of(n, k, mixing) for k in ks for mixing in MIXINGS}


def chain_of(n: int, k: int, mixing: str, *, nodes: int = 3, seed: int = 0) -> tuple[list[list[int]], list[list[int]]]:
    """The channels of an input of n and of `nodes` states after it, and the positions that are processed next.

    Mixing is a word of MIXINGS: the first channels, then shuffled as published, shifted, or left; or random ones.
    Raises ValueError for another word, or a K that does not divide n.
    """
    if mixing not in MIXINGS or n % k:
        raise ValueError(f"K = {k} of {n} channels, {mixing!r}: K divides them; known: {'; '.join(MIXINGS)}")
    draw, part = np.random.default_rng(seed), n // k
    order, states, processed = np.arange(n), [], []
    for _ in range(nodes + 1):
        through = np.sort(draw.choice(n, part, replace=False)) if mixing == "random" else np.arange(part)
        states.append(order.tolist())
        processed.append(through.tolist())
        if mixing == MIXINGS[0]:
            order = order.reshape(k, part).T.flatten()
        elif mixing == MIXINGS[1]:
            order = np.roll(order, -part)
    return states, processed


def never_processed(states: Sequence[Sequence[int]], processed: Sequence[Sequence[int]]) -> int:
    """How many channels of the input have gone through no operation after the last state but one."""
    through = {order[at] for order, each in zip(states[:-1], processed[:-1], strict=True) for at in each}
    return len(states[0]) - len(through)


def expected_untouched(n: int, k: int, nodes: int) -> float:
    """Of n channels, those that random masks of so many edges in a row leave out, on average."""
    return n * math.pow(1 - 1 / k, nodes)
