"""Make `leaning` of this folder: `python make_leaning.py [--runs-dir RUNS] [--seeds N]`, half a minute a search.

Searches of cells with scalar weights, with Max-W, and without max pooling, epoch by epoch
(`nasnb.analysis.sharpdarts.capacity`). The numbers go to `leaning.csv`, the claims to `claims.csv`. A run that was
stopped goes on where it stood.
"""

import argparse
from collections.abc import Iterable
from dataclasses import asdict, replace

import matplotlib.pyplot as plt
import pandas as pd

from nasnb import plots, report
from nasnb.analysis.sharpdarts import ablation, capacity, weighting
from nasnb.config import SearchConfig
from nasnb.data import Data, load
from nasnb.experiment import run_search
from nasnb.methods import METHODS
from nasnb.plots.style import svg
from nasnb.report.evidence import SMALL, write_evidence
from nasnb.runs import Result
from nasnb.runs.kept import keep

NAME = "02-sharpdarts/leaning"
ALT = "Over the epochs, per weighting: share of pools and skips, their weight, expected parameters, derived size."
WATCHED = {capacity.MAX_W: weighting.watch_leaders}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=6)
    given = parser.parse_args()
    data, config = load("fashion-sample", image_size=12), METHODS["sharpsepconv-darts"].at("laptop", **capacity.KEPT)
    seeds = range(given.seeds)
    keep_them(searched(data, config, seeds, given.runs_dir), seeds, data, config)


def searched(data: Data, config: SearchConfig, seeds: Iterable[int], runs_dir: str) -> dict[str, list[Result]]:
    """The searches by weighting; seed by seed, so that what is there is complete whenever it is stopped."""
    found = {name: [] for name in (capacity.SCALAR, capacity.MAX_W, capacity.NO_POOL)}
    methods = ablation.searched_methods(choke=8)  # none of these has a choke
    for seed in seeds:
        for name, runs in found.items():
            at, observe = replace(config, seed=seed), WATCHED.get(name)
            runs.append(run_search(methods[name], data, at, runs_dir=runs_dir, observe=observe))
    return found


def keep_them(found: dict[str, list[Result]], seeds: Iterable[int], data: Data, config: SearchConfig) -> None:
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
    record = {
        "data": f"{data.name}, embedded sample",
        "config": asdict(config),
        "seed": list(seeds),
        "device": runs[0].record["device"],
        "commit": str(runs[0].record["commit"]),
        "seconds": sum(run.record["seconds"] for run in runs),
        "scale": f"{scale}.",
        "alt": ALT,
    }
    keep(NAME, drawn(table), table, record)
    findings = report.Findings("02-sharpdarts", preset="overnight", scale=scale, seed=seeds[0])
    learned = report.runs_learned(*found.values(), classes=data.n_classes)
    effects = capacity.leaning_effects(capacity.ends_of_searches(table))
    print(findings.judged(effects, learned=learned, evidence_from=SMALL, run=NAME))
    write_evidence("02-sharpdarts", findings.found)


def drawn(table: pd.DataFrame) -> str:
    plots.use_style()
    figure = plots.plot_bands(table, capacity.PANELS, by="weighting")
    text = svg(figure)
    plt.close(figure)
    return text


if __name__ == "__main__":
    main()
