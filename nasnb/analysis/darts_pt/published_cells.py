"""The cells that DARTS-PT published, counted, and what 'the best of four' flatters."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from scipy import integrate, stats

from nasnb.analysis.darts.dominance import is_convolution
from nasnb.architecture import Genotype
from nasnb.published.genotypes import GENOTYPES, genotype_names

_NAME = re.compile(r"(?P<rule>darts|blank)_pt_s(?P<space>\d)(?:_(?P<dataset>c100|svhn))?_(?P<run>\d)")
RULES = {"darts": "PT", "blank": "PT, fixed alpha"}
DATASETS = {None: "CIFAR-10", "c100": "CIFAR-100", "svhn": "SVHN"}


def published_cells() -> pd.DataFrame:
    """A row per published cell pair: name, rule, space (S5 is that of DARTS without none), dataset, run, and of its 16
    operations how many are convolutions, skips, pools; convolutions of the normal cell; genotype."""
    rows = []
    for name in genotype_names(paper="DARTS-PT"):
        found = _NAME.fullmatch(name)
        if found is None:
            continue
        told = {"rule": RULES[found["rule"]], "space": f"S{found['space']}", "dataset": DATASETS[found["dataset"]]}
        rows.append({"name": name, **told, "run": int(found["run"]), **op_counts(GENOTYPES[name])})
    return pd.DataFrame(rows)


def op_counts(genotype: Genotype) -> dict[str, int]:
    """Of both cells together: convolutions, skips, pools, noise; and the convolutions of the normal cell."""
    ops = [op for group in genotype.picks for op in genotype.ops(group)]
    return {
        "convolutions": sum(map(is_convolution, ops)),
        "normal": sum(map(is_convolution, genotype.ops("normal"))),
        "skips": ops.count("skip_connect"),
        "pools": sum("pool" in op for op in ops),
        "noise": sum("noise" in op for op in ops),
    }


def mean_counts() -> pd.DataFrame:
    """Of `published_cells`, by space and rule: number of cells and mean counts."""
    table = published_cells()
    counts = ["convolutions", "normal", "skips", "pools", "noise"]
    parts = table.groupby(["space", "rule"])
    return parts.agg(cells=("name", "size"), **{c: (c, "mean") for c in counts}).reset_index()


def best_of(n: int) -> float:
    """By how many standard deviations the best of `n` independent normal results beats their mean, on average.

    Raises ValueError for fewer than one.
    """
    if n < 1:
        raise ValueError(f"the best of {n} results: take one or more")

    def weighed(x: float) -> float:
        return x * n * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n - 1)

    return float(integrate.quad(weighed, -np.inf, np.inf)[0])


def flattery(table: pd.DataFrame, n: int = 4) -> pd.DataFrame:
    """Measured and expected lead of the best of a group over its mean, in standard deviations, and what `n` would add.

    Columns of `table`: n, mean, sd, high (the best). New: lead, expected (for its own n), lead_of_n (in its unit).
    """
    lead = (table.high - table["mean"]) / table.sd
    return table.assign(lead=lead, expected=table.n.map(best_of), lead_of_n=table.sd * best_of(n))
