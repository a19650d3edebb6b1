"""The table of NAS-Bench-201: what every architecture of that space reaches after 200 epochs of training.

It ships with the package (numbers of NATS-Bench by Dong, Liu, Musial and Gabrys, MIT licence; see NOTICE).
"""

from __future__ import annotations

import bisect
import csv
import functools
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from nasnb.architecture import Genotype
from nasnb.config import nearest
from nasnb.data.loaders import unpacked
from nasnb.randomness import generator

DATASETS = ("cifar10", "cifar100", "imagenet16-120")
ARCHITECTURES = 5**6
SHIPPED = Path(__file__).with_name("bench201.csv.gz")

# The columns: architecture, then one per data set. The second is a common export of the whole benchmark.
HEADERS = (
    ("arch", "cifar10_test", "cifar100_test", "imagenet16_120_test"),
    (
        "ArchitectureString",
        "CIFAR10TestAccuracy200Epochs",
        "CIFAR100TestAccuracy200Epochs",
        "ImageNetTestAccuracy200Epochs",
    ),
)


@dataclass(frozen=True, eq=False)
class Bench201Table:
    """Mean test accuracy (%) over the benchmark's trials, for each architecture and data set of `DATASETS`.

    >>> table = Bench201Table.load()
    >>> cell, accuracy = table.best("cifar10")
    >>> len(table), cell, round(accuracy, 2)
    (15625, '|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|', 94.37)
    """

    rows: Mapping[str, tuple[float, ...]]
    _ranked: tuple[list[float], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.rows:
            raise ValueError("the NAS-Bench-201 table has no rows")
        object.__setattr__(self, "_ranked", tuple(sorted(column) for column in zip(*self.rows.values(), strict=True)))

    def __len__(self) -> int:
        return len(self.rows)

    def accuracy(self, arch: str | Genotype) -> dict[str, float]:
        """Test accuracy in percent by data set. Raises ValueError for an architecture that is not in the table."""
        text = arch if arch in self.rows else _string(arch)
        if text not in self.rows:
            example = next(iter(self.rows))
            raise ValueError(f"{text!r} is not among the {len(self)} architectures of the table; one is {example!r}")
        return dict(zip(DATASETS, self.rows[text], strict=True))

    def percentile(self, arch: str | Genotype, dataset: str) -> float:
        """Percent of all architectures that are not better than this one: 100 for the best."""
        column = self._ranked[_position(dataset)]
        return 100 * bisect.bisect_right(column, self.accuracy(arch)[dataset]) / len(column)

    def draw(self, n: int, *, seed: int) -> list[str]:
        """So many architectures at random, each as likely as any other: what a search has to beat."""
        names = sorted(self.rows)
        chosen = torch.randint(len(names), (n,), generator=generator(seed, "random architectures"))
        return [names[at] for at in chosen.tolist()]

    def best(self, dataset: str) -> tuple[str, float]:
        """The best architecture and its accuracy in percent; of equals, the first in the table."""
        position = _position(dataset)
        arch = max(self.rows, key=lambda arch: self.rows[arch][position])
        return arch, self.rows[arch][position]

    @staticmethod
    def load(path: str | Path | None = None) -> Bench201Table:
        """The table that ships with the package, or one of your own (see `read`)."""
        return _shipped() if path is None else Bench201Table.read(path)

    @staticmethod
    def read(path: str | Path) -> Bench201Table:
        """From a CSV file, gzipped or not, with one of the `HEADERS`. Raises ValueError naming the line."""
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"no NAS-Bench-201 table at {path.resolve()}; {_HOW_TO_GET}")
        try:
            text = unpacked(path).decode("utf-8-sig")
            rows = _rows(csv.DictReader(io.StringIO(text, newline="")), path)
        except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
            raise ValueError(f"{path} is damaged ({error}); get it again") from None
        if 0 < len(rows) < ARCHITECTURES:  # cut off within a number, the last line may still look whole
            raise ValueError(f"{path} ends after {len(rows):,} of {ARCHITECTURES:,} architectures; get it again")
        return Bench201Table(rows)

    @staticmethod
    def from_nats_bench(path: str | Path) -> Bench201Table:
        """From the benchmark's own files (NATS-tss-v1_0-3ffb9: the pickle, or the folder `-simple`).

        These are pickles: use a copy that you trust. Raises ImportError without the package nats_bench.
        """
        try:
            import nats_bench
        except ImportError:
            raise ImportError("reading NATS-Bench files needs its package: pip install nats_bench") from None
        if not Path(path).exists():
            raise FileNotFoundError(f"no NATS-Bench files at {Path(path).resolve()}")
        api = nats_bench.create(str(path), "tss", fast_mode=Path(path).is_dir(), verbose=False)
        rows = {}
        for index in tqdm(range(len(api)), desc="NATS-Bench", delay=1):
            # the package's own defaults are 12 epochs and one random trial
            infos = [api.get_more_info(index, name, hp="200", is_random=False) for name in _NATS_NAMES]
            rows[api.arch(index)] = tuple(info["test-accuracy"] for info in infos)
        return Bench201Table(rows)


@functools.cache
def _shipped() -> Bench201Table:
    return Bench201Table.read(SHIPPED)


_HOW_TO_GET = (
    f"it is a CSV file with the columns {', '.join(HEADERS[0])}, which you may write from the benchmark's own files: "
    "Bench201Table.from_nats_bench"
)
_NATS_NAMES = ("cifar10", "cifar100", "ImageNet16-120")


def _position(dataset: str) -> int:
    if dataset not in DATASETS:
        raise ValueError(f"unknown data set {dataset!r}{nearest(dataset, DATASETS)}; known: {', '.join(DATASETS)}")
    return DATASETS.index(dataset)


def _rows(reader: csv.DictReader, path: Path) -> dict[str, tuple[float, ...]]:
    columns = _columns(reader.fieldnames or [], path)
    rows: dict[str, tuple[float, ...]] = {}
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        try:
            arch = _string(row[columns[0]] or "")
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        if arch in rows:
            raise ValueError(f"{where}: {arch!r} is there twice")
        rows[arch] = _percents([row[column] for column in columns[1:]], where)
    _check_not_fractions(rows, path)
    return rows


def _string(arch: str | Genotype) -> str:
    """The one way in which the benchmark writes an architecture."""
    return (Genotype.from_notation(arch) if isinstance(arch, str) else arch).notation()


def _check_not_fractions(rows: Mapping[str, Sequence[float]], path: Path) -> None:
    for name, column in zip(DATASETS, zip(*rows.values(), strict=True), strict=False):
        # chance is 10 % on CIFAR-10; on the others whole columns of percents cannot end at 1 beside good networks
        if max(column) <= 1 and (name == "cifar10" or max(row[0] for row in rows.values()) > 20):
            raise ValueError(
                f"{path}: the accuracies on {name} end at {max(column)}, so they are fractions; "
                "percents from 0 to 100 are expected"
            )


def _columns(names, path: Path) -> tuple[str, ...]:
    for header in HEADERS:
        if set(header) <= set(names):
            return header
    raise ValueError(f"{path} has the columns {', '.join(names)}; expected {', '.join(HEADERS[0])}")


def _percents(texts: list[str | None], where: str) -> tuple[float, ...]:
    try:
        values = tuple(float(text) for text in texts)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: expected {len(DATASETS)} numbers, got {texts}") from None
    if not all(0 <= value <= 100 for value in values):
        raise ValueError(f"{where}: accuracies are percents from 0 to 100, got {values}")
    if values[0] <= 1:
        raise ValueError(f"{where}: {values[0]} on CIFAR-10 is a fraction; percents from 0 to 100 are expected")
    return values
