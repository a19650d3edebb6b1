"""Search logs of RobustDARTS and its kin, read as data: nothing in a file is evaluated.

Takes paths that the reader points to (automl/RobustDARTS, folder experiments). Alpha itself is in none of its files.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nasnb.architecture import N_INPUTS, Choices, Genotype

_MESSAGE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ (.*)$")  # after the time stamp
_EPOCH = re.compile(r"epoch (\d+) lr (\S+)$")
_ACCURACY = re.compile(r"(train|valid)_acc (\S+)$")
_BOTH = re.compile(r"epoch (\d+)\s+\|\s+train_acc (\S+)\s+\|\s+valid_acc (\S+)$")  # RandomNAS, counted from 1
_OBJECTIVE = re.compile(r"objective_val: (\S+)$")


class Record(NamedTuple):
    """The Hessian of the validation loss with respect to alpha (rows: normal, then reduction; operations fastest).

    Both include alpha's weight decay.
    """

    epoch: int
    hessian: np.ndarray
    gradient: np.ndarray


def read_search(path: str | Path) -> pd.DataFrame:
    """A DARTS-like log as a history: epoch (from 0), lr, train_accuracy, valid_accuracy (percent), genotype.

    RandomNAS logs have neither lr nor genotypes. Raises ValueError if the file holds no epoch.
    """
    epochs: list[dict] = []
    for message in _messages(path):
        if start := _EPOCH.match(message):
            epochs.append({"epoch": int(start[1]), "lr": float(start[2])})
        elif both := _BOTH.match(message):
            epochs.append(
                {"epoch": int(both[1]) - 1, "train_accuracy": float(both[2]), "valid_accuracy": float(both[3])}
            )
        elif (accuracy := _ACCURACY.match(message)) and epochs:
            epochs[-1][f"{accuracy[1]}_accuracy"] = float(accuracy[2])
        elif message.startswith("genotype = ") and epochs:
            epochs[-1]["genotype"] = Genotype.from_notation(message.removeprefix("genotype = "))
    if not epochs:
        raise ValueError(f"{path} holds no epochs; expected lines such as '2019-07-16 13:28:39,383 epoch 0 lr 2.5e-02'")
    return pd.DataFrame(epochs)


def _messages(path: str | Path) -> list[str]:
    lines = (_MESSAGE.match(line.strip()) for line in Path(path).read_text().splitlines())
    return [line[1] for line in lines if line]


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
    lines = [json.loads(line) for line in Path(path).read_text().splitlines() if line.strip()]
    return [Record(int(line["epoch"]), np.array(line["H"]), np.array(line["g"])) for line in lines]


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

    RobustDARTS' early stopping: the architecture is then that of `lag` records ago.
    """
    if not np.isfinite(values).all():
        first = int(np.argmin(np.isfinite(values)))
        raise ValueError(f"value {first} of the record is no number: nothing can stop by it")
    smooth = moving_average(values, window)
    fires = (i for i in range(max(first, lag), len(smooth)) if smooth[i] > ratio * smooth[i - lag])
    return next(fires, None)


# --- RandomNAS samples ---------------------------------------------------------------------------------------------


def read_samples(path: str | Path, choices: Choices | None = None) -> pd.DataFrame:
    """Architectures drawn from a trained single-path supernet: one row per picked edge of each sample.

    Columns: sample, accuracy (one-shot, percent), group, source, target, op. Operations are named by `choices`, the
    space of the search, and numbered without. The log has 1 - accuracy, in percent, as objective.
    """
    rows, architecture, sample = [], None, 0
    for message in _messages(path):
        if message.startswith("([("):
            architecture = ast.literal_eval(message)
        elif (objective := _OBJECTIVE.match(message)) and architecture is not None:
            accuracy = 1 - float(objective[1])
            rows += [(sample, accuracy, *pick) for pick in _picks(architecture, choices)]
            sample, architecture = sample + 1, None
    if not rows:
        raise ValueError(f"{path} holds no samples; expected an architecture and then a line 'objective_val: -51.5'")
    return pd.DataFrame(rows, columns=["sample", "accuracy", "group", "source", "target", "op"])


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


def conditional_accuracy(samples: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy of the samples that have an operation on an edge: what the operation is worth to the supernet.

    Columns: group, source, target, op, mean, sd, n.
    """
    by_pick = samples.groupby(["group", "source", "target", "op"], sort=True).accuracy
    return by_pick.agg(mean="mean", sd="std", n="size").reset_index()


def count_of(samples: pd.DataFrame, op: str | int, group: str = "normal") -> pd.DataFrame:
    """How often each sample has an operation in one cell: sample, accuracy, count."""
    chosen = samples[samples.group == group].assign(count=lambda table: table.op == op)
    return chosen.groupby("sample").agg(accuracy=("accuracy", "first"), count=("count", "sum")).reset_index()
