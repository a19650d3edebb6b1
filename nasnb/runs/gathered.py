"""Results over seeds: mean, spread and best, and by which rule an architecture or an epoch was picked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from nasnb.runs.files import each_readable, read_json, runs_folder
from nasnb.runs.identity import digest
from nasnb.runs.result import accuracy, read_files
from nasnb.runs.table import read_record, run_folders

COLUMNS = ("what", "method", "dataset", "epochs", "metric", "n", "mean", "sd", "best", "protocol")
SUPERNET, ERROR = "accuracy_percent", "error_percent"


class _Run(NamedTuple):
    record: Mapping[str, Any]
    identity: Mapping[str, Any]
    architecture: str | None  # the genotype that was found or trained, as text that compares

    @property
    def name(self) -> str:
        return self.record["name"]

    @property
    def accuracy(self) -> float:
        return accuracy({name: value for name, value in self.record["metrics"].items() if value is not None})

    @property
    def experiment(self) -> str:
        """Equal for runs that differ in their seed, and trainings in their architecture, only."""
        config = {name: value for name, value in self.identity["config"].items() if name != "seed"}
        facts = {name: value for name, value in self.identity["facts"].items() if name != "genotype"}
        return digest({**self.identity, "config": config, "facts": facts})


def gather(runs_dir: str | Path, *, sweep: str | None = None, preset: str | None = None) -> pd.DataFrame:
    """All finished searches and trainings of a folder (of a `sweep`, a `preset`) over their seeds. Four kinds of lines, `what`:

    - "searches": the supernets' accuracy, over the seeds of a search;
    - "retrainings": test error of one architecture, over the seeds of its training: the noise of training;
    - "searches, retrained": over the searches of one kind, each one's mean over its retrainings: the noise of search;
    - "picked, retrained": the retrainings of the search with the most accurate supernet, which needs no test images.

    A run that cannot be read is skipped with a warning that names it. `sd` is that of a sample, NaN for n = 1; `best` is the best of n, which flatters more the larger n.
    """
    runs = list(each_readable(run_folders(runs_folder(runs_dir), sweep=sweep), _finished))
    runs = [run for run in runs if preset is None or run.record.get("preset") == preset]
    searches = _grouped([run for run in runs if run.record["kind"] == "search"], lambda run: run.experiment)
    trainings = _grouped([run for run in runs if run.record["kind"] == "train"], lambda run: run.experiment)
    lines = [_of_searches(group) for group in searches]
    for training in trainings:
        networks = {group[0].architecture: group for group in _grouped(training, lambda run: run.architecture)}
        for group in searches:
            lines += _of_searches_retrained(group, networks)
        lines += [_of_retrainings(network, _names(searches, key)) for key, network in networks.items()]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _finished(folder: Path) -> _Run | None:
    record = read_record(folder)
    if record["state"] != "finished" or record["kind"] not in ("search", "train"):
        return None
    if record.get("files"):
        read_files(folder, record)  # raises if one of them is not what was computed
    identity = read_json(folder / "identity.json")
    return _Run(record, identity, _architecture(folder, record, identity))


def _architecture(folder: Path, record: Mapping[str, Any], identity: Mapping[str, Any]) -> str | None:
    if record["kind"] == "train":
        return json.dumps(identity["facts"]["genotype"]["picks"], sort_keys=True)
    from nasnb.architecture import Genotype
    from nasnb.runs.identity import describe

    found = read_json(folder / "genotypes.json")
    picks = describe(Genotype.from_json(json.dumps(found[-1])))["picks"] if found else None
    return json.dumps(picks, sort_keys=True)


def _grouped(runs: list[_Run], key) -> list[list[_Run]]:
    groups: dict[Any, list[_Run]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return list(groups.values())


def _names(searches: list[list[_Run]], architecture: str) -> str:
    """Which search found it."""
    found = [run.record for group in searches for run in group if run.architecture == architecture]
    return ", ".join(f"{record['method']}, search seed {record['seed']}" for record in found)


def _of_searches(group: list[_Run]) -> tuple:
    return _line("searches", group, group[0].record["method"], SUPERNET, [run.accuracy for run in group], "last epoch")


def _of_retrainings(group: list[_Run], found_by: str) -> tuple:
    method = found_by or f"{group[0].record['method']}, given architecture {digest(group[0].architecture)[:6]}"
    return _line("retrainings", group, method, ERROR, _errors(group), "last epoch")


def _of_searches_retrained(group: list[_Run], networks: Mapping[str, list[_Run]]) -> list[tuple]:
    of = {run.name: networks[run.architecture] for run in group if run.architecture in networks}
    picked, method, lines = max(group, key=lambda run: run.accuracy), group[0].record["method"], []
    if len(of) > 1:
        means, some = [pd.Series(_errors(network)).mean() for network in of.values()], next(iter(of.values()))
        rule = "each search's mean over its retrainings, last epoch"
        lines.append(_line("searches, retrained", some, method, ERROR, means, rule))
    if len(group) > 1 and picked.name in of:
        rule = f"retrainings of the most accurate supernet of {len(group)}, last epoch"
        lines.append(_line("picked, retrained", of[picked.name], method, ERROR, _errors(of[picked.name]), rule))
    return lines


def _errors(group: list[_Run]) -> list[float]:
    return [100 - run.accuracy for run in group]


def _line(what: str, group: list[_Run], method: str, metric: str, values: list[float], protocol: str) -> tuple:
    record, series = group[0].record, pd.Series(values)
    best = series.max() if metric == SUPERNET else series.min()
    return (
        what,
        method,
        record["dataset"],
        record["epochs"],
        metric,
        len(series),
        series.mean(),
        series.std(),
        best,
        protocol,
    )
