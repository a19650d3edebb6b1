"""Make `table-3` or `table-3-longer` of this folder: `python make_table_3.py [NAME] [--runs-dir RUNS] [--seeds N]`.

Searches with and without partial channels and edge normalisation, and with K = 8; then every cell that they find, and
one drawn at random for each seed, trained for a while; or, without K = 8, three times as long
(`nasnb.analysis.pc_darts.table_3`). On one core two minutes of searches a seed, and half a minute or two of trainings.
The numbers go to `NAME.csv`, the claims to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from functools import partial

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from nasnb import plots, report
from nasnb.analysis.pc_darts import table_3
from nasnb.config import SearchConfig, TrainConfig, scaled
from nasnb.data import Data, load
from nasnb.experiment import run_search, run_training
from nasnb.methods import METHODS, Method
from nasnb.plots.style import WIDTH
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result
from nasnb.spaces import random_genotype

METHOD = METHODS["pc-darts"]
ARMS = table_3.arms_with_k8(METHOD)
FOUR = {name: arm for name, arm in ARMS.items() if name != table_3.K8}
# arms, training, and the seeds, fixed before
RESULTS = {"table-3": (ARMS, table_3.TRAINING, 6), "table-3-longer": (FOUR, table_3.LONGER, 6)}
ALT = (
    "Two panels, a point per seed: test error of the cells found with and without partial channels (PC) and edge "
    "normalisation (EN){k8}, and drawn at random; accuracy of the supernets that found them."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", choices=RESULTS, default="table-3")
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--told", default="", help="a sentence for the record, say why there are fewer seeds")
    given = parser.parse_args()
    arms, training, n = RESULTS[given.name]
    data = load("fashion-sample", image_size=12)
    config = METHOD.at("laptop", **table_3.SEARCH)
    recipe = scaled(METHOD.training, "laptop", **training)
    found = measured(arms, data, config, recipe, seeds=range(given.seeds or n), runs_dir=given.runs_dir)
    keep_them(given.name, *found, data, config, recipe, told=given.told)


def measured(
    arms: Mapping[str, Method],
    data: Data,
    config: SearchConfig,
    recipe: TrainConfig,
    *,
    seeds: Iterable[int],
    runs_dir: str,
) -> tuple[pd.DataFrame, list[Result]]:
    """A row per arm and seed, and the runs behind them; seed by seed, so that what is there is complete."""
    rows, runs = [], []
    for seed in seeds:
        train = partial(run_training, METHOD.space, data=data, config=replace(recipe, seed=seed), runs_dir=runs_dir)
        cells, reached = {table_3.RANDOM: random_genotype(METHOD.space, seed=seed)}, {}
        for arm, method in arms.items():
            runs.append(run_search(method, data, replace(config, seed=seed), runs_dir=runs_dir))
            cells[arm], reached[arm] = runs[-1].genotype, runs[-1].history.valid_accuracy.iloc[-1]
        for arm in (*reached, table_3.RANDOM):
            runs.append(train(cells[arm]))
            accuracy = runs[-1].history.valid_accuracy
            row = {"variant": arm, "seed": seed, "error_percent": 100 - accuracy.iloc[-1]}
            row |= {"valid_accuracy": reached.get(arm), "gained_at_the_end": table_3.gained_at_the_end(accuracy)}
            rows.append(row | {"cell": cells[arm].notation()})
    return pd.DataFrame(rows), runs


def keep_them(
    name: str,
    table: pd.DataFrame,
    runs: list[Result],
    data: Data,
    config: SearchConfig,
    recipe: TrainConfig,
    *,
    told: str,
) -> None:
    """Figure, numbers, record, and the claims, whose supernets and networks must have learnt."""
    seeds = sorted(map(int, table.seed.unique()))
    networks = 100 - table.error_percent
    scale = (
        f"{report.setting(data, config, n=len(seeds)).rstrip('.')}, alpha's rate {config.alpha_lr:g}, supernets at "
        f"{table.valid_accuracy.min():.0f} to {table.valid_accuracy.max():.0f} %; networks with {recipe.channels} "
        f"channels, {recipe.train_images:,} images and {recipe.epochs} epochs at {networks.min():.0f} to "
        f"{networks.max():.0f} %"
    )
    alt = ALT.format(k8=", with K = 8" if table_3.K8 in set(table.variant) else "")
    both = {"search": asdict(config), "training": asdict(recipe)}
    record = {"data": f"{data.name}, embedded sample", "config": both, "seeds": seeds, "scale": scale, "alt": alt}
    learned = report.learned(*table_3.accuracies_of(table), classes=data.n_classes)
    judged = [(table_3.table_3_effects(table), learned)]
    print(keep_small(f"03-pc-darts/{name}", drawn(table), table, runs, judged, **record, told=told))


def drawn(table: pd.DataFrame) -> Figure:
    plots.use_style()
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 5.4))
    broken = table.assign(variant=table.variant.str.replace(", ", ",\n"))
    labels = {
        "error_percent": "test error\nof the networks (%)",
        "valid_accuracy": "held-out accuracy\nof the supernets (%)",
    }
    for ax, (column, label) in zip(axes, labels.items(), strict=True):
        plots.plot_points_with_spread(broken.dropna(subset=column), x="variant", y=column, label=label, ax=ax)
    return figure


if __name__ == "__main__":
    main()
