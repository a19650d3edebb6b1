"""Data sets, the loaders with what they say when something is wrong, subsets, and the NAS-Bench-201 table."""

import builtins
import gzip
import hashlib
import itertools
import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.testing import assert_close
from torchvision import datasets

from nasnb.architecture import Genotype
from nasnb.data import (
    Bench201Table,
    Split,
    balanced_subsets,
    bench201,
    channel_statistics,
    checksum_of,
    load,
    load_cifar10_1,
    loaders,
    split,
)
from nasnb.data.bench201 import DATASETS
from nasnb.data.loaders import SAMPLE_FILE, read_idx


def some_split(n: int = 10) -> Split:
    images = torch.arange(n * 3 * 4 * 5).remainder(251).to(torch.uint8).view(n, 3, 4, 5)
    return Split(images, torch.arange(n) % 3)


# --- sets ---------------------------------------------------------------------------------------------------------


def test_split_takes_and_refuses():
    whole = some_split()
    part = whole.take(torch.tensor([7, 2]))
    assert len(part) == 2
    assert torch.equal(part.images[0], whole.images[7])
    assert part.labels.tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"uint8 of shape \(n, channels, height, width\), got torch.float32"):
        Split(torch.zeros(2, 3, 4, 5), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"one for each of 10 images, got torch.int64 of shape \(9,\)"):
        Split(whole.images, whole.labels[:9])


def test_checksum_sees_values_not_memory():
    images = some_split().images
    assert checksum_of(images) == checksum_of(images.contiguous()) == checksum_of(images.clone())
    changed = images.clone()
    changed[3, 1, 2, 0] += 1
    assert checksum_of(changed) != checksum_of(images)
    expected = hashlib.sha256(images.contiguous().numpy().tobytes()).hexdigest()[:16]
    assert checksum_of(images) == expected


def test_statistics_equal_float64_ones_for_any_chunk():
    images = torch.randint(0, 256, (37, 3, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = channel_statistics(images)
    pixels = images.double() / 255
    assert_close(mean, tuple(pixels.mean(dim=(0, 2, 3)).tolist()), rtol=1e-12, atol=0)
    assert_close(std, tuple(pixels.std(dim=(0, 2, 3), correction=0).tolist()), rtol=1e-12, atol=0)
    assert (mean, std) == channel_statistics(images, chunk=5)


@pytest.mark.parametrize("shuffled", [False, True])
def test_split_parts(shuffled):
    whole = Split(some_split(100).images, torch.arange(100))
    first, second = split(whole, 0.8, shuffled=shuffled, seed=3)
    assert (len(first), len(second)) == (80, 20)
    assert sorted(torch.cat([first.labels, second.labels]).tolist()) == list(range(100))
    assert (first.labels.tolist() == list(range(80))) is not shuffled
    again, _ = split(whole, 0.8, shuffled=shuffled, seed=3)
    other, _ = split(whole, 0.8, shuffled=shuffled, seed=4)
    assert torch.equal(first.labels, again.labels)
    assert torch.equal(first.labels, other.labels) is not shuffled


def test_split_refuses_an_impossible_fraction():
    with pytest.raises(ValueError, match=r"fraction must lie between 0 and 1, got 1.5"):
        split(some_split(), 1.5)


@settings(max_examples=25, deadline=None)
@given(
    per_class=st.lists(st.integers(40, 90), min_size=1, max_size=4),
    fractions=st.sampled_from([(0.1, 0.025), (0.5, 0.5), (0.25,), (0.3, 0.3, 0.4)]),
    seed=st.integers(0, 1000),
)
def test_balanced_subsets_are_disjoint_and_balanced(per_class, fractions, seed):
    labels = torch.arange(len(per_class)).repeat_interleave(torch.tensor(per_class))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    subsets = balanced_subsets(labels, fractions, seed=seed)
    together = torch.cat(subsets)
    assert len(together.unique()) == len(together)
    for subset, fraction in zip(subsets, fractions, strict=True):
        assert subset.tolist() == sorted(subset.tolist())
        assert labels[subset].bincount().tolist() == [int(fraction * n + 1e-9) for n in per_class]
    assert all(map(torch.equal, subsets, balanced_subsets(labels, fractions, seed=seed)))


def test_balanced_subsets_depend_on_the_seed_and_refuse():
    labels = torch.arange(5).repeat(200)
    (first,), (second,) = balanced_subsets(labels, [0.1], seed=0), balanced_subsets(labels, [0.1], seed=1)
    assert checksum_of(first) != checksum_of(second)
    # by hand: of class 0, the 20 indices with the lowest hash
    lowest = sorted(range(0, 1000, 5), key=lambda index: hashlib.sha256(f"0/{index}".encode()).digest())[:20]
    assert first[labels[first] == 0].tolist() == sorted(lowest)
    with pytest.raises(ValueError, match=r"add up to at most 1, got \[0.8, 0.3\]"):
        balanced_subsets(labels, [0.8, 0.3], seed=0)
    with pytest.raises(ValueError, match=r"0.001 of class 0 is no image: it has only 200"):
        balanced_subsets(labels, [0.001], seed=0)


# --- the embedded sample ------------------------------------------------------------------------------------------


def test_sample():
    data = load()
    assert (data.name, data.image_size, data.n_classes) == ("fashion-sample", (1, 28, 28), 10)
    assert (len(data.train), len(data.test)) == (4000, 1000)
    assert data.train.labels.bincount().tolist() == [400] * 10
    assert data.test.labels.bincount().tolist() == [100] * 10
    assert data.train.labels[:640].bincount().tolist() == [64] * 10  # every ten in a row hold every class
    assert 0.28 < data.mean[0] < 0.29 and 0.35 < data.std[0] < 0.36  # of all 60,000 images: 0.2860, 0.3530
    sandals, coats = (data.train.images[data.train.labels == label].float().mean() for label in (5, 4))
    assert coats > 2 * sandals
    assert hashlib.sha256(SAMPLE_FILE.read_bytes()).hexdigest() in SAMPLE_FILE.with_suffix(".txt").read_text()


def test_damaged_sample_is_refused(tmp_path, monkeypatch):
    content = bytearray(SAMPLE_FILE.read_bytes())
    monkeypatch.setattr(loaders, "SAMPLE_FILE", tmp_path / "sample.npz")
    with pytest.raises(FileNotFoundError, match=r"sample.npz is missing; install nasnb again"):
        load()
    (tmp_path / "sample.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"sample.npz is damaged .*; install nasnb again"):
        load()
    with np.load(SAMPLE_FILE, allow_pickle=False) as arrays:
        changed = dict(arrays)
    changed["test_labels"][5] += 1
    np.savez(tmp_path / "sample.npz", **changed)
    with pytest.raises(ValueError, match=r"is damaged \(checksum \w{16} instead of \w{16}\)"):
        load()


@pytest.mark.slow
@pytest.mark.skipif(not loaders.DEBIAN_FASHION.exists(), reason="needs Debian's package dataset-fashion-mnist")
def test_sample_can_be_made_again():
    script = Path(__file__).with_name("make_fashion_sample.py")
    run = subprocess.run(
        [sys.executable, script, loaders.DEBIAN_FASHION, "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


# --- names and missing files --------------------------------------------------------------------------------------


def test_unknown_names_are_refused():
    with pytest.raises(
        ValueError, match=r"unknown data set 'cifar-10', did you mean 'cifar10'.*known: fashion-sample,"
    ):
        load("cifar-10")
    with pytest.raises(ValueError, match=r"193 GB.*load\('imagefolder'"):
        load("imagenet")
    with pytest.raises(ValueError, match="imagefolder needs data_dir"):
        load("imagefolder")


@pytest.mark.parametrize(
    ("name", "looked_for"),
    [
        ("cifar10", "cifar-10-batches-py"),
        ("cifar100", "cifar-100-python"),
        ("svhn", "train_32x32.mat"),
        ("fashion-mnist", "train-images-idx3-ubyte"),
    ],
)
def test_missing_files_are_named(name, looked_for, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        load(name, data_dir=tmp_path)
    assert looked_for in str(error.value) and str(tmp_path) in str(error.value)
    assert "download=True" in str(error.value)
    assert list(tmp_path.iterdir()) == []


# --- CIFAR and SVHN: tiny archives in the original formats ----------------------------------------------------------


def fake_cifar10(root: Path, monkeypatch) -> np.ndarray:
    """Five training batches of two images and a test batch of three; returns all pixels, (13, 3, 32, 32)."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (13, 3, 32, 32), dtype=np.uint8)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    ends = [0, 2, 4, 6, 8, 10, 13]
    sums = []
    for name, first, last in zip(names, ends, ends[1:], strict=False):
        rows = {"data": pixels[first:last].reshape(last - first, -1), "labels": [i % 10 for i in range(first, last)]}
        sums.append([name, _write(folder / name, pickle.dumps(rows))])
    meta = _write(folder / "batches.meta", pickle.dumps({"label_names": [f"class {i}" for i in range(10)]}))
    monkeypatch.setattr(datasets.CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", sums[5:])
    monkeypatch.setattr(datasets.CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": meta})
    return pixels


def _write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return hashlib.md5(content).hexdigest()


def test_cifar10(tmp_path, monkeypatch):
    pixels = fake_cifar10(tmp_path, monkeypatch)
    data = load("cifar10", data_dir=tmp_path)
    assert np.array_equal(data.train.images, pixels[:10]) and np.array_equal(data.test.images, pixels[10:])
    assert data.test.labels.tolist() == [0, 1, 2]
    assert data.classes == tuple(f"class {i}" for i in range(10))
    assert data.mean == (0.49139968, 0.48215827, 0.44653124) and data.std == (0.24703233, 0.24348505, 0.26158768)


def test_damaged_cifar10_is_refused(tmp_path, monkeypatch):
    fake_cifar10(tmp_path, monkeypatch)
    with (tmp_path / "cifar-10-batches-py" / "data_batch_3").open("ab") as file:
        file.write(b"x")
    with pytest.raises(
        ValueError, match=r"cifar-10-batches-py is damaged .* Remove it, then load\('cifar10'.*download"
    ):
        load("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize("name", ["cifar100", "svhn"])
def test_other_archives(name, tmp_path, monkeypatch):
    """The readers are torchvision's; here: what is asked of them, and what becomes of the answer."""
    asked = []
    shape = (4, 32, 32, 3) if name == "cifar100" else (4, 3, 32, 32)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def reader(root, *, download, **side):
        asked.append((root, download, side))
        labels = {"targets": [3, 1, 2, 0], "classes": list("abcd")} if name == "cifar100" else {"labels": np.arange(4)}
        return SimpleNamespace(data=pixels, **labels)

    monkeypatch.setattr(datasets, loaders.ARCHIVES[name].reader, reader)
    data = load(name, data_dir=tmp_path, download=True)
    key, values = ("train", (True, False)) if name == "cifar100" else ("split", ("train", "test"))
    assert asked == [(tmp_path, True, {key: value}) for value in values]
    assert data.image_size == (3, 32, 32)
    assert data.train.images[2, 1, 5, 7] == (pixels[2, 5, 7, 1] if name == "cifar100" else pixels[2, 1, 5, 7])
    assert data.classes == (tuple("abcd") if name == "cifar100" else tuple("0123456789"))
    assert data.train.labels.tolist() == ([3, 1, 2, 0] if name == "cifar100" else [0, 1, 2, 3])


def idx(array: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def test_fashion_mnist(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
    labels = np.arange(6, dtype=np.uint8)
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels)))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    data = load("fashion-mnist", data_dir=tmp_path)
    assert np.array_equal(data.train.images[:, 0], pixels)
    assert data.test.labels.tolist() == list(range(6))
    assert_close(data.mean[0], pixels.mean() / 255, rtol=1e-9, atol=0)
    for content in (idx(pixels)[:-3], b"\0\1\2", b""):
        (tmp_path / "train-labels-idx1-ubyte").write_bytes(content)
        with pytest.raises(ValueError, match=r"train-labels-idx1-ubyte\(.gz\) is damaged"):
            load("fashion-mnist", data_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"neither .*absent nor absent.gz is there; copy all four files"):
        read_idx(tmp_path / "absent")


def save_cifar10_1(folder: Path, images: np.ndarray, labels: np.ndarray, version: str = "v6") -> None:
    np.save(folder / f"cifar10.1_{version}_data.npy", images)
    np.save(folder / f"cifar10.1_{version}_labels.npy", labels, allow_pickle=True)


@pytest.mark.parametrize(("version", "n"), [("v6", 2000), ("v4", 2021)])
def test_cifar10_1(version, n, tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
    with pytest.raises(FileNotFoundError, match=rf"cifar10.1_{version}_data.npy. Copy it from .*modestyachts/CIFAR"):
        load_cifar10_1(tmp_path, version=version)
    save_cifar10_1(tmp_path, pixels, np.arange(n, dtype=np.int32) % 10, version)
    if version == "v6":
        with pytest.raises(
            ValueError, match=r"v6_data.npy is another file than the published one \(MD5 [0-9a-f]{32}, "
        ):
            load_cifar10_1(tmp_path, version=version)
    monkeypatch.setattr(loaders, "CIFAR10_1_MD5", {})
    found = load_cifar10_1(tmp_path, version=version)
    assert np.array_equal(found.images.permute(0, 2, 3, 1), pixels)
    assert found.labels.tolist() == [i % 10 for i in range(n)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:5], y[:5]), r"v6 has uint8 images of shape \(2000, 32, 32, 3\); here: uint8 of \(5, 32"),
        (lambda x, y: (x / 255, y), r"v6 has uint8 images .* here: float64 of \(2000"),
        (lambda x, y: (x, y[:-1]), r"v6 has 2000 whole numbers as labels; here: int64 of \(1999,\)"),
        (lambda x, y: (x, y / 2), r"2000 whole numbers as labels; here: float64"),
        (lambda x, y: (x, y + 1), r"labels from 0 to 9; here: 1 to 10"),
        (lambda x, y: (x, np.array([{}])), r"labels.npy is damaged"),
    ],
)
def test_cifar10_1_of_another_kind(change, message, tmp_path):
    pixels, labels = np.zeros((2000, 32, 32, 3), np.uint8), np.arange(2000) % 10
    save_cifar10_1(tmp_path, *change(pixels, labels))
    with pytest.raises(ValueError, match=message):
        load_cifar10_1(tmp_path)


def test_cifar10_1_has_two_versions(tmp_path):
    with pytest.raises(ValueError, match="versions v4 and v6, not 'v5'"):
        load_cifar10_1(tmp_path, version="v5")


# --- image folders ------------------------------------------------------------------------------------------------


def picture(path: Path, pixels: torch.Tensor) -> None:
    """Writes pixels (3, height, width)."""
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(path)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two classes, 6 training and 2 test images each, 8x8; every image has one colour, class ant dark, bee bright."""
    for part, count in (("train", 6), ("test", 2)):
        for name, level in (("ant", 10), ("bee", 200)):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(count):
                image = torch.full((3, 8, 8), level + i, dtype=torch.uint8)
                picture(tmp_path / part / name / f"{i}.png", image)
    return tmp_path


def test_image_folder(folder):
    (folder / "train" / "ant" / "notes.txt").write_text("not an image")
    data = load("imagefolder", data_dir=folder)
    assert (len(data.train), len(data.test), data.classes, data.image_size) == (12, 4, ("ant", "bee"), (3, 8, 8))
    levels = {
        (label, image[0, 0, 0].item())
        for image, label in zip(data.train.images, data.train.labels.tolist(), strict=True)
    }
    assert levels == {(0, 10 + i) for i in range(6)} | {(1, 200 + i) for i in range(6)}
    assert data.train.labels.tolist() not in ([0] * 6 + [1] * 6, [1] * 6 + [0] * 6)  # not in the order of the classes
    assert_close(data.mean, channel_statistics(data.train.images)[0])


def test_image_folder_is_decoded_once(folder, monkeypatch):
    first = load("imagefolder", data_dir=folder)
    assert [path.name for path in folder.glob("*.npz")] == ["nasnb-cache-unscaled.npz"]
    from nasnb.data import folders

    decode = folders.decode
    monkeypatch.setattr(folders, "decode", lambda *args, **kwargs: pytest.fail("decoded again"))
    assert load("imagefolder", data_dir=folder).checksum == first.checksum
    monkeypatch.setattr(folders, "decode", decode)
    changed = folder / "train" / "ant" / "0.png"
    picture(changed, torch.full((3, 8, 8), 99, dtype=torch.uint8))
    os.utime(changed, ns=(1, 1))
    assert 99 in load("imagefolder", data_dir=folder).train.images
    (folder / "nasnb-cache-unscaled.npz").write_bytes(b"PK damaged")
    assert 99 in load("imagefolder", data_dir=folder).train.images
    assert sorted(path.name for path in folder.iterdir()) == ["nasnb-cache-unscaled.npz", "test", "train"]


def test_image_folder_without_a_place_for_the_cache(folder, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("read-only")

    monkeypatch.setattr(np, "savez", refuse)
    assert len(load("imagefolder", data_dir=folder).train) == 12
    assert not list(folder.glob("*.npz"))


def test_image_folder_of_mixed_sizes(folder):
    odd = folder / "test" / "bee" / "odd.jpg"
    picture(odd, torch.full((3, 20, 12), 128, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"odd.jpg has 20x12 pixels, .* has 8x8; give image_size="):
        load("imagefolder", data_dir=folder)
    data = load("imagefolder", data_dir=folder, image_size=8)
    assert data.image_size == (3, 8, 8)
    assert 128 in data.test.images
    odd.write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"odd.jpg cannot be read as an image .*; remove or replace it"):
        load("imagefolder", data_dir=folder, image_size=8)


def test_image_folder_is_scaled_then_cut_from_the_centre(tmp_path):
    image = torch.zeros(3, 16, 48, dtype=torch.uint8)
    image[:, :, 16:32] = 255  # the middle square
    for part in ("train", "test"):
        (tmp_path / part / "only").mkdir(parents=True)
        picture(tmp_path / part / "only" / "wide.png", image)
    assert load("imagefolder", data_dir=tmp_path, image_size=16).train.images.min() == 255
    half = load("imagefolder", data_dir=tmp_path, image_size=8).train.images
    assert half.shape == (1, 3, 8, 8) and half[:, :, :, 1:7].min() > 250


def test_wrong_layouts_are_explained(folder):
    with pytest.raises(FileNotFoundError, match=r"absent/train has no class folders; expected train/<class>/\*.jpg"):
        load("imagefolder", data_dir=folder / "absent")
    (folder / "test" / "wasp").mkdir()
    with pytest.raises(ValueError, match="has the class 'wasp', which train does not have"):
        load("imagefolder", data_dir=folder)
    (folder / "test" / "wasp").rmdir()
    for path in (folder / "test").glob("*/*.png"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no images in the class folders of .*test"):
        load("imagefolder", data_dir=folder)


# --- NAS-Bench-201 ------------------------------------------------------------------------------------------------

ALL_SKIP = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
ALL_NONE = ALL_SKIP.replace("skip_connect", "none")
ALL_CONV = ALL_SKIP.replace("skip_connect", "nor_conv_3x3")
HEADER = "arch,cifar10_test,cifar100_test,imagenet16_120_test\n"
CONTENT = f"{HEADER}{ALL_SKIP},54.3,15.6,16.3\n{ALL_NONE},10.0,1.0,0.83\n{ALL_CONV},93.8,71.1,41.4\n"


@pytest.fixture
def small_benchmark(monkeypatch):
    """A table of a few architectures is whole."""
    monkeypatch.setattr(bench201, "ARCHITECTURES", 3)


@pytest.mark.parametrize("kind", ["plain", "gzip", "export"])
def test_table(kind, tmp_path, small_benchmark):
    path = tmp_path / ("table.csv.gz" if kind == "gzip" else "table.csv")
    content = CONTENT
    if kind == "export":
        lines = [line.split(",") for line in CONTENT.splitlines()[1:]]
        content = "CIFAR10TestAccuracy200Epochs,CIFAR100TestAccuracy200Epochs,ImageNetTestAccuracy200Epochs,"
        content += "ArchitectureString,UniqueString\n" + "".join(f"{a},{b},{c},{arch},x\n" for arch, a, b, c in lines)
    path.write_bytes(gzip.compress(content.encode()) if kind == "gzip" else content.encode())
    table = Bench201Table.read(path)
    assert len(table) == 3
    assert table.accuracy(ALL_SKIP) == {"cifar10": 54.3, "cifar100": 15.6, "imagenet16-120": 16.3}
    assert table.accuracy(Genotype.from_notation(ALL_CONV))["cifar100"] == 71.1
    assert table.best("imagenet16-120") == (ALL_CONV, 41.4)
    ranks = [table.percentile(arch, "cifar10") for arch in (ALL_NONE, ALL_SKIP, ALL_CONV)]
    assert_close(ranks, [100 / 3, 200 / 3, 100.0])


def test_the_table_of_the_package_is_the_whole_space():
    table = Bench201Table.load()
    names = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    notation = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format
    assert set(table.rows) == {notation(*ops) for ops in itertools.product(names, repeat=6)}
    # as published (Dong and Yang 2020, table 5): the best cell, and the one that is nothing but skip connections
    assert [table.best(name)[1] for name in DATASETS] == pytest.approx([94.37, 73.51, 47.31], abs=0.005)
    assert table.accuracy(ALL_SKIP)["cifar10"] == pytest.approx(54.30, abs=0.005)
    assert Bench201Table.load() is table


def test_random_architectures_are_any_of_them_and_the_seed_decides():
    table = Bench201Table.load()
    drawn = table.draw(400, seed=1)
    assert drawn == table.draw(400, seed=1) != table.draw(400, seed=2)
    assert sum(table.percentile(arch, "cifar10") for arch in drawn) / 400 == pytest.approx(50, abs=5)


def test_equal_architectures_share_a_percentile():
    table = Bench201Table({"a": (10.0, 1.0, 1.0), "b": (10.0, 1.0, 1.0), "c": (20.0, 1.0, 1.0), "d": (30.0, 1.0, 1.0)})
    assert [table.percentile(arch, "cifar10") for arch in "abcd"] == [50, 50, 75, 100]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("arch,accuracy\n", "has the columns arch, accuracy; expected arch, cifar10_test"),
        (HEADER, "has no rows"),
        (f"{HEADER}{ALL_SKIP},54.3,15.6\n", "line 2: expected 3 numbers, got"),
        (f"{HEADER}{ALL_SKIP},54.3,15.6,many\n", "line 2: expected 3 numbers, got .*many"),
        (f"{CONTENT}{ALL_NONE},10,1,1\n", r"line 5: '\|none~0\|.* is there twice"),
        (f"{HEADER}{ALL_SKIP},543,15.6,16.3\n", r"percents from 0 to 100, got \(543.0"),
    ],
)
def test_wrong_tables_are_refused(content, message, tmp_path):
    (tmp_path / "table.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        Bench201Table.read(tmp_path / "table.csv")


def test_a_table_that_was_cut_off_is_refused_by_name(tmp_path, small_benchmark):
    (tmp_path / "table.csv").write_text(CONTENT[: CONTENT.rindex("\n", 0, -1)])
    with pytest.raises(ValueError, match=r"table.csv ends after 2 of 3 architectures; get it again"):
        Bench201Table.read(tmp_path / "table.csv")


def test_table_errors(tmp_path, small_benchmark):
    with pytest.raises(FileNotFoundError, match=r"no NAS-Bench-201 table at .*absent.csv; it is a CSV file"):
        Bench201Table.read(tmp_path / "absent.csv")
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(CONTENT.encode())[:60])
    with pytest.raises(ValueError, match=r"table.csv.gz is damaged"):
        Bench201Table.read(tmp_path / "table.csv.gz")
    (tmp_path / "table.csv").write_text(CONTENT)
    table = Bench201Table.read(tmp_path / "table.csv")
    with pytest.raises(ValueError, match=r"'\|x~0\|' is not among the 3 architectures of the table; one is"):
        table.accuracy("|x~0|")
    with pytest.raises(ValueError, match="unknown data set 'cifar-10', did you mean 'cifar10'"):
        table.best("cifar-10")


def test_table_from_nats_bench(tmp_path, monkeypatch):
    asked = []

    class Api:
        def __len__(self):
            return 2

        def arch(self, index):
            return (ALL_SKIP, ALL_CONV)[index]

        def get_more_info(self, index, dataset, *, hp, is_random):
            asked.append((dataset, hp, is_random))
            return {"test-accuracy": 10.0 * (index + 1), "train-accuracy": 99.0}

    def create(path, space, *, fast_mode, verbose):
        assert (path, space, fast_mode, verbose) == (str(tmp_path), "tss", True, False)
        return Api()

    monkeypatch.setitem(sys.modules, "nats_bench", SimpleNamespace(create=create))
    table = Bench201Table.from_nats_bench(tmp_path)
    assert table.accuracy(ALL_CONV) == dict.fromkeys(("cifar10", "cifar100", "imagenet16-120"), 20.0)
    assert asked[:3] == [(name, "200", False) for name in ("cifar10", "cifar100", "ImageNet16-120")]
    with pytest.raises(FileNotFoundError, match=r"no NATS-Bench files at .*absent"):
        Bench201Table.from_nats_bench(tmp_path / "absent")


def test_nats_bench_not_installed(tmp_path, monkeypatch):
    imported = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "nats_bench":
            raise ImportError(name)
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="needs its package: pip install nats_bench"):
        Bench201Table.from_nats_bench(tmp_path)


def test_torchvision_is_imported_only_when_needed():
    for path in Path(loaders.__file__).parent.glob("*.py"):
        assert not [line for line in path.read_text().splitlines() if line.startswith(("import torchv", "from torchv"))]
