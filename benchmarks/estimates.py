"""`python -m benchmarks.estimates`: what `--dry-run` foresees for ten searches, and what they then take.

Each is foreseen before and after it runs: where others use the machine too, the mean of both is what it could know.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from benchmarks.steps import noise_data
from nasnb.config import SearchConfig
from nasnb.data import Data
from nasnb.experiment import run_search
from nasnb.methods import METHODS, Method
from nasnb.runs.estimate import Foresight, foresee
from nasnb.runs.files import write_whole

SIZE = SearchConfig(epochs=3, cells=3, channels=8, batch_size=16, train_images=384, alpha_lr=3e-3)
CONFIGURATIONS: dict[str, tuple[str, dict]] = {
    "DARTS": ("darts-1st", {}),
    "DARTS, 5 cells": ("darts-1st", {"cells": 5}),
    "DARTS, 16 channels": ("darts-1st", {"channels": 16}),
    "DARTS, batch 64": ("darts-1st", {"batch_size": 64}),
    "DARTS, second order": ("darts-2nd", {"train_images": 192}),
    "PC-DARTS": ("pc-darts", {}),
    "PC-DARTS, batch 64": ("pc-darts", {"batch_size": 64}),
    "MSR-DARTS": ("msr-darts", {"train_images": 192}),
    "sharpDARTS": ("sharpdarts", {}),
    "SDARTS-RS": ("sdarts-rs", {}),
}


def foreseen(method: Method, data: Data, config: SearchConfig, folder: Path) -> float:
    """Seconds of the search as `--dry-run` counts them."""
    noted = Foresight()
    foresee(noted)
    try:
        run_search(method, data, config, runs_dir=folder)
    finally:
        foresee(None)
    return sum(run.seconds for run in noted.runs.values())


def compared(name: str, data: Data) -> dict[str, float | str]:
    """One configuration: seconds foreseen, seconds taken with everything that an epoch does, their ratio."""
    method, changes = CONFIGURATIONS[name]
    config = replace(SIZE, **changes)
    with tempfile.TemporaryDirectory(prefix="estimate-") as folder:
        before = foreseen(METHODS[method], data, config, Path(folder) / "no")
        taken = run_search(METHODS[method], data, config, runs_dir=folder).record["seconds"]
        after = foreseen(METHODS[method], data, config, Path(folder) / "no")
    mean = (before + after) / 2
    return {"search": name, "foreseen_seconds": mean, "taken_seconds": taken, "taken/foreseen": taken / mean}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimates", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=list(CONFIGURATIONS), help="which; all ten if left out")
    parser.add_argument("--output", type=Path, help="file for the table; nothing is kept without")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    data = noise_data(1280, torch.device("cpu"))
    table = pd.DataFrame([compared(name, data) for name in options.only or CONFIGURATIONS])
    print(table.round(3).to_string(index=False))
    if options.output:
        write_whole(options.output, table.to_csv(index=False, float_format="%.3g").encode())


if __name__ == "__main__":
    main()
