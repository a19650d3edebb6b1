"""Files of pictures as 8-bit RGB pixels: upright, transparent parts white, 16-bit grey values scaled."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

CHUNK = 256  # files per task
DEEP_GREY = ("I;16", "I;16L", "I;16B", "I;16N")


def announce(sentence: str) -> None:
    """One line, beside whatever bar is shown."""
    tqdm.write(sentence, file=sys.stderr)


def decode(files: Sequence[Path], size: tuple[int, int], *, scale: bool) -> Tensor:
    """RGB images, uint8 (n, 3, *size). Threads, since decoding holds no Python lock.

    Of a file with several pictures (an animation, pages) the first is taken; one line says how many files that were.
    """
    images = np.empty((len(files), *size, 3), np.uint8)
    several: list[Path] = []

    def fill(start: int) -> int:
        chunk = files[start : start + CHUNK]
        for row, path in enumerate(chunk, start):
            images[row] = _scaled(path, size[0], several) if scale else _checked(path, size, files[0], several)
        return len(chunk)

    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, 16))
    try:
        # warnings are of no use here: what cannot be read is refused by name, what can is what it looks like
        with (
            warnings.catch_warnings(action="ignore"),
            tqdm(total=len(files), desc="decoding", unit=" images", delay=1) as bar,
        ):
            for done in pool.map(fill, range(0, len(files), CHUNK)):
                bar.update(done)
    finally:
        pool.shutdown(cancel_futures=True)
    if several:
        announce(f"{len(several)} files hold several pictures, such as {min(several)}: the first of each is taken")
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def size_of(path: Path) -> tuple[int, int]:
    """Height and width, upright."""
    with warnings.catch_warnings(action="ignore"):
        width, height = read(path).size
    return height, width


def read(path: Path, *, draft: int | None = None, several: list[Path] | None = None) -> Image.Image:
    """As RGB. `draft` lets a large JPEG be decoded at a fraction of its size, but no smaller than that.

    A path with several pictures is added to `several`. Raises ValueError naming the file.
    """
    try:
        with Image.open(path) as image:
            # a photograph with a preview (MPO) is one picture
            if several is not None and image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
                several.append(path)
            if draft:
                image.draft("RGB", (draft, draft))
            return _rgb(ImageOps.exif_transpose(image), image.format)
    except Image.DecompressionBombError:
        raise ValueError(f"{path} has more pixels than one picture may have; scale it down first") from None
    except Exception as error:  # readers of damaged files raise whatever they run into
        reason = str(error) or type(error).__name__
        raise ValueError(f"{path} cannot be read as an image ({reason}); remove or replace it") from None


def _rgb(image: Image.Image, kind: str | None) -> Image.Image:
    if image.mode in DEEP_GREY or (image.mode == "I" and kind in ("PNG", "PPM")):
        grey = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((grey + 128) // 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of 32 bits, mode {image.mode}, have no known range: save it with 8 or 16")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _checked(path: Path, size: tuple[int, int], first: Path, several: list[Path]) -> Image.Image:
    image = read(path, several=several)
    if image.size[::-1] == size:
        return image
    found, wanted = f"{image.height}x{image.width}", f"{size[0]}x{size[1]}"
    raise ValueError(f"{path} has {found} pixels, {first} has {wanted}; give image_size=... to scale all to one size")


def _scaled(path: Path, side: int, several: list[Path]) -> Image.Image:
    """The square in the middle, at this side."""
    image = read(path, draft=2 * side, several=several)
    short = min(image.size)
    left, top = (image.width - short) / 2, (image.height - short) / 2
    return image.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + short, top + short))
