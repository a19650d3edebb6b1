"""Make `families` of this folder: `python make_families.py IMAGES [--runs-dir RUNS] [--seeds N]`, five minutes a seed.

How alike the operations of a family become while a supernet of DARTS is trained (`nasnb.analysis.stacnas.families`).
IMAGES is CIFAR-10 at 16 pixels as a file of `nasnb.data.packed`. A run that was stopped goes on where it stood.
"""

import argparse
from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import partial

import matplotlib.pyplot as plt
import pandas as pd

from nasnb import plots
from nasnb.analysis.stacnas import families
from nasnb.data import Data
from nasnb.data.packed import unpack
from nasnb.experiment import run_search
from nasnb.methods import METHODS
from nasnb.plots.style import svg
from nasnb.runs import Result
from nasnb.runs.kept import keep
from nasnb.spaces.stacnas import STACNAS_GROUPS

NAME = "04-stacnas/families"
ALT = "Correlation of the two pools, separable and dilated convolutions of the first edge over the steps of searches."
WORDS = {"max_pool_3x3": "pools", "sep_conv_3x3": "separable", "dil_conv_3x3": "dilated"}
N_IMAGES = 1000  # to correlate over
DARTS = METHODS["darts-1st"]
IMAGES = {"train_images": 4000, "train_fraction": 0.5, "batch_size": 16}
SIZE = DARTS.at("laptop", epochs=10, channels=4, cells=3, lr=0.05, alpha_lr=3e-3, **IMAGES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images")
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    data = unpack(given.images)
    keep_them(searched(data, range(given.seeds), given.runs_dir), data)


def searched(data: Data, seeds: Iterable[int], runs_dir: str) -> list[Result]:
    """A search of DARTS per seed that remembers its families."""
    images = partial(families.images_for(data, N_IMAGES), "test")
    method = replace(DARTS, name="darts-families", hook=families.recorded_families(images, groups=STACNAS_GROUPS))
    return [run_search(method, data, replace(SIZE, seed=seed), runs_dir=runs_dir) for seed in seeds]


def keep_them(found: list[Result], data: Data) -> None:
    """Figure, numbers, record."""
    tables = [families.families_over_training(run.state()).assign(seed=run.record["seed"]) for run in found]
    table = pd.concat(tables, ignore_index=True)
    reached = [run.history.valid_accuracy.iloc[-1] for run in found]
    scale = (
        f"DARTS of first order, {SIZE.cells} cells, {SIZE.channels} channels, {table.step.max():,} steps with batches "
        f"of {SIZE.batch_size}, n = {len(found)} seeds; supernets at {min(reached):.0f} to {max(reached):.0f} % on "
        f"held-out images at the end. First edge, per feature, batch statistics, over {N_IMAGES:,} test images; mean ± "
        "sd."
    )
    record = {
        "data": f"{data.name} ({data.image_size[1]} pixels), {SIZE.train_images:,} images",
        "config": asdict(SIZE),
        "seed": [run.record["seed"] for run in found],
        "device": found[0].record["device"],
        "commit": str(found[0].record["commit"]),
        "seconds": sum(run.record["seconds"] for run in found),
        "scale": scale,
        "alt": ALT,
    }
    plots.use_style()
    figure = plots.plot_bands(
        table.assign(epoch=table.step, family=table.family.map(WORDS)),
        {"correlation": "correlation of the two members"},
        by="family",
        columns=1,
        xlabel="steps of the weights",
    )
    wide = table.pivot_table(index=["step", "seed"], columns="family", values="correlation").reset_index()
    keep(NAME, svg(figure), wide, record)
    plt.close(figure)


if __name__ == "__main__":
    main()
