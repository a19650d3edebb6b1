"""Make `gradient` of this folder: `python make_gradient.py [--runs-dir RUNS]`, six minutes on one core.

How far the first-order gradient and the published finite difference are from the exact second-order gradient of alpha,
in a supernet that has learnt: the kept one of DARTS, batches of 64 images as in the paper, double precision, at the
learning rate with which its search began. The numbers go to `gradient.csv`, the claim to `claims.csv`.
"""

import argparse
import time
from dataclasses import asdict

import torch

from nasnb import plots, report
from nasnb.analysis.darts.hypergradient import hypergradient_errors
from nasnb.plots.style import svg
from nasnb.report.evidence import SMALL, write_evidence
from nasnb.runs import run_once
from nasnb.runs.kept import keep
from nasnb.runs.record import environment
from nasnb.workflow.kept_supernets import kept_supernet, kept_words

NAME = "01-darts/gradient"
HOW = {"radii": (1e-2, 1e-4, 1e-6), "batches": 8}
ALT = (
    "Relative error against the exact second-order gradient of alpha, a point per batch: of the first-order gradient "
    "and of the finite difference at three step sizes."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    runs_dir = parser.parse_args().runs_dir
    state, origin = kept_supernet("darts-1st"), environment(torch.device("cpu"))

    def compute() -> dict:
        began = time.process_time()
        found = hypergradient_errors(state, **HOW, dtype=torch.float64)
        return found | {"seconds": time.process_time() - began, "commit": origin["commit"]}

    found = run_once("gradients of alpha", HOW | {"supernet": kept_words("darts-1st")}, compute, runs_dir=runs_dir)
    table, config = found["errors"], state.config
    scale = f"{kept_words('darts-1st')} n = {HOW['batches']} batches of {config.batch_size}, double precision."
    record = {
        "data": state.data.name,
        "config": asdict(config) | HOW,
        "seed": config.seed,
        "device": origin["device"],
        "commit": found["commit"],
        "seconds": found["seconds"],
        "scale": scale,
        "alt": ALT,
    }
    relative = table[table.measure == "relative error"]
    plots.use_style()
    axes = plots.plot_points_with_spread(relative, x="gradient", y="value", label="relative error", log=True)
    keep(NAME, svg(axes.figure), table, record)
    wide = relative.pivot(index="batch", columns="gradient", values="value")
    findings = report.Findings("01-darts", preset="laptop", scale=scale)
    effect = wide["first order"] - wide["radius 0.01"]
    print(findings.add("darts/finite-difference-nearer", effect, evidence_from=SMALL, run=NAME))
    write_evidence("01-darts", findings.found)


if __name__ == "__main__":
    main()
