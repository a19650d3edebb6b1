"""Make `annealing` of this folder: `python make_annealing.py [--runs-dir RUNS] [--seeds N]`, 40 s a training.

The published sharpDARTS cell in a small network, trained with cosine and with cosine power annealing, from the same
initial weights with the same batches (`nasnb.analysis.sharpdarts.annealing`). The numbers go to `annealing.csv`, the
claims to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from collections.abc import Iterable
from dataclasses import asdict, replace

import pandas as pd
from matplotlib.figure import Figure

from nasnb import plots, report
from nasnb.analysis.sharpdarts import annealing
from nasnb.config import TRAINING, TrainConfig, scaled
from nasnb.data import Data, load
from nasnb.experiment import run_training
from nasnb.published.genotypes import GENOTYPES
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result
from nasnb.spaces import SPACES

NAME = "02-sharpdarts/annealing"
ALT = (
    "Learning rate, test accuracy and time between improvements over the epochs, for cosine and cosine power "
    "annealing: means over seeds, with bands of one standard deviation."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=8)
    given = parser.parse_args()
    data, config = (
        load("fashion-sample", image_size=12),
        scaled(TRAINING["sharpdarts-plain"], "laptop", **annealing.KEPT),
    )
    seeds = range(given.seeds)
    keep_them(trained(data, config, seeds, given.runs_dir), seeds, data, config)


def trained(data: Data, config: TrainConfig, seeds: Iterable[int], runs_dir: str) -> dict[str, list[Result]]:
    """The trainings by schedule; seed by seed, so that what is there is complete whenever it is stopped."""
    found = {name: [] for name in annealing.SCHEDULES}
    for seed in seeds:
        for name, runs in found.items():
            at = replace(config, seed=seed, schedule=name)
            runs.append(run_training(SPACES["sharp"], GENOTYPES["SHARP_DARTS"], data, at, runs_dir=runs_dir))
    return found


def keep_them(found: dict[str, list[Result]], seeds: Iterable[int], data: Data, config: TrainConfig) -> None:
    """Figure, numbers and record; and the claims, whose networks must have learnt."""
    table = annealing.compared_schedules({name: [run.history for run in runs] for name, runs in found.items()}, seeds)
    ends, runs = annealing.ends_of_trainings(table), [run for each in found.values() for run in each]
    scale = (
        f"{report.setting(data, config, n=len(seeds)).rstrip('.')}; the published sharpDARTS cell, "
        f"p = {config.power:g}, networks at {ends.accuracy.min():.0f} to {ends.accuracy.max():.0f} %"
    )
    told = {
        "data": f"{data.name}, embedded sample",
        "config": asdict(config),
        "seeds": seeds,
        "scale": scale,
        "alt": ALT,
    }
    learned = report.learned(*(rows.accuracy for _, rows in ends.groupby("schedule")), classes=data.n_classes)
    print(keep_small(NAME, drawn(table), table, runs, [(annealing.annealing_effects(ends), learned)], **told))


def drawn(table: pd.DataFrame) -> Figure:
    plots.use_style()
    return plots.plot_bands(table, annealing.PANELS, by="schedule", columns=3, height=2.5)


if __name__ == "__main__":
    main()
