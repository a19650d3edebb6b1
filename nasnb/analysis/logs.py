"""Search logs of quark0/darts, RobustDARTS, pt.darts and their kin, read as data: nothing in a file is evaluated.

Takes paths that the reader points to (of RobustDARTS, for one: automl/RobustDARTS, folder experiments).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nasnb.analysis.log_lines import DamagedLog, Line, check_gaps, check_once, events, lines, lost_epochs, number_of
from nasnb.architecture import N_INPUTS, Choices, Edge, Genotype
from nasnb.spaces import SPACES

_OBJECTIVE = re.compile(r"objective_val: (\S+)$")


class Record(NamedTuple):
    """The Hessian of the validation loss with respect to alpha (rows: normal, then reduction; operations fastest).

    Both include alpha's weight decay.
    """

    epoch: int
    hessian: np.ndarray
    gradient: np.ndarray


def read_search(path: str | Path, *, choices: Choices | None = None, run: int | None = None) -> pd.DataFrame:
    """A search log as a history: epoch (from 0), lr, train_accuracy, valid_accuracy (percent), genotype, weights.

    A column that the log has nothing for is left out. `weights` are {group: (edges, ops)} per epoch, where the log
    prints alpha; `attrs["choices"]` names their edges and operations: `choices` if given, else what the sizes say (None
    for spaces that these do not tell apart). `attrs["lost"]` names the epochs that the log lacks at its ends by its own
    count, or is empty. `attrs["printed"]` says whether cell and weights of a line are those
    "before" the epoch's training, as quark0/darts prints them, or "after" it. A search that was resumed is one run,
    whose later lines count; of several runs in one file, `run` (from 0) says which.
    Raises ValueError naming the line of a damaged log, if the file holds no epoch, or several runs without `run`.
    """
    runs = _runs(path)
    if not runs:
        raise ValueError(f"{path} holds no epochs; expected lines such as '2019-07-16 13:28:39,383 epoch 0 lr 2.5e-02'")
    epochs = runs[_which(path, runs, run)]
    table = pd.DataFrame([epoch.row() for epoch in epochs]).dropna(axis=1, how="all")
    check_gaps(path, table, [epoch.line for epoch in epochs])
    table.attrs["lost"] = lost_epochs(epochs[0].number, epochs[-1].number, epochs[-1].planned)
    table.attrs["printed"] = "before" if any(epoch.chose_first for epoch in epochs) else "after"
    if "weights" in table:
        table.attrs["choices"] = _choices(path, table.weights, choices, any(epoch.heading for epoch in epochs))
    return table


@dataclass
class _Epoch:
    """An epoch as far as it was read; `number` is None until a line of pt.darts says it."""

    line: int
    number: int | None
    planned: int | None = None  # how many epochs the search was to have
    lr: float | None = None
    accuracies: dict[str, float] = field(default_factory=dict)
    genotype: Genotype | None = None
    matrices: list[tuple[str | None, np.ndarray]] = field(default_factory=list)  # with their headings
    heading: str | None = None
    chose_first: bool = False  # cell or weights stand before the training accuracy

    def row(self) -> dict:
        return {
            "epoch": self.number,
            "lr": self.lr,
            "train_accuracy": None,
            "valid_accuracy": None,
            **self.accuracies,
            "genotype": self.genotype,
            "weights": self.weights(),
        }

    def weights(self) -> dict[str, np.ndarray] | None:
        """pt.darts prints a matrix per node under a heading, others one per cell; what comes again is passed over."""
        headings = dict.fromkeys(heading for heading, _ in self.matrices if heading)
        if headings:
            return {name: np.concatenate([m for h, m in self.matrices if h == name]) for name in headings}
        matrices = [matrix for _, matrix in self.matrices]
        if len(matrices) == 1:
            return {"cell": matrices[0]}
        return dict(zip(("normal", "reduce"), matrices, strict=False)) or None


def _runs(path: str | Path) -> list[list[_Epoch]]:
    """The epochs of every run in the file; numbers within a run go up by one."""
    runs: list[list[_Epoch]] = []
    now, planned = None, None
    for line, kind, value in events(path):
        if kind == "planned":
            planned = value
        elif kind == "alphas":
            now = _Epoch(line, None)
        elif kind in ("epoch", "same epoch"):
            number, lr = value if kind == "epoch" else (value, None)
            if now is None or (now.number is not None and (kind == "epoch" or now.number != number)):
                now = _Epoch(line, None)
            if now.number is None:
                now.number, now.lr, now.planned = number, lr, planned
                _place(path, runs, now)
        elif now is not None:
            _take(path, line, now, kind, value)
    if now is not None and now.number is None:  # pt.darts was stopped after it printed an epoch's alpha
        now.number = runs[-1][-1].number + 1 if runs else 0
        _place(path, runs, now)
    return runs


def _take(path: str | Path, line: int, epoch: _Epoch, kind: str, value) -> None:
    if kind == "group":
        epoch.heading = value
    elif kind.endswith("_accuracy"):
        check_once(path, line, epoch.number, kind, value, epoch.accuracies.get(kind, value))
        epoch.accuracies[kind] = value
    else:
        epoch.chose_first |= "train_accuracy" not in epoch.accuracies
        if kind == "genotype":
            epoch.genotype = value
        else:
            epoch.matrices.append((epoch.heading, value))


def _place(path: str | Path, runs: list[list[_Epoch]], epoch: _Epoch) -> None:
    """Into its run: a resumed search writes some epochs again, a new one begins where the run began."""
    first, last = (runs[-1][0].number, runs[-1][-1].number) if runs else (None, None)
    if not runs or epoch.number in (0, first):
        runs.append([epoch])
    elif not first < epoch.number <= last + 1:
        raise DamagedLog(path, epoch.line, f"epoch {epoch.number} follows epoch {last}, lines are missing")
    else:
        runs[-1][max(0, epoch.number - first) :] = [epoch]


def _which(path: str | Path, runs: list[list[_Epoch]], run: int | None) -> int:
    said = "; ".join(
        f"run={i} has epochs {epochs[0].number} to {epochs[-1].number}, from line {epochs[0].line}"
        for i, epochs in enumerate(runs)
    )
    if run is None and len(runs) > 1:
        raise ValueError(f"{path} holds {len(runs)} runs, one after the other; say which: {said}")
    if run is not None and not 0 <= run < len(runs):
        raise ValueError(f"{path} has no run {run}: {said}")
    return run or 0


def _choices(path: str | Path, weights: pd.Series, choices: Choices | None, none_last: bool) -> Choices | None:
    first = next(each for each in weights if each is not None)
    shapes = {group: values.shape for group, values in first.items()}
    if choices is not None:
        given = {group: choices.shape(group) for group in choices.groups}
        if given != shapes:
            raise ValueError(f"{path} prints weights of {shapes}; the choices given have {given}: another space")
        return choices
    if shapes == {"cell": SPACES["bench201"].choices.shape("cell")}:
        return SPACES["bench201"].choices
    groups = {group: _edges(*shape, none_last) for group, shape in shapes.items()}
    return Choices(groups) if all(groups.values()) else None


def _edges(n_edges: int, n_ops: int, none_last: bool) -> tuple[Edge, ...] | None:
    """The edges of a DARTS cell in the order of alpha's rows; None where the number of operations names none."""
    ops = SPACES["darts"].choices.groups["normal"][0].ops
    rest = tuple(op for op in ops if op != "none")
    named = {len(ops): (*rest, "none") if none_last else ops, len(rest): rest}
    nodes = range(N_INPUTS, N_INPUTS + n_edges)
    edges = [(source, target) for target in nodes for source in range(target)][:n_edges]
    if n_ops not in named or edges[-1][0] != edges[-1][1] - 1:  # the last node lacks edges
        return None
    return tuple(Edge(source, target, named[n_ops]) for source, target in edges)


def read_errors(path: str | Path) -> pd.DataFrame:
    """An errors file: epoch (from 0), train_loss, valid_loss, train_accuracy, valid_accuracy.

    Under the key valid_acc some files hold the error, those of runs with derivatives; then it falls while the training
    accuracy rises, and is turned round here. `attrs["valid_was_error"]` says so. A log is the better source.
    """
    raw = json.loads(Path(path).read_text())
    table = pd.DataFrame({key: raw[key] for key in ("train_loss", "valid_loss", "train_acc", "valid_acc")})
    table.columns = ["train_loss", "valid_loss", "train_accuracy", "valid_accuracy"]
    was_error = table.train_accuracy.corr(table.valid_accuracy) < 0
    if was_error:
        table["valid_accuracy"] = 100 - table.valid_accuracy
    table.insert(0, "epoch", range(len(table)))
    table.attrs["valid_was_error"] = bool(was_error)
    return table


# --- derivatives -------------------------------------------------------------------------------------------------


def read_derivatives(path: str | Path) -> list[Record]:
    """One record per line of JSON with the keys epoch, H and g."""
    found = []
    for number, text, _ in lines(path):
        try:
            said = json.loads(text or "null")
            found += [Record(int(said["epoch"]), np.array(said["H"]), np.array(said["g"]))] if said else []
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedLog(path, number, f"no record with epoch, H and g ({error})") from None
    return found


def eigenvalues(records: Sequence[Record]) -> pd.DataFrame:
    """The largest eigenvalue of each record's Hessian: epoch, eigenvalue. Its growth foretells a bad cell."""
    for record in records:
        if not np.isfinite(record.hessian).all():
            raise ValueError(f"the Hessian of epoch {record.epoch} holds what is no number: it has no eigenvalues")
    largest = [np.linalg.eigvalsh((r.hessian + r.hessian.T) / 2)[-1] for r in records]
    return pd.DataFrame({"epoch": [r.epoch for r in records], "eigenvalue": largest})


def moving_average(values: Sequence[float], window: int = 5) -> np.ndarray:
    """Mean over `window` values around each, fewer at the ends."""
    values, reach = np.asarray(values, float), window // 2
    return np.array([values[max(0, i - reach) : i + reach + 1].mean() for i in range(len(values))])


def stopping_record(
    values: Sequence[float], *, ratio: float = 1.3, lag: int = 4, first: int = 5, window: int = 5
) -> int | None:
    """The first record whose moving average exceeds that of `lag` records ago `ratio` times; None if none does.

    RobustDARTS' early stopping: the architecture is then that of `lag` records ago. Only positive ones can grow.
    """
    if not np.isfinite(values).all():
        first = int(np.argmin(np.isfinite(values)))
        raise ValueError(f"value {first} of the record is no number: nothing can stop by it")
    smooth = moving_average(values, window)
    fires = (i for i in range(max(first, lag), len(smooth)) if smooth[i] > ratio * smooth[i - lag] > 0)
    return next(fires, None)


# --- RandomNAS samples ---------------------------------------------------------------------------------------------


def read_samples(path: str | Path, choices: Choices | None = None) -> pd.DataFrame:
    """Architectures drawn from a trained single-path supernet: one row per picked edge of each sample.

    Columns: sample, accuracy (one-shot, percent), group, source, target, op. Operations are named by `choices`, the
    space of the search, and numbered without. The log has 1 - accuracy, in percent, as objective.
    """
    rows, architecture, sample = [], None, 0
    for line in lines(path):
        if line.text.startswith("([("):
            architecture = _architecture(path, line)
        elif (objective := _OBJECTIVE.match(line.text)) and architecture is not None:
            accuracy = 1 - number_of(path, line, objective[1], -99, 1)
            rows += [(sample, accuracy, *pick) for pick in _picks(architecture, choices)]
            sample, architecture = sample + 1, None
    if not rows:
        raise ValueError(f"{path} holds no samples; expected an architecture and then a line 'objective_val: -51.5'")
    return pd.DataFrame(rows, columns=["sample", "accuracy", "group", "source", "target", "op"])


def _architecture(path: str | Path, line: Line) -> Sequence:
    try:
        return ast.literal_eval(line.text)
    except (ValueError, SyntaxError):
        raise DamagedLog(path, line.number, f"no architecture: {line.text[:60]!r}") from None


def _picks(architecture: Sequence, choices: Choices | None) -> list[tuple[str, int, int, str | int]]:
    found = []
    for group, cell in zip(("normal", "reduce"), architecture, strict=True):
        for i, (source, op) in enumerate(cell):
            target = N_INPUTS + i // 2
            found.append((group, source, target, op if choices is None else _name(choices, group, source, target, op)))
    return found


def _name(choices: Choices, group: str, source: int, target: int, op: int) -> str:
    edge = next(e for e in choices.groups[group] if (e.source, e.target) == (source, target))
    if op >= len(edge.ops):
        raise ValueError(
            f"operation {op} on edge {source}->{target} of {group!r}: this space has {', '.join(edge.ops)}; "
            "give the choices of the space that was searched"
        )
    return edge.ops[op]
