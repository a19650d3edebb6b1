"""Make `cells-fashion` of this folder: `python make_cells.py [IMAGES] [--runs-dir RUNS] [--seeds N]`, eight minutes a
seed; with IMAGES, CIFAR-10 at 16 pixels as a file of `nasnb.data.packed`, `cells`, in three minutes a seed.

The cells of smallest rank, of largest, of smallest before training, of DARTS and of chance, each trained: the controls
of MSR-DARTS. That of chance is trained twice, which says how far two trainings of one cell lie apart. The numbers go to
`cells-fashion.csv` or `cells.csv`, the claims to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import pandas as pd

from nasnb import plots
from nasnb.analysis import collapse
from nasnb.analysis.msr_darts import rank_history as rh
from nasnb.analysis.msr_darts import readings
from nasnb.config import SearchConfig, TrainConfig, scaled
from nasnb.data import Data, load
from nasnb.data.packed import unpack
from nasnb.experiment import run_search, run_training
from nasnb.methods import METHODS
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result
from nasnb.search.selection import exported_epoch
from nasnb.spaces import random_genotype

TEST_IMAGES = 1000
ALT = (
    "Test error of trained cells: of minimum rank, before and after training, of maximum rank, of DARTS, "
    "and of chance, the last trained twice."
)
MSR = replace(METHODS["msr-darts"], hook=rh.recorded_ranks())
FOUR = replace(MSR.space, name="msr-plain", search_ops=None, before_forward=None)  # nothing is rescaled
DARTS = replace(METHODS["darts-1st"], name="darts-msr-ops", space=FOUR)
TOLD = "A point per search and training; mean ± sd."


@dataclass(frozen=True)
class Sizes:
    """Of the searches and trainings behind one kept result."""

    name: str
    search: SearchConfig
    training: TrainConfig


BOTH = {"cells": 5, "batch_size": 32}
SEARCH = BOTH | {"epochs": 8, "lr": 0.1, "validate_with": "batch"}
PLAIN = {"crop_padding": 1, "cutout": 0, "drop_path": 0.0}  # what fits networks of 12 pixels and few steps
ON_CIFAR = Sizes(
    "05-msr-darts/cells",
    MSR.at("laptop", **SEARCH, train_images=600),
    scaled(MSR.training, "laptop", **BOTH, epochs=4, train_images=1000, lr=0.1),
)
ON_FASHION = Sizes(
    "05-msr-darts/cells-fashion",
    MSR.at("laptop", **SEARCH, train_images=1000),
    scaled(MSR.training, "laptop", **BOTH, **PLAIN, epochs=8, train_images=2000, lr=0.05),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="?")
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=8)
    given = parser.parse_args()
    data = unpack(given.images) if given.images else load("fashion-sample", image_size=12)
    data = replace(data, test=data.test.take(slice(TEST_IMAGES)))
    sizes = ON_CIFAR if given.images else ON_FASHION
    keep_them(*measured(sizes, data, range(given.seeds), given.runs_dir), data, sizes)


def measured(sizes: Sizes, data: Data, seeds: Iterable[int], runs_dir: str) -> tuple[pd.DataFrame, list[Result]]:
    """A line per seed and cell, and the runs behind them; seed by seed, so that what is there is complete."""
    lines, runs = [], []
    for seed in seeds:
        config = replace(sizes.search, seed=seed)
        found = run_search(MSR, data, config, runs_dir=runs_dir)
        rival = run_search(DARTS, data, replace(config, train_fraction=0.5), runs_dir=runs_dir)
        state, at = found.state(), exported_epoch(found.history.to_dict("records"), "38/50")
        by_rank, drawn = rh.cells_by_rank(state), random_genotype(FOUR, seed=seed)
        cells = {
            readings.LEAST: (by_rank[at], seed),
            readings.DRAWN: (by_rank[0], seed),
            readings.MOST: (rh.cells_by_rank(state, choose="maximum")[at], seed),
            "DARTS": (rival.genotype, seed),
            readings.CHANCE: (drawn, seed),
            readings.AGAIN: (drawn, seed + 100),
        }
        searched = {"seed": seed, **read_off(found), "darts_accuracy": rival.history.valid_accuracy.iloc[-1]}
        runs += [found, rival]
        for cell, (genotype, training_seed) in cells.items():
            config = replace(sizes.training, seed=training_seed)
            runs.append(run_training(FOUR, genotype, data, config, runs_dir=runs_dir))
            lines.append({"cell": cell, **of_network(runs[-1]), "genotype": genotype.notation(), **searched})
    return pd.DataFrame(lines), runs


def read_off(found: Result) -> dict[str, float]:
    """What the search itself says of the claims."""
    state, history = found.state(), found.history
    return {
        "supernet_accuracy": history.valid_accuracy.iloc[-1],
        "late_slope": rh.late_slope(history.epoch, history.valid_loss),
        "as_before": readings.agreement_of([state]).as_before.iloc[-1],
        **readings.within_edges(readings.noise_of([state])).iloc[0],
    }


def of_network(run: Result) -> dict[str, float]:
    """Error in percent after the last epoch, million parameters."""
    million = sum(p.numel() for p in run.state().net.parameters()) / 1e6
    return {"error_percent": 100 - run.history.valid_accuracy.iloc[-1], "million_parameters": million}


def keep_them(table: pd.DataFrame, runs: list[Result], data: Data, sizes: Sizes) -> None:
    """Figure, numbers, record, and the claims, whose supernets and networks must have learnt."""
    one, seeds = table.drop_duplicates("seed"), sorted(map(int, table.seed.unique()))
    search, training = sizes.search, sizes.training
    reached, networks = one.filter(like="_accuracy").mean(), 100 - table.groupby("cell").error_percent.mean()
    scale = (
        f"{data.name.partition('@')[0]} at {data.image_size[1]} px, {search.cells} cells, supernets of "
        f"{search.channels} channels and {search.train_images:,} images, {search.epochs} epochs, then at "
        f"{reached.supernet_accuracy:.0f} % and {reached.darts_accuracy:.0f} % (DARTS); networks of "
        f"{training.channels} channels and {training.train_images:,} images, {training.epochs} epochs, at "
        f"{networks.min():.0f} to {networks.max():.0f} %; n = {len(seeds)} seeds"
    )
    told = {
        "data": f"{data.name} ({data.image_size[1]} pixels), {TEST_IMAGES:,} test images",
        "config": {"search": asdict(search), "training": asdict(training)},
        "seeds": seeds,
        "scale": scale,
        "alt": ALT,
        "told": TOLD,
    }
    judged = [
        (readings.effects_of_cells(table), networks.min() > collapse.LEARNED),
        (readings.supernet_effects(table), reached.min() > collapse.LEARNED),
    ]
    million = table.groupby("cell").million_parameters.mean()
    plots.use_style()
    broken = table.cell.str.replace(", ", ",\n")
    shown = table.assign(sized=broken + table.cell.map(million).map("\n{:.3f} M".format))
    figure = plots.plot_points_with_spread(shown, x="sized", y="error_percent", label="test error (%)")
    print(keep_small(sizes.name, figure, table, runs, judged, **told))


if __name__ == "__main__":
    main()
