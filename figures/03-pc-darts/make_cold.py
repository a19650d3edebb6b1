"""Make `cold` of this folder: `python make_cold.py [--runs-dir RUNS] [--seeds N]`, half a minute a search on one core.

Searches without a warm-up (`nasnb.analysis.pc_darts.cold`), and the gradients of alpha in what they leave.
The numbers go to `cold.csv`, the claims to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import partial

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from nasnb import plots, report
from nasnb.analysis import pc_darts
from nasnb.analysis.pc_darts import cold
from nasnb.config import SearchConfig
from nasnb.data import Data, load
from nasnb.experiment import run_search
from nasnb.methods import METHODS
from nasnb.plots.style import WIDTH
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result, run_once

NAME = "03-pc-darts/cold"
ALT = (
    "Three panels, a point per seed: cosine of two gradients of alpha for two K and two batch sizes; weight on "
    "skips and pools; share of the kept edges that two seeds have in common."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=6)
    given = parser.parse_args()
    data, config = load("fashion-sample", image_size=12), METHODS["pc-darts"].at("laptop", **cold.COLD)
    keep_them(*searched(data, config, range(given.seeds), given.runs_dir), data, config)


def searched(
    data: Data, config: SearchConfig, seeds: Iterable[int], runs_dir: str
) -> tuple[pd.DataFrame, list[Result]]:
    """A row per arm and seed, and the searches behind them."""
    rows, runs = [], []
    for seed in seeds:
        for arm, method in cold.cold_arms(METHODS["pc-darts"]).items():
            run = run_search(method, data, replace(config, seed=seed), runs_dir=runs_dir)
            noise = None if arm == cold.WITHOUT_BETA else noise_of(run, seed, runs_dir)
            rows.append(cold.cold_row(method.space, arm, seed, run, noise))
            runs.append(run)
    return pd.DataFrame(rows), runs


def noise_of(run: Result, seed: int, runs_dir: str) -> pd.DataFrame:
    how = {"batch_sizes": cold.BATCHES, "draws": cold.DRAWS, "seed": seed}
    measure = partial(pc_darts.alpha_noise, **how)
    facts = {"after": run.name, **how}
    return run_once("alpha-noise", facts, lambda: {"noise": measure(run.state())}, runs_dir=runs_dir)["noise"]


def drawn(table: pd.DataFrame) -> Figure:
    plots.use_style()
    figure, axes = plt.subplots(3, 1, figsize=(WIDTH, 7.4))
    broken, common = table.assign(arm=_broken(table.arm)), cold.edges_in_common(table)
    common = common.assign(arm=_broken(common.arm))
    panels = (
        (cold.cosines(table), "of", "cosine", "cosine of two\ngradients of alpha"),
        (broken, "arm", "weight_free", "weight on skips\nand pools (%)"),
        (common, "arm", "common", "kept edges in common\nwith another seed (%)"),
    )
    for ax, (rows, x, y, label) in zip(axes, panels, strict=True):
        plots.plot_points_with_spread(rows, x=x, y=y, label=label, ax=ax)
    return figure


def _broken(arms: pd.Series) -> pd.Series:
    return arms.str.replace(", ", ",\n")


def keep_them(table: pd.DataFrame, runs: list[Result], data: Data, config: SearchConfig) -> None:
    """Figure, numbers, record, and the claims, whose networks must have learnt."""
    seeds = sorted(map(int, table.seed.unique()))
    accuracy = report.accuracies(runs)
    scale = (
        f"{report.setting(data, config, n=len(seeds)).rstrip('.')}, no warm-up, alpha's rate {config.alpha_lr:g}; "
        f"supernets at {accuracy.min():.0f} to {accuracy.max():.0f} %"
    )
    told = {
        "data": f"{data.name}, embedded sample",
        "config": asdict(config),
        "seeds": seeds,
        "scale": scale,
        "alt": ALT,
    }
    learned = report.learned(*(rows.valid_accuracy for _, rows in table.groupby("arm")), classes=data.n_classes)
    print(keep_small(NAME, drawn(table), table, runs, [(cold.cold_effects(table), learned)], **told))


if __name__ == "__main__":
    main()
