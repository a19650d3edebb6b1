"""Make `depth` of this folder: `python make_depth.py [--runs-dir RUNS] [--seeds N]`, three minutes a seed.

Gradient confusion of stage one at several depths, of stage two and of the network that is found, trained and before
any training, and the skip connections that stage one picks (`nasnb.analysis.stacnas.confusion`, `skips`). The numbers
go to `depth.csv`, the claims to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from dataclasses import asdict, replace
from functools import partial

import matplotlib.pyplot as plt
import pandas as pd

from nasnb import plots, report
from nasnb.analysis.stacnas import confusion, skips
from nasnb.config import scaled
from nasnb.data import Data, Split, load
from nasnb.experiment import run_search, run_training
from nasnb.methods import METHODS, best_groups
from nasnb.plots.style import WIDTH
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result, run_once
from nasnb.search import begin
from nasnb.training import prepare

NAME, DEPTHS = "04-stacnas/depth", (3, 5, 8)  # cells of stage one; the last are those of the final network
ALT = (
    "A point per seed: gradient confusion of stage one at three depths and of stage two as a multiple of the final "
    "network's, trained and untrained; and skip connections in the normal cell that stage one picks, by its depth."
)
METHOD = replace(METHODS["stacnas"], then=None, name="depth-one-stage")
TWO_STAGES = replace(METHOD, then=best_groups(), name="depth-two-stages")
SAME = {"epochs": 5, "train_images": 1000, "batch_size": 32, "channels": 4, "lr": 0.1}  # as many steps for all
SIZE = METHOD.at("laptop", alpha_lr=0.05, validate_with="batch", **SAME)  # a rate that moves alpha in so few steps
TRAINING = scaled(METHOD.training, "laptop", cells=DEPTHS[-1], drop_path=0.0, **SAME)
BATCHES = {"m": 10, "iterations": 3, "batch_size": 32}
FINAL, SECOND = f"final network, {DEPTHS[-1]} cells", f"stage 2, {DEPTHS[-1]} cells"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=6)
    given = parser.parse_args()
    data = load("fashion-sample", image_size=12)
    rows = [of_seed(seed, data, given.runs_dir) for seed in range(given.seeds)]
    found = {name: [row[name] for row in rows] for name in rows[0]}
    keep_them(found, data, given.runs_dir)


def of_seed(seed: int, data: Data, runs_dir: str) -> dict[str, Result]:
    """The runs by network: stage one at every depth, stage two after the middle one, and what it finds, trained."""
    search = partial(run_search, data=data, runs_dir=runs_dir)
    found = {f"stage 1, {n} cells": search(METHOD, config=replace(SIZE, cells=n, seed=seed)) for n in DEPTHS}
    stages = replace(SIZE, cells=DEPTHS[1], second_stage_cells=DEPTHS[-1], seed=seed)
    found[SECOND] = search(TWO_STAGES, config=stages)
    final = replace(TRAINING, seed=seed)
    return found | {FINAL: run_training(METHOD.space, found[SECOND].genotype, data, final, runs_dir=runs_dir)}


def measured(found: dict[str, list[Result]], data: Data, runs_dir: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The `ratio_table` with the accuracies, and the `skips_by_depth`."""
    pool = data.train.take(slice(SIZE.train_images))
    confused = partial(
        confusion.confusions_of_runs, data=data, pool=pool, remember=partial(run_once, runs_dir=runs_dir), **BATCHES
    )
    ratios = confusion.ratio_table({name: confused(runs)[0] for name, runs in found.items()}, FINAL, seed=0)
    fresh = {name: [_confused_before(name, at, found, data, pool) for at in range(len(found[name]))] for name in found}
    untrained = confusion.ratio_table(fresh, FINAL, seed=0)
    ratios["untrained"], ratios["untrained_ratio"] = untrained.confusion, untrained.ratio
    ratios["accuracy"] = [report.reached(run) for runs in found.values() for run in runs]
    edges = METHOD.space.choices.groups["normal"]
    return ratios, skips.skips_by_depth({n: found[f"stage 1, {n} cells"] for n in DEPTHS}, edges)


def _confused_before(name: str, at: int, found: dict[str, list[Result]], data: Data, pool: Split) -> float:
    """Of the same network before its training, alpha as it is drawn, on the batches that the trained one saw."""
    seed = found[name][at].record["seed"]
    if name == FINAL:
        fresh = prepare(METHOD.space, found[SECOND][at].genotype, data, replace(TRAINING, seed=seed))
    else:
        state = found[name][at].state()  # where stage two ended: its method and depth are those of stage two
        fresh = begin(state.method, data, state.config)
    return confusion.confusion_of_state(fresh, data, pool, seed=seed, **BATCHES).value


def keep_them(found: dict[str, list[Result]], data: Data, runs_dir: str) -> None:
    """Figure, numbers, record, and the claims."""
    ratios, picked = measured(found, data, runs_dir)
    seeds, runs = sorted(map(int, picked.seed.unique())), [run for each in found.values() for run in each]
    searched, trained = (ratios[(ratios.network == FINAL) == final].accuracy for final in (False, True))
    setting = report.setting(data, SIZE, n=len(seeds)).rstrip(".").replace(f"{SIZE.cells} cells, ", "")
    scale = (
        f"{setting}, alpha's rate {SIZE.alpha_lr:g}; supernets of {', '.join(map(str, DEPTHS))} cells, which hold no "
        f"images out, at {searched.min():.0f} to {searched.max():.0f} % on their own, final networks of "
        f"{TRAINING.cells} cells at {trained.min():.0f} to {trained.max():.0f} % on test images"
    )
    told = (
        f"Confusion: per million parameters, {BATCHES['iterations']} × {BATCHES['m']} batches of "
        f"{BATCHES['batch_size']}, at the top trained, in the middle the same networks before; stage two after a stage "
        f"one of {DEPTHS[1]} cells. A point per seed, mean ± sd."
    )
    picked = picked.assign(network=[f"stage 1, {n} cells" for n in picked.cells])
    figure = drawn(ratios, picked)
    table = ratios.merge(picked[["network", "seed", "skips", "gap"]], on=["network", "seed"], how="left")
    judged = [
        (confusion.effects_of_depth(ratios, picked), report.runs_learned(*found.values(), classes=data.n_classes))
    ]
    config = {"search": asdict(SIZE), "training": asdict(TRAINING), "confusion": BATCHES}
    where = {"data": f"{data.name}, embedded sample", "config": config, "seeds": seeds}
    print(keep_small(NAME, figure, table, runs, judged, **where, scale=scale, told=told, alt=ALT))


def drawn(ratios: pd.DataFrame, picked: pd.DataFrame) -> plt.Figure:
    plots.use_style()
    figure, (above, middle, below) = plt.subplots(3, 1, figsize=(WIDTH, 8.0))
    at = ratios.assign(network=ratios.network.str.replace(", ", "\n"))
    of_both = {
        "ratio": (above, "confusion, trained /\nfinal network"),
        "untrained_ratio": (middle, "confusion, untrained /\nfinal network"),
    }
    for y, (ax, label) in of_both.items():
        plots.plot_points_with_spread(at, x="network", y=y, label=label, ax=ax)
    at = picked.assign(network=picked.network.str.replace(", ", "\n"))
    plots.plot_points_with_spread(at, x="network", y="skips", label="skips in the normal cell", ax=below)
    return figure


if __name__ == "__main__":
    main()
