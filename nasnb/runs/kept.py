"""Results worth keeping: a figure, its numbers and their record, side by side under `figures`."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from pandas.api.types import is_numeric_dtype

from nasnb.runs.files import as_json, check_name, checksum, read_json, read_whole, runs_folder, write_whole
from nasnb.runs.freshness import reached_code, in_use, running

PARTS = ("data", "config", "seed", "device", "commit", "seconds")  # what a record must say
LANDING = ".landing-"  # the new parts, until the record that tells their checksums is there


class Kept(NamedTuple):
    """A figure as SVG text, the plotted numbers, and where they come from."""

    svg: str
    table: pd.DataFrame
    record: dict[str, Any]

    def __str__(self) -> str:
        r = self.record
        return f"Kept result: {r['data']}; {r['device']}, {r['seconds']:.0f} s, commit {r['commit'][:10]}."


def keep(
    name: str, svg: str, table: pd.DataFrame, record: Mapping[str, Any], *, figures_dir: str | Path = "figures"
) -> None:
    """Write `name`.svg, .csv and .json, all or none: whatever stops it, `kept` finds the old three or the new.

    `name` may have folders in it; the first names the chapter. The record gets the digests of the code that its
    `makers` reach (modules, scripts or notebooks; without any: what runs now), by which `nasnb keep --check` knows what
    is older than its code. Raises ValueError for a name that leads elsewhere and for a record without one of
    `PARTS`, OSError if the files cannot be written.
    """
    missing = [part for part in PARTS if part not in record]
    if missing:
        raise ValueError(f"the record of {name!r} lacks {', '.join(missing)}; it must say {', '.join(PARTS)}")
    base = _base(name, figures_dir)
    base.parent.mkdir(parents=True, exist_ok=True)
    _end_landing(base)  # of a `keep` that was stopped: it may hold the only copy of what counts now
    parts = {"svg": svg.encode(), "csv": table.to_csv(index=False, float_format="%.6g").encode()}
    for kind, content in parts.items():
        write_whole(_landing(base, kind), content)
    files = {kind: checksum(content) for kind, content in parts.items()}
    words = [str(name) for name, of in table.dtypes.items() if not is_numeric_dtype(of)]  # digits of text stay text
    makers = record.get("makers") or [running(name.split("/")[0])]
    code = reached_code(makers, in_use(runs_folder(figures_dir)))
    facts = {**record, "makers": makers, "code": code, "files": files, "words": words}
    write_whole(_file(base, "json"), as_json(facts))  # from here on the new ones count
    _end_landing(base)


def kept(name: str, *, figures_dir: str | Path = "figures") -> Kept | None:
    """What `keep` wrote; None where there is nothing of that name.

    Raises ValueError for parts that do not belong together, OSError for one that cannot be read.
    """
    base = _base(name, figures_dir)
    try:
        record = read_json(_file(base, "json"))
    except FileNotFoundError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("files"), dict):
        raise ValueError(f"{_file(base, 'json')} is no record of a kept result: keep it again, or restore it from git")
    svg, csv = (_part(base, kind, record["files"]) for kind in ("svg", "csv"))
    table = pd.read_csv(io.BytesIO(csv), dtype=dict.fromkeys(record.get("words", ()), str))
    return Kept(svg.decode(), table, {n: v for n, v in record.items() if n not in ("files", "makers", "code", "words")})


def _end_landing(base: Path) -> None:
    content = read_whole(_file(base, "json"))
    for kind in ("svg", "csv"):
        landed = read_whole(_landing(base, kind))
        if content and landed and checksum(landed).encode() in content:
            _landing(base, kind).replace(_file(base, kind))


def _part(base: Path, kind: str, files: Mapping[str, str]) -> bytes:
    for path in (_file(base, kind), _landing(base, kind)):  # the second, if `keep` was stopped at its end
        content = read_whole(path)
        if content is not None and checksum(content) == files.get(kind):
            return content
    raise ValueError(
        f"{_file(base, kind)} is missing or is not what {base.name}.json tells of: keep all parts again, "
        "or restore them from git"
    )


def _base(name: str, figures_dir: str | Path) -> Path:
    for part in str(name).split("/"):
        check_name("a part of the kept result's name", part)
    return runs_folder(figures_dir) / name


def _file(base: Path, kind: str) -> Path:
    return base.with_name(f"{base.name}.{kind}")


def _landing(base: Path, kind: str) -> Path:
    return base.with_name(f"{LANDING}{base.name}.{kind}")
