"""Make `proxies` of this folder: `python make_proxies.py IMAGES [--cells N] [--minutes M]`, some seconds a cell.

Stable ranks of cells of NAS-Bench-201, untrained and after an epoch (`nasnb.analysis.msr_darts.proxies`), of those for
which chapter 08 has zero-cost scores. IMAGES is CIFAR-10 at 16 pixels as a file of `nasnb.data.packed`. The numbers go
to `proxies.csv`, the claim to `claims.csv`. Lines land in ROWS one by one: what was stopped goes on where it stood.
"""

import argparse
import time
from dataclasses import asdict, replace
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch

from nasnb import plots, report
from nasnb.analysis import collapse
from nasnb.analysis.full_scale.tables import read_table
from nasnb.analysis.msr_darts import proxies
from nasnb.data import Data
from nasnb.data.packed import unpack
from nasnb.plots.full_scale import plot_intervals
from nasnb.plots.style import WIDTH, svg
from nasnb.report.evidence import write_evidence
from nasnb.runs.files import runs_folder
from nasnb.runs.kept import keep
from nasnb.runs.record import environment

NAME, TEST_IMAGES = "05-msr-darts/proxies", 1000
ALT = "Rank correlation of zero-cost scores and of stable ranks with the accuracy of cells, with 95 % intervals."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images")
    parser.add_argument("--rows", type=Path, default=Path("runs/proxies.csv"))
    parser.add_argument("--cells", type=int, default=400)
    parser.add_argument("--minutes", type=float, default=1e6)
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = unpack(given.images)
    data = replace(data, test=data.test.take(slice(TEST_IMAGES)))
    scores = proxies.sampled_cells(read_table("zero_cost", figures_dir=runs_folder("figures")), given.cells)
    measure(scores.arch, data, given.rows, until=time.monotonic() + 60 * given.minutes)
    keep_them(scores.merge(pd.read_csv(given.rows), on="arch", how="inner"), data)


def measure(cells: pd.Series, data: Data, rows: Path, *, until: float) -> None:
    """A line per cell that has none yet, with the seed of its place."""
    done = set(pd.read_csv(rows).arch) if rows.exists() else set()
    for seed, arch in enumerate(cells):
        if arch not in done and time.monotonic() < until:
            start = time.monotonic()
            found = proxies.cell_scores(arch, data, replace(proxies.SHORT, seed=seed))
            line = pd.DataFrame([{"arch": arch, **found, "seconds": time.monotonic() - start}])
            line.to_csv(rows, mode="a", header=not rows.exists(), index=False)


def keep_them(table: pd.DataFrame, data: Data) -> None:
    """Figure, numbers, record, and the claim."""
    whole, size, made = table.dropna(), proxies.SHORT, environment(torch.device("cpu"))
    accuracy = table.accuracy_after
    scale = (
        f"NAS-Bench-201, {len(whole)} random cells with convolutions; ranks of {size.channels} channels, {size.cells} "
        f"cell per stage, untrained and after {size.epochs} epoch of {size.train_images:,} images, then at "
        f"{accuracy.mean():.0f} % in the mean; accuracies of cells from the table"
    )
    record = {
        "data": f"{data.name} ({data.image_size[1]} pixels); zero-cost scores and accuracies published, 200 epochs",
        "config": asdict(size) | {"test_images": TEST_IMAGES},
        "seed": 0,
        "device": made["device"],
        "commit": str(made["commit"]),
        "seconds": float(table.seconds.sum()),
        "scale": f"{scale}.",
        "alt": ALT,
    }
    plots.use_style()
    shown = proxies.agreements(table.drop(columns="seconds"))
    figure, ax = plt.subplots(figsize=(WIDTH, 0.9 + 0.26 * len(shown)))
    label = "rank correlation with the accuracy of the trained cell"
    plot_intervals(shown, value="rho", label=label, row="score", group="whose", ax=ax)
    keep(NAME, svg(figure), table.drop(columns="seconds"), record)
    plt.close(figure)
    findings = report.Findings("05-msr-darts", preset="overnight", scale=scale)
    learned = accuracy.mean() > collapse.LEARNED
    options = {"learned": learned, "evidence_from": "NAS-Bench-201", "run": NAME}
    print(findings.add("msr-darts/rank-foretells-201", proxies.by_part(table), **options))
    write_evidence("05-msr-darts", findings.found)


if __name__ == "__main__":
    main()
