"""Random numbers by purpose: `generator(seed, "order", epoch)` gives the same numbers whoever asks, whenever."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def _derived_seed(seed: int, purpose: str, index: tuple[int, ...]) -> int:
    digest = hashlib.sha256(repr((int(seed), purpose, *map(int, index))).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # torch takes 63 bits


def generator(seed: int, purpose: str, *index: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator for one purpose. A new purpose disturbs no old one, and resuming repeats the numbers."""
    return torch.Generator(device).manual_seed(_derived_seed(seed, purpose, index))


@contextmanager
def seeded(seed: int, purpose: str, *index: int) -> Iterator[None]:
    """For code that takes no generator (initial weights, dropout): torch's own state, set inside and put back after."""
    with torch.random.fork_rng():
        torch.manual_seed(_derived_seed(seed, purpose, index))
        yield


def reseed(seed: int, purpose: str, *index: int) -> None:
    """Set torch's own state, inside a `seeded` block, e.g. once per step: a run resumed in mid-epoch then repeats."""
    torch.manual_seed(_derived_seed(seed, purpose, index))
