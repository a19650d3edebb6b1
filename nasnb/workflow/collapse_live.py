"""The collapse of DARTS on NAS-Bench-201, small enough to watch: one search, and other rules on its supernet.

>>> from nasnb.workflow.collapse_live import collapse_live
>>> live = collapse_live(data, preset="laptop", seed=0, runs_dir="runs")  # doctest: +SKIP
>>> live.trail, live.chosen  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from nasnb.analysis import collapse
from nasnb.architecture import Genotype
from nasnb.config import SearchConfig
from nasnb.data import Data
from nasnb.experiment import run_search
from nasnb.methods import METHODS, Method
from nasnb.runs import Result
from nasnb.search.perturbation import Select, perturbation
from nasnb.spaces.bench201 import BENCH201_NAMES
from nasnb.workflow.arms import SIZE, alpha_curvature

# Few images, many epochs and a quick alpha, by which cells collapse within a minute; larger presets take the size of
# the kept searches.
SIZES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"epochs": 2, "channels": 4, "batch_size": 32, "train_images": 128},
    "laptop": {"epochs": 80, "channels": 8, "train_images": 512, "lr": 0.05, "alpha_lr": 0.01},
}
LOOKS, LOOKED_AT = 10, 64  # epochs between two looks at the curvature of alpha, and images
METHOD = replace(METHODS["darts-1st"].on("bench201"), config=SIZE)
RULES = {  # without tuning in between, so that each takes seconds
    "perturbation, by accuracy": perturbation(interval=0),
    "perturbation, by loss": perturbation(interval=0, criterion="loss"),
    "an operation at random": perturbation(interval=0, criterion="random"),
}


class Live(NamedTuple):
    """A search, what became of its supernet and its cell (a row per epoch), and what each rule would choose."""

    result: Result
    trail: pd.DataFrame
    chosen: pd.DataFrame


def collapse_live(
    data: Data, *, preset: str = "laptop", seed: int = 0, epochs: int | None = None, runs_dir: str | Path
) -> Live:
    """DARTS of first order on NAS-Bench-201, computed once per `runs_dir`, and other rules on the same supernet."""
    config = live_config(preset, seed=seed, epochs=epochs)
    look = partial(alpha_curvature, every=LOOKS, images=LOOKED_AT)
    result = run_search(METHOD, data, config, runs_dir=runs_dir, observe=look)
    rows = trail_of(result, seed=seed)
    after = partial(run_search, data=data, config=config, runs_dir=runs_dir, after=result)
    return Live(
        result, rows, what_rules_choose(rows, {rule: after(_by(select)).genotype for rule, select in RULES.items()})
    )


def live_config(preset: str, *, seed: int = 0, epochs: int | None = None) -> SearchConfig:
    """The numbers of the search at a preset."""
    config = replace(SIZE, seed=seed, **SIZES.get(preset, {}))
    return config if epochs is None else replace(config, epochs=epochs)


def trail_of(result: Result, *, seed: int = 0) -> pd.DataFrame:
    """A row per epoch: the supernet's accuracies and the looked-up ones of its cell (%), its percentile and skips.

    `eigenvalue` is alpha's largest curvature where somebody looked, else NaN.
    """
    cells = [digits_of(genotype) for genotype in result.genotypes]
    rows = result.history.assign(arm=METHOD.name, seed=seed, finished=True, cell=cells)
    return collapse.looked_up(rows if "eigenvalue" in rows else rows.assign(eigenvalue=float("nan")))


def what_rules_choose(rows: pd.DataFrame, selected: Mapping[str, Genotype]) -> pd.DataFrame:
    """Columns rule, epoch and those of `collapse.looked_up`: what each rule makes of one search, a row per rule.

    Of the trail itself: alpha at the end; where the supernet was most accurate; and before the curvature of alpha had
    grown by a third (RobustDARTS' early stopping). Then what was `selected` on the finished supernet.
    """
    picked = {
        "alpha, at the end": rows.iloc[-1],
        "alpha, when the supernet was best": rows.loc[rows.valid_accuracy.idxmax()],
        "alpha, stopped by its curvature": collapse.stopped_early(rows).iloc[0],
    }
    lines = [{"rule": rule, "epoch": row.epoch, "cell": row.cell} for rule, row in picked.items()]
    last = rows.epoch.max()
    lines += [{"rule": rule, "epoch": last, "cell": digits_of(genotype)} for rule, genotype in selected.items()]
    return collapse.looked_up(pd.DataFrame(lines))


def digits_of(genotype: Genotype) -> str:
    """The inverse of `collapse.cell_of`."""
    return "".join(str(BENCH201_NAMES.index(op)) for op in genotype.ops("cell"))


def _by(select: Select) -> Method:
    return replace(METHOD, name="darts-then-another-rule", select=select)
