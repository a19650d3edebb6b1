"""What a finished run has to say, read from its folder."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from nasnb.architecture import Genotype
from nasnb.runs.files import as_arrays, as_json, checksum, from_arrays, read_json, read_whole


class Finished(NamedTuple):
    """What a run keeps of a finished epoch: a line of numbers, and of a search the weights and what they stand for."""

    row: Mapping[str, float]
    weights: Mapping[str, np.ndarray] = {}
    genotype: Genotype | None = None


@dataclass(frozen=True)
class Result:
    """A finished run. `weights` are {group: (epochs, edges, ops)}; both it and `genotypes` are empty for a training.

    A search of several stages has NaN where an epoch lacks a weight that another stage has.
    """

    history: pd.DataFrame  # one line per epoch; a search's has the genotype's notation too
    weights: dict[str, np.ndarray]
    genotypes: list[Genotype]
    record: dict[str, Any]
    folder: Path
    rebuild: Callable[[], Any] = field(repr=False)
    is_stand_in: bool = False  # of a run that is only foreseen: its numbers say nothing

    @property
    def name(self) -> str:
        """Of the run: what determines it, in short."""
        return self.folder.name

    @property
    def genotype(self) -> Genotype:
        """The final architecture. Raises ValueError for a run that searched none."""
        if not self.genotypes:
            raise ValueError(f"{self.name} has no genotype: a {self.record['kind']} run picks none")
        return self.genotypes[-1]

    def state(self) -> Any:
        """The live state at the end, with the trained network, from the last checkpoint; a new copy each time.

        If the last checkpoint is damaged, what follows the newest whole one is computed again.
        """
        return self.rebuild()


class History:
    """The finished epochs of a run in progress; it travels inside the checkpoints, so both always agree."""

    def __init__(self, rows: list[dict[str, float]], weights: list[dict[str, np.ndarray]], genotypes: list[str]):
        self.rows, self.weights, self.genotypes = rows, weights, genotypes

    @staticmethod
    def empty() -> History:
        """Before the first epoch."""
        return History([], [], [])

    def add(self, epoch: Finished, *, seconds: float) -> None:
        """`seconds` takes the place of the row's own: it counts the time before an interruption too."""
        self.rows.append({**epoch.row, "seconds": seconds})
        if epoch.weights:
            self.weights.append({group: np.asarray(w) for group, w in epoch.weights.items()})
        if epoch.genotype is not None:
            self.genotypes.append(epoch.genotype.to_json())

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint: plain values and tensors."""
        weights = [{group: torch.from_numpy(w) for group, w in epoch.items()} for epoch in self.weights]
        return {"rows": self.rows, "weights": weights, "genotypes": self.genotypes}

    @staticmethod
    def from_state_dict(saved: Mapping[str, Any]) -> History:
        """What `state_dict` gave."""
        weights = [{group: w.numpy() for group, w in epoch.items()} for epoch in saved["weights"]]
        return History(list(saved["rows"]), weights, list(saved["genotypes"]))

    def metrics(self) -> dict[str, float | None]:
        """The last epoch; None for NaN, which JSON does not know."""
        last = self.rows[-1] if self.rows else {}
        return {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in last.items()}

    def genotype(self) -> str | None:
        """The last one, in the notation of the papers."""
        return Genotype.from_json(self.genotypes[-1]).notation() if self.genotypes else None

    def files(self) -> dict[str, bytes]:
        """What stands beside the record, by name."""
        return {
            "history.csv": self.table().to_csv(index=False).encode(),
            "weights.npz": as_arrays(self.stacked()),
            "genotypes.json": as_json([json.loads(genotype) for genotype in self.genotypes]),
        }

    def table(self) -> pd.DataFrame:
        """A line per epoch."""
        table = pd.DataFrame(self.rows)
        if self.genotypes:
            table["genotype"] = [Genotype.from_json(genotype).notation() for genotype in self.genotypes]
        return table

    def stacked(self) -> dict[str, np.ndarray]:
        """{group: (epochs, edges, ops)}, NaN where an epoch lacks a weight that another stage of the search has."""
        return {
            group: _stacked([epoch.get(group) for epoch in self.weights])
            for group in dict.fromkeys(group for epoch in self.weights for group in epoch)
        }


def _stacked(epochs: list[np.ndarray | None]) -> np.ndarray:
    shapes = [w.shape for w in epochs if w is not None]
    whole = np.full((len(epochs), *np.max(shapes, axis=0)), np.nan, dtype=np.float32)
    for out, w in zip(whole, epochs, strict=True):
        if w is not None:
            out[tuple(map(slice, w.shape))] = w
    return whole


def accuracy(row: Mapping[str, float]) -> float:
    """In percent: on the held-out images, or on the training images where none are held out."""
    valid = row.get("valid_accuracy", math.nan)
    return row.get("train_accuracy", math.nan) if math.isnan(valid) else valid


class Damaged(ValueError):
    """A file of results is missing, or is not what the record says was computed."""


def read_files(folder: Path, record: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of results of a finished run. Raises Damaged naming one that is not as recorded, OSError if one cannot
    be read.
    """
    if not isinstance(record.get("files"), dict):  # as earlier versions wrote it
        raise Damaged(f"record.json of {folder.name} tells no checksums")
    found = {name: read_whole(folder / name) for name in record["files"]}
    for name, content in found.items():
        if content is None or checksum(content) != record["files"][name]:
            raise Damaged(f"{name} of {folder.name} is {'missing' if content is None else 'damaged'}")
    return found


def read_result(folder: Path, rebuild: Callable[[int], Any]) -> Result:
    """`rebuild(epoch)` makes the state at the end. Raises ValueError or OSError naming a file that is not whole."""
    record = read_json(folder / "record.json")
    found = read_files(folder, record)
    genotypes = [Genotype.from_json(json.dumps(value)) for value in json.loads(found["genotypes.json"])]
    weights = from_arrays(found["weights.npz"])
    return Result(_table(found["history.csv"]), weights, genotypes, record, folder, lambda: rebuild(record["epoch"]))


def _table(content: bytes) -> pd.DataFrame:
    """As it was written, to the last bit: readers of CSV files round."""
    lines = csv.DictReader(io.StringIO(content.decode(), newline=""))
    return pd.DataFrame([{name: _value(text) for name, text in line.items()} for line in lines])


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text or "nan")
        except ValueError:
            pass
    return text
