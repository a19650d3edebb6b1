"""Image sets by name, as tensors: `load("cifar10", data_dir="data")`. Nothing is downloaded unless asked for."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from nasnb.config import nearest, place
from nasnb.data.folders import LAYOUT, folder_checksum, read_folder
from nasnb.data.sets import Data, Split, channel_statistics, checksum_of

NAMES = ("fashion-sample", "fashion-mnist", "cifar10", "cifar100", "svhn", "imagefolder")

SAMPLE_FILE = Path(__file__).with_name("fashion_sample.npz")
SAMPLE_CHECKSUM = "684bc77a8c3d3d8b"

DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")  # where the package dataset-fashion-mnist puts it
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
CIFAR10_1_IMAGES = {"v4": 2021, "v6": 2000}
CIFAR10_1_MD5 = {  # of the published files, as far as they are known
    "cifar10.1_v6_data.npy": "29615bb88ff99bca6b147cee2520f010",
    "cifar10.1_v6_labels.npy": "a27460fa134ae91e4a5cb7e6be8d269e",
}


class Archive(NamedTuple):
    """A set that torchvision reads: its class there, what to look for in the folder, and the papers' statistics."""

    reader: str
    path: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


ARCHIVES = {
    "cifar10": Archive(
        "CIFAR10", "cifar-10-batches-py", (0.49139968, 0.48215827, 0.44653124), (0.24703233, 0.24348505, 0.26158768)
    ),
    "cifar100": Archive("CIFAR100", "cifar-100-python", (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    # the 73,257 images of its train split, without "extra", as the NAS papers
    "svhn": Archive("SVHN", "train_32x32.mat", (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
}


def load(
    name: str = "fashion-sample",
    *,
    data_dir: str | Path | None = None,
    device: torch.device | str | None = "cpu",
    download: bool = False,
    image_size: int | None = None,
) -> Data:
    """The image set `name`, all of it in memory on `device`; None takes a graphics card if there is one.

    `data_dir` is the folder that holds the set (default: `data`); `image_size` is the side in pixels; None keeps it.
    Raises ValueError for an unknown name or damaged files, FileNotFoundError where nothing is found.
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "imagenet":
        raise ValueError(_NO_IMAGENET)
    if name not in NAMES:
        raise ValueError(f"unknown data set {name!r}{nearest(name, NAMES)}; known: {', '.join(NAMES)}")
    _check_device(device)
    if name == "imagefolder":
        return _image_folder(data_dir, image_size).to(device)
    if name == "fashion-sample":
        data = _fashion_sample()
    elif name == "fashion-mnist":
        data = _fashion_mnist(data_dir, download)
    else:
        data = _archive(name, data_folder(data_dir), download)
    return data.resized(image_size).to(device)


def look_for(name: str, data_dir: str | Path | None) -> None:
    """Raises what `load` would raise where there is nothing to load; reads nothing, so it can be asked before work."""
    if name == "imagefolder":
        _class_folders(data_dir)
    elif name == "fashion-mnist":
        _fashion_place(data_dir)
    elif name in ARCHIVES:
        _archive_place(name, data_folder(data_dir))


def data_folder(data_dir: str | Path | None) -> Path:
    """None: the folder `data` of the repository."""
    return place(data_dir or "data")


def _check_device(device: torch.device | str) -> None:
    wanted = torch.device(device)
    found = torch.cuda.device_count() if wanted.type == "cuda" else 0
    if wanted.type == "cuda" and (wanted.index or 0) >= found:
        raise ValueError(f"device={str(device)!r}, but PyTorch sees {found} graphics cards here: device='cpu'")


def source_checksum(name: str, data_dir: str | Path | None) -> str | None:
    """Of the files that `load` would read: what decides a result, whatever the folder is called.

    None for a set whose name already says what it holds, since its files are checked against known sums.
    """
    if data_dir is None or name not in ("imagefolder", "fashion-mnist"):
        return None
    folder = data_folder(data_dir)
    if name == "imagefolder":
        return folder_checksum(folder)
    return _fashion_mnist(folder, download=False).checksum


_NO_IMAGENET = (
    "imagenet does not fit in memory as a whole (193 GB at 224x224 pixels). Put the images, or a class-balanced "
    "subset of them (balanced_subsets), into folders train/<class>/ and test/<class>/ and use "
    "load('imagefolder', data_dir=..., image_size=64)"
)


def _data(name, train: Split, test: Split, classes, *, mean=None, std=None) -> Data:
    if mean is None:
        mean, std = channel_statistics(train.images)
    checksum = checksum_of(train.images, train.labels, test.images, test.labels)
    return Data(name, train, test, tuple(classes), mean, std, checksum)


def _split(images: np.ndarray, labels) -> Split:
    """Images as (n, height, width), (n, height, width, 3) or (n, 3, height, width)."""
    pixels = torch.from_numpy(np.require(images, requirements=["C", "W"]))
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif pixels.shape[-1] == 3:
        pixels = pixels.permute(0, 3, 1, 2)
    return Split(pixels, torch.from_numpy(np.array(labels, dtype=np.int64)))


def _fashion_sample() -> Data:
    if not SAMPLE_FILE.exists():
        raise FileNotFoundError(f"the embedded sample {SAMPLE_FILE} is missing; install nasnb again")
    try:
        with SAMPLE_FILE.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            parts = [_split(arrays[f"{part}_images"], arrays[f"{part}_labels"]) for part in ("train", "test")]
        data = _data("fashion-sample", *parts, FASHION_CLASSES)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, ValueError) as error:
        raise ValueError(f"the embedded sample {SAMPLE_FILE} is damaged ({error}); install nasnb again") from None
    if data.checksum != SAMPLE_CHECKSUM:
        found = f"checksum {data.checksum} instead of {SAMPLE_CHECKSUM}"
        raise ValueError(f"the embedded sample {SAMPLE_FILE} is damaged ({found}); install nasnb again")
    return data


def _image_folder(data_dir: str | Path | None, image_size: int | None) -> Data:
    train, test, classes = read_folder(_class_folders(data_dir), image_size=image_size)
    return _data("imagefolder", train, test, classes)


def _class_folders(data_dir: str | Path | None) -> Path:
    if data_dir is None:
        raise ValueError("imagefolder needs data_dir, a folder with train/<class>/* and test/<class>/*")
    folder = data_folder(data_dir)
    for part in ("train", "test"):
        if not (folder / part).is_dir():
            raise FileNotFoundError(f"no image folder here: {(folder / part).resolve()} has no class folders; {LAYOUT}")
    return folder


def _archive_place(name: str, folder: Path) -> Path:
    place = folder / ARCHIVES[name].path
    if not place.exists():
        call = f"nasnb.data.load({name!r}, data_dir={str(folder)!r}, download=True)"
        raise FileNotFoundError(f"no {name} here: looked for {place.resolve()}. Get it, in Python, with {call}")
    return place


def _archive(name: str, folder: Path, download: bool) -> Data:
    archive = ARCHIVES[name]
    call = f"load({name!r}, data_dir={str(folder)!r}, download=True)"
    if not download:
        _archive_place(name, folder)
    from torchvision import datasets

    read = getattr(datasets, archive.reader)
    sides = [{"split": side} for side in ("train", "test")] if name == "svhn" else [{"train": True}, {"train": False}]
    try:
        train, test = (read(folder, download=download, **side) for side in sides)
    except (RuntimeError, OSError, EOFError, KeyError, ValueError, pickle.UnpicklingError, tarfile.TarError) as error:
        place = (folder / archive.path).resolve()
        raise ValueError(f"{name} in {place} is damaged or incomplete ({error}). Remove it, then {call}") from None
    if name == "svhn":
        parts, classes = [_split(part.data, part.labels) for part in (train, test)], tuple("0123456789")
    else:
        parts, classes = [_split(part.data, part.targets) for part in (train, test)], train.classes
    return _data(name, *parts, classes, mean=archive.mean, std=archive.std)


def _fashion_mnist(data_dir: str | Path | None, download: bool) -> Data:
    if download:
        from torchvision.datasets import FashionMNIST

        FashionMNIST(data_folder(data_dir), download=True)
    place = _fashion_place(data_dir)
    parts = [_split(*read_fashion(place, part)) for part in ("train", "t10k")]
    return _data("fashion-mnist", *parts, FASHION_CLASSES)


def _fashion_place(data_dir: str | Path | None) -> Path:
    folder = data_folder(data_dir)
    places = [folder, folder / "FashionMNIST" / "raw"] + ([] if data_dir else [DEBIAN_FASHION])
    for found in places:
        if any(found.glob("train-images-idx3-ubyte*")):
            return found
    looked = " and ".join(str(place.resolve()) for place in places)
    raise FileNotFoundError(
        f"no fashion-mnist here: looked for train-images-idx3-ubyte(.gz) in {looked}. "
        f"Get it, in Python, with nasnb.data.load('fashion-mnist', data_dir={str(folder)!r}, download=True), or from "
        "Debian's dataset-fashion-mnist"
    )


def unpacked(path: Path) -> bytes:
    """A file's content, of a gzipped one what is in it, whatever the file is called. Raises what gzip raises."""
    content = path.read_bytes()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def read_fashion(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28) and labels (n,) of `part` "train" or "t10k" from the original files, gzipped or not."""
    return read_idx(folder / f"{part}-images-idx3-ubyte"), read_idx(folder / f"{part}-labels-idx1-ubyte")


def read_idx(path: Path) -> np.ndarray:
    """An array of bytes in the format of MNIST: two zeros, type 8, the rank, then sizes as big-endian int32."""
    packed = path.with_name(path.name + ".gz")
    try:
        content = unpacked(path if path.exists() else packed)
        rank = content[3]
        shape = np.frombuffer(content, ">i4", count=rank, offset=4)
        if content[:3] != b"\0\0\x08":
            raise ValueError("it does not begin as an array of bytes")
        return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except FileNotFoundError:
        raise FileNotFoundError(f"neither {path} nor {packed.name} is there; copy all four files") from None
    except (ValueError, IndexError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}(.gz) is damaged ({error}); get it again") from None


def load_cifar10_1(data_dir: str | Path, *, version: str = "v6") -> Split:
    """The 2,000 new test images of CIFAR-10.1 (Recht et al., 2018), classes as in CIFAR-10; "v4" has 2,021."""
    if version not in CIFAR10_1_IMAGES:
        raise ValueError(f"CIFAR-10.1 has versions v4 and v6, not {version!r}")
    arrays = []
    for content in ("data", "labels"):
        path = data_folder(data_dir) / f"cifar10.1_{version}_{content}.npy"
        if not path.exists():
            source = "the folder datasets of github.com/modestyachts/CIFAR-10.1"
            raise FileNotFoundError(f"no CIFAR-10.1 here: looked for {path.resolve()}. Copy it from {source}")
        try:
            arrays.append(np.load(path, allow_pickle=False))
        except (ValueError, EOFError, OSError, SyntaxError) as error:
            raise ValueError(f"{path} is damaged ({error}); get it again") from None
    _check_cifar10_1(*arrays, f"{data_dir}: CIFAR-10.1 {version} has", CIFAR10_1_IMAGES[version])
    for name, known in CIFAR10_1_MD5.items():
        path = data_folder(data_dir) / name
        if version in name and (found := hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()) != known:
            raise ValueError(f"{path} is another file than the published one (MD5 {found}, not {known}); get it again")
    return _split(*arrays)


def _check_cifar10_1(images: np.ndarray, labels: np.ndarray, has: str, n: int) -> None:
    if images.shape != (n, 32, 32, 3) or images.dtype != np.uint8:
        raise ValueError(f"{has} uint8 images of shape {(n, 32, 32, 3)}; here: {images.dtype} of {images.shape}")
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise ValueError(f"{has} {n} whole numbers as labels; here: {labels.dtype} of {labels.shape}")
    if labels.min() < 0 or labels.max() > 9:
        raise ValueError(f"{has} labels from 0 to 9; here: {labels.min()} to {labels.max()}")
