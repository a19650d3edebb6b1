"""Sweep files: which rows of parameters a notebook is run with. All of a file is checked before any work begins."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from nasnb import __version__
from nasnb.config import nearest
from nasnb.runs.files import runs_folder
from nasnb.workflow.execute import Parameter, code_of, find_chapter, parameters_of
from nasnb.workflow.sources import deciding

SWEEP_KEYS = ("title", "notebook", "steps", "parameters", "grid", "rows", "seeds", "job")
STEP_KEYS = ("name", "notebook", "parameters", "grid", "rows", "seeds", "job")


@dataclass(frozen=True)
class Job:
    """What one row asks of a cluster."""

    gpus: int
    cpus: int
    memory_gb: int
    minutes: int


# A row that reaches its time limit saves, ends, and goes on in its next attempt: too short a time costs little.
JOBS: Mapping[str, Job] = {
    "smoke": Job(gpus=0, cpus=1, memory_gb=4, minutes=30),
    "laptop": Job(gpus=0, cpus=2, memory_gb=8, minutes=60),
    "overnight": Job(gpus=0, cpus=1, memory_gb=8, minutes=1440),
    "gpu": Job(gpus=1, cpus=4, memory_gb=32, minutes=240),
    "paper": Job(gpus=1, cpus=8, memory_gb=64, minutes=2880),
}


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
        """Whether nothing is left to do."""
        return self.result.exists()


@dataclass(frozen=True)
class Sweep:
    """A file's rows, in the order of its steps."""

    name: str
    title: str
    rows: tuple[Row, ...]


def read_sweep(path: Path, *, notebooks: Path = Path("notebooks"), assignments: Sequence[str] = ()) -> Sweep:
    """Expand a sweep file; `assignments` ("name=value") replace values in all rows.

    Raises ValueError naming the file and the entry: an unknown key or parameter, a wrong kind of value, no rows.
    """
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
        return _sweep(path.stem, content, notebooks, assignments)
    except FileNotFoundError:
        known = ", ".join(sorted(str(other) for other in path.parent.glob("*.yaml"))) or "none"
        raise ValueError(f"no sweep {path}; there are: {known}") from None
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {error}") from None


def _sweep(name: str, content: Any, notebooks: Path, assignments: Sequence[str]) -> Sweep:
    steps = list(_steps(content))
    known = [parameters_of(find_chapter(step["notebook"], notebooks)) for step in steps]
    _check_names(content, known, assignments)
    rows: list[Row] = []
    earlier: list[Row] = []
    for step, parameters in zip(steps, known, strict=True):
        path = find_chapter(step["notebook"], notebooks)
        combined = [_values(told, step, parameters, assignments) for told in _expanded(step, content, parameters)]
        made = [_row(name, step, path, parameters, values, told, _needs(told, earlier)) for values, told in combined]
        earlier = list({row.key: row for row in made}.values())  # an assignment may have made rows equal
        rows += earlier
    return Sweep(name, content.get("title", name), tuple(rows))


# --- the form of a file -----------------------------------------------------------------------------------------------


def _steps(content: Any) -> Iterator[dict[str, Any]]:
    """Each step's own entries; `shared` are the parameters of the whole file."""
    _check_entries(content, SWEEP_KEYS, "")
    if ("steps" in content) == ("notebook" in content):
        raise ValueError("give either 'notebook' or 'steps'")
    if "steps" not in content:
        yield {"name": "", "job": {}, "shared": {}, **content}
        return
    for entry in ("rows", "seeds"):
        if entry in content:
            raise ValueError(f"{entry!r} belongs to a step")
    for number, step in enumerate(content["steps"], 1):
        _check_entries(step, STEP_KEYS, f"step {number}: ")
        if "notebook" not in step or "name" not in step:
            raise ValueError(f"step {number} needs 'name' and 'notebook'")
        job = {**content.get("job", {}), **step.get("job", {})}
        yield {**step, "shared": content.get("parameters", {}), "job": job}


def _check_entries(content: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(content, dict):
        raise ValueError(f"{where}expected entries such as 'notebook: 01-darts', got {content!r}")
    for entry in content:
        if entry not in known:
            raise ValueError(f"{where}unknown entry {entry!r}{nearest(entry, known)}; entries: {', '.join(known)}")
    for entry, kind in (("parameters", dict), ("grid", dict), ("rows", list), ("job", dict), ("steps", list)):
        if entry in content and not isinstance(content[entry], kind):
            raise ValueError(
                f"{where}{entry} must be a {'list' if kind is list else 'mapping'}, got {content[entry]!r}"
            )
    for name, values in content.get("grid", {}).items():
        if not isinstance(values, list) or not values:
            raise ValueError(f"{where}grid: {name} must be a list of values, got {values!r}")
    for name, value in content.get("job", {}).items():
        if name not in (names := [f.name for f in fields(Job)]):
            raise ValueError(f"{where}job: unknown entry {name!r}{nearest(name, names)}; entries: {', '.join(names)}")
        if not isinstance(value, int) or value < (name != "gpus"):
            raise ValueError(f"{where}job: {name} must be a positive int, got {value!r}")


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
    seeds = list(range(seeds)) if isinstance(seeds, int) else seeds
    if seeds is not None:
        if not isinstance(seeds, list) or not seeds or "seed" in grid:
            raise ValueError(f"seeds must be a number or a list, and only here; got {step['seeds']!r}")
        grid["seed"] = seeds
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
    texts = {name: str(value) for name, value in values.items()} | given
    parsed = {name: known[name].parse(name, text) for name, text in texts.items()}
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
    preset = values.get("preset", known["preset"].default if "preset" in known else "laptop")
    job = replace(JOBS[preset], **step["job"])
    runs_dir = values.get("runs_dir", known["runs_dir"].default if "runs_dir" in known else "runs")
    words = [step["name"], *(f"{name}{_word(value)}" for name, value in told.items())]
    name = "-".join([*filter(None, ["-".join(filter(None, words))[:80], key])])
    folder = runs_folder(runs_dir) / "sweeps" / sweep / name
    return Row(step["name"], path, values, told, key, job, folder, needs)


def _word(value: Any) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "_", str(value)).strip("_")


def _key(path: Path, values: Mapping[str, Any], needs: Sequence[str]) -> str:
    """Of what determines a result, what is read and earlier rows among it; the words of a notebook do not."""
    whole = json.dumps([code_of(path), deciding(values), needs, __version__], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:10]


def _needs(told: Mapping[str, Any], earlier: Sequence[Row]) -> tuple[str, ...]:
    """The rows of the step before that agree in all that both tell apart; seeds are repetitions, all of them needed."""

    def fits(other: Row) -> bool:
        return all(other.told[name] == told[name] for name in (told.keys() & other.told.keys()) - {"seed"})

    return tuple(other.name for other in earlier if fits(other))
