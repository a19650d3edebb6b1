"""Make `beside` of this folder: `python make_beside.py IMAGES [--runs-dir RUNS] [--seeds N]`, half a minute a search.

Searches on NAS-Bench-201 with a similar operation beside a convolution, with another one, and with both
(`nasnb.analysis.stacnas.beside`). IMAGES is CIFAR-10 at 16 pixels as a file of `nasnb.data.packed`. The numbers go to
`beside.csv`, the claims to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from collections.abc import Iterable
from dataclasses import asdict, replace

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from nasnb import plots
from nasnb.analysis import collapse
from nasnb.analysis.stacnas import beside
from nasnb.data import Data
from nasnb.data.packed import unpack
from nasnb.experiment import run_search
from nasnb.plots.style import WIDTH
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result

NAME = "04-stacnas/beside"
ALT = (
    "Above: spread over seeds of the alphas of the 3 x 3 convolution with a similar operation beside it, with another "
    "one and with both. Below: rank correlation of alpha with looked-up accuracy in the same searches."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images")
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=6)
    given = parser.parse_args()
    data = unpack(given.images)
    keep_them(*searched(data, range(given.seeds), given.runs_dir), data)


def searched(data: Data, seeds: Iterable[int], runs_dir: str) -> tuple[pd.DataFrame, list[Result]]:
    """A search per arm and seed: what `beside.alphas_of` tells of each, and the searches."""
    found, runs = [], []
    for seed in seeds:
        for arm, ops in beside.CANDIDATES.items():
            runs.append(run_search(beside.method_of(arm), data, replace(beside.SIZE, seed=seed), runs_dir=runs_dir))
            found.append(beside.alphas_of(runs[-1], ops).assign(arm=arm, seed=seed))
    return pd.concat(found, ignore_index=True), runs


def keep_them(table: pd.DataFrame, runs: list[Result], data: Data) -> None:
    """Figure, numbers, record, and the claims."""
    size, accuracy = beside.SIZE, table.groupby(["arm", "seed"]).valid_accuracy.first()
    seeds = sorted(map(int, table.seed.unique()))
    scale = (
        f"NAS-Bench-201, DARTS of first order, {size.epochs} epochs, {size.channels} channels, {size.cells} cell per "
        f"stage, {size.train_images:,} images, alpha's rate {size.alpha_lr:g}, n = {len(seeds)} seeds; supernets at "
        f"{accuracy.min():.0f} to {accuracy.max():.0f} % on held-out images"
    )
    told = {
        "data": f"{data.name} ({data.image_size[1]} pixels); accuracies of cells from the table of NATS-Bench",
        "config": asdict(size),
        "seeds": seeds,
        "scale": scale,
        "alt": ALT,
        "evidence_from": "NAS-Bench-201",
    }
    learned = accuracy.groupby("arm").mean().min() > collapse.LEARNED
    print(keep_small(NAME, drawn(table), table, runs, [(beside.effects_beside(table), learned)], **told))


def drawn(table: pd.DataFrame) -> Figure:
    plots.use_style()
    away, worth = beside.erratic(table), beside.worth_by_search(table)
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 5.2))
    plots.plot_points_with_spread(away, x="arm", y="away", label="spread of alpha", ax=axes[0])
    plots.plot_points_with_spread(worth, x="arm", y="correlation", label="alpha and accuracy", ax=axes[1])
    return figure


if __name__ == "__main__":
    main()
