"""An image set as one compact file: to carry a fixed part of a large set to a machine that has none."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from nasnb.data.sets import Data, Split, balanced_subsets, channel_statistics, checksum_of


def pack(data: Data, path: str | Path, *, train_images: int | None = None, test_images: int | None = None) -> Data:
    """Write so many images per split (None: all), the same number of every class, as uint8; returns what was written.

    Which ones is the fixed choice of `balanced_subsets` with seed 0; they stay in the order of `data`, so that the
    first n of a packed set are a fair part of it wherever they are one of the whole set.
    """
    train, test = (_part(split, n) for split, n in ((data.train, train_images), (data.test, test_images)))
    mean, std = channel_statistics(train.images)
    checksum = checksum_of(train.images, train.labels, test.images, test.labels)
    packed = replace(data, train=train, test=test, mean=mean, std=std, checksum=checksum)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        name=np.array(packed.name),
        classes=np.array(packed.classes),
        **_arrays("train", train),
        **_arrays("test", test),
    )
    Path(path).write_bytes(buffer.getvalue())
    return packed


def unpack(path: str | Path) -> Data:
    """What `pack` wrote. Raises FileNotFoundError, or ValueError for a file that is damaged or something else."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no packed image set at {path.resolve()}; nasnb.data.packed.pack writes one")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            train, test = (_split(arrays, part) for part in ("train", "test"))
            name, classes = str(arrays["name"]), tuple(map(str, arrays["classes"]))
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, ValueError, OSError) as error:
        raise ValueError(f"{path} is no packed image set, or damaged ({error}); make it again") from None
    checksum = checksum_of(train.images, train.labels, test.images, test.labels)
    return Data(name, train, test, classes, *channel_statistics(train.images), checksum)


def _part(split: Split, n: int | None) -> Split:
    if n is None or n >= len(split):
        return split
    return split.take(balanced_subsets(split.labels, [n / len(split)], seed=0)[0])


def _arrays(part: str, split: Split) -> dict[str, np.ndarray]:
    pixels = split.images.permute(0, 2, 3, 1).contiguous().cpu().numpy()  # (n, height, width, channels)
    return {f"{part}_images": pixels, f"{part}_labels": split.labels.cpu().numpy()}


def _split(arrays, part: str) -> Split:
    return Split(
        torch.from_numpy(arrays[f"{part}_images"]).permute(0, 3, 1, 2), torch.from_numpy(arrays[f"{part}_labels"])
    )
