"""Tables of runs as a terminal shows them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from nasnb.config import nearest
from nasnb.runs.freshness import kept_and_changed
from nasnb.runs.progress import duration


def runs_shown(table: pd.DataFrame) -> pd.DataFrame:
    """What a terminal shows of the table that `find_runs` gives: name, state, progress, accuracy, time."""

    def text(column: str, write) -> list[str]:
        return ["" if value != value else write(value) for value in table[column]]

    return table[["name", "state"]].assign(
        epochs=[f"{e:.0f}/{of:.0f}" if of == of else "" for e, of in zip(table["epoch"], table["epochs"], strict=True)],
        left=text("seconds_left", duration),
        accuracy=text("accuracy", lambda value: f"{value:.2f} %"),
        time=text("seconds", duration),
    )


def shortened(value: object) -> str:
    """A value in at most some sixty letters; a dash for what is missing."""
    text = "-" if value is None or value != value else str(value)
    return text if len(text) <= 60 else f"{text[:60]} ..."


def differences_shown(table: pd.DataFrame, names: tuple[str, str]) -> str:
    """What `compare` found between two runs."""
    lines = []
    for entry, *values in table.itertuples(index=False):
        lines += [entry, *(f"    {name}: {shortened(value)}" for name, value in zip(names, values, strict=True))]
    return "\n".join(lines) or "nothing differs"


def kept_lines(
    table: pd.DataFrame, *, method: str | None, dataset: str | None, preset: str | None = None
) -> pd.DataFrame:
    """The lines of a table of runs, or of results over seeds, of a method, data set, preset; None keeps all.

    `pc-darts` is also "pc-darts, search seed 0", and `cifar10` also "cifar10@16". Raises ValueError where none is.
    """
    for column, wanted, ends in (("method", method, ","), ("dataset", dataset, "@"), ("preset", preset, "@")):
        if wanted is None:
            continue
        names = table[column].map(lambda name, ends=ends: str(name or "").partition(ends)[0])
        if wanted not in set(names):
            known = sorted(set(names) - {""})
            there = f"there are: {', '.join(known)}" if known else "there are none"
            raise ValueError(f"no line has the {column} {wanted!r}{nearest(wanted, known)}; {there}")
        table = table[names == wanted]
    return table


def telling(read: Callable[[Path], Any], runs_dir: Path, tell: Callable[[Warning], None]) -> Any:
    """What `read` returns; its warnings, such as of a folder that is skipped, are told."""
    with warnings.catch_warnings(record=True) as skipped:
        warnings.simplefilter("always")
        answer = read(runs_dir)
    for warning in skipped:
        tell(warning.message)
    return answer


def freshness(figures_dir: Path) -> tuple[str, bool]:
    """A line per kept result, and whether one is older than its code. Raises ValueError where nothing is kept."""
    found = dict(kept_and_changed(figures_dir))
    if not found:
        raise ValueError(f"no kept results in {figures_dir}: give their folder with --figures")
    return "\n".join(f"{name}: {_since(changed)}" for name, changed in found.items()), any(found.values())


def _since(changed: list[str] | None) -> str:
    if changed is None:
        return "kept without digests of its code: keep it again to know"
    names = ", ".join(changed[:4]) + (f" and {len(changed) - 4} more" if len(changed) > 4 else "")
    return f"older than {names}" if changed else "as its code makes it"
