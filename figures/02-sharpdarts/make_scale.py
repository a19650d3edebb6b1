"""Make `scale` of this folder: `python make_scale.py [--runs-dir RUNS]`, a minute or two a search on one core.

Scalar searches of a small grid with pools as they are, at unit scale and with BatchNorm, over six seeds; the numbers go
to `scale.csv`, the claims to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from dataclasses import asdict, replace

import pandas as pd

from nasnb import plots, report
from nasnb.analysis.sharpdarts import rivals
from nasnb.config import SearchConfig
from nasnb.data import Data, load
from nasnb.experiment import run_search
from nasnb.methods import METHODS
from nasnb.plots import sharpdarts as drawn
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result
from nasnb.spaces.hypercuboid import HyperCuboid

NAME, SEEDS = "02-sharpdarts/scale", range(6)
GRID = HyperCuboid("hypercuboid-two-widths", widths=(32, 64), strides=(1, 2) * 2)
SIZE = {"epochs": 8, "channels": 8, "train_images": 4000, "batch_size": 32, "alpha_lr": 0.02, "crop_padding": 1}
PLAIN = {"cutout": 0, "validate_with": "batch"}
ALT = "Weight of pools that keep the width, as they are, at unit scale and with BatchNorm, a point per seed."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    runs_dir = parser.parse_args().runs_dir
    data, scalar = load("fashion-sample", image_size=12), METHODS["hypercuboid"]
    config = scalar.at("laptop", **SIZE, **PLAIN)
    methods = {"scalar": replace(scalar, name=GRID.name, space=GRID)}
    methods |= {case: replace(scalar, name=g.name, space=g) for case, g in rivals.controlled_grids(GRID).items()}
    found = {
        name: [run_search(method, data, replace(config, seed=seed), runs_dir=runs_dir) for seed in SEEDS]
        for name, method in methods.items()
    }
    keep_them(rivals.pools_by_case(GRID, found), [run for runs in found.values() for run in runs], data, config)


def keep_them(times: dict[str, list[float]], runs: list[Result], data: Data, config: SearchConfig) -> None:
    """Figure, numbers and record; and the claims, whose networks must have learnt."""
    setting = report.setting(data, config, n=len(SEEDS)).replace(f"{config.cells} cells", f"{len(GRID.strides)} stages")
    accuracy = report.accuracies(runs)
    scale = (
        f"{setting.rstrip('.')}, alpha's rate {config.alpha_lr:g}; supernets at {accuracy.min():.0f} to "
        f"{accuracy.max():.0f} %"
    )
    told = {
        "data": f"{data.name}, embedded sample",
        "config": asdict(config),
        "seeds": SEEDS,
        "scale": scale,
        "alt": ALT,
    }
    plots.use_style()
    table = rivals.of_scale(times, SEEDS)
    learned = report.runs_learned(runs, classes=data.n_classes)
    print(keep_small(NAME, drawn.plot_rivals(table), table, runs, [(effects_of(times), learned)], **told))


def effects_of(times: dict[str, list[float]]) -> dict[str, pd.Series]:
    """What the claims ask for, of weights in times the even share by case."""
    as_is, unit, normed = map(pd.Series, times.values())
    return {
        "sharpdarts/pools-win": as_is - 1,
        "sharpdarts/pools-win-by-scale": as_is - unit,
        "sharpdarts/pools-win-without-norm": as_is - normed,
    }


if __name__ == "__main__":
    main()
