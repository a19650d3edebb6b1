"""Evidence per claim and seed, kept in `figures/<chapter>/claims.csv`: what was measured, where, by which commit.

The values are kept, not the verdict: the rule reads them again, whenever the book is made.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nasnb.config import nearest
from nasnb.published.claims import Claim, claim
from nasnb.report.claims import Finding, answer
from nasnb.report.kept_figure import PREFIXES
from nasnb.runs.files import runs_folder, write_whole

EXACT, PUBLISHED, SMALL, RUN = "exact", "published", "small", "this run"
KINDS = (EXACT, "paper", PUBLISHED, "full scale", "NAS-Bench-201", "gpu", "overnight", SMALL, RUN)  # strongest first
KIND_WORDS: Mapping[str, str] = {
    EXACT: "exact or enumerated",
    "paper": "own runs at the paper's scale",
    PUBLISHED: "published numbers, tested again",
    "full scale": "full-scale runs by others",
    "NAS-Bench-201": "looked up in NAS-Bench-201",
    "gpu": "own runs on one graphics card",
    "overnight": "own runs overnight",
    SMALL: "own small runs, kept",
    RUN: "this small run",
}
WHOLE = (EXACT, "means", "shares")  # designs whose groups are one cell of the file each, not one per seed
COLUMNS = ("claim", "evidence", "group", "seed", "value", "null", "learned", "scale", "run", "commit", "date")


@dataclass(frozen=True)
class Evidence:
    """What was measured for one claim in one way; `finding` is what the rule says of it.

    `values` are those that `judge` takes; a Finding that was made from published summaries has none.
    """

    claim: Claim
    kind: str
    finding: Finding
    scale: str = ""
    values: Any = None
    null: float | Sequence[float] = 0.0
    seeds: tuple[int, ...] = ()
    learned: bool = True
    run: str = ""
    commit: str = ""
    date: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it replaces when it is measured again: a claim may have several kept results of one kind."""
        return self.claim.id, self.kind, self.run

    @property
    def called(self) -> str:
        """The kept result that it came with, without its folder."""
        return self.run.rpartition("/")[2]


def evidence(id: str, values: Any, *, kind: str, null: Any = 0.0, learned: bool = True, **origin: Any) -> Evidence:
    """Evidence for a claim from its values, or from a Finding that published summaries gave.

    Raises ValueError for a claim or a kind of evidence that is unknown.
    """
    of = claim(id)
    if kind not in KINDS:
        raise ValueError(f"unknown kind of evidence {kind!r}{nearest(kind, KINDS)}; there are {', '.join(KINDS)}")
    if isinstance(values, Finding):
        return Evidence(of, kind, values, learned=learned, **origin)
    if isinstance(values, pd.Series):  # in its order, whatever its labels are
        values = values.to_numpy()
    margin = None if of.design == EXACT else of.margin
    finding = answer(values, design=of.design, margin=margin, null=null, learned=learned)
    return Evidence(of, kind, finding, values=values, null=null, learned=learned, **origin)


def ranking(found: Iterable[Evidence]) -> list[Evidence]:
    """The strongest first, in the order of `KINDS`; what says nothing gives way to what says something.

    Of one kind, networks that have learnt go before others, then more seeds before fewer; with as many of them, small
    searches on NAS-Bench-201 come last.
    """
    return sorted(found, key=_rank)


def _rank(each: Evidence) -> tuple[bool | int, ...]:
    nothing, small = each.finding.n == 0, each.called.startswith(PREFIXES["small"])
    return nothing, KINDS.index(each.kind), not each.learned, -each.finding.n, small


# --- the file ---------------------------------------------------------------------------------------------------------


def write_evidence(chapter: str, found: Iterable[Evidence], *, figures_dir: str | Path = "figures") -> Path:
    """Renew the lines of these claims, kinds and runs in the chapter's file; all others stay as they are."""
    path = _path(chapter, figures_dir)
    lasting = [each for each in found if each.values is not None and each.kind != RUN]
    new = {each.key for each in lasting}
    lines = [line for line in _lines(path) if _key(line) not in new]
    lines += [line for each in lasting for line in _lines_of(each)]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(lines, key=lambda line: (line["claim"], KINDS.index(line["evidence"]), line["run"])))
    write_whole(path, text.getvalue().encode())
    return path


def read_evidence(chapter: str, *, figures_dir: str | Path = "figures") -> list[Evidence]:
    """What was kept for a chapter, judged anew; empty if nothing was.

    Raises ValueError naming the file and the line whose claim or kind of evidence is unknown.
    """
    path, groups = _path(chapter, figures_dir), {}
    for number, line in enumerate(_lines(path), start=2):
        if set(line) != set(COLUMNS) or line["evidence"] not in KINDS:
            raise ValueError(
                f"{path}, line {number}: no evidence of kind {line.get('evidence')!r}; the columns are "
                f"{', '.join(COLUMNS)}"
            )
        groups.setdefault(_key(line), []).append(line)
    return [_evidence_of(lines) for lines in groups.values()]


def _key(line: Mapping[str, str]) -> tuple[str, str, str]:
    return line["claim"], line["evidence"], line["run"]


def _path(chapter: str, figures_dir: str | Path) -> Path:
    return runs_folder(figures_dir) / chapter / "claims.csv"


def _lines(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _lines_of(each: Evidence) -> list[dict[str, Any]]:
    """A line per seed and group."""
    design, values = each.claim.design, each.values
    groups = values if _has_groups(design, values) else (values,)
    nulls = np.atleast_1d(each.null)
    common = {
        "claim": each.claim.id,
        "evidence": each.kind,
        "learned": each.learned,
        "scale": each.scale,
        "run": each.run,
        "commit": each.commit,
        "date": each.date,
    }
    lines = []
    for name, group in zip("ab", groups, strict=False):
        members = [group] if design in WHOLE else list(group)
        seeds = each.seeds if len(each.seeds) == len(members) else range(len(members))
        for i, (seed, value) in enumerate(zip(seeds, members, strict=True)):
            lines.append(
                {
                    **common,
                    "group": name if len(groups) > 1 else "",
                    "seed": seed,
                    "value": _text(value),
                    "null": f"{nulls[i % len(nulls)]:.6g}",
                }
            )
    return lines


def _evidence_of(lines: Sequence[Mapping[str, str]]) -> Evidence:
    first, design = lines[0], claim(lines[0]["claim"]).design
    groups = [[line for line in lines if line["group"] == name] for name in dict.fromkeys(x["group"] for x in lines)]
    values = [[_value(line["value"], design) for line in group] for group in groups]
    values = [group[0] for group in values] if design in WHOLE else values
    nulls = [float(line["null"]) for line in groups[0]]
    origin = {name: first[name] for name in ("scale", "run", "commit", "date")}
    return evidence(
        first["claim"],
        tuple(values) if len(values) > 1 else values[0],
        kind=first["evidence"],
        null=nulls[0] if len(set(nulls)) == 1 else nulls,
        learned=first["learned"] == "True",
        seeds=tuple(int(line["seed"]) for line in groups[0]),
        **origin,
    )


def _has_groups(design: str, values: Any) -> bool:
    if design == EXACT:
        return False
    nested = np.ndim(values[0]) > 0
    return np.ndim(values[0][0]) > 0 if design == "agreement" else nested


def _text(value: Any) -> str:
    """`1.25`, `True`, `9421 10000`, `97.24 0.2 8` or the labels of all edges: a value as one cell of the file."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    return " ".join(f"{x:.6g}" if isinstance(x, float) else str(x) for x in np.atleast_1d(value).tolist())


def _value(text: str, design: str) -> Any:
    if text in ("True", "False") and design == EXACT:
        return text == "True"
    if design == "agreement":
        return text.split()
    if design in ("means", "shares"):
        return tuple(map(float if design == "means" else int, text.split()))
    return float(text)
