"""Table 1 of StacNAS read twice: gradient confusion as printed, divided by the number of parameters, and without it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import torch

from nasnb.published import GENOTYPES, published
from nasnb.spaces import SPACES

FINAL = "final network, 20 cells"


def published_confusion() -> pd.DataFrame:
    """row, cells, millions (parameters, counted), printed, undivided: confusion per parameter and times parameters.

    The printed values are taken to be per million parameters; any other unit changes all rows alike. Stage two is left
    out: how many candidates its edges have depends on what stage one chose.
    """
    table = published(paper="StacNAS", table="Table 1").rename(columns={"value": "printed"})
    table = table[~table["row"].str.startswith("stage 2")].reset_index(drop=True)
    table["cells"] = table["row"].str.extract(r"(\d+) cells").astype(int)
    table["millions"] = [_millions(row, cells) for row, cells in zip(table["row"], table.cells, strict=True)]
    return table.assign(undivided=table.printed * table.millions)[["row", "cells", "millions", "printed", "undivided"]]


def matching_cells(table: pd.DataFrame, column: str) -> int:
    """Cells of the search whose confusion lies nearest to that of the final network."""
    final = table.loc[table["row"] == FINAL, column].item()
    searches = table[table["row"] != FINAL]
    return int(searches.cells[(searches[column] - final).abs().idxmin()])


def table_1() -> pd.DataFrame:
    """Table 1 with and without the division, in words; the depth that matches is marked."""
    table = published_confusion()
    shown = pd.DataFrame({"network": table["row"], "million parameters": table.millions.round(2)})
    for column, name in (("printed", "printed, divided by M"), ("undivided", "times M")):
        best = matching_cells(table, column)
        is_best = (table.cells == best) & (table["row"] != FINAL)
        marks = np.where(is_best, " ← nearest", "")
        shown[name] = [f"{x:.2f}{mark}" for x, mark in zip(table[column], marks, strict=True)]
    return shown


def published_ratios() -> dict[str, float]:
    """{row of Table 1: confusion over that of the final network}, as printed; without the final network."""
    table = published(paper="StacNAS", table="Table 1").set_index("row").value
    return {row: float(value / table[FINAL]) for row, value in table.items() if row != FINAL}


@cache
def _millions(row: str, cells: int) -> float:
    space, shape = SPACES["stacnas"], {"cells": cells, "classes": 10}
    with torch.device("meta"):
        final = row == FINAL
        net = (
            space.network(GENOTYPES["STACNAS_CIFAR10"], channels=36, **shape)
            if final
            else space.supernet(channels=16, **shape)
        )
    return sum(p.numel() for p in net.parameters()) / 1e6
