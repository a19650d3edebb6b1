"""What the paper prints: the runs of Table 4, and what its rows ask (PC-DARTS, section 4.4)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from nasnb.published.numbers import published

CELLS = {"DARTS-v1": "DARTS_V1", "DARTS-v2": "DARTS_V2", "PC-DARTS": "PC_DARTS_cifar"}  # of Table 4
ASKED = (*(f"searched {n} epochs" for n in (50, 75, 100, 125)), *(f"{n} nodes" for n in (5, 6, 7)))

IMAGENET_IMAGES = 1_281_167  # of the training set


def trainings() -> dict[str, pd.Series]:
    """Errors in percent of the five trainings of each cell of CELLS."""
    table = published(paper="PC-DARTS", table="Table 4")
    return {name: table[table.row.str.startswith(f"{name}, run")].value for name in CELLS}


def table_4(runs: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Mean and spread of `trainings`, then the single runs of Table 4, in words."""
    printed = published(paper="PC-DARTS", table="Table 4").set_index("row").value
    lines = [("five trainings", *(f"{runs[name].mean():.2f} ± {runs[name].std():.2f} %" for name in CELLS))]
    lines += [(what, *(f"{printed[f'{name}, {what}']:.2f} %" for name in CELLS)) for what in ASKED]
    return pd.DataFrame(lines, columns=["Table 4, CIFAR-10", *CELLS])


def table_3() -> dict[str, str]:
    """The printed errors on CIFAR-10 by row, `PC yes, EN no`, in words."""
    rows = published(paper="PC-DARTS", table="Table 3", metric="error_percent").set_index("row")
    return {name: f"{line.value:.2f} ± {line.spread:.2f} %" for name, line in rows.iterrows()}


def imagenet_hours(epochs: int, *, figures_dir: str | Path = "figures") -> float:
    """GPU hours of a GTX 1080 Ti to train the ImageNet cell there for so many epochs.

    From its printed multiply-adds, three forward passes an image, at the rate of the training that DARTS timed (table
    `bench/work`).
    """
    work = pd.read_csv(Path(figures_dir) / "bench" / "work.csv").set_index("method").loc["darts-1st"]
    rows = published(paper="PC-DARTS", table="Table 2", metric="multiply_adds_millions").set_index("row").value
    of_all = 3e-9 * rows["PC-DARTS (ImageNet)"] * IMAGENET_IMAGES * epochs  # in 10^15
    return of_all * work["training (GPU hours)"] / work["training (10^15)"]
