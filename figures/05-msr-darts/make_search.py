"""Make `search` of this folder: `python make_search.py [--runs-dir RUNS] [--seeds N]`, three minutes a seed.

What becomes of the candidates in a search: by the paper's sum, and by the softmax of the published code; and what an
epoch of either costs beside DARTS, in processor seconds, at the paper's own supernet. The numbers go to `search.csv`,
the claims to `claims.csv`. A run that was stopped goes on where it stood; runs of make_cells.py are used again.
"""

import argparse
from dataclasses import asdict, replace

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from nasnb import plots, report
from nasnb.analysis.msr_darts import cost, readings
from nasnb.analysis.msr_darts import rank_history as rh
from nasnb.data import Data, load
from nasnb.experiment import run_search
from nasnb.methods import METHODS
from nasnb.plots.style import WIDTH
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result, run_once
from nasnb.search.ranks import rank_weighted

NAME = "05-msr-darts/search"
ALT = (
    "Left: share of the candidates whose rank a search left as it was, of the paper's sum and of the published code. "
    "Right: processor seconds of an epoch of MSR-DARTS, without rescaling, and of DARTS of first and second order."
)
MSR = replace(METHODS["msr-darts"], hook=rh.recorded_ranks())
CODE = replace(METHODS["msr-darts-published-code"], hook=rh.in_turn(rank_weighted(), rh.recorded_ranks()))
MIXINGS = {"paper: plain sum": MSR, "code: softmax(−R)": CODE}
IMAGES = {"batch_size": 32, "train_images": 1000, "lr": 0.1, "validate_with": "batch"}
SIZE = MSR.at("laptop", epochs=8, cells=5, **IMAGES)  # that of make_cells.py
TIMED, SIDE = MSR.config, 16  # the paper's cells, channels and batch; pixels
REPEATS = {"batches": 2, "repeats": 8}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=8)
    given = parser.parse_args()
    data, found = load("fashion-sample", image_size=12), {name: [] for name in MIXINGS}
    for seed in range(given.seeds):
        for name, method in MIXINGS.items():
            found[name].append(run_search(method, data, replace(SIZE, seed=seed), runs_dir=given.runs_dir))
    what = {"config": asdict(TIMED), "side": SIDE, **REPEATS}
    spent = run_once("msr-epoch-seconds", what, timed, runs_dir=given.runs_dir)
    keep_them(found, spent["table"], data)


def timed() -> dict[str, pd.DataFrame]:
    four = cost.rivals(METHODS)
    return {"table": cost.seconds_of_an_epoch(four, load("fashion-sample", image_size=SIDE), TIMED, **REPEATS)}


def keep_them(found: dict[str, list[Result]], spent: pd.DataFrame, data: Data) -> None:
    """Figure, numbers, record, and the claims."""
    runs = [run for several in found.values() for run in several]
    ranks = {name: readings.ranks_of([run.state() for run in several]) for name, several in found.items()}
    rows = [
        {"mixing": name, "seed": seed, "unmoved_percent": 100 * rh.unmoved_share(part)}
        for name, table in ranks.items()
        for seed, part in table.groupby("seed")
    ]
    unmoved, reached = pd.DataFrame(rows), [run.history.valid_accuracy.iloc[-1] for run in runs]
    of_code = unmoved[unmoved.mixing == list(MIXINGS)[1]].unmoved_percent
    told = {
        "data": f"{data.name}, embedded sample",
        "config": {"search": asdict(SIZE), "timed": asdict(TIMED) | {"side": SIDE, **REPEATS}},
        "seeds": sorted(map(int, unmoved.seed.unique())),
        "scale": f"{report.setting(data, SIZE, n=unmoved.seed.nunique()).rstrip('.')}, supernets at "
        f"{min(reached):.0f} to {max(reached):.0f} %; epochs timed at {TIMED.cells} cells, {TIMED.channels} channels "
        f"and {SIDE} px, {REPEATS['repeats']} times in turn",
        "alt": ALT,
    }
    judged = [
        ({"msr-darts/all-operations-train": 1 - of_code.to_numpy()}, report.learned(reached, classes=data.n_classes)),
        ({"msr-darts/cheaper": cost.doublings(spent)}, True),
    ]
    print(keep_small(NAME, drawn(unmoved, spent), pd.concat([unmoved, spent]), runs, judged, **told))


def drawn(unmoved: pd.DataFrame, spent: pd.DataFrame) -> Figure:
    plots.use_style()
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 2.8), width_ratios=(2, 3), layout="constrained")
    broken = unmoved.assign(mixing=unmoved.mixing.str.replace(": ", ":\n"))
    plots.plot_points_with_spread(
        broken, x="mixing", y="unmoved_percent", label="candidates that did not learn (%)", ax=left
    )
    names = spent.assign(method=spent.method.str.replace(", ", ",\n"))
    plots.plot_points_with_spread(names, x="method", y="seconds", label="processor seconds of an epoch", ax=right)
    return figure


if __name__ == "__main__":
    main()
