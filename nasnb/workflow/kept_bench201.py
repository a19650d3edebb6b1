"""The kept figures of the NAS-Bench-201 experiment, from the rows of `nasnb.workflow.crowd`.

python -m nasnb.workflow.kept_bench201 OUT/rows.csv.gz --seconds 1620
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from nasnb.analysis import collapse
from nasnb.data.bench201 import Bench201Table
from nasnb.plots.collapse import plot_arms, plot_collapse, plot_panels
from nasnb.plots.style import svg, use_style
from nasnb.runs.kept import keep
from nasnb.workflow.arms import ALPHA_RATES, IMAGES, SIZE

FOLDER = "nas-bench-201"
COLUMNS = [
    "arm",
    "seed",
    "epoch",
    "phase",
    "train_loss",
    "train_accuracy",
    "valid_loss",
    "valid_accuracy",
    "largest",
    "eigenvalue",
    "cell",
    "cifar10",
    "cifar100",
    "imagenet16-120",
    "percentile",
    "skips",
]


def phases(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the phase diagram, with `images` and `rate` of their arm."""
    part = rows[rows.arm.str.startswith("phase-")]
    named = part.arm.str.extract(r"phase-(?P<images>\d+)-(?P<rate>.+)")
    return part.assign(images=named.images.astype(int), rate=named.rate.astype(float))


def provenance(rows: pd.DataFrame, *, data: str, seconds: float, arms: Sequence[str]) -> dict:
    """Where the numbers come from: what all arms share, seeds, device, commit, seconds of the whole."""
    return {
        "data": data,
        "config": asdict(SIZE) | {"arms": list(arms)},
        "seed": sorted(map(int, rows.seed.unique())),
        "device": ", ".join(sorted(rows.device.astype(str).unique())),
        "commit": ", ".join(sorted(rows.commit.astype(str).unique())),
        "seconds": seconds,
    }


def keep_all(rows: pd.DataFrame, *, data: str, seconds: float, figures_dir: str | Path = "figures") -> None:
    """Write what there is enough of: the collapse, the phase diagram, the arms with random cells as their floor."""
    rows = collapse.looked_up(rows)
    table = Bench201Table.load()
    accuracies = np.array([line[0] for line in table.rows.values()])
    marks = {"median": float(np.median(accuracies))}

    def write(name: str, figure: plt.Figure, part: pd.DataFrame, shown: pd.DataFrame) -> None:
        record = provenance(part, data=data, seconds=seconds, arms=sorted(part.arm.unique()))
        keep(f"{FOLDER}/{name}", svg(figure), shown, record, figures_dir=figures_dir)
        plt.close(figure)

    use_style()
    darts = rows[rows.arm == "darts-1st"]
    if len(darts):
        write("collapse", plot_collapse(darts, **marks), darts, darts.reindex(columns=COLUMNS))
    diagram = phases(rows)
    if len(diagram):
        panels = {
            f"{n:,} images, alpha's rate {rate:g}": diagram[(diagram.images == n) & np.isclose(diagram.rate, rate)]
            for n in IMAGES
            for rate in ALPHA_RATES
        }
        figure = plot_panels(panels, columns=len(ALPHA_RATES), **marks)
        write("phases", figure, diagram, diagram.reindex(columns=["images", "rate", *COLUMNS]))
    arms = rows[~rows.arm.str.startswith("phase-")]
    if len(arms):
        figure = plot_panels(dict(list(arms.groupby("arm", sort=False))), columns=3, **marks)
        write("trajectories", figure, arms, arms.reindex(columns=COLUMNS))
        ends = pd.concat([collapse.at_the_end(arms), collapse.looked_up(collapse.random_cells(range(1000)))])
        means = collapse.summary(ends).sort_values("mean", ascending=False)
        shown = ends[ends.arm != "random cell"]
        write(
            "arms", plot_arms(shown, means, best=float(accuracies.max()), **marks), arms, shown.reindex(columns=COLUMNS)
        )


def from_arguments(arguments: Sequence[str] | None = None) -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m nasnb.workflow.kept_bench201", description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path, help="rows.csv.gz")
    parser.add_argument("--data", default="CIFAR-10 (JPEG copy), 16 px", help="how the image set is named")
    parser.add_argument("--seconds", type=float, required=True, help="that the experiment took")
    parser.add_argument("--commit", help="of the code, where the machine had a copy of it without its history")
    parser.add_argument("--figures-dir", default="figures")
    a = parser.parse_args(arguments)
    rows = pd.read_csv(a.rows, dtype={"cell": str, "commit": str})
    if a.commit:
        rows["commit"] = a.commit
    keep_all(rows, data=a.data, seconds=a.seconds, figures_dir=a.figures_dir)


if __name__ == "__main__":
    from_arguments()
