"""Make `s2` of this folder: `python make_s2.py IMAGES [--runs-dir RUNS] [--seeds N]`, four minutes a seed on a core.

Supernets of S2 at a size at which they learn, and everything that chapter 06 asks of them: figures 2, 3, 5 and 6,
proposition 1, and Table 1 beside a ResNet and a VGG of the same images (`nasnb.workflow.on_s2`). IMAGES is CIFAR-10 at
16 pixels as a file of `nasnb.data.packed`; accuracies under swaps are of its first 1,000 test images. The numbers go to
`s2.csv`, the claims to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from dataclasses import asdict, replace

import pandas as pd

from nasnb import plots
from nasnb.analysis.darts_pt import handmade, of_supernets, shuffling
from nasnb.config import SearchConfig
from nasnb.data import Data
from nasnb.data.packed import unpack
from nasnb.experiment import run_search
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result
from nasnb.workflow import on_s2

NAME = "06-darts-pt/s2"
SIZE = SearchConfig(
    epochs=24,
    cells=3,
    channels=4,
    batch_size=64,
    train_images=1000,
    lr=0.05,
    alpha_lr=0.01,
    pace=0.2,
    validate_with="batch",
)  # one epoch of tuning after each decision
STACKS = replace(handmade.RECIPE, epochs=24, batch_size=64, lr=0.05, train_images=1000, crop_padding=2)
DRAWS, TEST_IMAGES, LEARNT = 5, 1000, 20.0  # percent: twice chance
PANELS = of_supernets.QUESTIONS | {
    "above-chance accuracy lost to swaps (%)": {
        "supernet": "lost supernet (S2)",
        "ResNet": "lost ResNet",
        "VGG": "lost VGG",
    }
}
ALT = "Six panels with a point per seed: " + "; ".join(f"{title}, of {', '.join(of)}" for title, of in PANELS.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images")
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=6)
    given = parser.parse_args()
    data = unpack(given.images)
    data = replace(data, test=data.test.take(slice(TEST_IMAGES)))
    rows, swaps, runs = [], [], []
    for seed in range(given.seeds):  # a seed after the other, so that some are whole if it is stopped
        base = {seed: run_search(on_s2.S2, data, replace(SIZE, seed=seed), runs_dir=given.runs_dir)}
        two = {name: of for name, of in on_s2.selection_rules(SIZE.lr / 10).items() if name != "random choice"}
        found = on_s2.selected_by_rules(base, two, data, SIZE, runs_dir=given.runs_dir)
        runs += [run for of in found.values() for run in of.values()]
        rows.append(on_s2.asked(base, found, data, SIZE, images=TEST_IMAGES, runs_dir=given.runs_dir))
        swapped = on_s2.swapped_networks(base, data, STACKS, draws=DRAWS, runs_dir=given.runs_dir)
        swaps.append(on_s2.share_of_swaps(swapped, classes=data.n_classes))
    keep_them(pd.concat(rows), pd.concat(swaps), runs, data)


def keep_them(table: pd.DataFrame, swaps: pd.DataFrame, runs: list[Result], data: Data) -> None:
    """Figure, numbers, record, and the claims."""
    swaps = swaps[swaps.how == shuffling.HOWS[0]]
    whole = swaps.pivot(index="seed", columns="network", values=["before", "lost"])
    whole = table.join(whole.set_axis([f"{what} {network}" for what, network in whole], axis=1))
    reached, networks = table.valid_accuracy, swaps.groupby("network").before.mean()
    scale = (
        f"S2, DARTS of first order, {SIZE.epochs} epochs, {SIZE.channels} channels, {SIZE.cells} cells, "
        f"{SIZE.train_images:,} images, alpha's rate {SIZE.alpha_lr:g}, n = {len(table)} seeds; supernets at "
        f"{reached.min():.0f} to {reached.max():.0f} % on held-out images; ResNet-20 at {networks['ResNet']:.0f} %, "
        f"VGG-16 at {networks['VGG']:.0f} %"
    )
    judged = [
        (of_supernets.effects_on_s2(table), reached.min() > LEARNT),
        (shuffling.swap_effects(swaps), networks.min() > LEARNT),
    ]
    told = {
        "data": f"{data.name} ({data.image_size[1]} pixels)",
        "config": asdict(SIZE) | {"stacks": asdict(STACKS), "draws": DRAWS},
        "seeds": list(table.index),
        "scale": scale,
        "alt": f"{ALT}.",
    }
    plots.use_style()
    figure = plots.plot_panels_of_points(whole, PANELS)
    print(keep_small(NAME, figure, whole.reset_index(), runs, judged, **told))


if __name__ == "__main__":
    main()
