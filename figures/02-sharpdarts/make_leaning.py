"""Make `leaning` or `leaning-fresh` of this folder: `python make_leaning.py [NAME] [--runs-dir RUNS] [--seeds N]`.

Searches of cells with scalar weights, with Max-W, and without max pooling, epoch by epoch, half a minute each on one
core (`nasnb.analysis.sharpdarts.capacity`); the fresh ones, of other seeds, leave out the third. The numbers go to
`NAME.csv`, the claims to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

import pandas as pd
from matplotlib.figure import Figure

from nasnb import plots, report
from nasnb.analysis.sharpdarts import ablation, capacity, weighting
from nasnb.config import SearchConfig
from nasnb.data import Data, load
from nasnb.experiment import run_search
from nasnb.methods import METHODS
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result

BOTH = (capacity.SCALAR, capacity.MAX_W)
# twelve, as n = 11 were said to decide whether Max-W leans less; the seeds go on from those that said so
RESULTS = {"leaning": ((*BOTH, capacity.NO_POOL), range(6)), "leaning-fresh": (BOTH, range(6, 18))}
ALT = "Over the epochs, per weighting: share of pools and skips, their weight, expected parameters, derived size."
WATCHED = {capacity.MAX_W: weighting.watch_leaders}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", choices=RESULTS, default="leaning")
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int)
    given = parser.parse_args()
    data, config = load("fashion-sample", image_size=12), METHODS["sharpsepconv-darts"].at("laptop", **capacity.KEPT)
    weightings, seeds = RESULTS[given.name]
    seeds = seeds[: given.seeds]
    keep_them(given.name, searched(weightings, data, config, seeds, given.runs_dir), seeds, data, config)


def searched(
    weightings: Iterable[str], data: Data, config: SearchConfig, seeds: Iterable[int], runs_dir: str
) -> dict[str, list[Result]]:
    """The searches by weighting; seed by seed, so that what is there is complete whenever it is stopped."""
    found = {name: [] for name in weightings}
    methods = ablation.searched_methods(choke=8)  # none of these has a choke
    for seed in seeds:
        for name, runs in found.items():
            at, observe = replace(config, seed=seed), WATCHED.get(name)
            runs.append(run_search(methods[name], data, at, runs_dir=runs_dir, observe=observe))
    return found


def keep_them(
    name: str, found: dict[str, list[Result]], seeds: Sequence[int], data: Data, config: SearchConfig
) -> None:
    """Figure, numbers and record; and the claims, whose networks must have learnt."""
    spaces = {name: method.space for name, method in ablation.searched_methods(choke=8).items()}
    sizes = {"channels": config.channels, "cells": config.cells, "classes": data.n_classes}
    table = capacity.leaning_over_time(found, spaces, seeds, **sizes)
    runs = [run for each in found.values() for run in each]
    accuracy = report.accuracies(runs)
    scale = (
        f"{report.setting(data, config, n=len(seeds)).rstrip('.')}, alpha's rate {config.alpha_lr:g}; supernets at "
        f"{accuracy.min():.0f} to {accuracy.max():.0f} %"
    )
    told = {
        "data": f"{data.name}, embedded sample",
        "config": asdict(config),
        "seeds": seeds,
        "scale": scale,
        "alt": ALT,
    }
    learned = report.runs_learned(*found.values(), classes=data.n_classes)
    effects = capacity.leaning_effects(capacity.ends_of_searches(table))
    print(keep_small(f"02-sharpdarts/{name}", drawn(table), table, runs, [(effects, learned)], **told))


def drawn(table: pd.DataFrame) -> Figure:
    plots.use_style()
    return plots.plot_bands(table, capacity.PANELS, by="weighting")


if __name__ == "__main__":
    main()
