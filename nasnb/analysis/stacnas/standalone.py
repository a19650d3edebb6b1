"""Stand-alone networks that differ in one operation: what alpha is compared with (StacNAS, section 3.4, figure 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from nasnb.analysis.differences import relative
from nasnb.architecture import N_INPUTS, Genotype
from nasnb.published.numbers import published
from nasnb.spaces import CellSpace
from nasnb.supernet.network import Network


def with_first_edge(genotype: Genotype, op: str, group: str = "normal") -> Genotype:
    """The genotype with another operation on the edge from state 0 to the first node, which no cell can drop.

    Raises ValueError if this genotype has no such edge.
    """
    picks = genotype.picks[group]
    here = [(pick.source, pick.target) == (0, N_INPUTS) for pick in picks]
    if sum(here) != 1:
        raise ValueError(f"{sum(here)} picks of {group!r} go from state 0 to state {N_INPUTS}; there must be one")
    changed = tuple(pick._replace(op=op) if first else pick for pick, first in zip(picks, here, strict=True))
    return replace(genotype, picks={**genotype.picks, group: changed})


@dataclass(frozen=True)
class FirstEdge:
    """Makes the final networks of `space`, with `op` on the first edge of the first cell; later cells are unchanged.

    Stands in for the space where a network is trained: `run_training(FirstEdge(space, op), genotype, data, config)`.
    """

    space: CellSpace
    op: str

    @property
    def name(self) -> str:
        return f"{self.space.name}-first-{self.op}"

    def network(self, genotype: Genotype, **size: Any) -> Network:
        """The final network; `size` as `space.network` takes it."""
        net = self.space.network(genotype, **size)
        net.blocks[0] = self.space.network(with_first_edge(genotype, self.op), **size).blocks[0]
        return net


def worth_table(
    name: str, results: Sequence[Any], train: Callable[[Genotype, Any, int], Any], **how: Any
) -> pd.DataFrame:
    """Figure 5 for several searches: alpha of every operation on the first edge, accuracy of the network that has it.

    `train(genotype, space, at)` trains a network for the search at this place; `how` gives the final `space`, the space
    `searched` and the `epoch` whose alpha counts. Columns: method, seed, op, chosen (by the search), alpha, accuracy,
    and relative, the accuracy less its mean over the operations of the search.
    """
    rows = []
    for column, op in enumerate(how["searched"].choices.groups["normal"][0].ops):
        if op == "none":
            continue
        for at, result in enumerate(results):
            same = with_first_edge(result.genotype, op) == result.genotype  # trained already
            run = train(result.genotype, how["space"] if same else FirstEdge(how["space"], op), at)
            alpha = result.weights["normal"][how["epoch"], 0, column]
            rows.append((name, result.record["seed"], op, same, alpha, run.history.valid_accuracy.iloc[-1]))
    table = pd.DataFrame(rows, columns=["method", "seed", "op", "chosen", "alpha", "accuracy"])
    return table.assign(relative=table.accuracy - table.groupby("seed").accuracy.transform("mean"))


def by_search(worth: pd.DataFrame) -> np.ndarray:
    """(searches,): the correlation of alpha and accuracy within each search; its operations are not a sample."""
    return worth.groupby("seed")[["alpha", "relative"]].corr().iloc[0::2, 1].to_numpy()


def correlations_by_search(trained_twice: pd.DataFrame) -> pd.DataFrame:
    """Of rows of `worth_table` with their `training`, 0 or 1: method, seed, and over the operations of each search the
    correlation of `alpha` with the mean accuracy, and of the accuracies of two `trainings`.
    """
    rows = []
    for (method, seed), part in trained_twice.dropna(subset="op").groupby(["method", "seed"]):
        accuracy = part.pivot(index="op", columns="training", values="accuracy")
        alpha = part.groupby("op").alpha.first()
        rows.append((method, seed, alpha.corr(accuracy.mean(axis=1)), accuracy[0].corr(accuracy[1])))
    return pd.DataFrame(rows, columns=["method", "seed", "alpha", "trainings"])


def ceiling(trained_twice: pd.DataFrame) -> float:
    """The largest correlation that anything can have with accuracies of which two trainings agree no better than this.

    The square root of the reliability of their mean (Spearman and Brown), of the correlation of two trainings over all
    operations, less the mean of their search; 0 where they do not agree at all.
    """
    apart = trained_twice.accuracy - trained_twice.groupby(["seed", "training"]).accuracy.transform("mean")
    both = trained_twice.assign(apart=apart).pivot(index=["seed", "op"], columns="training", values="apart")
    r = max(0.0, both[0].corr(both[1]))
    return float(np.sqrt(2 * r / (1 + r)))


def worth_effects(trained_twice: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the claims on figures 2 and 5 ask for, seed by seed, of such rows and those of the method "random"."""
    r = correlations_by_search(trained_twice).pivot(index="seed", columns="method", values="alpha")
    mean = trained_twice[trained_twice.chosen.astype(bool)].groupby(["method", "seed"]).accuracy.mean()
    return {
        "stacnas/darts-no-better-than-random": relative(100 - mean["DARTS"], 100 - mean["random"]),
        "stacnas/alpha-follows-worth": r["StacNAS"].to_numpy(),
        "stacnas/follows-more-than-darts": (r["StacNAS"] - r["DARTS"]).to_numpy(),
    }


def beyond_trainings(points: pd.DataFrame, sd: float) -> float:
    """p of the published points differing by nothing but the noise of trainings with this standard deviation (%)."""
    apart = points.accuracy_percent - points.accuracy_percent.mean()
    return float(stats.chi2.sf((apart**2).sum() / sd**2, len(points) - 1))


def published_worth(name: str) -> pd.DataFrame:
    """The published points of one method in figure 5: op, accuracy_percent, alpha."""
    rows = published(paper="StacNAS", table="Figure 5")
    rows = rows[rows["row"].str.startswith(f"{name}: ")].assign(op=lambda t: t["row"].str.split(": ").str[1])
    return rows.pivot(index="op", columns="metric", values="value").reset_index()


# what searches cost the authors, by the names that the chapter gives them: (table, row)
PRICED = {
    "price_search": ("Table 3", "StacNAS (base)"),
    "price_darts": ("Table 4", "DARTS (rerun by StacNAS)"),
    "price_imagenet": ("Table 2", "StacNAS, ImageNet cell (base)"),
}
