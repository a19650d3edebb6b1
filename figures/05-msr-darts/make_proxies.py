"""Make `proxies` of this folder: `python make_proxies.py IMAGES [--runs-dir RUNS] [--cells N]`, eight seconds a cell.

Stable ranks of cells of NAS-Bench-201, untrained and after an epoch (`nasnb.analysis.msr_darts.proxies`), of those for
which chapter 08 has zero-cost scores. IMAGES is CIFAR-10 at 16 pixels as a file of `nasnb.data.packed`. The numbers go
to `proxies.csv`, the claim to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from dataclasses import asdict, replace

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from nasnb import plots
from nasnb.analysis import collapse
from nasnb.analysis.full_scale.tables import read_table
from nasnb.analysis.msr_darts import proxies
from nasnb.architecture import Genotype
from nasnb.data import Data
from nasnb.data.packed import unpack
from nasnb.experiment import run_training
from nasnb.plots.full_scale import plot_intervals
from nasnb.plots.style import WIDTH
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result
from nasnb.runs.files import runs_folder
from nasnb.spaces.bench201 import bench201

NAME, TEST_IMAGES = "05-msr-darts/proxies", 1000
CELLS = 109  # as many as a quarter of an hour gave when they were first drawn
ALT = "Rank correlation of zero-cost scores and of stable ranks with the accuracy of cells, with 95 % intervals."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images")
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--cells", type=int, default=CELLS)
    given = parser.parse_args()
    data = unpack(given.images)
    data = replace(data, test=data.test.take(slice(TEST_IMAGES)))
    scores = proxies.sampled_cells(read_table("zero_cost", figures_dir=runs_folder("figures")), given.cells)
    lines, runs = [], []
    for seed, arch in enumerate(scores.arch):  # that of a cell is its place
        genotype, config = Genotype.from_notation(arch), replace(proxies.SHORT, seed=seed)
        runs.append(run_training(bench201, genotype, data, config, runs_dir=given.runs_dir))
        found = proxies.cell_scores(genotype, runs[-1].state())
        lines.append({"arch": arch, **found, "accuracy_after": runs[-1].history.valid_accuracy.iloc[-1]})
    keep_them(scores.merge(pd.DataFrame(lines), on="arch"), runs, data)


def keep_them(table: pd.DataFrame, runs: list[Result], data: Data) -> None:
    """Figure, numbers, record, and the claim."""
    whole, size, accuracy = table.dropna(), proxies.SHORT, table.accuracy_after.mean()
    scale = (
        f"NAS-Bench-201, {len(whole)} random cells with convolutions; ranks of {size.channels} channels, {size.cells} "
        f"cell per stage, untrained and after {size.epochs} epoch of {size.train_images:,} images, then at "
        f"{accuracy:.0f} % in the mean; accuracies of cells from the table"
    )
    told = {
        "data": f"{data.name} ({data.image_size[1]} pixels); zero-cost scores and accuracies published, 200 epochs",
        "config": asdict(size) | {"test_images": TEST_IMAGES},
        "seeds": [size.seed],
        "scale": scale,
        "alt": ALT,
        "evidence_from": "NAS-Bench-201",
    }
    judged = [({"msr-darts/rank-foretells-201": proxies.by_part(table)}, accuracy > collapse.LEARNED)]
    print(keep_small(NAME, drawn(table), table, runs, judged, **told))


def drawn(table: pd.DataFrame) -> Figure:
    plots.use_style()
    shown = proxies.agreements(table)
    figure, ax = plt.subplots(figsize=(WIDTH, 0.9 + 0.26 * len(shown)))
    label = "rank correlation with the accuracy of the trained cell"
    plot_intervals(shown, value="rho", label=label, row="score", group="whose", ax=ax)
    return figure


if __name__ == "__main__":
    main()
