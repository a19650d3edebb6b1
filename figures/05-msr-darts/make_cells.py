"""Make `cells` of this folder: `python make_cells.py IMAGES [--runs-dir RUNS] [--seeds N]`, three minutes a seed.

The cells of smallest rank, of largest, of smallest before training, of DARTS and of chance, each trained: the controls
of MSR-DARTS. IMAGES is CIFAR-10 at 16 pixels as a file of `nasnb.data.packed`. The numbers go to `cells.csv`, the
claims to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from dataclasses import asdict, replace

import matplotlib.pyplot as plt
import pandas as pd

from nasnb import plots, report
from nasnb.analysis import collapse
from nasnb.analysis.msr_darts import rank_history as rh
from nasnb.analysis.msr_darts import readings
from nasnb.architecture import Genotype
from nasnb.config import scaled
from nasnb.data import Data
from nasnb.data.packed import unpack
from nasnb.experiment import run_search, run_training
from nasnb.methods import METHODS
from nasnb.plots.style import svg
from nasnb.report.evidence import SMALL, write_evidence
from nasnb.runs.kept import keep
from nasnb.search.selection import exported_epoch
from nasnb.spaces import random_genotype

NAME, TEST_IMAGES = "05-msr-darts/cells", 1000
ALT = (
    "Test error of trained cells: of minimum rank, before and after training, of maximum rank, of DARTS, and of chance."
)
MSR = replace(METHODS["msr-darts"], hook=rh.recorded_ranks())
FOUR = replace(MSR.space, name="msr-plain", search_ops=None, before_forward=None)  # nothing is rescaled
DARTS = replace(METHODS["darts-1st"], name="darts-msr-ops", space=FOUR)
IMAGES = {"batch_size": 32, "train_images": 600, "lr": 0.1, "validate_with": "batch"}
SIZE = MSR.at("laptop", epochs=8, cells=5, **IMAGES)
TRAINING = scaled(MSR.training, "laptop", epochs=4, cells=5, batch_size=32, train_images=1000, lr=0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images")
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=6)
    given = parser.parse_args()
    data = unpack(given.images)
    data = replace(data, test=data.test.take(slice(TEST_IMAGES)))
    for seed_of in (of_msr, of_darts):  # whatever stops the second, the first is kept
        keep_them(pd.concat([seed_of(seed, data, given.runs_dir) for seed in range(given.seeds)]), data)


def of_msr(seed: int, data: Data, runs_dir: str) -> pd.DataFrame:
    """A line per cell: its error and size; and, the same in every line, what is read off the search."""
    found = run_search(MSR, data, replace(SIZE, seed=seed), runs_dir=runs_dir)
    state, history = found.state(), found.history
    seen = {
        "supernet_accuracy": history.valid_accuracy.iloc[-1],
        "late_slope": rh.late_slope(history.epoch, history.valid_loss),
        "as_before": readings.agreement_of([state]).as_before.iloc[-1],
        **readings.within_edges(readings.noise_of([state])).iloc[0],
        "searched": found.record["seconds"],
        **{name: found.record[name] for name in ("device", "commit")},
    }
    at = exported_epoch(history.to_dict("records"), "38/50")
    cells = {
        readings.LEAST: rh.cells_by_rank(state)[at],
        readings.DRAWN: rh.cells_by_rank(state)[0],
        readings.MOST: rh.cells_by_rank(state, choose="maximum")[at],
        readings.CHANCE: random_genotype(FOUR, seed=seed),
    }
    lines = [{"seed": seed, "cell": name, **trained(g, seed, data, runs_dir), **seen} for name, g in cells.items()]
    return pd.DataFrame(lines)


def of_darts(seed: int, data: Data, runs_dir: str) -> pd.DataFrame:
    """The same lines and that of DARTS on the same four operations and images."""
    found = run_search(DARTS, data, replace(SIZE, train_fraction=0.5, seed=seed), runs_dir=runs_dir)
    seen = {"darts_accuracy": found.history.valid_accuracy.iloc[-1], "searched_darts": found.record["seconds"]}
    line = {"seed": seed, "cell": "DARTS", **trained(found.genotype, seed, data, runs_dir)}
    both = pd.concat([of_msr(seed, data, runs_dir), pd.DataFrame([line])], ignore_index=True)
    return both.assign(**seen).ffill()  # the line of DARTS says of the search of MSR-DARTS what the others say


def trained(genotype: Genotype, seed: int, data: Data, runs_dir: str) -> dict:
    """Error in percent after the last epoch, million parameters, the cell, seconds."""
    run = run_training(FOUR, genotype, data, replace(TRAINING, seed=seed), runs_dir=runs_dir)
    size = sum(p.numel() for p in run.state().net.parameters()) / 1e6
    return {
        "error_percent": 100 - run.history.valid_accuracy.iloc[-1],
        "million_parameters": size,
        "genotype": genotype.notation(),
        "trained": run.record["seconds"],
    }


def keep_them(table: pd.DataFrame, data: Data) -> None:
    """Figure, numbers, record, and the claims."""
    one, seeds = table.drop_duplicates("seed"), sorted(map(int, table.seed.unique()))
    reached = one.filter(like="_accuracy").mean()
    supernets = " and ".join(f"{value:.0f} %" for value in reached) + (" (DARTS)" if len(reached) > 1 else "")
    where = f"{data.name.partition('@')[0]} at {data.image_size[1]} px"
    scale = (
        f"{where}, {SIZE.cells} cells, supernets of {SIZE.channels} channels and {SIZE.train_images} "
        f"images, {SIZE.epochs} epochs, then at {supernets}; networks of {TRAINING.channels} channels and "
        f"{TRAINING.train_images:,} images, {TRAINING.epochs} epochs; n = {len(seeds)} seeds"
    )
    record = {
        "data": f"{data.name} ({data.image_size[1]} pixels), {TEST_IMAGES:,} test images",
        "config": {"search": asdict(SIZE), "training": asdict(TRAINING)},
        "seed": seeds,
        "device": table.device.iloc[0],
        "commit": str(table.commit.iloc[0]),
        "seconds": float(one.filter(like="searched").sum().sum() + table.trained.sum()),
        "scale": f"{scale}. A point per search and training; mean ± sd.",
        "alt": ALT,
    }
    plots.use_style()
    sizes = table.groupby("cell").million_parameters.mean()
    shown = table.assign(sized=[f"{cell}\n{sizes[cell]:.3f} M" for cell in table.cell])
    figure = plots.plot_points_with_spread(shown, x="sized", y="error_percent", label="test error (%)")
    keep(NAME, svg(figure), table.drop(columns=["device", "commit", "trained", *one.filter(like="searched")]), record)
    plt.close(figure)
    findings = report.Findings("05-msr-darts", preset="overnight", scale=scale, seed=seeds[0])
    how = {"evidence_from": SMALL, "run": NAME}
    errors = table.pivot(index="seed", columns="cell", values="error_percent")
    apart = {
        id: report.relative(errors[other], errors[readings.LEAST])
        for id, other in readings.AGAINST.items()
        if other in errors
    }
    print(findings.judged(apart, learned=100 - errors.mean().max() > collapse.LEARNED, **how))
    print(findings.judged(readings.supernet_effects(table), learned=reached.min() > collapse.LEARNED, **how))
    write_evidence("05-msr-darts", findings.found)


if __name__ == "__main__":
    main()
