"""Make `paths` of this folder: `python make_paths.py [--runs-dir RUNS] [--seeds N]`, ten seconds a search on one core.

Searches of a small grid of hyperparameters with scalar weights and with Max-W, and the best path of every epoch
(`nasnb.analysis.sharpdarts.capacity`). The numbers go to `paths.csv`, the claim to `claims.csv`. A run that was stopped
goes on where it stood.
"""

import argparse
from collections.abc import Iterable
from dataclasses import asdict, replace

import pandas as pd
from matplotlib.figure import Figure

from nasnb import plots, report
from nasnb.analysis.sharpdarts import capacity
from nasnb.config import SearchConfig
from nasnb.data import Data, load
from nasnb.experiment import run_search
from nasnb.methods import METHODS
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result
from nasnb.spaces.hypercuboid import HyperCuboid

NAME = "02-sharpdarts/paths"
GRID = HyperCuboid("hypercuboid-two-widths", widths=(32, 64), strides=(1, 2) * 2)
METHOD_OF = {capacity.SCALAR: METHODS["hypercuboid"], capacity.MAX_W: METHODS["hypercuboid-max-w"]}
ALT = (
    "Over the epochs, for scalar weights and Max-W: entropy of the weights, weight of pools, expected parameters, "
    "parameters of the best path."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=8)
    given = parser.parse_args()
    data, config = load("fashion-sample", image_size=12), METHODS["hypercuboid"].at("laptop", **capacity.GRID)
    seeds = range(given.seeds)
    keep_them(searched(data, config, seeds, given.runs_dir), seeds, data, config)


def searched(data: Data, config: SearchConfig, seeds: Iterable[int], runs_dir: str) -> dict[str, list[Result]]:
    """The searches by weighting; seed by seed, so that what is there is complete whenever it is stopped."""
    found = {name: [] for name in METHOD_OF}
    for seed in seeds:
        for name, runs in found.items():
            method = replace(METHOD_OF[name], space=GRID)
            runs.append(run_search(method, data, replace(config, seed=seed), runs_dir=runs_dir))
    return found


def keep_them(found: dict[str, list[Result]], seeds: Iterable[int], data: Data, config: SearchConfig) -> None:
    """Figure, numbers and record; and the claim, whose supernets must have learnt."""
    sizes = {"channels": config.channels, "cells": None, "classes": data.n_classes}
    table = capacity.leaning_over_time(found, dict.fromkeys(found, GRID), seeds, **sizes)
    ends, runs = capacity.ends_of_searches(table), [run for each in found.values() for run in each]
    accuracy = report.accuracies(runs)
    where = report.setting(data, config, n=len(seeds)).rstrip(".")
    scale = (
        f"{where.replace(f'{config.cells} cells', f'{len(GRID.strides)} stages of two widths')}, alpha's rate "
        f"{config.alpha_lr:g}; supernets at {accuracy.min():.0f} to {accuracy.max():.0f} %"
    )
    told = {
        "data": f"{data.name}, embedded sample",
        "config": asdict(config),
        "seeds": seeds,
        "scale": scale,
        "alt": ALT,
    }
    learned = report.runs_learned(*found.values(), classes=data.n_classes)
    print(keep_small(NAME, drawn(table), table, runs, [(capacity.path_effects(ends), learned)], **told))


def drawn(table: pd.DataFrame) -> Figure:
    plots.use_style()
    return plots.plot_bands(table, capacity.GRID_PANELS, by="weighting")


if __name__ == "__main__":
    main()
