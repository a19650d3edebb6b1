"""`python -m benchmarks.sweeps`: what the sweeps at the papers' scale would cost, counted from their rows.

Equal runs are counted once, as they are computed once. Work and hours are those of benchmarks.work.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.work import CELLS, search_rate, search_work, training_rate, training_work
from nasnb.architecture import Genotype
from nasnb.config import SearchConfig, TrainConfig, scaled
from nasnb.experiment import given_cell, method_like, recipe_of
from nasnb.methods import Method
from nasnb.published.genotypes import GENOTYPES
from nasnb.runs.files import write_whole
from nasnb.spaces import random_genotype
from nasnb.workflow.parameters import parameters_of
from nasnb.workflow.sweep_file import Row, Sweep, read_sweep

SWEEPS = Path(__file__).resolve().parents[1] / "notebooks" / "sweeps"
PARTS = ("method", "space", "k", "edge_normalisation", "nodes", "score", "levels")  # what makes a method, in the stages
NUMBERS = ("epochs", "channels", "cells", "batch_size", "flip", "second_stage_cells")
DRAWN = 4  # random cells whose mean stands for a cell that a search has yet to find

Parts = tuple[Any, ...]


@dataclass
class Runs:
    """The searches and final trainings of a sweep, each once."""

    searches: set[tuple[Parts, SearchConfig]] = field(default_factory=set)
    trainings: set[tuple[Any, ...]] = field(default_factory=set)  # the cell or its searches, parts, config


def runs_of(sweep: Sweep) -> Runs:
    """What its rows of the stages ask for."""
    runs = Runs()
    for row in sweep.rows:
        add = {"search": _add_search, "select": _add_selection, "retrain": _add_training}.get(row.notebook.stem)
        if add is not None:
            add(runs, _values(row))
    return runs


def _values(row: Row) -> dict[str, Any]:
    return {name: known.default for name, known in parameters_of(row.notebook).items()} | row.values


def _searches(values: Mapping[str, Any], first: int, n: int) -> list[tuple[Parts, SearchConfig]]:
    parts = tuple(values[name] for name in PARTS)
    numbers = {name: values[name] for name in NUMBERS}
    config = _method(parts).at(values["preset"], seed=first, **numbers)
    return [(parts, replace(config, seed=first + number)) for number in range(n)]


def _add_search(runs: Runs, values: Mapping[str, Any]) -> None:
    runs.searches |= set(_searches(values, values["seed"], 1))


def _add_selection(runs: Runs, values: Mapping[str, Any]) -> None:
    found = _searches(values, values["seed"], values["searches"])
    runs.searches |= set(found)
    runs.trainings |= set(_short(values, found))


def _add_training(runs: Runs, values: Mapping[str, Any]) -> None:
    parts, cell = tuple(values[name] for name in PARTS), values["cell"]
    found = [] if cell else _searches(values, values["search_seed"], values["searches"])
    runs.searches |= set(found)
    runs.trainings |= set(_short(values, found))
    recipe = recipe_of(_method(parts), values["recipe"])
    config = scaled(recipe, values["preset"], flip=values["flip"], seed=values["seed"], epochs=values["train_epochs"])
    runs.trainings.add((cell or tuple(found), parts, config))


def _short(values: Mapping[str, Any], found: Sequence[tuple[Parts, SearchConfig]]) -> Iterator[tuple[Any, ...]]:
    """The short trainings by which DARTS picks among its searches."""
    if values["protocol"] == "short_training":
        for search in found:
            config = scaled(_method(search[0]).training, values["preset"], flip=values["flip"])
            yield (search,), search[0], replace(config, epochs=min(values["short_epochs"], config.epochs))


# --- work -------------------------------------------------------------------------------------------------------------


@cache
def _method(parts: Parts) -> Method:
    name, *others = parts
    return method_like(name, **dict(zip(PARTS[1:], others, strict=True)))


@cache
def _search_work(parts: Parts, config: SearchConfig) -> float:
    return search_work(replace(_method(parts), config=config)).total


@cache
def _training_work(cell: str | None, parts: Parts, config: TrainConfig) -> float:
    """Of a cell that is named; else of the paper's published cell; else the mean of cells drawn by chance."""
    works = [training_work(_method(parts), genotype, config) for genotype in _cells(cell, parts)]
    return sum(works) / len(works)


def _cells(cell: str | None, parts: Parts) -> list[Genotype]:
    if cell:
        return [given_cell(cell)]
    if parts[0] in CELLS and parts[1] is None and parts[PARTS.index("nodes")] is None:
        return [GENOTYPES[CELLS[parts[0]]]]
    method = _method(parts)
    return [random_genotype(method.final or method.space, seed=seed) for seed in range(DRAWN)]


def line(sweep: Sweep) -> dict[str, Any]:
    """Runs and hours of one sweep."""
    runs = runs_of(sweep)
    searched = sum(_search_work(parts, replace(config, seed=0)) for parts, config in runs.searches)
    trained = sum(
        _training_work(cell if isinstance(cell, str) else None, parts, replace(config, seed=0))
        for cell, parts, config in runs.trainings
    )
    hours = search_rate() * searched, training_rate() * trained
    return {
        "sweep": sweep.name,
        "searches": len(runs.searches),
        "trainings": len(runs.trainings),
        "searches (GPU hours)": round(hours[0]),
        "trainings (GPU hours)": round(hours[1]),
        "GPU hours": round(sum(hours)),
    }


def at_paper_scale() -> list[Sweep]:
    """The sweeps over the stages at the preset paper."""
    found = [read_sweep(path, notebooks=SWEEPS.parent) for path in sorted(SWEEPS.glob("*.yaml"))]
    return [sweep for sweep in found if {row.values.get("preset") for row in sweep.rows} == {"paper"}]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweeps", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="file for the table; nothing is kept without")
    options = parser.parse_args(arguments)
    found = pd.DataFrame([line(sweep) for sweep in at_paper_scale()])
    print(found.to_string(index=False))
    if options.output:
        write_whole(options.output, found.to_csv(index=False, lineterminator=os.linesep).encode())


if __name__ == "__main__":
    main()
