"""Searches on NAS-Bench-201, whose cells somebody has trained: looked up instead of trained again."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from nasnb.architecture import Genotype
from nasnb.data.bench201 import DATASETS, Bench201Table
from nasnb.runs.files import read_json, runs_folder
from nasnb.runs.table import find_runs

COLUMNS = ("method", "seed", *DATASETS, "percentile")


def cells_in_table(runs_dir: str | Path, table: Bench201Table | None = None) -> pd.DataFrame:
    """The finished searches of a folder that ended in a cell of NAS-Bench-201: test accuracies in percent, and the
    cell's percentile on CIFAR-10 among all of the space. Empty if there are none."""
    table, runs, rows = Bench201Table.load() if table is None else table, find_runs(runs_dir), []
    for run in runs[(runs.state == "finished") & (runs.kind == "search")].itertuples():
        found = read_json(runs_folder(runs_dir) / run.name / "genotypes.json")
        genotype = Genotype.from_json(json.dumps(found[-1])) if found else None
        if genotype is not None and set(genotype.picks) == {"cell"}:
            told = table.accuracy(genotype) | {"percentile": table.percentile(genotype, "cifar10")}
            rows.append({"method": run.method, "seed": int(run.seed), **told})
    return pd.DataFrame(rows, columns=list(COLUMNS))
