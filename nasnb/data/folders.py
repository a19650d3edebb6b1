"""Image folders, `train/<class>/*` and `test/<class>/*`, decoded once and then read from a cache beside them."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from nasnb.data.sets import Split, hash_of

LAYOUT = "expected train/<class>/*.jpg and test/<class>/*.jpg (or .jpeg, .png), with the same classes in both"
ENDINGS = (".jpg", ".jpeg", ".png")
CHUNK = 256  # files per task


def read_folder(root: Path, *, image_size: int | None = None) -> tuple[Split, Split, tuple[str, ...]]:
    """Train and test images as RGB, and the class names in alphabetical order.

    With `image_size`, the shorter side is scaled to it and the centre square kept; without, all images must have one
    size. Raises FileNotFoundError for a wrong layout, ValueError for an image that cannot be read or has another size.
    """
    classes = _classes(root / "train")
    parts = [_files(root / part, classes) for part in ("train", "test")]
    key = _key(root, [path for files, _ in parts for path in files], image_size)
    cache = root / f"nasnb-cache-{image_size or 'unscaled'}.npz"
    images = _read_cache(cache, key)
    if images is None:
        size = _size_of(parts[0][0][0]) if image_size is None else (image_size, image_size)
        images = [decode(files, size, scale=image_size is not None) for files, _ in parts]
        _write_cache(cache, key, images)
    train, test = (Split(pixels, labels) for pixels, (_, labels) in zip(images, parts, strict=True))
    return train, test, classes


def _classes(folder: Path) -> tuple[str, ...]:
    classes = tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir())) if folder.is_dir() else ()
    if not classes:
        raise FileNotFoundError(f"no image folder here: {folder.resolve()} has no class folders; {LAYOUT}")
    return classes


def _files(folder: Path, classes: Sequence[str]) -> tuple[list[Path], Tensor]:
    """All image files and their labels, shuffled by a hash of their names.

    Not in the order of the classes: `split` and `train_images` take the first images for a fair part of all.
    """
    extra = sorted(set(_classes(folder)) - set(classes))
    if extra:
        raise ValueError(f"{folder.resolve()} has the class {extra[0]!r}, which train does not have; {LAYOUT}")
    found = []
    for label, name in enumerate(classes):
        inside = (folder / name).iterdir() if (folder / name).is_dir() else ()
        found += [(path, label) for path in inside if path.suffix.lower() in ENDINGS]
    if not found:
        raise FileNotFoundError(f"no images in the class folders of {folder.resolve()}; {LAYOUT}")
    found.sort(key=lambda pair: hash_of(pair[0].parent.name, pair[0].name))
    return [path for path, _ in found], torch.tensor([label for _, label in found])


def _key(root: Path, files: Sequence[Path], image_size: int | None) -> str:
    """Changes when a file is added, removed, renamed or written again."""
    digest = hashlib.sha256(f"1 {image_size}".encode())
    for path in files:
        stat = path.stat()
        digest.update(f"\0{path.relative_to(root).as_posix()}\0{stat.st_size}\0{stat.st_mtime_ns}".encode())
    return digest.hexdigest()


# --- decoding ---------------------------------------------------------------------------------------------------


def decode(files: Sequence[Path], size: tuple[int, int], *, scale: bool) -> Tensor:
    """RGB images, uint8 (n, 3, *size). Threads, since decoding holds no Python lock."""
    images = np.empty((len(files), *size, 3), np.uint8)

    def fill(start: int) -> int:
        chunk = files[start : start + CHUNK]
        for row, path in enumerate(chunk, start):
            images[row] = _scaled(path, size[0]) if scale else _checked(_read(path), size, path, files[0])
        return len(chunk)

    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, 16))
    try:
        with tqdm(total=len(files), desc="decoding", unit=" images", delay=1) as bar:
            for done in pool.map(fill, range(0, len(files), CHUNK)):
                bar.update(done)
    finally:
        pool.shutdown(cancel_futures=True)
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def _read(path: Path, draft: int | None = None) -> Image.Image:
    """As RGB. `draft` lets a large JPEG be decoded at a fraction of its size, but no smaller than that."""
    try:
        with Image.open(path) as image:
            if draft:
                image.draft("RGB", (draft, draft))
            return image.convert("RGB")
    except OSError as error:
        raise ValueError(f"{path} cannot be read as an image ({error}); remove or replace it") from None


def _size_of(path: Path) -> tuple[int, int]:
    width, height = _read(path).size
    return height, width


def _checked(image: Image.Image, size: tuple[int, int], path: Path, first: Path) -> Image.Image:
    if image.size[::-1] == size:
        return image
    found, wanted = f"{image.height}x{image.width}", f"{size[0]}x{size[1]}"
    raise ValueError(f"{path} has {found} pixels, {first} has {wanted}; give image_size=... to scale all to one size")


def _scaled(path: Path, side: int) -> Image.Image:
    """The shorter side becomes `side`; then the square in the middle."""
    image = _read(path, draft=2 * side)
    factor = side / min(image.size)
    image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BILINEAR)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


# --- cache ------------------------------------------------------------------------------------------------------


def _read_cache(path: Path, key: str) -> list[Tensor] | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if str(arrays["key"]) == key:
                return [torch.from_numpy(arrays[part]) for part in ("train", "test")]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # absent or damaged: decode again
    return None


def _write_cache(path: Path, key: str, images: Sequence[Tensor]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("wb") as file:
            np.savez(file, key=np.array(key), train=images[0].numpy(), test=images[1].numpy())
        part.replace(path)
    except OSError:  # a read-only or full disk: do without
        part.unlink(missing_ok=True)
