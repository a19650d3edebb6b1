"""The ablation of sharpDARTS, section 4.2: what is searched, what is trained, at equal size, and how it is reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from nasnb.analysis.sharpdarts.sizes import channels_for, drawn_up, millions
from nasnb.architecture import Genotype
from nasnb.config import TrainConfig
from nasnb.data import Split
from nasnb.methods import METHODS, Method
from nasnb.published.genotypes import GENOTYPES
from nasnb.spaces import SPACES, Space
from nasnb.spaces.sharp import DARTS_SSC, sharp_space
from nasnb.training import accuracy_on, reported

PUBLISHED = {  # a row of Table 2: the search that its cell comes from, and the published one
    "DARTS": ("DARTS", "DARTS_V2"),
    "DARTS+SSC, no search": ("DARTS", "DARTS_V2"),
    "SharpSepConvDARTS": ("scalar", "SHARPSEPCONV_DARTS"),
    "sharpDARTS": ("sharpDARTS", "SHARP_DARTS"),
}
FINISHED = {"DARTS_V2": "darts", "DARTS_V2+SSC": "darts-ssc"}  # one finished cell, with both blocks


def chokes(search_channels: int, final_channels: int) -> tuple[int, int]:
    """The middle of a choke in a supernet and in a final network, in the paper's two proportions.

    Its 32 channels are twice those of its supernet and 0.89 of those of its final network.
    """
    paper, final = METHODS["sharpdarts"].config, METHODS["sharpdarts"].training
    scaled = [32 / paper.channels * search_channels, 32 / final.channels * final_channels]
    return max(1, round(scaled[0])), max(1, round(scaled[1]))


def searched_methods(choke: int) -> dict[str, Method]:
    """All searches of cells of the chapter, by name: scalar and Max-W with the operations of DARTS as SharpSepConv."""
    ssc = METHODS["sharpsepconv-darts"]
    no_pool = sharp_space("darts-ssc-no-max-pool", [op for op in DARTS_SSC if op != "max_pool_3x3"])
    return {
        "scalar": ssc,
        "Max-W": METHODS["sharpsepconv-darts-max-w"],
        "scalar, no max pool": replace(ssc, name="sharpsepconv-darts-no-max-pool", space=no_pool),
        "sharpDARTS": replace(METHODS["sharpdarts"], space=sharp_space("sharp", choke=choke)),
        "DARTS": replace(ssc, name="darts-operations", space=SPACES["darts"]),
    }


@dataclass(frozen=True)
class Entrant:
    """A network of the ablation: a cell in a space, and the channels that bring it to the size of all."""

    row: str
    seed: int
    space: Space
    genotype: Genotype
    config: TrainConfig
    thousands: float  # parameters


def entrants(
    found: Mapping[str, Sequence[Genotype]] | None,
    seeds: Sequence[int],
    config: TrainConfig,
    *,
    choke: int,
    classes: int,
    image_channels: int,
) -> list[Entrant]:
    """Every row and seed, with the number of channels that brings each nearest to DARTS_V2 with those of `config`.

    Cells are those `found`, by name of the search and a cell per seed, or if there are none the published ones.
    """
    spaces = dict.fromkeys(PUBLISHED, SPACES["darts-ssc"]) | {name: SPACES[space] for name, space in FINISHED.items()}
    spaces |= {"DARTS": SPACES["darts"], "sharpDARTS": sharp_space("sharp", choke=choke)}
    cells = {row: found[of] if found else [GENOTYPES[name]] * len(seeds) for row, (of, name) in PUBLISHED.items()}
    cells |= {row: [GENOTYPES["DARTS_V2"]] * len(seeds) for row in FINISHED}
    sizes = {"cells": config.cells, "classes": classes, "image_channels": image_channels}
    target = size_of_all(config, **sizes)
    rows = []
    for row, genotypes in cells.items():
        for seed, genotype in zip(seeds, genotypes, strict=True):
            fit = channels_for(spaces[row], genotype, target, choices=range(2, 4 * config.channels + 1, 2), **sizes)
            thousands = 1000 * millions(drawn_up(spaces[row], genotype, channels=fit, **sizes))
            own = replace(config, seed=seed, channels=fit)
            rows.append(Entrant(row, seed, spaces[row], genotype, own, thousands))
    return rows


def size_of_all(config: TrainConfig, **sizes) -> float:
    """Million parameters of DARTS_V2 as `config` trains it, which all networks of the ablation are brought to."""
    return millions(drawn_up(SPACES["darts"], GENOTYPES["DARTS_V2"], channels=config.channels, **sizes))


def errors_of(entered: Sequence[Entrant], histories: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """A row per trained network: architecture, seed, channels, last and best error (percent), best_epoch, thousands."""
    return pd.DataFrame(
        [
            {
                "architecture": each.row,
                "seed": each.seed,
                "channels": each.config.channels,
                **reported(history.to_dict("records"))._asdict(),
                "thousands": each.thousands,
            }
            for each, history in zip(entered, histories, strict=True)
        ]
    )


def test_intervals(
    entered: Sequence[Entrant], runs: Sequence[Any], new_test: Split | None = None, *, seed: int
) -> pd.DataFrame:
    """Of the networks of one seed (runs as nasnb.runs.Result), error on the test images and on others, each with its
    exact interval; without others, without their column.
    """
    rows = []
    for each, run in zip(entered, runs, strict=True):
        if each.seed == seed:
            state = run.state()
            row = {"architecture, first seed": each.row, "error on the test images": accuracy_on(state).error()}
            rows.append(
                row | ({} if new_test is None else {"error on CIFAR-10.1": accuracy_on(state, new_test).error()})
            )
    return pd.DataFrame(rows)


def reported_errors(errors: pd.DataFrame) -> pd.DataFrame:
    """Of `errors_of`, both ways to report: the last epoch, and the paper's median ± half the range of the best one.

    A single network has no spread.
    """

    def told(middle: float, values: pd.Series, spread: float) -> str:
        return f"{middle:.2f} ± {spread:.2f} %" if len(values) > 1 else f"{middle:.2f} %"

    def in_range(values: pd.Series) -> str:
        return told(values.median(), values, np.ptp(values) / 2)

    groups = errors.groupby("architecture", sort=False)
    return pd.DataFrame(
        {
            "last epoch, mean ± sd": groups["last"].apply(lambda v: told(v.mean(), v, v.std())),
            "last epoch, median ± range/2": groups["last"].apply(in_range),
            "best epoch, median ± range/2": groups["best"].apply(in_range),
            "thousand parameters": groups.thousands.apply(lambda v: f"{v.min():.1f} to {v.max():.1f}"),
            "networks": groups.size(),
        }
    ).reset_index()
