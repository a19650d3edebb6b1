"""Every published genotype, by name. The cells are data, in genotypes.csv beside this file.

>>> from nasnb import GENOTYPES, Genotype
>>> GENOTYPES["DARTS_V2"].picks["normal"][0]
Pick(op='sep_conv_3x3', source=0, target=2)
>>> Genotype.from_notation(GENOTYPES["DARTS_V2"].notation()) == GENOTYPES["DARTS_V2"]
True
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType

from nasnb.architecture import Genotype


def _read_rows() -> list[dict[str, str]]:
    with (resources.files("nasnb.published") / "genotypes.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _parse(row: Mapping[str, str]) -> Genotype:
    if row["path"]:
        return Genotype.from_notation(row["path"])
    cells = {group: row[group] for group in ("normal", "reduce")}
    return Genotype.from_short({group: _concat(row, group) for group in cells}, **cells)


def _concat(row: Mapping[str, str], group: str) -> tuple[int, ...]:
    listed = row[f"{group}_concat"]
    n_nodes = row[group].count("/") + 1
    return tuple(map(int, listed.split())) if listed else tuple(range(2, 2 + n_nodes))  # empty: every node


_ROWS = _read_rows()

# Names as in the official repositories where these have one: DARTS_V1, PC_DARTS_cifar, darts_pt_s2_1, ...
GENOTYPES: Mapping[str, Genotype] = MappingProxyType({row["name"]: _parse(row) for row in _ROWS})


def genotype(name: str) -> Genotype:
    """The published genotype of this name. Raises ValueError naming the nearest known one."""
    if name not in GENOTYPES:
        raise ValueError(f"unknown genotype {name!r}{_nearest(name)}; nasnb.published.genotypes.GENOTYPES lists all")
    return GENOTYPES[name]


def genotype_names(*, paper: str | None = None, space: str | None = None) -> list[str]:
    """Names of the published genotypes, in the order of the file: all, of one paper, of one search space, or both."""
    for column, wanted in (("paper", paper), ("space", space)):
        known = dict.fromkeys(row[column] for row in _ROWS)
        if wanted is not None and wanted not in known:
            raise ValueError(f"no genotype of {column} {wanted!r}; there are {', '.join(known)}")
    return [row["name"] for row in _ROWS if paper in (None, row["paper"]) and space in (None, row["space"])]


def _nearest(name: str) -> str:
    by_lower = {known.lower(): known for known in GENOTYPES}  # the papers mix cases: PC_DARTS_cifar
    near = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.5)
    return f", did you mean {by_lower[near[0]]!r}?" if near else ""
