"""Tables 2 to 4 of DARTS-PT: methods with PT and without, on S1 to S4.

Chapter 06 does so at the size of its preset, the scripts in `figures/06-darts-pt` at SIZE and TRAINING, at which the
embedded Fashion images at 12 pixels are learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nasnb.analysis.darts_pt.published_cells import op_counts
from nasnb.analysis.differences import relative
from nasnb.config import SearchConfig, scaled
from nasnb.data import Data
from nasnb.experiment import run_search, run_training
from nasnb.methods import METHODS, Method
from nasnb.runs import Result
from nasnb.search.perturbation import Select
from nasnb.spaces import Space

ALONE, WITH_PT = "alone", "PT"
S2, FIXED = "S2", "S2, fixed alpha"
ELSEWHERE = ("S1", "S3", "S4")
SIZE = SearchConfig(  # at which supernets of the embedded images at 12 pixels learn, in half a minute each
    epochs=20,
    cells=3,
    channels=4,
    batch_size=64,
    train_images=512,
    lr=0.05,
    alpha_lr=0.01,
    pace=0.2,  # one epoch of tuning after each decision
    validate_with="batch",
)
Train = Callable[[Space, Result, int], Result]  # of the cell of a search, with a seed
_OF_S2 = METHODS["darts-pt"].on("s2").training
TRAINING = replace(scaled(_OF_S2, "laptop", epochs=8, train_images=1000), lr=0.1, drop_path=0.0)


def supernet_words() -> str:
    """SIZE, as the records of what is kept say it."""
    return (
        f"{SIZE.epochs} epochs, {SIZE.channels} channels, {SIZE.cells} cells, {SIZE.train_images:,} images, "
        f"alpha's rate {SIZE.alpha_lr:g}"
    )


class Pair(NamedTuple):
    """A method, and the same with PT: a selection from its supernet, or, for SGAS, another search."""

    alone: Method
    with_pt: Method


def pairs(select: Select) -> dict[str, Pair]:
    """DARTS on S1, S3 and S4, SDARTS-RS and SGAS on S2; `select` is PT."""
    of = {name: _pair("darts", METHODS["darts-pt"].on(name.lower()), select) for name in ELSEWHERE}
    of["SDARTS-RS"] = _pair("sdarts-rs", METHODS["sdarts-rs-pt"].on("s2"), select)
    return of | {"SGAS": Pair(METHODS["sgas"].on("s2"), METHODS["sgas-pt"].on("s2"))}


def fixed_pair(select: Select) -> Pair:
    """The supernet of S2 without alpha. Without PT it has no rule: of `alone` only the supernet means anything."""
    fixed = replace(METHODS["darts-pt-fixed-alpha"].on("s2"), select=select)
    return Pair(replace(fixed, name="fixed-s2", select=None), fixed)


def _pair(name: str, with_pt: Method, select: Select) -> Pair:
    alone = replace(with_pt, name=f"{name}-{with_pt.space.name}", select=None)
    return Pair(alone, replace(with_pt, select=select))


def searched(pair: Pair, data: Data, config: SearchConfig, *, runs_dir: str | Path) -> dict[str, Result]:
    """{ALONE: ..., WITH_PT: ...}, from the same supernet unless the method decides while it searches."""
    first = run_search(pair.alone, data, config, runs_dir=runs_dir)
    after = first if pair.with_pt.select else None
    return {ALONE: first, WITH_PT: run_search(pair.with_pt, data, config, after=after, runs_dir=runs_dir)}


def cell_rows(
    name: str, found: Mapping[str, Result], seed: int, *, space: Space, supernet: Result, train: Train | None = None
) -> pd.DataFrame:
    """A row per rule of `found`: pair (its `name`), rule, seed, supernet (held-out accuracy, %), error (of the network
    that `train` makes, %; NaN if nothing is trained), and what the cell is made of (`published_cells.op_counts`)."""
    rows, reached = [], supernet.history.valid_accuracy.iloc[-1]
    for rule, run in found.items():
        error = 100 - train(space, run, seed).history.valid_accuracy.iloc[-1] if train else np.nan
        facts = {"pair": name, "rule": rule, "seed": seed, "supernet": reached, "error": error}
        rows.append(facts | op_counts(run.genotype))
    return pd.DataFrame(rows)


def cells_on_s2(both: Mapping[str, Result], never: Mapping[str, Result], seed: int, *, train: Train) -> pd.DataFrame:
    """`cell_rows` of S2: of `both` rules on one supernet, and of PT on one that `never` had an alpha."""
    of_fixed = {WITH_PT: never[WITH_PT]}
    space = METHODS["darts-pt"].on("s2").space
    two = [(S2, both, both[ALONE]), (FIXED, of_fixed, never[ALONE])]
    return pd.concat(cell_rows(name, of, seed, space=space, supernet=net, train=train) for name, of, net in two)


def trainer(data: Data, made: list[Result], *, runs_dir: str | Path) -> Train:
    """Trains cells as TRAINING says, and notes the runs in `made`."""

    def train(space: Space, run: Result, seed: int) -> Result:
        made.append(run_training(space, run.genotype, data, replace(TRAINING, seed=seed), runs_dir=runs_dir))
        return made[-1]

    return train


def effects_elsewhere(table: pd.DataFrame) -> dict[str, pd.Series]:
    """{claim: effects by seed, positive as claimed}, of the cells of S1, S3 and S4 in rows of `cell_rows`."""
    at = table[table.pair.isin(ELSEWHERE)].pivot(
        index="seed", columns=["rule", "pair"], values=["convolutions", "noise"]
    )
    convolutions, noise = (at[what].dropna() for what in ("convolutions", "noise"))
    return {
        "darts-pt/more-convolutions-elsewhere": (convolutions[WITH_PT] - convolutions[ALONE]).mean(axis=1),
        "darts-pt/less-noise": (noise[ALONE] - noise[WITH_PT])["S4"],
    }


def effects_of_networks(table: pd.DataFrame) -> dict[str, pd.Series]:
    """{claim: effects by seed, positive as claimed}, of the networks on S2 in rows of `cell_rows`."""
    error = table.pivot(index="seed", columns=["pair", "rule"], values="error")
    sides = {
        "darts-pt/lower-error-on-s2": ((S2, ALONE), (S2, WITH_PT)),
        "darts-pt/fixed-alpha-beats-alpha": ((S2, ALONE), (FIXED, WITH_PT)),
        "darts-pt/pt-on-sdarts-rs": (("SDARTS-RS", ALONE), ("SDARTS-RS", WITH_PT)),
        "darts-pt/pt-on-sgas": (("SGAS", ALONE), ("SGAS", WITH_PT)),
    }
    both = {claim: error[list(two)].dropna() for claim, two in sides.items() if set(two) <= set(error)}
    return {claim: pd.Series(relative(*of.to_numpy().T), of.index) for claim, of in both.items()}
