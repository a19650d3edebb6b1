"""Of complete searches: values that count, one per independent draw, and doses of regularisation.

Runs with the same initial draw are one (a fork with the author's seed begins where the author's began), and what a
supernet near chance chose is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from nasnb.analysis.full_scale.alphas import measures
from nasnb.analysis.full_scale.cells import picks_of, settled_at, shared

# percent that guessing gives: one class of ten; SVHN's most frequent digit
CHANCE: Mapping[str, float] = {"cifar10": 10.0, "cifar100": 1.0, "svhn": 19.0}


def last_epochs(epochs: pd.DataFrame) -> pd.DataFrame:
    """The last epoch of each run, a line per cell."""
    return epochs.loc[epochs.groupby(["run", "cell"]).epoch.idxmax()].reset_index(drop=True)


def per_draw(table: pd.DataFrame, column: str) -> np.ndarray:
    """Means over the runs that began with one draw, NaN aside: these are the values that are independent."""
    return table.dropna(subset=[column]).groupby("draw", sort=False)[column].mean().to_numpy()


def draws_in_words(n: int) -> str:
    """`1 draw`, `4 draws`."""
    return f"{n} draw{'s' * (n != 1)}"


def noise_in_s4(edges: pd.DataFrame) -> dict[str, str]:
    """In words: the weight of noise in DARTS' searches of S4, after the first epoch, at the end, and on how many edges
    of the normal cell it is ahead of its one rival at the end, per seed. Needs run, epoch, cell, edge, noise."""
    normal = edges[(edges.cell == "normal") & ~edges.run.str.contains("lora")].dropna(subset=["noise"])
    ends = [normal[normal.epoch == normal.groupby("run").epoch.transform(end)] for end in ("min", "max")]
    means = [part.groupby("run").noise.mean() for part in ends]
    ahead = (ends[1].noise > 0.5).groupby(ends[1].run).agg(["sum", "size"])
    spans = [" to ".join(sorted({f"{value:.2f}" for value in (part.min(), part.max())})) for part in means]
    lowest = normal.groupby(["run", "epoch"]).noise.mean().groupby("run").min().mean()
    counts = ", ".join(f"{row['sum']} of {row['size']}" for _, row in ahead.iterrows())
    return {"noise_first": spans[0], "noise_lowest": f"{lowest:.2f}", "noise_last": spans[1], "noise_ahead": counts}


def complete(runs: pd.DataFrame) -> pd.DataFrame:
    """RobustDARTS' searches of all 50 epochs, with the gap between training and validation, and whether they learnt."""
    whole = runs[runs.epochs == 50].reset_index(drop=True)
    return whole.assign(
        gap=whole.last_train_accuracy - whole.last_valid_accuracy,
        learned=whole.last_valid_accuracy > 2 * whole.dataset.map(CHANCE),
    )


def dose_effect(runs: pd.DataFrame, column: str, *, without: pd.Series, having: pd.Series) -> np.ndarray:
    """Per seed, the mean without a treatment less the mean with it: settings that share a seed are not independent."""
    means = [runs[part & runs.learned].groupby("seed")[column].mean() for part in (without, having)]
    return (means[0] - means[1]).dropna().to_numpy()


def correlation_by_seed(runs: pd.DataFrame, x: str, y: str, *, fewest: int = 5) -> np.ndarray:
    """Spearman's correlation over the settings of each seed that learnt and have both."""
    kept = runs[runs.learned].dropna(subset=[x, y])
    parts = (part for _, part in kept.groupby("seed") if len(part) >= fewest)
    return np.array([stats.spearmanr(part[x], part[y]).statistic for part in parts])


def settling(epochs: pd.DataFrame) -> pd.DataFrame:
    """Per run: from which epoch the cell is the final one, and which share of it stands half-way.

    Needs run, epoch, shared.
    """
    lines = []
    for run, part in epochs.sort_values("epoch").groupby("run", sort=False):
        values = part.shared.to_numpy()
        half = values[len(values) // 2]
        lines.append({"run": run, "epochs": len(part), "settled": settled_at(values), "half_way": half})
    return pd.DataFrame(lines)


def agreement_by_seed(pairs: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Per seed with several searches of one method and repository: shared picks within it and with the other seeds."""
    known = runs.set_index("run")
    pairs = pairs[[known.repo[a] == known.repo[b] for a, b in zip(pairs["first"], pairs["second"], strict=True)]]
    seeds = pairs.assign(a=pairs["first"].map(known.seed), b=pairs["second"].map(known.seed))
    lines = []
    for seed in sorted(set(seeds.a) | set(seeds.b)):
        within = seeds[(seeds.a == seed) & (seeds.b == seed)].shared
        across = seeds[(seeds.a == seed) ^ (seeds.b == seed)].shared
        if len(within) and len(across):
            lines.append({"seed": seed, "within": within.mean(), "across": across.mean(), "pairs": len(within)})
    return pd.DataFrame(lines)


def from_log(history: pd.DataFrame, name: str = "yours") -> pd.DataFrame:
    """A log that `read_search` read, as rows beside the others: run, epoch, cell, measures, shared.

    Raises ValueError for a log that prints neither cells nor weights with known names.
    """
    choices = history.attrs.get("choices")
    has_cells, has_weights = "genotype" in history, "weights" in history and choices is not None
    if not has_cells and not has_weights:
        raise ValueError("this log prints neither its cells nor weights whose operations are known: nothing to place")
    table = history.dropna(subset=["genotype"] if has_cells else ["weights"]).reset_index(drop=True)
    cells = [picks_of(genotype) for genotype in table.genotype] if has_cells else []
    alike = shared(cells, cells[-1]) if cells else np.full(len(table), np.nan)
    groups = choices.groups if has_weights else {"normal": ()}
    lines = []
    for i, row in enumerate(table.itertuples()):
        for group, edges in groups.items():
            said = measures(row.weights[group], edges) if has_weights and row.weights else {}
            lines.append({"run": name, "epoch": row.epoch, "cell": group, "shared": alike[i], **said})
    return pd.DataFrame(lines)
