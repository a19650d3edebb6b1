"""Make `yardstick` of this folder: `python make_yardstick.py --data-dir FOLDER`, eight minutes a seed on one core.

DARTS on NAS-Bench-201, one random edge per supernet decided to each of its operations in turn, on the
first 2,000 training images of CIFAR-10 at 16 pixels (an image folder). A run that was stopped goes on where it stood.
"""

import argparse
from dataclasses import asdict, replace
from functools import partial

import pandas as pd

from nasnb import plots, report
from nasnb.analysis.darts_pt import yardstick
from nasnb.config import SearchConfig
from nasnb.data import load
from nasnb.experiment import run_search
from nasnb.methods import METHODS
from nasnb.plots.style import svg
from nasnb.report.evidence import SMALL, write_evidence
from nasnb.runs import run_once
from nasnb.runs.kept import keep

SIZE = SearchConfig(epochs=40, cells=1, channels=8, train_images=2000, alpha_lr=3e-3, validate_with="batch")
HOW = {"n": 1, "lr": 0.0025, "repeats": 3, "epochs": 30}  # tuned until the loss stops falling, at most so long
ALT = (
    "Per supernet one edge: bars for the mixing weight of each operation, points for the accuracy of the supernet "
    "after the edge was decided to it and tuned, with batch and with running statistics."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", required=True, help="CIFAR-10 as an image folder")
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=6, help="from 0 on")
    options = parser.parse_args()
    data = load("imagefolder", data_dir=options.data_dir, image_size=16)
    method = replace(METHODS["darts-1st"].on("bench201"), config=SIZE)
    tables, runs = [], []
    for seed in range(options.seeds):
        run = run_search(method, data, replace(SIZE, seed=seed), runs_dir=options.runs_dir)
        measure = partial(yardstick.measured_edges, seed=seed, **HOW)
        found = run_once(
            "yardstick", HOW | {"run": run.name}, lambda run=run, m=measure: m(run.state()), runs_dir=options.runs_dir
        )
        tables.append(joined(found, float(run.history.valid_accuracy.iloc[-1])))
        runs.append(run)
    keep_them(pd.concat(tables, ignore_index=True), runs)


def joined(found: dict, valid: float) -> pd.DataFrame:
    """A row per measurement, with what masking and the trained cells of the table say of the operation."""
    told = found["strengths"][[*yardstick.KEYS, *yardstick.TOLD]]
    cells = yardstick.worth_in_cells(METHODS["darts-1st"].on("bench201").space.choices)
    known = (
        found["worths"].drop(columns="group").assign(valid=valid).merge(told, on=yardstick.KEYS, validate="many_to_one")
    )
    return known.merge(cells, on=yardstick.KEYS, validate="many_to_one")


def keep_them(table: pd.DataFrame, runs: list) -> None:
    """Figure, numbers and record."""
    told = table.drop_duplicates(["seed", *yardstick.KEYS])[["seed", *yardstick.KEYS, *yardstick.TOLD, "cells"]]
    shown = yardstick.held_against(table, told, yardstick.MEASURES).titled()
    scale = (
        f"NAS-Bench-201, searched by DARTS (first order): {SIZE.epochs} epochs, {SIZE.channels} channels, 1 cell per "
        f"stage, alpha's rate {SIZE.alpha_lr:g}, n = {table.seed.nunique()} supernets with held-out accuracies from "
        f"{table.valid.min():.0f} % on (chance: 10 %), one random edge each, three measurements per operation."
    )
    record = {
        "data": "CIFAR-10 (JPEG copy), 16×16 pixels, 2,000 training images; accuracies of cells from the table of "
        "NATS-Bench (topology space, 200 epochs, mean of the trials)",
        "config": asdict(SIZE) | HOW,
        "seed": sorted(int(seed) for seed in table.seed.unique()),
        "device": runs[0].record["device"],
        "commit": str(runs[-1].record["commit"]),
        "seconds": sum(run.record["seconds"] for run in runs),
        "scale": f"{scale} Whisker: sd of one measurement.",
        "alt": ALT,
    }
    plots.use_style()
    keep("06-darts-pt/yardstick", svg(plots.plot_weight_and_worth(shown)), table, record)
    tell_claims(table, told, str(record["scale"]))


def tell_claims(table: pd.DataFrame, told: pd.DataFrame, scale: str) -> None:
    """Renew what `claims.csv` has from these supernets."""
    columns = yardstick.MEASURES | {"running statistics": "running"}
    findings = report.Findings("06-darts-pt", preset="overnight", scale=scale)
    learned = bool(table.valid.min() > 20)  # percent: twice chance
    findings.judged(yardstick.held_against(table, told, columns).effects(), learned=learned, evidence_from=SMALL)
    cells = yardstick.effects_on_cells(table, told)
    findings.judged(cells, learned=learned, evidence_from="NAS-Bench-201")
    print({each.claim.id: each.finding.words() for each in findings.found})
    write_evidence("06-darts-pt", findings.found)


if __name__ == "__main__":
    main()
