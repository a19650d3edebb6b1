"""Make `s1-log`, `s2-masking`, `public-one-shot` of this folder: `python make_public.py EXPERIMENTS [--data-dir DIR]`.

EXPERIMENTS is the folder of that name in automl/RobustDARTS (Apache-2.0), with the logs of its searches and the
supernets of its random search on S1 to S4; DIR holds CIFAR-10 as an image folder. A log of a search is read; the
operations of the supernet of S2 are masked; some cells of all four are evaluated again, with either kind of statistics.
The numbers go to CSV files, what the last says of claims to `claims.csv`. Seven minutes on a core for each of the last
two; what was computed before is taken from RUNS.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.figure import Figure

from nasnb import plots, report
from nasnb.analysis.darts_pt import one_shot
from nasnb.analysis.logs import eigenvalues, read_derivatives, read_samples, read_search, stopping_record
from nasnb.architecture import Choices
from nasnb.data import Data, load
from nasnb.plots.style import MUTED, SERIES, SERIES_MARKERS, WIDTH, svg
from nasnb.report.evidence import write_evidence
from nasnb.runs import run_once
from nasnb.runs.kept import keep
from nasnb.runs.record import environment

CHAPTER, SOURCE = "06-darts-pt", "automl/RobustDARTS, Apache-2.0"
SUPERNETS = "search_logs_RandomNAS/{}/cifar10/0.2_0.0003-*/{}_4.{}"
SEARCH = "search_logs/s1/cifar10/0.0_0.0003-*/{}_1.{}"
CELLS = {"s1": 20, "s2": 32, "s3": 20, "s4": 20}  # of a thousand
MASKED_ON = {"batch": 1280, "running": 640}  # test images; a log has 640 held-out ones
TWO = ("sep_conv_3x3", "skip_connect")
POINTS = "points lost more without it"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("experiments", type=Path)
    parser.add_argument("--data-dir", help="CIFAR-10 as an image folder; without it only the log is read")
    parser.add_argument("--runs-dir", default="runs")
    given = parser.parse_args()
    plots.use_style()
    keep_log(given.experiments)
    if given.data_dir:
        data = load("imagefolder", data_dir=given.data_dir)
        keep_masking(given.experiments, data, given.runs_dir)
        keep_one_shot(given.experiments, data, given.runs_dir)


def the(experiments: Path, pattern: str, *parts: str) -> Path:
    (found,) = experiments.glob(pattern.format(*parts))
    return found


def keep_as(name: str, figure: Figure, table: pd.DataFrame, **told: Any) -> None:
    here = environment(torch.device("cpu"))
    keep(f"{CHAPTER}/{name}", svg(figure), table, {"device": here["device"], "commit": here["commit"], **told})
    plt.close(figure)


def timed(kind: str, facts: Mapping[str, Any], compute: Callable[[], pd.DataFrame], runs_dir: str) -> dict[str, Any]:
    """`table` with its processor time in `seconds`, and what its `attrs` say."""

    def of() -> dict[str, Any]:
        start, table = time.process_time(), compute()
        return {"table": table, "seconds": time.process_time() - start, **table.attrs}

    return run_once(kind, facts, of, runs_dir=runs_dir)


def keep_log(experiments: Path) -> None:
    start = time.process_time()
    history = read_search(the(experiments, SEARCH, "log", "txt"))
    values = eigenvalues(read_derivatives(the(experiments, SEARCH, "derivatives", "json")))
    skips = [genotype.ops("normal").count("skip_connect") for genotype in history.genotype]
    told = {
        "skips in the normal cell": (history.epoch, skips),
        "held-out accuracy (%)": (history.epoch, history.valid_accuracy),
        "largest eigenvalue": (values.epoch, values.eigenvalue),
    }
    panels = [pd.DataFrame({"panel": name, "epoch": epoch, "value": value}) for name, (epoch, value) in told.items()]
    table = pd.concat(panels, ignore_index=True).assign(how="published log", seed=1)
    stop = stopping_record(values.eigenvalue)
    keep_as(
        "s1-log",
        plots.plot_trajectory(table, label="value"),
        table,
        data=f"log and derivatives of a published search ({SOURCE}: search logs, s1, cifar10, weight decay 0.0003, "
        "seed 1)",
        scale=f"A second-order DARTS search on S1, CIFAR-10: {len(history)} epochs, 16 channels, 8 cells, n = 1. "
        "Searched by the authors of RobustDARTS; only read here.",
        config={"space": "s1", "weight_decay": 0.0003, "drop_path": 0.0, "order": 2, "epochs": len(history)},
        seed=[1],
        seconds=time.process_time() - start,
        correlation=history.valid_accuracy.corr(pd.Series(skips)),
        last_skips=skips[-1],
        stopping_epoch=None if stop is None else int(values.epoch[stop]),
        alt="Over fifty epochs of a published DARTS search: skip connections in the normal cell, validation accuracy "
        "of the supernet, and the largest eigenvalue of the Hessian in alpha.",
    )


def keep_masking(experiments: Path, data: Data, runs_dir: str) -> None:
    weights, log = (the(experiments, SUPERNETS, "s2", *of) for of in (("weights", "pt"), ("log", "txt")))
    state = one_shot.official_supernet(data, "s2", weights)
    found = {}
    for mode, images in MASKED_ON.items():
        facts = {"file": weights, "data": data.checksum, "images": images, "mode": mode}
        look = partial(one_shot.by_masking, state, "normal", TWO, images=images, mode=mode)
        found[mode] = timed("masking", facts, look, runs_dir)
    table = chosen_by_rules(state.method.space.choices, log, *(found[mode]["table"] for mode in MASKED_ON))
    unmasked = {mode: of["unmasked"] for mode, of in found.items()}
    keep_as(
        "s2-masking",
        plots.plot_picks(table, row="rule", column="edge"),
        table,
        data=f"published supernet of S2 ({SOURCE}: random search, s2, cifar10, seed 4); CIFAR-10 (JPEG copy), "
        "test images",
        scale="Top: mean one-shot accuracy of the 1,000 logged cells by their operation on the edge. Below: masking "
        f"in the evenly mixed supernet, 16 channels, 8 cells, with batch statistics ({MASKED_ON['batch']:,} test "
        f"images, {unmasked['batch']:.1f} % unmasked), and with running statistics ({MASKED_ON['running']:,} images, "
        f"{unmasked['running']:.1f} %). CIFAR-10 as JPEG copy.",
        config={"space": "s2", "channels": 16, "cells": 8, "images": MASKED_ON, "batch_size": 64, "augment": False},
        seed=[4],
        seconds=sum(of["seconds"] for of in found.values()),
        prefer_sep={rule: int((part.op == TWO[0]).sum()) for rule, part in table.groupby("rule", sort=False)},
        accuracy_unmasked=unmasked,
        alt="Per edge of the normal cell of S2, which of separable convolution and skip is worth more: by the logged "
        "one-shot accuracies and by masking in the mixed supernet.",
    )


def chosen_by_rules(choices: Choices, log: Path, batch: pd.DataFrame, running: pd.DataFrame) -> pd.DataFrame:
    logged = one_shot.by_the_log(read_samples(log, choices), choices, "normal", TWO)
    rules = {
        "log": (logged.lead, "points of one-shot accuracy"),
        "masking, accuracy": (batch.points, POINTS),
        "masking, loss": (batch.nats, "nats"),
        "masking, running statistics": (running.points, POINTS),
    }
    table = pd.concat(
        pd.DataFrame({"rule": rule, "edge": logged.edge, "sep_minus_skip": lead, "unit": unit})
        for rule, (lead, unit) in rules.items()
    )
    table.insert(2, "op", [TWO[0] if lead > 0 else TWO[1] for lead in table.sep_minus_skip])
    return table


def keep_one_shot(experiments: Path, data: Data, runs_dir: str) -> None:
    tables, seconds = [], 0.0
    for space, cells in CELLS.items():
        weights, log = (
            the(experiments, SUPERNETS, space, "weights", "pt"),
            the(experiments, SUPERNETS, space, "log", "txt"),
        )
        facts = {"file": weights, "data": data.checksum, "cells": cells, "images": 640}
        found = timed("one-shot", facts, partial(evaluated_again, data, space, weights, log, cells), runs_dir)
        tables.append(found["table"].assign(space=space.upper()))
        seconds += found["seconds"]
    table = pd.concat(tables, ignore_index=True)[["space", "sample", "logged", "running", "batch"]]
    scale = (
        f"{min(CELLS.values())} to {max(CELLS.values())} cells per supernet, drawn from the 1,000 of its log, each "
        "alone in the supernet of 16 channels and 8 cells; dashed: equality. The log used 640 held-out images per "
        "cell. Test images here, not augmented, batches of 64; CIFAR-10 as JPEG copy."
    )
    keep_as(
        "public-one-shot",
        drawn(table),
        table,
        data=f"published supernets of {', '.join(map(str.upper, CELLS))} ({SOURCE}: random search, cifar10, seed 4); "
        "CIFAR-10 (JPEG copy), 640 test images",
        scale=scale,
        config={"spaces": list(CELLS), "channels": 16, "cells": 8, "images": 640, "batch_size": 64},
        seed=[4],
        seconds=seconds,
        alt="Per supernet, one-shot accuracies measured here against the logged ones: with running statistics they "
        "follow the diagonal, with batch statistics they lie in a much narrower band.",
    )
    tell_claims(table, scale)


def evaluated_again(data: Data, space: str, weights: Path, log: Path, cells: int) -> pd.DataFrame:
    state = one_shot.official_supernet(data, space, weights)
    samples = read_samples(log, state.relaxation.choices)
    return one_shot.one_shot_accuracies(state, samples, one_shot.drawn_samples(samples, cells), images=640)


def drawn(table: pd.DataFrame) -> Figure:
    panels = list(table.groupby("space", sort=False))
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 2.7), sharex=True, sharey=True)
    for ax, (title, part) in zip(axes, panels, strict=True):
        ax.axline((50, 50), slope=1, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
        for i, mode in enumerate(one_shot.MODES):
            style = {"color": SERIES[i], "marker": SERIES_MARKERS[i], "markersize": 4, "alpha": 0.7}
            ax.plot(part.logged, part[mode], linestyle="none", label=f"{mode} statistics", **style)
        ax.set_title(title)
    figure.supxlabel("logged one-shot accuracy (%)", fontsize=9)
    axes[0].set_ylabel("measured here (%)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def tell_claims(table: pd.DataFrame, scale: str) -> None:
    again = one_shot.statistics_summary(table)
    findings = report.Findings(CHAPTER, preset="overnight", scale=scale)
    public = {"evidence_from": "full scale", "scale": scale}
    findings.add("darts-pt/statistics-explain-spread", again.explained, null=50, **public)
    findings.judged({"darts-pt/one-shot-match": again.r, "darts-pt/statistics-keep-order": again.r_batch}, **public)
    print({each.claim.id: each.finding.words() for each in findings.found})
    write_evidence(CHAPTER, findings.found)


if __name__ == "__main__":
    main()
