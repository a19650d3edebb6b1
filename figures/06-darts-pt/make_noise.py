"""Make `noise` of this folder: `python make_noise.py [--data-dir DIR] [--runs-dir RUNS] [--seeds N]`, four minutes a
seed, less with the runs of make_spaces.py.

On S4 perturbation takes noise, alpha does not. Is it that few held-out images tell, or that little is tuned? Every edge
of trained supernets is judged on ever more images that no search has seen (`nasnb.analysis.darts_pt.noise`), from the
test set of the full Fashion-MNIST; and the whole selection is done with ever more epochs of tuning. The numbers go to
`noise.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from collections.abc import Iterable
from dataclasses import asdict, replace

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from nasnb import plots
from nasnb.analysis.darts_pt.noise import noise_missed
from nasnb.analysis.darts_pt.published_cells import op_counts
from nasnb.data import Data, load
from nasnb.experiment import run_search
from nasnb.methods import METHODS
from nasnb.plots.style import WIDTH
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result
from nasnb.search.perturbation import perturbation
from nasnb.workflow.on_spaces import SIZE, supernet_words

NAME, IMAGES, TUNED = "06-darts-pt/noise", (64, 256, 1024, 4096), (0, 1, 2, 4)
PT = METHODS["darts-pt"].on("s4")
ALONE = replace(PT, name="darts-s4", select=None)
PICKS = 16  # operations in both cells
ALT = (
    "Left: share of the edges of S4 on which noise is missed more than the convolution, against held-out images, about "
    "a half for few. Right: noise operations in both cells against epochs of tuning after each decision; of alpha none."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="folder that holds Fashion-MNIST")
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=6)
    given = parser.parse_args()
    data = load("fashion-sample", image_size=12)
    unseen = load("fashion-mnist", data_dir=given.data_dir, image_size=12)
    keep_them(*measured(data, unseen, range(given.seeds), given.runs_dir), data)


def measured(
    data: Data, unseen: Data, seeds: Iterable[int], runs_dir: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[Result]]:
    """Rows of `noise_missed`; noise in the cells by epochs of tuning, and by alpha; the runs behind both."""
    missed, cells, runs = [], [], []
    for seed in seeds:
        config = replace(SIZE, seed=seed)
        found = run_search(ALONE, data, config, runs_dir=runs_dir)
        missed.append(noise_missed(found.state(), unseen.test, IMAGES))
        by_rule = {"alpha": found}
        for epochs in TUNED:  # the pace makes one epoch of an interval of five
            select = perturbation(lr=SIZE.lr / 10, interval=round(epochs / SIZE.pace))
            method = replace(PT, name=f"darts-pt-tuned-{epochs}-s4", select=select)
            by_rule[epochs] = run_search(method, data, config, after=found, runs_dir=runs_dir)
        runs += by_rule.values()
        cells += [
            {"seed": seed, "tuned": rule, "in_cells": op_counts(run.genotype)["noise"]} for rule, run in by_rule.items()
        ]
    return pd.concat(missed, ignore_index=True), pd.DataFrame(cells), runs


def keep_them(missed: pd.DataFrame, cells: pd.DataFrame, runs: list[Result], data: Data) -> None:
    """Figure, numbers and record; no claim of the paper is about it."""
    reached = [run.history.valid_accuracy.iloc[-1] for run in runs if run.record["method"] == ALONE.name]
    told = {
        "data": f"{data.name} ({data.image_size[1]} pixels); judged on test images of the full Fashion-MNIST",
        "config": asdict(SIZE),
        "seeds": sorted(map(int, cells.seed.unique())),
        "scale": f"S4, DARTS of first order, {supernet_words()}, n = {cells.seed.nunique()} seeds; supernets at "
        f"{min(reached):.0f} to {max(reached):.0f} % on held-out images",
        "told": "A point per seed, mean ± sd; left: before any tuning, dashed: a coin. Right: of "
        f"{PICKS} operations, by the rule's {SIZE.train_images // 2} held-out images.",
        "alt": ALT,
    }
    print(keep_small(NAME, drawn(missed, cells), pd.concat([missed, cells]), runs, **told))


def drawn(missed: pd.DataFrame, cells: pd.DataFrame) -> Figure:
    plots.use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 2.8), layout="constrained")
    share = missed.groupby(["images", "seed"], as_index=False).noise.mean()
    share = share.assign(percent=100 * share.noise, of=share.images.map("{:,}".format))
    plots.plot_points_with_spread(share, x="of", y="percent", label="edges that take noise (%)", ax=left)
    left.axhline(50, color="0.4", linestyle="--", linewidth=1)
    left.set_xlabel("held-out images")
    order = ["alpha", *map(str, TUNED)]
    rows = cells.assign(tuned=cells.tuned.astype(str))
    plots.plot_points_with_spread(rows, x="tuned", y="in_cells", label="noise in both cells", order=order, ax=right)
    right.set_xlabel("epochs of tuning after each decision")
    return figure


if __name__ == "__main__":
    main()
