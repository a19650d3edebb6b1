"""Make `scale` of this folder: `python make_scale.py [--runs-dir RUNS]`, some minutes a search on one core.

Scalar searches of a small grid with pools as they are, at unit scale and with BatchNorm, over six seeds; the numbers go
to `scale.csv`, the claims to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from dataclasses import asdict, replace

import pandas as pd

from nasnb import plots, report
from nasnb.analysis.sharpdarts import rivals
from nasnb.data import load
from nasnb.experiment import run_search
from nasnb.methods import METHODS
from nasnb.plots import sharpdarts as drawn
from nasnb.plots.style import svg
from nasnb.report.evidence import write_evidence
from nasnb.runs.kept import keep
from nasnb.spaces.hypercuboid import HyperCuboid

SEEDS = range(6)
GRID = HyperCuboid("hypercuboid-two-widths", widths=(32, 64), strides=(1, 2) * 2)
SIZE = {"epochs": 8, "channels": 8, "train_images": 4000, "batch_size": 32, "alpha_lr": 0.02, "crop_padding": 1}
PLAIN = {"cutout": 0, "policy": None, "validate_with": "batch"}
ALT = "Weight of pools that keep the width, as they are, at unit scale and with BatchNorm, a point per seed."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    runs_dir = parser.parse_args().runs_dir
    data, scalar = load("fashion-sample", image_size=12), METHODS["hypercuboid"]
    config = scalar.at("laptop", **SIZE, **PLAIN)
    grids = {rivals.AS_IS: GRID} | rivals.controlled_grids(GRID)
    found = {case: [] for case in grids}
    for seed in SEEDS:
        for case, grid in grids.items():
            method = replace(scalar, name=grid.name, space=grid)
            found[case].append(run_search(method, data, replace(config, seed=seed), runs_dir=runs_dir))


if __name__ == "__main__":
    main()
