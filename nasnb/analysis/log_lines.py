"""What the lines of a search log say, by line number: quark0/darts and forks, RobustDARTS, RandomNAS, pt.darts.

Nothing in a file is evaluated. A line that begins like one of these and cannot be read is an error that names it;
all other lines are passed over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nasnb.architecture import Genotype


class Line(NamedTuple):
    """A line without its time stamp; `number` counts from 1."""

    number: int
    text: str
    stamped: bool


class Event(NamedTuple):
    """Something that a log says: `kind` is one of those that `events` names."""

    line: int
    kind: str
    value: Any


_STAMP = re.compile(
    r"^\[?(?:\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?|\d\d/\d\d \d\d:\d\d:\d\d [AP]M)\]?\s*(?:\|\s?)?"
)
_FLOAT = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_EPOCH = re.compile(r"epoch:?\s+(\d+),?\s+lr\b:?\s*([^\s,|]*)", re.IGNORECASE)  # drop_prob and others may follow
_BOTH = re.compile(r"epoch (\d+)\s+\|\s+train_acc\s*(\S*)\s*\|?\s*(?:valid_acc)?\s*(\S*)")  # RandomNAS: from 1
_ACCURACY = re.compile(r"(train|valid)_acc(?:uracy)?\b:?\s*([^\s,|]*)")  # losses may follow
_STEP = re.compile(r"Train: \[\s*(\d+)/\s*(\d+)")  # pt.darts: from 1
_PLANNED = re.compile(r"args = Namespace\(.*\bepochs=(\d+)")
_FINAL = re.compile(r"(Train|Valid): \[\s*(\d+)/\s*\d+\] Final Prec@1\s*(\S*)")
_HEADING = re.compile(r"# Alpha - (\w+)")
_STRUCTURE = re.compile(r"(?:Structure\()?(?:\d+ nodes with )?(\|.*\|)\)?$")  # NAS-Bench-201, as AutoDL prints it
_ROW = re.compile(r"\[([^\[\]]*)\]")


class DamagedLog(ValueError):
    """A log with a line that cannot be: says the file and the line."""

    def __init__(self, path: str | Path, line: int, what: str):
        super().__init__(f"{path}, line {line}: {what}; the log is damaged there, or not of a search")


def lines(path: str | Path) -> list[Line]:
    """All lines; bytes that are no text become question marks, which no number survives."""
    found = []
    for number, raw in enumerate(Path(path).read_text("utf-8", errors="replace").splitlines(), start=1):
        text = _STAMP.sub("", raw)
        found.append(Line(number, text.strip(), len(text) < len(raw)))
    return found


def events(path: str | Path) -> Iterator[Event]:
    """What the log says, in its order.

    epoch (number from 0, lr or None), train_accuracy and valid_accuracy (percent), genotype, alphas (a new epoch's
    begin to be printed), group (name of the matrices that follow), matrix (edges, ops), planned (how many epochs).
    """
    all_lines, at = lines(path), 0
    while at < len(all_lines):
        line = all_lines[at]
        if _begins_matrix(line.text):
            rows, at = _matrix(path, all_lines, at)
            yield Event(line.number, "matrix", rows)
            continue
        yield from _said(path, line)
        at += 1


def _said(path: str | Path, line: Line) -> Iterator[Event]:
    text, number = line.text, line.number
    if found := _EPOCH.match(text):
        yield Event(number, "epoch", (int(found[1]), number_of(path, line, found[2], 0, math.inf)))
    elif found := _BOTH.match(text):
        yield Event(number, "epoch", (int(found[1]) - 1, None))
        yield Event(number, "train_accuracy", number_of(path, line, found[2], 0, 100))
        yield Event(number, "valid_accuracy", number_of(path, line, found[3], 0, 100))
    elif found := _ACCURACY.match(text):
        yield Event(number, f"{found[1]}_accuracy", number_of(path, line, found[2], 0, 100))
    elif found := _FINAL.match(text):
        yield Event(number, "same epoch", int(found[2]) - 1)
        yield Event(number, f"{found[1].lower()}_accuracy", number_of(path, line, found[3], 0, 100))
    elif found := _STEP.match(text):
        yield Event(number, "same epoch", int(found[1]) - 1)
        yield Event(number, "planned", int(found[2]))
    elif found := _PLANNED.match(text):
        yield Event(number, "planned", int(found[1]))
    elif text.startswith("####### ALPHA"):
        yield Event(number, "alphas", None)
    elif found := _HEADING.match(text):
        yield Event(number, "group", found[1])
    elif text.startswith("genotype = "):
        yield Event(number, "genotype", _genotype(path, line))


def number_of(path: str | Path, line: Line, text: str, low: float, high: float) -> float:
    """A number from `low` to `high`, perhaps with a % sign. Raises DamagedLog for anything else, NaN included."""
    text = text.rstrip("%")
    if not re.fullmatch(_FLOAT, text) or not low <= float(text) <= high:
        raise DamagedLog(path, line.number, f"{text!r} is no number from {low:g} to {high:g} in {line.text[:60]!r}")
    return float(text)


def _genotype(path: str | Path, line: Line) -> Genotype:
    text = line.text.removeprefix("genotype = ")
    structure = _STRUCTURE.match(text)
    # pt.darts brackets the two picks of a node: [[a, b], [c, d]] is [a, b, c, d]
    text = structure[1] if structure else text.replace("[[", "[").replace("]]", "]").replace("], [", ", ")
    try:
        return Genotype.from_notation(text)
    except ValueError as error:
        raise DamagedLog(path, line.number, str(error)) from None


# --- matrices as PyTorch prints them ------------------------------------------------------------------------------


def _begins_matrix(text: str) -> bool:
    return re.match(r"tensor\(\[\[[^\[]|(Variable|Parameter) containing:", text) is not None


def _matrix(path: str | Path, all_lines: list[Line], at: int) -> tuple[np.ndarray, int]:
    """The matrix that begins at a line, and where the lines go on."""
    old = all_lines[at].text.startswith(("Variable", "Parameter")) and not _then_tensor(all_lines, at)
    end = "[torch." if old else "]]"
    body = []
    for place in range(at, len(all_lines)):
        line = all_lines[place]
        if place > at and line.stamped:
            break
        body.append(line)
        if end in line.text:
            rows = _old_rows(path, body) if old else _rows(path, body)
            return _checked(path, rows, all_lines[at]), place + 1
    raise DamagedLog(path, all_lines[at].number, "the matrix that begins here has no end")


def _then_tensor(all_lines: list[Line], at: int) -> bool:
    return at + 1 < len(all_lines) and all_lines[at + 1].text.startswith("tensor([[")


def _rows(path: str | Path, body: list[Line]) -> list[tuple[Line, list[float]]]:
    """A row stands in brackets and may go over several lines."""
    text = "\n".join(line.text for line in body)
    text = text[: text.index("]]") + 1]
    return [
        (line := body[text.count("\n", 0, row.start())], [_entry(path, line, entry) for entry in row[1].split(",")])
        for row in _ROW.finditer(text)
    ]


def _old_rows(path: str | Path, body: list[Line]) -> list[tuple[Line, list[float]]]:
    """PyTorch 0.3: a row is a line; `1.00000e-02 *` above them scales all."""
    scale, rows = 1.0, []
    for line in body[1:-1]:
        if line.text.endswith("*"):
            scale = _entry(path, line, line.text.rstrip("* "))
        elif line.text:
            rows.append((line, [scale * _entry(path, line, entry) for entry in line.text.split()]))
    return rows


def _entry(path: str | Path, line: Line, text: str) -> float:
    if not re.fullmatch(_FLOAT, text.strip()):
        raise DamagedLog(path, line.number, f"{text.strip()!r} is no number of a matrix")
    return float(text)


def _checked(path: str | Path, rows: list[tuple[Line, list[float]]], begins: Line) -> np.ndarray:
    """Mixing weights (edges, ops): as printed where rows add up to 1, the softmax where alpha itself was printed."""
    if not rows:
        raise DamagedLog(path, begins.number, "the matrix that begins here has no rows")
    for line, row in rows:
        if len(row) != len(rows[0][1]):
            raise DamagedLog(
                path, line.number, f"a row of {len(row)} numbers in a matrix with rows of {len(rows[0][1])}"
            )
    values = np.array([row for _, row in rows])
    adds_up = np.abs(values.sum(axis=1) - 1) < 1e-4 * values.shape[1]  # four digits are printed
    adds_up |= (values == 0).all(axis=1)  # an edge that was decided (DARTS-PT, SGAS)
    if 0.5 < adds_up.mean() < 1:
        line, row = rows[int(np.argmin(adds_up))]
        raise DamagedLog(path, line.number, f"weights that add up to {sum(row):.4f}, where other rows add up to 1")
    if adds_up.all() or (values >= 0).all():  # the weights of some methods do not add up to 1
        return values
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def check_once(path: str | Path, line: int, epoch: int | None, kind: str, value: float, before: float) -> None:
    """Raises DamagedLog for another accuracy of a kind that an epoch has: it is of one whose own line was lost."""
    if before != value:
        words = f"{kind.replace('_', ' ')} {value:g} in epoch {epoch}, which has {before:g} already"
        raise DamagedLog(path, line, f"{words}: the line of the epoch after it is missing")


def lost_epochs(first: int, last: int, planned: int | None) -> str:
    """Which epochs a log lacks at its ends, if any: they count from 0, and it may say how many there were to be."""
    spans = [(0, first - 1), (last + 1, (planned or 0) - 1)]
    words = [f"{begin} to {end}" if begin < end else f"{begin}" for begin, end in spans if begin <= end]
    return f"epochs {' and '.join(words)}" + (f" of {planned}" if planned else "") if words else ""


def check_gaps(path: str | Path, table: pd.DataFrame, begins: Sequence[int]) -> None:
    """Raises DamagedLog for an epoch without what both its neighbours have, or with weights of another shape.

    `begins` are the lines of the epochs.
    """
    has = table.notna()
    lost = ~has & has.shift(1, fill_value=False) & has.shift(-1, fill_value=False)
    for i in np.flatnonzero(lost.any(axis=1))[:1]:
        named = ", ".join(lost.columns[lost.iloc[i]])
        raise DamagedLog(path, begins[i], f"epoch {table.epoch[i]}, which begins here, lacks {named}")
    printed = [(i, each) for i, each in enumerate(table.get("weights", ())) if each is not None]
    shapes = [(i, {group: values.shape for group, values in each.items()}) for i, each in printed]
    for (_, before), (i, now) in pairwise(shapes):
        if now != before:
            raise DamagedLog(
                path, begins[i], f"epoch {table.epoch[i]}, which begins here, has weights of {now}, not {before}"
            )


# --- writing ---------------------------------------------------------------------------------------------------------


def search_log(
    history: pd.DataFrame,
    genotypes: Sequence[Genotype],
    weights: Mapping[str, np.ndarray],
    *,
    start: datetime = datetime(2000, 1, 1),
) -> Iterator[str]:
    """The lines of an official log for a search of ours, `Result.history`, `.genotypes` and `.weights`.

    Cell and weights {group: (epochs, edges, ops)} come after the epoch that made them, as in RobustDARTS; numbers are
    rounded as there (weights: four digits). `read_search` reads the lines back. Our epochs count from 1, theirs from 0.
    """
    for i, row in enumerate(history.itertuples()):
        start += timedelta(seconds=round(row.seconds))
        stamp = start.strftime("%Y-%m-%d %H:%M:%S,000")
        yield f"{stamp} epoch {row.epoch - 1} lr {row.lr:e}"
        yield f"{stamp} train_acc {row.train_accuracy:f}"
        if np.isfinite(row.valid_accuracy):
            yield f"{stamp} valid_acc {row.valid_accuracy:f}"
        yield f"{stamp} genotype = {genotypes[i].notation()}"
        for values in weights.values():
            rows = (", ".join(f"{value:.4f}" for value in edge) for edge in values[i])
            yield from (stamp + " tensor([[" + "],\n        [".join(rows) + "]])").splitlines()
