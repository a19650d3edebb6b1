"""Which number of a finished search foretells the real accuracy of its cell, where a table has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nasnb.analysis.across.clusters import t_interval
from nasnb.analysis.collapse import label
from nasnb.analysis.correlations import correlation_with_interval

if TYPE_CHECKING:
    from nasnb.runs.kept import Kept

# what can be read from a search without training its cell; the sign says which end is meant to be good
SIGNALS: Mapping[str, tuple[str, int]] = {
    "eigenvalue": ("dominant eigenvalue in alpha", -1),
    "valid_accuracy": ("supernet's held-out accuracy", 1),
    "gap": ("its gap to training images", -1),
    "largest": ("largest mixing weight", -1),
    "skips": ("skips in the cell", -1),
}


def signals(rows: pd.DataFrame) -> pd.DataFrame:
    """A line per finished search: `SIGNALS` at its end (of the eigenvalue, the last look) and the cell's `cifar10`."""
    rows = rows[rows.finished.astype(bool)].sort_values("epoch")
    looks = rows.groupby(["arm", "seed"], sort=False)  # last() passes over what nobody looked at
    ends = looks[["eigenvalue", "train_accuracy", "valid_accuracy", "largest", "skips", "cifar10"]].last()
    return ends.assign(gap=ends.train_accuracy - ends.valid_accuracy).reset_index()


def foretelling_on_table(ends: pd.DataFrame, *, given: str = "valid_accuracy") -> pd.DataFrame:
    """Per signal: Spearman's correlation with the cell's accuracy, its sign as meant, 95 % interval (Fisher's z), n;
    and `beside`, the same once the rank of `given` is partialled out of both.

    NaN where a signal never changes.
    """
    lines = []
    for name, (words, sign) in SIGNALS.items():
        part = ends.dropna(subset=[name, "cifar10", given])
        rho, low, high, n = correlation_with_interval(sign * part[name], part.cifar10, method="fisher")
        beside = np.nan
        if name != given:
            beside = sign * _partial(part[[name, "cifar10", given]].rank().corr(), name, "cifar10", given)
        lines.append({"signal": words, "n": n, "correlation": rho, "low": low, "high": high, "beside": beside})
    return pd.DataFrame(lines)


def rules_on_arms(arms: pd.DataFrame) -> pd.DataFrame:
    """What every rule chooses on one and the same supernet: lines of method, rule, seed, accuracy (%) and epochs.

    From the last lines of arms, of which `search/selection` goes on from `search`; "magnitude" is the search's own
    reading. Searches on whose supernet nothing else was tried are left out.
    """
    parts = arms.arm.str.split("/", n=1, expand=True).reindex(columns=[0, 1])
    names = {"method": parts[0].map(label), "rule": parts[1].map(label, na_action="ignore").fillna("magnitude")}
    found = arms.assign(**names, accuracy=arms.cifar10, epochs=arms.epoch)
    several = found.groupby("method").rule.transform("nunique") > 1
    tried = several | parts[1].notna()
    return found.loc[tried, ["method", "rule", "seed", "accuracy", "epochs"]].reset_index(drop=True)


def most_seeds_first(sizes: Mapping[str, Kept]) -> dict[str, Kept]:
    """Kept results of one experiment, that whose arms have more seeds first: by the fewest of its arms."""
    return dict(sorted(sizes.items(), key=lambda size: -size[1].table.groupby("arm").seed.nunique().min()))


def along_searches(rows: pd.DataFrame, *, fewest: int = 10) -> pd.DataFrame:
    """While one supernet trains: does a signal rise and fall with the real accuracy of the cell that it would give?

    A line per arm, seed and signal with Spearman's correlation over the search's epochs, its sign as meant; `beside` is
    what remains once the epoch is partialled out, for whatever drifts with time correlates. Epochs of a search are no
    independent points: a correlation is one value. Searches of fewer epochs, and signals or cells that never change,
    are left out.
    """
    rows = rows[rows.phase == "search"] if "phase" in rows else rows
    rows = rows.assign(gap=rows.train_accuracy - rows.valid_accuracy) if "train_accuracy" in rows else rows
    lines = []
    for (arm, seed), part in rows.groupby(["arm", "seed"], sort=False):
        for name in (name for name in SIGNALS if name in rows):
            seen = part.dropna(subset=[name, "cifar10"])
            if len(seen) >= fewest and min(seen[name].nunique(), seen.cifar10.nunique()) > 1:
                (words, sign), r = SIGNALS[name], seen[[name, "cifar10", "epoch"]].rank().corr()
                drifts = max(abs(r.loc[name, "epoch"]), abs(r.loc["cifar10", "epoch"])) > 1 - 1e-9
                beside = np.nan if drifts else sign * _partial(r, name, "cifar10", "epoch")
                rho = sign * r.loc[name, "cifar10"]
                lines.append({"arm": arm, "seed": seed, "signal": words, "correlation": rho, "beside": beside})
    return pd.DataFrame(lines, columns=["arm", "seed", "signal", "correlation", "beside"])


def over_arms(along: pd.DataFrame) -> pd.DataFrame:
    """Per signal the mean of `along_searches` over arms, each arm the mean of its seeds; `low` to `high` is the 95 % t
    interval of Fisher's z over the arms; `beside` likewise, without interval."""
    lines = []
    for signal, part in along.groupby("signal", sort=False):
        z = np.arctanh(part[["correlation", "beside"]].clip(-0.999, 0.999)).groupby(part.arm).mean()
        low, high = t_interval(np.tanh(z.correlation))
        mean, beside = np.tanh([z.correlation.mean(), z.beside.mean()])
        line = {"signal": signal, "arms": len(z), "searches": len(part), "correlation": mean}
        lines.append(line | {"low": low, "high": high, "beside": beside})
    return pd.DataFrame(lines)


def _partial(r: pd.DataFrame, x: str, y: str, z: str) -> float:
    return (r.loc[x, y] - r.loc[x, z] * r.loc[y, z]) / np.sqrt((1 - r.loc[x, z] ** 2) * (1 - r.loc[y, z] ** 2))
