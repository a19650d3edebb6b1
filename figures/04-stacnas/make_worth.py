"""Make `worth` of this folder: `python make_worth.py [--runs-dir RUNS] [--seeds N]`, five minutes a seed.

Figures 2 and 5 of the paper: for every search of StacNAS and of DARTS the network with each operation in turn on the
first edge of its first cell, trained twice; and a random cell, trained twice as well. What two trainings of a network
have in common is what alpha can follow (`nasnb.analysis.stacnas.standalone`). The numbers go to `worth.csv`, the claims
to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from nasnb import plots, report
from nasnb.analysis.stacnas import standalone
from nasnb.architecture import Genotype
from nasnb.config import scaled
from nasnb.data import Data, load
from nasnb.experiment import run_search, run_training
from nasnb.methods import METHODS, best_groups
from nasnb.plots.style import WIDTH
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result
from nasnb.search.steps import bilevel
from nasnb.spaces import SPACES, random_genotype

NAME, RANDOM = "04-stacnas/worth", "random"
ALT = (
    "Three panels, a point per search: correlation of alpha with the accuracy of the network that has each operation, "
    "beside what it could be at most; the same of two trainings of these networks; test error of the cells of StacNAS, "
    "of DARTS and of chance."
)
STACNAS = METHODS["stacnas"]
SEARCHES = {
    "StacNAS": replace(STACNAS, name="worth-stacnas", then=best_groups()),
    "DARTS": replace(STACNAS, name="worth-darts", space=SPACES["darts"], step=bilevel(order=1), then=None),
}
PLAIN = {"cells": 3, "batch_size": 32, "crop_padding": 1}
ALPHA = {"second_stage_cells": None, "alpha_lr": 0.05, "validate_with": "batch"}
SEARCH = STACNAS.at("laptop", **PLAIN, **ALPHA, epochs=6, channels=4, lr=0.1, train_images=1000)
TRAINED = {"epochs": 8, "lr": 0.05, "train_images": 1024, "cutout": 0, "drop_path": 0.0}
TRAINING = scaled(STACNAS.training, "laptop", **PLAIN, **TRAINED)
AGAIN = (0, 100)  # added to the seed: of the first training, and of the second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=8)
    given = parser.parse_args()
    data = load("fashion-sample", image_size=12)
    keep_them(*measured(data, range(given.seeds), given.runs_dir), data)


def measured(data: Data, seeds: Iterable[int], runs_dir: str) -> tuple[pd.DataFrame, list[Result]]:
    """A row per search, operation and training, and the runs behind them; seed by seed."""
    tables, runs = [], []
    for seed in seeds:
        for training, more in enumerate(AGAIN):
            train = partial(_trained, data=data, seed=seed + more, runs_dir=runs_dir, runs=runs)
            for name, method in SEARCHES.items():
                config = replace(SEARCH, seed=seed, train_fraction=0.5 if name == "DARTS" else 1.0)
                found = run_search(method, data, config, runs_dir=runs_dir)
                runs += [found] * (training == 0)
                how = {"searched": method.space, "space": STACNAS.space, "epoch": SEARCH.epochs - 1}
                table = standalone.worth_table(name, [found], train, **how)
                tables.append(table.assign(training=training, supernet_accuracy=report.reached(found)))
            drawn = train(random_genotype(SPACES["darts"], seed=seed), STACNAS.space, 0)
            row = {"method": RANDOM, "seed": seed, "chosen": True, "accuracy": drawn.history.valid_accuracy.iloc[-1]}
            tables.append(pd.DataFrame([row | {"training": training}]))
    return pd.concat(tables, ignore_index=True), runs


def _trained(genotype: Genotype, space: Any, _at: int, *, data: Data, seed: int, runs_dir: str, runs: list) -> Result:
    runs.append(run_training(space, genotype, data, replace(TRAINING, seed=seed), runs_dir=runs_dir))
    return runs[-1]


def keep_them(table: pd.DataFrame, runs: list[Result], data: Data) -> None:
    """Figure, numbers, record, and the claims, whose supernets and networks must have learnt."""
    seeds, supernets = sorted(map(int, table.seed.unique())), table.supernet_accuracy.dropna()
    scale = (
        f"{report.setting(data, SEARCH, n=len(seeds)).rstrip('.')}, alpha's rate {SEARCH.alpha_lr:g}, supernets at "
        f"{supernets.min():.0f} to {supernets.max():.0f} %; networks with {TRAINING.channels} channels, "
        f"{TRAINING.train_images:,} images and {TRAINING.epochs} epochs at {table.accuracy.min():.0f} to "
        f"{table.accuracy.max():.0f} %, each trained twice"
    )
    told = {
        "data": f"{data.name}, embedded sample",
        "config": {"search": asdict(SEARCH), "training": asdict(TRAINING)},
        "seeds": seeds,
        "scale": scale,
        "told": "Left: dashes are the square root of what two trainings share, the most that alpha could reach.",
        "alt": ALT,
    }
    learned = report.learned(supernets, table.accuracy, classes=data.n_classes)
    print(keep_small(NAME, drawn(table), table, runs, [(standalone.worth_effects(table), learned)], **told))


def drawn(table: pd.DataFrame) -> Figure:
    plots.use_style()
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.0), layout="constrained")
    shown = standalone.correlations_by_search(table)
    ceiling = {name: standalone.ceiling(part) for name, part in table.dropna(subset="op").groupby("method")}
    errors = (
        table[table.chosen].assign(error=100 - table.accuracy).groupby(["method", "seed"], as_index=False).error.mean()
    )
    panels = {
        "alpha": (shown, "correlation of alpha\nand accuracy"),
        "trainings": (shown, "correlation of\ntwo trainings"),
        "error": (errors, "test error (%)"),
    }
    for ax, (y, (rows, label)) in zip(axes, panels.items(), strict=True):
        plots.plot_points_with_spread(rows, x="method", y=y, label=label, ax=ax)
    for at, name in enumerate(shown.method.unique()):
        axes[0].hlines(ceiling[name], at - 0.3, at + 0.3, colors="0.3", linestyles="--")
    return figure


if __name__ == "__main__":
    main()
