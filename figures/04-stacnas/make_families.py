"""Make `families` and `groups` of this folder: `python make_families.py IMAGES [--runs-dir RUNS] [--seeds N]`.

How alike the operations of a family become while a supernet of DARTS is trained, five minutes a seed, and which groups
are found at the end (`nasnb.analysis.stacnas.families`). IMAGES is CIFAR-10 at 16 pixels as a file of
`nasnb.data.packed`. The claims go to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import pandas as pd

from nasnb import plots
from nasnb.analysis import collapse
from nasnb.analysis.stacnas import families
from nasnb.data import Data
from nasnb.data.packed import unpack
from nasnb.experiment import run_search
from nasnb.methods import METHODS
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result, run_once
from nasnb.spaces.stacnas import STACNAS_GROUPS

NAME, GROUPS = "04-stacnas/families", "04-stacnas/groups"
ALT = "Correlation of the two pools, separable and dilated convolutions of the first edge over the steps of searches."
ALT_GROUPS = "Correlation of the two pools, separable and dilated convolutions, untrained and at the end of searches."
TAU = 0.2  # operations are merged into a group while their mean correlation is at least this
WORDS = {"max_pool_3x3": "pools", "sep_conv_3x3": "separable", "dil_conv_3x3": "dilated"}
N_IMAGES = 1000  # to correlate over
DARTS = METHODS["darts-1st"]
IMAGES = {"train_images": 4000, "train_fraction": 0.5, "batch_size": 16}
SIZE = DARTS.at("laptop", epochs=10, channels=4, cells=3, lr=0.05, alpha_lr=3e-3, **IMAGES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images")
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=6)
    given = parser.parse_args()
    data = unpack(given.images)
    found = searched(data, range(given.seeds), given.runs_dir)
    keep_them(found, data)
    keep_groups(found, data, given.runs_dir)


def searched(data: Data, seeds: Iterable[int], runs_dir: str) -> list[Result]:
    """A search of DARTS per seed that remembers its families."""
    images = partial(families.images_for(data, N_IMAGES), "test")
    method = replace(DARTS, name="darts-families", hook=families.recorded_families(images, groups=STACNAS_GROUPS))
    return [run_search(method, data, replace(SIZE, seed=seed), runs_dir=runs_dir) for seed in seeds]


def origin(found: list[Result], data: Data) -> dict[str, Any]:
    """What is said alike of both results."""
    where = f"{data.name} ({data.image_size[1]} pixels), {SIZE.train_images:,} images"
    return {"data": where, "config": asdict(SIZE), "seeds": [run.record["seed"] for run in found]}


def keep_them(found: list[Result], data: Data) -> None:
    """Figure, numbers, record."""
    tables = [families.families_over_training(run.state()).assign(seed=run.record["seed"]) for run in found]
    table = pd.concat(tables, ignore_index=True)
    reached = [run.history.valid_accuracy.iloc[-1] for run in found]
    scale = (
        f"DARTS of first order, {SIZE.cells} cells, {SIZE.channels} channels, {table.step.max():,} steps with batches "
        f"of {SIZE.batch_size}, n = {len(found)} seeds; supernets at {min(reached):.0f} to {max(reached):.0f} % on "
        f"held-out images at the end"
    )
    told = f"First edge, per feature, batch statistics, over {N_IMAGES:,} test images; mean ± sd."
    plots.use_style()
    figure = plots.plot_bands(
        table.assign(epoch=table.step, family=table.family.map(WORDS)),
        {"correlation": "correlation of the two members"},
        by="family",
        columns=1,
        xlabel="steps of the weights",
    )
    wide = table.pivot_table(index=["step", "seed"], columns="family", values="correlation").reset_index()
    keep_small(NAME, figure, wide, found, scale=scale, told=told, alt=ALT, **origin(found, data))


def keep_groups(found: list[Result], data: Data, runs_dir: str) -> None:
    """What every reading of the maps says at the end and before training, and the claims."""
    ops, images = list(families.published_correlation().index), families.images_for(data, N_IMAGES)
    views = [
        run_once(
            "views",
            {"of": run.name, "images": N_IMAGES, "statistics": "batch"},
            lambda run=run: families.views_of(run.state(), images, ops=ops),
            runs_dir=runs_dir,
        )
        for run in found
    ]
    reached = [run.history.valid_accuracy.iloc[-1] for run in found]
    table = families.summary_of_readings(views, ops, STACNAS_GROUPS, tau=TAU)
    table["valid_accuracy"] = [reached[search] for search in table.search]
    where = f"{data.name.partition('@')[0]} at {data.image_size[1]} px"
    scale = (
        f"{where}, DARTS of first order, {SIZE.cells} cells, {SIZE.channels} channels, "
        f"{SIZE.train_images:,} images, {SIZE.epochs} epochs, batches of {SIZE.batch_size}, "
        f"n = {len(found)} seeds; supernets at {min(reached):.0f} to {max(reached):.0f} % on held-out images"
    )
    told = f"First edge, per feature, batch statistics, over {N_IMAGES:,} training images; mean ± sd."
    ends = table[table.reading.isin(["untrained", families.FIRST])]
    long = ends.melt(["search", "reading"], list(WORDS), var_name="family", value_name="correlation")
    when = long.reading.map({"untrained": "untrained", families.FIRST: "trained"})
    long = long.assign(pair=long.family.map(WORDS) + "\n" + when)
    order = [f"{word}\n{end}" for word in WORDS.values() for end in ("untrained", "trained")]
    plots.use_style()
    figure = plots.plot_points_with_spread(
        long, x="pair", y="correlation", label="correlation of the two members", order=order
    )
    judged = [(families.effects_of_readings(table), sum(reached) / len(reached) > collapse.LEARNED)]
    kept = {"scale": scale, "told": told, "alt": ALT_GROUPS, **origin(found, data)}
    print(keep_small(GROUPS, figure, table, found, judged, **kept))


if __name__ == "__main__":
    main()
