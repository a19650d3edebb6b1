"""Writes figures/bench/chapters.csv: processor seconds of a chapter at a preset, from copies that computed everything.

python book/make_prices.py EXECUTED.ipynb ...
"""

import sys
from pathlib import Path

import nbformat
import pandas as pd
import torch

from nasnb.runs.record import environment

PRICES = Path(__file__).resolve().parent.parent / "figures/bench/chapters.csv"
PRESETS = ("smoke", "laptop", "overnight", "gpu", "paper")


def line(path: Path) -> dict:
    """One copy. Raises ValueError for one that may have loaded runs of other chapters: its seconds would be too few."""
    meta = nbformat.read(path, 4).metadata
    if "runs_dir" not in meta["papermill"]["parameters"]:
        raise ValueError(f"{path} shares its runs with other chapters: execute it with an empty runs_dir of its own")
    here = environment(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    preset = meta["papermill"]["parameters"].get("preset", "laptop")
    device = f"a core of {here['device']}" if here["device_kind"] == "cpu" else here["device"]
    return {
        "chapter": Path(meta["papermill"]["input_path"]).stem,
        "preset": preset,
        "processor_seconds": round(meta["nasnb"]["processor_seconds"]),
        "device": device,
        "commit": here["commit"][:10],
        "date": meta["papermill"]["start_time"][:10],
    }


def main(paths: list[str]) -> None:
    old = pd.read_csv(PRICES) if PRICES.exists() else pd.DataFrame()
    table = pd.concat([old, pd.DataFrame([line(Path(path)) for path in paths])], ignore_index=True)
    table = table.drop_duplicates(["chapter", "preset"], keep="last")
    order = table.preset.map(PRESETS.index)
    table.assign(order=order).sort_values(["chapter", "order"]).drop(columns="order").to_csv(PRICES, index=False)


if __name__ == "__main__":
    main(sys.argv[1:])
