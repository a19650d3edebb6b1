"""The tables of chapter 08, read from `figures/08-full-scale`; `SOURCES` of the folder says where each comes from."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from nasnb.config import nearest

PLACE = Path("08-full-scale")


def read_table(name: str, *, figures_dir: str | Path) -> pd.DataFrame:
    """One of the tables, `sources` among them. Raises ValueError naming the nearest one there is."""
    folder = Path(figures_dir) / PLACE
    known = sorted(path.name.removesuffix(".csv.gz") for path in folder.glob("*.csv.gz"))
    if not known:
        raise ValueError(
            f"no tables in {folder.resolve()}: start from the repository's folder, whose figures/ has them"
        )
    if name == "sources":
        return pd.read_csv(folder / "sources.csv").fillna("")
    if name not in known:
        raise ValueError(f"no table {name!r}{nearest(name, known)} in {folder}; there are {', '.join(known)}")
    return pd.read_csv(folder / f"{name}.csv.gz")
