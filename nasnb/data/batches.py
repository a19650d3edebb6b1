"""Batches of one epoch, augmented as a whole on the device that holds the images.

Every number of an epoch (order, crops, flips, cutout, policy) is drawn on the CPU before its first batch and moved
once, so that a CPU and a GPU see the same images, and an interrupted epoch goes on exactly where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from nasnb.data.crops import N_CROP, N_JITTER, centred, crop_boxes, jittered, resized_crops
from nasnb.data.policy import FILL, N_DRAWS, POLICIES, Policy
from nasnb.data.sets import Split
from nasnb.limits import NAMED, nearest
from nasnb.randomness import generator

BLOCK = 16  # batches that go through a policy at once, since it makes some 50 small groups of them


@dataclass(frozen=True)
class Augment:
    """Random crop, horizontal flip, policy, jitter of the colours, (normalisation,) cutout; in this order.

    A "padded" crop has the image's size, after padding with zeros; with the policy's grey where there is one, as its
    codes do. A "resized" one is a random part, scaled to `side`. Otherwise the middle of larger images is taken.
    """

    crop_padding: int = 4
    flip: bool = True
    cutout: int = 0  # side of the erased square; 0: none
    policy: str | None = None  # "autoaugment": the CIFAR-10 policy; "autoaugment-imagenet"
    crop: str = "padded"  # or "resized"
    side: int | None = None  # of what the network sees; None: that of the images
    jitter: float = 0.0  # of brightness, contrast, saturation; half as much of the hue

    def __post_init__(self) -> None:
        if self.crop not in NAMED["crop"]:
            known = f"{nearest(self.crop, NAMED['crop'])}; known: {', '.join(NAMED['crop'])}"
            raise ValueError(f"unknown crop {self.crop!r}{known}")
        if min(self.crop_padding, self.cutout) < 0:
            raise ValueError(f"crop_padding and cutout cannot be negative, got {self.crop_padding} and {self.cutout}")
        if self.policy is not None and self.policy not in POLICIES:
            known = f"{nearest(self.policy, POLICIES)}; known: {', '.join(POLICIES)}"
            raise ValueError(f"unknown augmentation policy {self.policy!r}{known}")

    def seen(self, height: int, width: int) -> tuple[int, int]:
        """Size of what the network sees of such images. Raises ValueError for images that are smaller than `side`."""
        if self.side is not None and self.side > min(height, width):
            raise ValueError(
                f"side={self.side}, but the images have {height} x {width} pixels: load them with a larger image_size "
                "(256 for 224), or leave side out"
            )
        return (height, width) if self.side is None else (self.side, self.side)


def n_batches(n: int, batch_size: int, drop_last: bool = False) -> int:
    """How many batches `n` images make; the last one is smaller, or dropped.

    A single image that is left over joins the batch before: BatchNorm cannot normalise one value.
    """
    whole, over = divmod(n, batch_size)
    return whole + (over > (1 if whole else 0) and not drop_last)


def batches(
    split: Split,
    batch_size: int,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    seed: int,
    purpose: str,
    epoch: int,
    augment: Augment | None = None,
    shuffle: bool = True,
    drop_last: bool = False,
    start: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch of (images, labels) on the split's device; images are float32, normalised and channels_last.

    Seed, purpose and epoch decide everything; changing one kind of augmentation leaves the order and the other
    kinds as they were. `start` leaves out so many batches: the later ones are the same as without it.
    """
    count = n_batches(len(split), batch_size, drop_last) if batch_size > 0 else 0
    if count == 0:
        raise ValueError(f"no batch of {batch_size} can be made of {len(split)} images (drop_last={drop_last})")
    if not 0 <= start <= count:
        raise ValueError(f"start must lie between 0 and the number of batches, {count}, got {start}")
    channels = split.images.shape[1]
    if not len(mean) == len(std) == channels:
        raise ValueError(f"mean and std need one value for each of {channels} channels, got {mean} and {std}")
    augment = augment or Augment(crop_padding=0, flip=False)
    seen = augment.seen(*split.images.shape[2:])
    numbers = _draw(split, generator(seed, purpose, epoch), augment, shuffle=shuffle)
    normalise = _normaliser(mean, std, seen, split.images.device)
    whole = len(split) // batch_size if drop_last else -(-len(split) // batch_size)
    indices = range(start, whole if start < count else start)
    made = _run(split, numbers, indices, batch_size=batch_size, augment=augment, normalise=normalise)
    return made if whole == count else _joined(made)


def _joined(made: Iterator[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """The same batches, the last two as one."""
    held = next(made, None)
    for images, labels in made:
        if len(labels) == 1:
            held = torch.cat([held[0], images]), torch.cat([held[1], labels])
        else:
            yield held
            held = images, labels
    if held is not None:
        yield held


@dataclass(frozen=True)
class _Numbers:
    """What was drawn for an epoch; row i belongs to the i-th image in the epoch's order."""

    order: Tensor  # (n,)
    shift: Tensor  # (n, 2): rows and columns that the crop starts at in the padded image
    flipped: Tensor  # (n,) bool
    centre: Tensor  # (n, 2) of the cutout, rows and columns
    policy: Tensor  # (n, 5), on the CPU: it decides which operations are launched
    boxes: Tensor  # (n, 4) of resized crops, on the CPU: top, left, height, width
    colours: Tensor  # (n, 5) of the jitter, on the CPU


def _draw(split: Split, source: torch.Generator, augment: Augment, *, shuffle: bool) -> _Numbers:
    n, size, device = len(split), split.images.shape[2:], split.images.device
    height, width = augment.seen(*size)
    order = torch.randperm(n, generator=source)
    # Always the same uniform numbers, scaled afterwards: so no setting shifts the draws of another. In float64,
    # because float32 could round up to the excluded upper end.
    uniform = torch.rand(n, 5 + N_DRAWS, generator=source, dtype=torch.float64)
    limits = torch.tensor([2 * augment.crop_padding + 1] * 2 + [height, width])
    whole = (uniform[:, :4] * limits).long().to(device)
    flipped = (uniform[:, 4] < 0.5) if augment.flip else torch.zeros(n, dtype=torch.bool)
    order = order if shuffle else torch.arange(n)
    more = torch.zeros(n, 0)
    if augment.crop == "resized" or augment.jitter:  # drawn last, and only where they are used
        more = torch.rand(n, N_CROP + N_JITTER, generator=source)
    boxes = crop_boxes(more[:, :N_CROP], *size) if augment.crop == "resized" else more[:, :0]
    return _Numbers(
        order.to(device), whole[:, :2], flipped.to(device), whole[:, 2:], uniform[:, 5:], boxes, more[:, N_CROP:]
    )


def _run(split, numbers, indices, *, batch_size, augment, normalise) -> Iterator[tuple[Tensor, Tensor]]:
    pixels = _with_policy if augment.policy else _without_policy
    for index, images in zip(indices, pixels(split, numbers, indices, batch_size, augment), strict=True):
        at = _rows(index, batch_size)
        if augment.jitter:
            images = jittered(images, numbers.colours[at], augment.jitter)
        images = normalise(images)
        if augment.cutout:
            images = cut_out(images, numbers.centre[at], augment.cutout)
        yield images.permute(0, 3, 1, 2), split.labels[numbers.order[at]]


def _rows(index: int, size: int) -> slice:
    return slice(index * size, (index + 1) * size)


def _without_policy(split, numbers, indices, batch_size, augment) -> Iterator[Tensor]:
    for index in indices:
        yield _moved(split, numbers, _rows(index, batch_size), augment)


def _with_policy(split, numbers, indices, batch_size, augment) -> Iterator[Tensor]:
    policy = Policy(augment.policy, numbers.policy, BLOCK * batch_size, split.images.device)
    for block, members in groupby(indices, key=lambda index: index // BLOCK):
        images = _moved(split, numbers, _rows(block, BLOCK * batch_size), augment)
        shape = images.shape
        images = policy(images.permute(0, 3, 1, 2), block).permute(0, 2, 3, 1).flatten().view(shape)
        for index in members:
            yield images[_rows(index % BLOCK, batch_size)]


def _moved(split: Split, numbers: _Numbers, at: slice, augment: Augment) -> Tensor:
    pixels = split.images.permute(0, 2, 3, 1)  # (n, height, width, channels), without a copy: see Split
    images = pixels.index_select(0, numbers.order[at])
    seen = augment.seen(*images.shape[1:3])
    if augment.crop == "resized":
        return resized_crops(images, numbers.boxes[at], numbers.flipped[at], seen).contiguous()
    if augment.crop_padding or augment.flip:
        fill = int(FILL) if augment.policy else 0
        images = crop_and_flip(images, numbers.shift[at], numbers.flipped[at], augment.crop_padding, fill=fill)
    return images if seen == tuple(images.shape[1:3]) else centred(images, seen).contiguous()


# Below, images are (n, height, width, channels): a pixel's channels lie together, and so move together.


def crop_and_flip(images: Tensor, shift: Tensor, flipped: Tensor, padding: int, *, fill: int = 0) -> Tensor:
    """Pads with `fill`, cuts a window of the old size that starts at `shift`, then mirrors it where `flipped`."""
    n, height, width, channels = images.shape
    padded = F.pad(images, (0, 0) + (padding,) * 4, value=fill)
    rows = torch.arange(height, device=images.device) + shift[:, :1]
    rows = rows + padded.shape[1] * torch.arange(n, device=images.device)[:, None]
    columns = torch.arange(width, device=images.device)
    columns = torch.where(flipped[:, None], columns.flip(0), columns) + shift[:, 1:]
    sources = rows[:, :, None] * padded.shape[2] + columns[:, None, :]
    return padded.view(-1, channels).index_select(0, sources.flatten()).view(images.shape)


def cut_out(images: Tensor, centre: Tensor, side: int) -> Tensor:
    """Sets to 0, in place, the square of this side around `centre` (n, 2), as far as it lies in the image."""
    n, height, width, channels = images.shape
    square = torch.arange(side, device=images.device) - side // 2
    # Clipped indices fall on a border row or column that the square covers anyway.
    rows = (centre[:, :1] + square).clamp_(0, height - 1)
    rows = rows + height * torch.arange(n, device=images.device)[:, None]
    columns = (centre[:, 1:] + square).clamp_(0, width - 1)
    erased = rows[:, :, None] * width + columns[:, None, :]
    images.view(-1, channels).index_fill_(0, erased.flatten(), 0.0)
    return images


def _normaliser(
    mean: Sequence[float], std: Sequence[float], size: tuple[int, int], device: torch.device
) -> Callable[[Tensor], Tensor]:
    """(pixel / 255 - mean) / std as one product and one sum, with the constants spread over an image for speed.

    A channel that never changes has a std of 0 and is left at 0.
    """
    std = [s or 1.0 for s in std]
    scale = torch.tensor([1 / (255 * s) for s in std], device=device).expand(*size, -1)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=device).expand_as(scale)
    scale, shift = scale.contiguous(), shift.contiguous()
    return lambda images: images.float().mul_(scale).add_(shift)
