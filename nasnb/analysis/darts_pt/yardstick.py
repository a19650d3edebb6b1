"""How far a yardstick can be trusted, and how well rules agree with it: figures 1, 2 and 7 of DARTS-PT.

Tables have a row per operation of an edge; correlations are over the operations of one edge, means over edges of one
supernet: edges of a supernet are not independent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from nasnb.analysis.darts_pt.selecting import discretisation_table, random_edges, strength_table
from nasnb.architecture import Choices
from nasnb.data.bench201 import DATASETS, Bench201Table
from nasnb.search.state import SearchState
from nasnb.search.strengths import Evaluation

KEYS = ["edge", "op"]
TOLD = ["accuracy_without", "loss_without"]  # what masking tells of an operation
TIE = "tie"
MEASURES = {"alpha": "alpha", "masking, accuracy": "missed", "masking, loss": "loss_without"}


def order_correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Spearman's; NaN where one side is all equal, or has fewer than two values."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(spearmanr(x, y)[0])


def worths(measured: pd.DataFrame) -> pd.DataFrame:
    """The repeats of `discretisation_table` in one row per operation: mean accuracies, and `noise`, the sd of one."""
    told = {"alpha": ("alpha", "first"), "weight": ("weight", "first")}
    means = {name: (name, "mean") for name in ("batch", "running", "loss", "epochs")}
    return measured.groupby(KEYS, sort=False).agg(**told, **means, noise=("batch", "std")).reset_index()


def reliability(measured: pd.DataFrame, value: str = "batch") -> dict[str, float]:
    """How well repeats of one supernet agree about the order of an edge's operations.

    `single`: mean rank correlation of two repeats; `mean_of_all`: that of the mean of all repeats with another such
    mean (Spearman-Brown); `ceiling`: the most that anything free of noise can correlate with that mean, its root.
    """
    found = [
        order_correlation(repeats[a], repeats[b])
        for _, part in measured.groupby("edge")
        for repeats in [part.pivot(index="op", columns="repeat", values=value)]
        for a, b in combinations(repeats.columns, 2)
    ]
    single = _mean(found)
    n = measured["repeat"].nunique()
    whole = n * single / (1 + (n - 1) * single) if single > 0 else 0.0 if single <= 0 else single
    return {"single": single, "mean_of_all": whole, "ceiling": float(np.sqrt(whole))}


def measured_edges(state: SearchState, n: int, *, seed: int, **options: Any) -> dict[str, pd.DataFrame]:
    """`worths`, the yardstick on `n` random edges of the first kind of cell, and `strengths`, masking there.

    `options` are those of `discretisation_table`.
    """
    choices = state.method.space.choices
    group = next(iter(choices.groups))
    at = random_edges(choices, group, n, seed=seed)
    worths = discretisation_table(state, group, at, **options)
    return {"worths": worths.assign(seed=seed), "strengths": strength_table(state, group, at).assign(seed=seed)}


class Compared(NamedTuple):
    """Measures against the yardstick: `worths` has a row per operation; the others a row per supernet.

    `correlations` and `best` (edges with the same favourite) have a column per measure; `ceiling` is that of
    `reliability`, `edges` their number per supernet.
    """

    worths: pd.DataFrame
    correlations: pd.DataFrame
    best: pd.DataFrame
    ceiling: pd.Series
    edges: pd.Series

    def titled(self) -> pd.DataFrame:
        """The worths with a title per panel, for `plots.plot_weight_and_worth`."""
        titles = [f"seed {s}, edge {e}" for s, e in zip(self.worths.seed, self.worths.edge, strict=True)]
        return self.worths.assign(panel=titles)

    def table(self) -> pd.DataFrame:
        """For the page: measure, rank correlation (mean, sd over supernets), same favourite; last the ceiling."""
        total = self.edges.sum()
        rows = [(m, r.mean(), r.std(), f"{self.best[m].sum()} of {total}") for m, r in self.correlations.items()]
        rows.append(("ceiling: the yardstick repeated", self.ceiling.mean(), self.ceiling.std(), ""))
        return pd.DataFrame(rows, columns=["measure", "rank correlation", "sd over supernets", "same favourite, edges"])

    def effects(self) -> dict[str, pd.Series]:
        """{claim: effects by supernet, positive as claimed}, of all MEASURES and "running statistics"."""
        r = self.correlations
        return {
            "darts-pt/alpha-ranks-worth": r["alpha"],
            "darts-pt/alpha-below-ceiling": self.ceiling - r["alpha"],
            "darts-pt/masking-ranks-better": r["masking, accuracy"] - r["alpha"],
            "darts-pt/masking-loss-ranks-better": r["masking, loss"] - r["alpha"],
            "darts-pt/statistics-keep-worth": r["running statistics"],
        }


def held_against(
    measured: pd.DataFrame, strengths: pd.DataFrame, measures: Mapping[str, str], *, against: str = "batch"
) -> Compared:
    """Measures {name: column} of the worths and strengths of supernets (column `seed`) beside the yardstick.

    `strengths` has accuracy_without, loss_without and whatever else is known per operation; `missed` is minus the
    accuracy without. Another column than the yardstick may be `against`.
    """
    known = strengths.assign(missed=-strengths.accuracy_without)
    known = known.drop(columns=[name for name in ("group", "alpha", "weight") if name in known])
    means = pd.concat([worths(part).assign(seed=seed) for seed, part in measured.groupby("seed")])
    whole = means.merge(known, on=["seed", *KEYS], validate="one_to_one")
    found = {seed: [p for _, p in part.groupby("edge")] for seed, part in whole.groupby("seed")}
    return Compared(
        whole,
        _per_supernet(found, measures, lambda p, c: order_correlation(p[c], p[against]), _mean),
        _per_supernet(found, measures, lambda p, c: favourite(p, c) == favourite(p, against), sum),
        pd.Series({seed: reliability(part)["ceiling"] for seed, part in measured.groupby("seed")}),
        pd.Series({seed: len(edges) for seed, edges in found.items()}),
    )


def effects_on_cells(measured: pd.DataFrame, told: pd.DataFrame) -> dict[str, pd.Series]:
    """{claim: effects by supernet} of the yardstick and of alpha against the trained cells of NAS-Bench-201.

    Tables as for `held_against`, `told` with `cells` of `worth_in_cells`.
    """
    by_worth = held_against(measured, told, {"cells": "cells"}).correlations["cells"]
    by_alpha = held_against(measured, told, {"alpha": "alpha"}, against="cells").correlations["alpha"]
    return {"darts-pt/worth-ranks-cells-201": by_worth, "darts-pt/alpha-ranks-cells-201": by_alpha}


def _per_supernet(found: Mapping, measures: Mapping[str, str], of: Callable, over: Callable) -> pd.DataFrame:
    rows = {s: {name: over([of(p, c) for p in edges]) for name, c in measures.items()} for s, edges in found.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def _mean(values: Sequence[float]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def favourite(part: pd.DataFrame, column: str) -> str:
    """The operation of one edge with the largest value; "tie" where several have it."""
    leaders = part.op[part[column] == part[column].max()]
    return leaders.iloc[0] if len(leaders) == 1 else TIE


def favourites(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """What each rule {name: column} prefers on every edge, the largest value: rule, edge, op."""
    edges = list(table.groupby("edge"))
    rows = [(rule, edge, favourite(part, column)) for rule, column in columns.items() for edge, part in edges]
    return pd.DataFrame(rows, columns=["rule", "edge", "op"])


def preferences(state: SearchState, group: str = "normal") -> pd.DataFrame:
    """What alpha, masking by accuracy and by loss, and masking with running statistics prefer: figure 2 of DARTS-PT.

    Nothing is decided yet. Columns: rule, edge, op, which may be "tie".
    """
    batch = strength_table(state, group)
    running = strength_table(state, group, how=Evaluation(statistics="running"))
    told = favourites(batch.assign(missed=-batch.accuracy_without), MEASURES)
    return pd.concat([told, favourites(running, {"masking, running statistics": "loss_without"})], ignore_index=True)


def edges_preferring(picks: pd.DataFrame, op: str) -> pd.DataFrame:
    """(seeds, rules): on how many edges each rule prefers `op`; columns of `picks`: seed, rule, op."""
    return (picks.op == op).groupby([picks.seed, picks.rule]).sum().unstack("rule")


def worth_in_cells(choices: Choices, table: Bench201Table | None = None, dataset: str = "cifar10") -> pd.DataFrame:
    """Mean looked-up accuracy of all cells of NAS-Bench-201 with an operation on an edge: edge, op, cells."""
    table = Bench201Table.load() if table is None else table
    found = re.compile(r"\|(\w+)~")  # the notation has the edges in the order of the space
    known = pd.DataFrame([found.findall(arch) for arch in table.rows], columns=range(len(choices.groups["cell"])))
    known["cells"] = [accuracies[DATASETS.index(dataset)] for accuracies in table.rows.values()]
    long = known.melt(id_vars="cells", var_name="edge", value_name="op")
    return long.groupby(["edge", "op"]).cells.mean().reset_index().astype({"edge": int})
