"""What a finished run has to say, read from its folder."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nasnb.architecture import Genotype
from nasnb.runs.files import read_arrays, read_json, write_arrays, write_json, write_whole


class Finished(NamedTuple):
    """What a run keeps of a finished epoch: a line of numbers, and of a search the weights and what they stand for."""

    row: Mapping[str, float]
    weights: Mapping[str, np.ndarray] = {}
    genotype: Genotype | None = None


@dataclass(frozen=True)
class Result:
    """A finished run. `weights` are {group: (epochs, edges, ops)}; both it and `genotypes` are empty for a training."""

    history: pd.DataFrame  # one line per epoch; a search's has the genotype's notation too
    weights: dict[str, np.ndarray]
    genotypes: list[Genotype]
    record: dict[str, Any]
    folder: Path
    rebuild: Callable[[], Any] = field(repr=False)

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
        """The live state at the end, with the trained network, from the last checkpoint; a new copy each time."""
        return self.rebuild()


class History:
    """The finished epochs of a run in progress; it travels inside the checkpoints, so both always agree."""

    def __init__(self, rows: list[dict], weights: list[dict], genotypes: list[str]):
        self.rows, self.weights, self.genotypes = rows, weights, genotypes

    def add(self, epoch: Finished, *, seconds: float) -> None:
        """`seconds` takes the place of the row's own: it counts the time before an interruption too."""
        self.rows.append({**epoch.row, "seconds": seconds})
        if epoch.weights:
            self.weights.append({group: np.asarray(w) for group, w in epoch.weights.items()})
        if epoch.genotype is not None:
            self.genotypes.append(epoch.genotype.to_json())

    def write(self, folder: Path) -> None:
        """history.csv, weights.npz and genotypes.json."""
        write_whole(folder / "history.csv", self.table().to_csv(index=False).encode())
        write_arrays(folder / "weights.npz", self.stacked())
        write_json(folder / "genotypes.json", [json.loads(genotype) for genotype in self.genotypes])

    def table(self) -> pd.DataFrame:
        """A line per epoch."""
        table = pd.DataFrame(self.rows)
        if self.genotypes:
            table["genotype"] = [Genotype.from_json(genotype).notation() for genotype in self.genotypes]
        return table

    def stacked(self) -> dict[str, np.ndarray]:
        """{group: (epochs, edges, ops)}."""
        groups = self.weights[0] if self.weights else {}
        return {group: np.stack([weights[group] for weights in self.weights]) for group in groups}


def read_result(folder: Path, rebuild: Callable[[], Any]) -> Result:
    """Raises ValueError or OSError naming the file that is missing or damaged."""
    table = pd.read_csv(io.BytesIO((folder / "history.csv").read_bytes()), float_precision="round_trip")
    genotypes = [Genotype.from_json(json.dumps(value)) for value in read_json(folder / "genotypes.json")]
    record = read_json(folder / "record.json")
    return Result(table, read_arrays(folder / "weights.npz"), genotypes, record, folder, rebuild)
