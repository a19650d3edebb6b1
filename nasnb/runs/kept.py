"""Results worth keeping: a figure, its numbers and their record, side by side under `figures`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from nasnb.runs.files import read_json, runs_folder, write_json, write_whole

PARTS = ("data", "config", "seed", "device", "commit", "seconds")  # what a record must say


class Kept(NamedTuple):
    """A figure as SVG text, the plotted numbers, and where they come from."""

    svg: str
    table: pd.DataFrame
    record: dict[str, Any]

    def __str__(self) -> str:
        r = self.record
        return f"Kept result: {r['data']}; {r['device']}, {r['seconds']:.0f} s, commit {r['commit'][:10]}."


def keep(name: str, svg: str, table: pd.DataFrame, record: Mapping[str, Any], *,
         figures_dir: str | Path = "figures") -> None:
    """Write `name`.svg, .csv and .json. Raises ValueError for a record without one of `PARTS`."""
    missing = [part for part in PARTS if part not in record]
    if missing:
        raise ValueError(f"the record of {name!r} lacks {', '.join(missing)}; it must say {', '.join(PARTS)}")
    base = runs_folder(figures_dir) / name
    base.parent.mkdir(parents=True, exist_ok=True)
    write_whole(base.with_suffix(".svg"), svg.encode())
    write_whole(base.with_suffix(".csv"), table.to_csv(index=False, float_format="%.6g").encode())
    write_json(base.with_suffix(".json"), dict(record))


def kept(name: str, *, figures_dir: str | Path = "figures") -> Kept | None:
    """What `keep` wrote; None where there is nothing of that name."""
    base = runs_folder(figures_dir) / name
    if not base.with_suffix(".json").exists():
        return None
    text = base.with_suffix(".svg").read_text(encoding="utf-8")
    return Kept(text, pd.read_csv(base.with_suffix(".csv")), read_json(base.with_suffix(".json")))
