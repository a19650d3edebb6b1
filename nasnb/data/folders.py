"""Image folders, `train/<class>/*` and `test/<class>/*`, decoded once and then read from a cache beside them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nasnb.data.pixels import announce, decode, size_of
from nasnb.data.sets import Split, check_side, hash_of

ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
# images too, but of kinds that not every installation reads, or that hold no pixels: never left out silently
OTHER_IMAGES = (
    ".heic",
    ".heif",
    ".avif",
    ".jp2",
    ".jxl",
    ".psd",
    ".svg",
    ".dng",
    ".cr2",
    ".nef",
    ".arw",
    ".exr",
    ".hdr",
    ".tga",
    ".ico",
    ".eps",
    ".dcm",
)
OF_SYSTEMS = ("thumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir")  # and whatever begins with a dot
LAYOUT = "expected train/<class>/*.jpg and test/<class>/*.jpg (or .png and the like), with the same classes in both"


def read_folder(root: Path, *, image_size: int | None = None) -> tuple[Split, Split, tuple[str, ...]]:
    """Train and test images as RGB, and the class names in alphabetical order.

    With `image_size`, the shorter side is scaled to it and the centre square kept; without, all images must have one
    size. What is no image is left out, and one line says how much. Raises FileNotFoundError for a wrong layout,
    ValueError for an image that cannot be read or has another size, and for a class without images.
    """
    if image_size is not None:
        check_side(image_size)
    classes = _classes(root / "train")
    parts = [_files(root / part, classes) for part in ("train", "test")]
    key = _key(root, [path for files, _ in parts for path in files], image_size)
    cache = root / f"nasnb-cache-{image_size or 'unscaled'}.npz"
    images = _read_cache(cache, key)
    if images is None:
        size = size_of(parts[0][0][0]) if image_size is None else (image_size, image_size)
        images = [decode(files, size, scale=image_size is not None) for files, _ in parts]
        _write_cache(cache, key, images)
    train, test = (Split(pixels, labels) for pixels, (_, labels) in zip(images, parts, strict=True))
    return train, test, classes


def folder_checksum(root: Path) -> str:
    """Of the names and contents of all images: what decides a result that is made from them."""
    digest, files = hashlib.sha256(), images_in(root)
    with ThreadPoolExecutor() as pool:
        for path, content in zip(files, pool.map(_content, files), strict=True):
            digest.update(f"\0{path.relative_to(root).as_posix()}\0".encode() + content)
    return digest.hexdigest()[:16]


def images_in(root: str | Path) -> list[Path]:
    """The images that a folder's training and test part hold. Raises what `read_folder` raises before it decodes."""
    root, classes = Path(root), _classes(Path(root) / "train")
    return [path for part in ("train", "test") for path in _files(root / part, classes)[0]]


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


# --- what lies there ------------------------------------------------------------------------------------------------


def _classes(folder: Path) -> tuple[str, ...]:
    entries = _entries(folder) if folder.is_dir() else []
    classes = tuple(entry.name for entry in entries if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"no image folder here: {folder.resolve()} has no class folders; {LAYOUT}")
    for entry in entries:
        if entry.suffix.lower() in ENDINGS and not entry.is_dir():
            raise ValueError(f"{entry} lies in no class folder: move it into one, or remove it; {LAYOUT}")
    return classes


def _entries(folder: Path) -> list[Path]:
    """Sorted by name, without what systems and programs keep for themselves."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise ValueError(f"{folder} cannot be looked into ({error.strerror}): change its permissions") from None
    for entry in entries:
        if not entry.name.isprintable() or "\ufffd" in entry.name:
            raise ValueError(f"{str(entry)!r} has a name that is no readable text: rename it")
    return [entry for entry in entries if not entry.name.startswith(".") and entry.name.lower() not in OF_SYSTEMS]


def _inside(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """All files below, however deep. A link that leads back to where it comes from ends there."""
    real = folder.resolve()
    for entry in _entries(folder) if real not in above else ():
        if entry.is_dir():
            yield from _inside(entry, (*above, real))
        else:
            yield entry


def _files(folder: Path, classes: Sequence[str]) -> tuple[list[Path], Tensor]:
    """All image files and their labels, shuffled by a hash of their names.

    Not in the order of the classes: `split` and `train_images` take the first images for a fair part of all.
    """
    extra = sorted(set(_classes(folder)) - set(classes))
    if extra:
        raise ValueError(f"{folder.resolve()} has the class {extra[0]!r}, which train does not have; {LAYOUT}")
    found, others = [], Counter()
    for label, name in enumerate(classes):
        before = len(found)
        for path in _inside(folder / name) if (folder / name).is_dir() else ():
            if _is_image(path):
                found.append((path, label))
            else:
                others[path.suffix.lower() or "without an ending"] += 1
        if len(found) == before:
            _say_empty(folder / name)
    if not found:
        raise FileNotFoundError(f"no images in the class folders of {folder.resolve()}; {LAYOUT}")
    if others:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(others.items()))
        announce(f"{folder}: {len(found)} images; left out as no images: {kinds}")
    found.sort(key=lambda pair: hash_of(classes[pair[1]], pair[0].relative_to(folder / classes[pair[1]]).as_posix()))
    return [path for path, _ in found], torch.tensor([label for _, label in found])


def _is_image(path: Path) -> bool:
    ending = path.suffix.lower()
    if ending in OTHER_IMAGES:
        raise ValueError(f"{path}: images of the kind {ending} are not read here; convert it to .png, or remove it")
    if ending in ENDINGS and not path.is_file():
        raise ValueError(f"{path} is no file, or a link that leads to none: mend the link, or remove it")
    return ending in ENDINGS


def _say_empty(folder: Path) -> None:
    if folder.parent.name == "train":
        raise ValueError(f"{folder} holds no images: add some, or remove the class")
    announce(f"{folder} holds no images: test accuracies are of the other classes")


# --- cache ------------------------------------------------------------------------------------------------------


def _key(root: Path, files: Sequence[Path], image_size: int | None) -> str:
    """Changes when a file is added, removed, renamed, written again or put in the place of another."""
    digest = hashlib.sha256(f"2 {image_size}".encode())
    for path in files:
        stat = path.stat()
        # the times of a file's content can be set, and two files can have one size; that of its entry cannot
        told = (path.relative_to(root).as_posix(), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        digest.update("\0".join(map(str, ("", *told))).encode())
    return digest.hexdigest()


def _read_cache(path: Path, key: str) -> list[Tensor] | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if str(arrays["key"]) == key:
                return [torch.from_numpy(arrays[part]) for part in ("train", "test")]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        pass  # absent or damaged: decode again
    return None


def _write_cache(path: Path, key: str, images: Sequence[Tensor]) -> None:
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")  # another machine may write its own just now
    try:
        with part.open("xb") as file:
            np.savez(file, key=np.array(key), train=images[0].numpy(), test=images[1].numpy())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:  # a read-only or full disk: do without
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        announce(f"{path} cannot be written ({error.strerror}): the images are decoded anew each time")
