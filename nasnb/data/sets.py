"""Image sets held as tensors, and ways to part them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isclose, isfinite
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from nasnb.randomness import generator

SMALLEST = 8  # pixels of a side: two reductions leave 2 of them


@dataclass(frozen=True, eq=False)
class Split:
    """Images, uint8 (n, channels, height, width), and their labels, int64 (n,), on one device.

    The images are kept channels_last, so that `batches` can move whole pixels.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            kind = f"{self.images.dtype} of shape {tuple(self.images.shape)}"
            raise ValueError(f"images must be uint8 of shape (n, channels, height, width), got {kind}")
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            kind = f"{self.labels.dtype} of shape {tuple(self.labels.shape)}"
            raise ValueError(f"labels must be int64, one for each of {len(self.images)} images, got {kind}")
        object.__setattr__(self, "images", self.images.contiguous(memory_format=torch.channels_last))

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> Split:
        return Split(self.images.to(device), self.labels.to(device))

    def take(self, indices: Tensor | slice) -> Split:
        """The images at `indices`, in that order; a slice shares memory with this split."""
        if isinstance(indices, Tensor):
            indices = indices.to(self.labels.device)
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class Data:
    """An image set. `mean` and `std` are those of the training images, per channel, with pixels from 0 to 1."""

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    checksum: str  # of the tensors' bytes, for records: two runs with equal checksums saw the same images

    def __post_init__(self) -> None:
        train, test = (tuple(part.images.shape[1:]) for part in (self.train, self.test))
        if train != test:
            raise ValueError(f"{self.name}: training images are {train}, test images {test}: (channels, height, width)")
        if not len(self.mean) == len(self.std) == train[0] or not all(map(isfinite, (*self.mean, *self.std))):
            raise ValueError(
                f"{self.name}: mean and std need a number for each of {train[0]} channels, "
                f"got {self.mean} and {self.std}"
            )
        for name, part in (("train", self.train), ("test", self.test)):
            least, largest = (int(part.labels.min()), int(part.labels.max())) if len(part) else (0, 0)
            if not 0 <= least <= largest < self.n_classes:
                known = f"{self.n_classes} classes have 0 to {self.n_classes - 1}"
                raise ValueError(f"{self.name}: the labels of {name} go from {least} to {largest}; {known}")

    def check(self) -> None:
        """Raises ValueError for a set that nothing can be learnt from; before a network is built."""
        check_side(*self.image_size[1:])
        if self.n_classes < 2 or len(self.train) < 2:
            raise ValueError(
                f"{self.name} has {self.n_classes} classes and {len(self.train)} training images; a "
                "network needs at least two of each to learn"
            )

    @property
    def image_size(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return tuple(self.train.images.shape[1:])

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    @cached_property
    def peculiar(self) -> dict[str, Any]:
        """What decides a result and is not in the checksum, where it does not follow from the training images.

        Their own statistics are compared to four digits, as published ones are given; classes, by the largest label.
        """
        own = channel_statistics(self.train.images) if len(self.train) else ((), ())
        told = {
            name: value
            for name, value, of in zip(("mean", "std"), (self.mean, self.std), own, strict=True)
            if not _agree(value, of)
        }
        n = int(self.train.labels.max()) + 1 if len(self.train) else 0
        return told | ({"n_classes": self.n_classes} if self.n_classes != n else {})

    def to(self, device: torch.device | str) -> Data:
        return replace(self, train=self.train.to(device), test=self.test.to(device))

    def resized(self, side: int | None) -> Data:
        """The set at side x side pixels (antialiased), named `name@side`; None keeps the size."""
        if side is None or self.image_size[1:] == (side, side):
            return self
        check_side(side)
        train, test = (Split(_resize(part.images, side), part.labels) for part in (self.train, self.test))
        mean, std = channel_statistics(train.images)
        checksum = checksum_of(train.images, train.labels, test.images, test.labels)
        return Data(f"{self.name}@{side}", train, test, self.classes, mean, std, checksum)


def _agree(a: Sequence[float], b: Sequence[float]) -> bool:
    return len(a) == len(b) and all(isclose(x, y, abs_tol=1e-4, rel_tol=0) for x, y in zip(a, b, strict=True))


def check_side(*sides: int) -> None:
    """Raises ValueError for images that no network of the papers' kind can read."""
    if any(not isinstance(side, int) or isinstance(side, bool) or side < SMALLEST for side in sides):
        raise ValueError(
            f"images of {' x '.join(map(str, sides))} pixels are too small: two reductions need at least {SMALLEST}"
        )


def _resize(images: Tensor, side: int) -> Tensor:
    parts = (
        interpolate(part.float(), size=(side, side), mode="bilinear", antialias=True) for part in images.split(1024)
    )
    return torch.cat([part.round().clamp(0, 255).to(torch.uint8) for part in parts])


def checksum_of(*tensors: Tensor) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the tensors' bytes, in order."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().numpy())
    return digest.hexdigest()[:16]


def channel_statistics(images: Tensor, *, chunk: int = 1024) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel, with pixels from 0 to 1.

    Summed as integers, so the result depends on neither chunk size, threads nor device.
    """
    channels = images.shape[1]
    total = torch.zeros(channels, dtype=torch.int64, device=images.device)
    squares = torch.zeros_like(total)
    for part in images.split(chunk):
        values = part.to(torch.int32)
        total += values.sum(dim=(0, 2, 3), dtype=torch.int64)
        squares += values.square().sum(dim=(0, 2, 3), dtype=torch.int64)
    pixels = images.numel() // channels
    mean = [value / pixels for value in total.tolist()]
    variance = [square / pixels - m * m for square, m in zip(squares.tolist(), mean, strict=True)]
    return tuple(m / 255 for m in mean), tuple(v**0.5 / 255 for v in variance)


def split(whole: Split, fraction: float, *, shuffled: bool = False, seed: int = 0) -> tuple[Split, Split]:
    """The first `fraction` of the images and the rest: by index as the official codes, or of a seeded permutation."""
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1, got {fraction}")
    n_first = round(fraction * len(whole))
    if not shuffled:
        return whole.take(slice(n_first)), whole.take(slice(n_first, None))
    order = torch.randperm(len(whole), generator=generator(seed, "split"))
    return whole.take(order[:n_first]), whole.take(order[n_first:])


def balanced_subsets(labels: Tensor, fractions: Sequence[float], *, seed: int) -> list[Tensor]:
    """Disjoint subsets with the same fraction of every class, such as PC-DARTS's 10 % and 2.5 % of ImageNet.

    Returns the sorted indices of each subset. Within a class images are ranked by a hash of seed and index,
    so the list depends on no random number generator and is the same with every version of every library.
    Raises ValueError where a class is too small to give an image to a subset.
    """
    if min(fractions) <= 0 or sum(fractions) > 1 + 1e-9:
        raise ValueError(f"fractions must be positive and add up to at most 1, got {list(fractions)}")
    subsets: list[list[int]] = [[] for _ in fractions]
    for label in labels.unique().tolist():
        members = (labels == label).nonzero().flatten().tolist()
        members.sort(key=lambda index: hash_of(seed, index))
        start = 0
        for subset, fraction in zip(subsets, fractions, strict=True):
            count = int(fraction * len(members) + 1e-9)  # so that 0.29 of 100 is 29, not 28
            if not count:
                raise ValueError(f"{fraction} of class {label} is no image: it has only {len(members)}")
            subset.extend(members[start : start + count])
            start += count
    return [torch.tensor(sorted(subset)) for subset in subsets]


def hash_of(*parts: int | str) -> bytes:
    """A number that looks random but is the same everywhere, to rank things by."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).digest()
