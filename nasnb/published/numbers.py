"""What the papers report, as tables: `published(paper="PC-DARTS", table="Table 1")`. The data lie beside this file.

Values are as printed, in the unit of the metric's name. `spread` is what the paper gives after ±, `n` the runs behind
it where stated, `quoted` marks numbers that the paper took from others.
"""

from __future__ import annotations

import functools
from importlib import resources

import pandas as pd

from nasnb.config import nearest

_KEY = ["row", "dataset", "metric"]


def published(paper: str | None = None, table: str | None = None, metric: str | None = None) -> pd.DataFrame:
    """The numbers of one paper, table ("Table 3", "Figure 5", "abstract", "text") or metric, or of all.

    Columns: paper, table, row, dataset, metric, value, spread, n, quoted, note.
    Raises ValueError naming the nearest known paper, table or metric.
    """
    chosen = _numbers()
    for column, wanted in (("paper", paper), ("table", table), ("metric", metric)):
        if wanted is None:
            continue
        known = chosen[column].unique()
        if wanted not in known:
            raise ValueError(f"no published {column} {wanted!r}{nearest(wanted, known)}; there are {', '.join(known)}")
        chosen = chosen[chosen[column] == wanted]
    return chosen.reset_index(drop=True)


def published_value(paper: str, table: str, row: str, metric: str | None = None) -> float:
    """One number of a paper. Raises ValueError if it has none of that name, or several (name the metric)."""
    numbers = published(paper, table, metric)
    found = numbers[numbers["row"] == row]
    if len(found) != 1:
        known = ", ".join(map(repr, dict.fromkeys(numbers["row"])))
        raise ValueError(f"{paper}, {table} has {len(found)} numbers for {row!r}; its rows are {known}")
    return float(found.value.iloc[0])


def contradictions() -> pd.DataFrame:
    """Where the papers contradict themselves, each other or their code: paper, place, says, but, comment.

    Where this is about a number of `published()`, the columns row, dataset and metric name it.
    """
    return _read("contradictions.csv").fillna("")


def disagreements() -> pd.DataFrame:
    """Found by comparing: every (row, dataset, metric) with more than one value or spread, and who says what."""
    varies = _numbers().groupby(_KEY)[["value", "spread"]].transform("nunique").gt(1).any(axis=1)
    said = _numbers()[varies].sort_values(_KEY, kind="stable")
    return said[[*_KEY, "value", "spread", "paper", "table"]].reset_index(drop=True)


def retests(paper: str | None = None) -> pd.DataFrame:
    """Which published numbers are set against which, to test a claim again: of one paper, or of all.

    Columns: claim, paper, says, test, place, better, against_place, worse, dataset, metric, caution. `test` is "means",
    "counts", "runs" (means of listed runs) or "spreads" (of listed runs).
    Raises ValueError naming the nearest paper that has any.
    """
    table = _read("retests.csv").fillna({"claim": "", "caution": ""})
    known = table.paper.unique()
    if paper is None:
        return table
    if paper not in known:
        raise ValueError(f"no comparison of {paper!r}{nearest(paper, known)}; there are {', '.join(known)}")
    return table[table.paper == paper].reset_index(drop=True)


@functools.cache
def _numbers() -> pd.DataFrame:
    return _read("numbers.csv").astype({"n": "Int64"}).fillna({"note": ""})


def _read(name: str) -> pd.DataFrame:
    with (resources.files("nasnb.published") / name).open(encoding="utf-8", newline="") as file:
        return pd.read_csv(file)
