"""Sweep files: which rows of parameters a notebook is run with. All of a file is checked before any work begins."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasnb import __version__
from nasnb.config import nearest
from nasnb.runs.files import check_name, read_json, runs_folder
from nasnb.workflow.copies import word
from nasnb.workflow.job import Job, job_of
from nasnb.workflow.notebook import code_of, find_chapter
from nasnb.workflow.parameters import Parameter, parameters_of
from nasnb.workflow.sources import deciding
from nasnb.workflow.sweep_form import read_yaml, steps_of


@dataclass(frozen=True)
class Row:
    """One run of a notebook. `folder` is named by the notebook's code, the values and the package's version."""

    step: str
    notebook: Path
    values: dict[str, Any]
    told: dict[str, Any]  # the values that the sweep varies
    key: str
    job: Job
    folder: Path
    needs: tuple[str, ...] = ()  # names of rows that come first

    @property
    def name(self) -> str:
        """Unique within the sweep."""
        return self.folder.name

    @property
    def result(self) -> Path:
        """The file that exists once the row is finished."""
        return self.folder / "result.json"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of `nasnb row`."""
        return (self.name,)

    @property
    def log(self) -> Path:
        """What its process says."""
        return self.folder / "log.txt"

    def is_finished(self) -> bool:
        """Whether nothing is left to do. Raises OSError if that cannot be read now."""
        try:
            result = read_json(self.result)
        except (FileNotFoundError, ValueError):  # a result that is not whole is none
            return False
        return isinstance(result, dict) and result.get("key") == self.key


@dataclass(frozen=True)
class Sweep:
    """A file's rows, in the order of its steps."""

    name: str
    title: str
    rows: tuple[Row, ...]
    merged: int = 0  # rows that an assignment made equal to another one

    @property
    def merging(self) -> str:
        """A word on rows that are no longer there."""
        return f" ({self.merged} more became equal to one of these by -p)" if self.merged else ""


def read_sweep(path: Path, *, notebooks: Path = Path("notebooks"), assignments: Sequence[str] = ()) -> Sweep:
    """Expand a sweep file; `assignments` ("name=value") replace values in all rows.

    Raises ValueError naming the file and the entry: an unknown key or parameter, a wrong kind of value, no rows.
    """
    try:
        return _sweep(path.stem, read_yaml(path), notebooks, assignments)
    except FileNotFoundError:
        known = sorted(other.stem for other in path.parent.glob("*.yaml"))
        name = path.name.removesuffix(".yaml")
        wanted = f"no sweep {name!r}{nearest(name, known)}" if name else "name a sweep"
        raise ValueError(f"{wanted}; in {path.parent} there are: {', '.join(known) or 'none'}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _sweep(name: str, content: Any, notebooks: Path, assignments: Sequence[str]) -> Sweep:
    check_name("the sweep's file name", name)
    steps = list(steps_of(content))
    known = [parameters_of(find_chapter(step["notebook"], notebooks)) for step in steps]
    _check_names(content, known, assignments)
    rows: list[Row] = []
    merged = 0
    earlier: list[Row] = []
    for step, parameters in zip(steps, known, strict=True):
        path = find_chapter(step["notebook"], notebooks)
        combined = [_values(told, step, parameters, assignments) for told in _expanded(step, content, parameters)]
        made = [_row(name, step, path, parameters, values, told, _needs(told, earlier)) for values, told in combined]
        earlier = list({row.key: row for row in made}.values())  # an assignment may have made rows equal
        rows += earlier
        merged += len(made) - len(earlier)
    return Sweep(name, content.get("title", name), tuple(rows), merged)


def _check_names(content: Mapping, known: Sequence[Mapping[str, Parameter]], assignments: Sequence[str]) -> None:
    """What is said for the whole file must mean something to one of its notebooks at least."""
    everything = {name for parameters in known for name in parameters}
    assigned = [assignment.partition("=")[0] for assignment in assignments]
    for name in [*content.get("parameters", {}), *content.get("grid", {}), *assigned]:
        if name not in everything:
            raise ValueError(
                f"unknown parameter {name!r}{nearest(name, everything)}; parameters: {', '.join(sorted(everything))}"
            )


# --- rows -------------------------------------------------------------------------------------------------------------


def _expanded(step: Mapping[str, Any], content: Mapping, known: Mapping[str, Parameter]) -> Iterator[dict[str, Any]]:
    """Rows times grid times seeds."""
    shared = {name: values for name, values in content.get("grid", {}).items() if name in known}
    grid = {**shared, **step.get("grid", {})}
    seeds = step.get("seeds")
    if seeds is not None:
        if "seed" in grid:
            raise ValueError("seed is in both the grid and the seeds")
        grid["seed"] = list(range(seeds)) if isinstance(seeds, int) else seeds
    for row in step.get("rows") or [{}]:
        if both := set(row) & set(grid):
            raise ValueError(f"{', '.join(sorted(both))} is in both a row and the grid or seeds")
        for combination in itertools.product(*grid.values()):
            yield {**row, **dict(zip(grid, combination, strict=True))}


def _values(told: dict, step: Mapping, known: Mapping[str, Parameter], assignments: Sequence[str]) -> tuple[dict, dict]:
    """All values of a row and those that the sweep tells apart by, each of the notebook's kind."""
    values = {name: value for name, value in step["shared"].items() if name in known}
    values |= step.get("parameters", {}) | told
    given = {n: text for n, _, text in (a.partition("=") for a in assignments) if n in known}
    for name in values:
        if name not in known:
            raise ValueError(f"unknown parameter {name!r}{nearest(name, known)}; parameters: {', '.join(known)}")
    parsed = {name: known[name].take(name, value) for name, value in values.items() if name not in given}
    parsed |= {name: known[name].parse(name, text) for name, text in given.items()}
    parsed = {name: parsed[name] for name in values | given}  # in the file's order
    return parsed, {name: parsed[name] for name in told}


def _row(
    sweep: str,
    step: Mapping,
    path: Path,
    known: Mapping[str, Parameter],
    values: dict,
    told: dict,
    needs: tuple[str, ...],
) -> Row:
    key = _key(path, values, needs)
    job = job_of(path.stem, known, values, step["job"])
    runs_dir = values.get("runs_dir", known["runs_dir"].default if "runs_dir" in known else "runs")
    words = [step["name"], *(f"{name}{word(value)}" for name, value in told.items())]
    name = "-".join([*filter(None, ["-".join(filter(None, words))[:80], key])])
    folder = runs_folder(runs_dir) / "sweeps" / sweep / name
    return Row(step["name"], path, values, told, key, job, folder, needs)


def _key(path: Path, values: Mapping[str, Any], needs: Sequence[str]) -> str:
    """Of what determines a result, what is read and earlier rows among it; the words of a notebook do not."""
    whole = json.dumps([code_of(path), deciding(values), needs, __version__], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:10]


def _needs(told: Mapping[str, Any], earlier: Sequence[Row]) -> tuple[str, ...]:
    """The rows of the step before that agree in all that both tell apart; seeds are repetitions, all of them needed."""

    def fits(other: Row) -> bool:
        return all(other.told[name] == told[name] for name in (told.keys() & other.told.keys()) - {"seed"})

    return tuple(other.name for other in earlier if fits(other))
