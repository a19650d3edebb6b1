"""What searches on NAS-Bench-201 found, looked up: does a cell get worse while its supernet gets better?

Rows are those of `nasnb.workflow.crowd`: a line per arm, seed and epoch, with the cell as six digits that count
`BENCH201_NAMES`, one per edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from nasnb.analysis.logs import stopping_record
from nasnb.architecture import Genotype, Pick
from nasnb.data.bench201 import Bench201Table
from nasnb.spaces.bench201 import BENCH201_NAMES, OUTPUT, bench201

FREE = [str(at) for at, name in enumerate(BENCH201_NAMES) if "conv" not in name]
SKIP = str(BENCH201_NAMES.index("skip_connect"))
COLLAPSED = 80.0  # percent on CIFAR-10: cells below it are mostly skips, pools and nothing (a random cell has 87)


def cell_of(digits: str) -> Genotype:
    """`"333333"` is six 3 x 3 convolutions. Raises ValueError for anything but six digits from 0 to 4."""
    if len(digits) != 6 or not set(digits) <= set("01234"):
        raise ValueError(f"a cell is six digits from 0 to {len(BENCH201_NAMES) - 1}, got {digits!r}")
    edges = zip(bench201.choices.groups["cell"], digits, strict=True)
    picks = tuple(Pick(BENCH201_NAMES[int(digit)], edge.source, edge.target) for edge, digit in edges)
    return Genotype({"cell": picks}, {"cell": (OUTPUT,)})


def looked_up(rows: pd.DataFrame, table: Bench201Table | None = None) -> pd.DataFrame:
    """The rows with the cell's accuracies (%), its percentile on CIFAR-10 among all cells, its number of
    skips, and the share of operations without parameters."""
    table = Bench201Table.load() if table is None else table
    cells = {digits: cell_of(digits) for digits in rows.cell.unique()}
    known = pd.DataFrame(
        [
            {
                "cell": digits,
                **table.accuracy(cell),
                "percentile": table.percentile(cell, "cifar10"),
                "skips": digits.count(SKIP),
                "free": sum(digits.count(digit) for digit in FREE) / len(digits),
            }
            for digits, cell in cells.items()
        ]
    )
    return rows.merge(known, on="cell", how="left", validate="many_to_one")


def at_the_end(rows: pd.DataFrame) -> pd.DataFrame:
    """The last epoch of every arm and seed that is `finished`, where that is told: what its method exports."""
    rows = (rows[rows.finished] if "finished" in rows else rows).reset_index(drop=True)
    return rows.loc[rows.groupby(["arm", "seed"], sort=False).epoch.idxmax()].reset_index(drop=True)


def summary(rows: pd.DataFrame, column: str = "cifar10") -> pd.DataFrame:
    """Per arm: n, mean, 95 % t interval, worst and best of a column at the end; without interval below three seeds."""
    found = []
    for arm, values in at_the_end(rows).groupby("arm", sort=False)[column]:
        n, mean = len(values), values.mean()
        half = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n) if n >= 3 else np.nan
        found.append(
            {
                "arm": arm,
                "n": n,
                "mean": mean,
                "low": mean - half,
                "high": mean + half,
                "worst": values.min(),
                "best": values.max(),
            }
        )
    return pd.DataFrame(found)


def beside_random(rows: pd.DataFrame) -> dict[str, object]:
    """How many cells at the end of the searches are worse on CIFAR-10 than the mean of arm "random cell", in words."""
    ends = at_the_end(rows).set_index("arm").cifar10
    found, drawn = ends.drop("random cell"), ends["random cell"]
    counts = sorted(set(found.groupby("arm").size()))
    return {
        "arms_n": " or ".join(map(str, counts)) if len(counts) < 3 else f"{counts[0]} to {counts[-1]}",
        "arms_below": int((found < drawn.mean()).sum()),
        "arms_all": len(found),
        "arms_random": f"{drawn.mean():.1f} %",
    }


def against(rows: pd.DataFrame, arm: str, other: str, column: str = "cifar10") -> pd.Series:
    """Differences of two arms at the end, by seed: both saw the same images and began alike.

    Empty where one is missing.
    """
    ends = at_the_end(rows).pivot(index="seed", columns="arm", values=column)
    return (ends[arm] - ends[other]).dropna() if {arm, other} <= set(ends) else pd.Series(dtype=float)


def compared_arms(rows: pd.DataFrame, arms: Sequence[str], *, cells: int = 1000) -> pd.DataFrame:
    """The rows of some arms that are worth showing, with so many random cells looked up, each arm by its label."""
    rows, _ = worth_showing(rows)
    rows = pd.concat([rows[rows.arm.isin(arms)], looked_up(random_cells(range(cells)))])
    return rows.assign(arm=rows.arm.map(label), finished=rows.finished.fillna(True).astype(bool))


def ends_by_size(sizes: Mapping[str, pd.DataFrame], arms: str, *, cells: int = 1000) -> pd.DataFrame:
    """How the arms that match the pattern `arms` end at each size of the searches, beside so many random cells.

    A row per way, the best of the first size above; n, mean accuracy on CIFAR-10 and percentile per size.
    """
    drawn, parts = looked_up(random_cells(range(cells))), []
    columns = {"n": ("seed", "size"), "CIFAR-10 (%)": ("cifar10", "mean"), "percentile": ("percentile", "mean")}
    for size, rows in sizes.items():
        ends = pd.concat([at_the_end(rows[rows.arm.str.contains(arms)]), drawn])
        told = ends.groupby(ends.arm.map(label).rename("way"), sort=False).agg(**columns)
        parts.append(told.add_suffix(f", {size}" if len(sizes) > 1 else ""))
    whole = pd.concat(parts, axis=1)
    return whole.sort_values(whole.columns[2], ascending=False).reset_index(names="way")


def mended(rows: pd.DataFrame, arm: str, other: str) -> pd.DataFrame:
    """By seed of both: `fallen`, whether the first arm ends in the cell of all skips, and `gain`, by how many points of
    CIFAR-10 the cell of the other is better.
    """
    ends = at_the_end(rows).pivot(index="seed", columns="arm", values=["cell", "cifar10"])
    ends = ends.dropna(subset=[("cifar10", arm), ("cifar10", other)])
    accuracy = ends["cifar10"].astype(float)
    return pd.DataFrame({"fallen": ends["cell"][arm] == 6 * SKIP, "gain": accuracy[other] - accuracy[arm]})


def random_cells(seeds: Sequence[int], table: Bench201Table | None = None) -> pd.DataFrame:
    """One cell at random per seed, as rows of an arm `random cell`: the floor of every comparison."""
    table = Bench201Table.load() if table is None else table
    drawn = [table.draw(1, seed=seed)[0] for seed in seeds]
    digits = [
        "".join(str(BENCH201_NAMES.index(pick.op)) for pick in Genotype.from_notation(arch).picks["cell"])
        for arch in drawn
    ]
    return pd.DataFrame({"arm": "random cell", "seed": list(seeds), "epoch": 1, "finished": True, "cell": digits})


def collapse_epochs(rows: pd.DataFrame, *, below: float = COLLAPSED) -> pd.DataFrame:
    """Per arm and seed the first epoch from which the cell stays below so many percent; NaN where it never does."""

    def first(search: pd.DataFrame) -> float:
        search = search.sort_values("epoch")
        fine = np.flatnonzero(search.cifar10.to_numpy() >= below)
        after = fine[-1] + 1 if len(fine) else 0
        return search.epoch.iloc[after] if after < len(search) else np.nan

    keys = rows.groupby(["arm", "seed"], sort=False)
    return pd.DataFrame([{"arm": arm, "seed": seed, "epoch": first(part)} for (arm, seed), part in keys])


def collapse_hazard(rows: pd.DataFrame, *, below: float = COLLAPSED, per: int = 100) -> pd.DataFrame:
    """Per arm: searches, how many collapsed, their epochs at risk, and collapses per so many epochs at risk.

    A search is at risk until it collapses for good or ends, so that one that was cut short counts for what it ran.
    `low` and `high` are the exact 95 % interval of a Poisson rate, which holds for one search and for none that fell.
    """
    ends = collapse_epochs(rows, below=below).set_index(["arm", "seed"]).epoch
    last = rows.groupby(["arm", "seed"], sort=False).epoch.max()
    at_risk = ends.fillna(last).groupby("arm", sort=False).sum()
    fell = ends.notna().groupby("arm", sort=False).sum()
    low = np.where(fell > 0, stats.chi2.ppf(0.025, np.maximum(2 * fell, 1)) / 2, 0.0)
    high = stats.chi2.ppf(0.975, 2 * fell + 2) / 2
    scale = per / at_risk
    return pd.DataFrame(
        {
            "searches": ends.groupby("arm", sort=False).size(),
            "collapsed": fell,
            "epochs": at_risk.astype(int),
            "hazard": fell * scale,
            "low": low * scale,
            "high": high * scale,
        }
    ).reset_index()


def stopped_early(rows: pd.DataFrame, *, ratio: float = 0.75) -> pd.DataFrame:
    """The rows at which RobustDARTS' rule stops each search, or its last row: the eigenvalue has grown by 1 / `ratio`
    since the last look (Zela et al. 2020, section 4.3: 0.75)."""
    kept, rows = [], rows.reset_index(drop=True)
    for _, search in rows.groupby(["arm", "seed"], sort=False):
        looks = search.dropna(subset="eigenvalue").sort_values("epoch")
        at = stopping_record(looks.eigenvalue, ratio=1 / ratio, lag=1, first=1, window=1)
        # one look back: the rule returns to the architecture before the growth
        kept.append(looks.iloc[at - 1] if at else search.loc[search.epoch.idxmax()])
    return pd.DataFrame(kept).reset_index(drop=True)


# what the arms are called where somebody reads them; a stroke parts a search from what is selected on its supernet
LABELS: Mapping[str, str] = {
    "darts-1st": "DARTS",
    "darts-2nd": "DARTS, second order",
    "fixed-alpha": "fixed alpha",
    "sdarts-rs": "SDARTS-RS",
    "sgas": "SGAS",
    "max-w": "Max-W",
    "groups": "groups of operations",
    "one-level": "one level, all images",
    "one-level-half": "one level",
    "groups-one-level": "groups, one level, all images",
    "groups-one-level-half": "groups, one level",
    "pt": "PT",
    "pt-mag": "PT-Mag",
    "pt-by-loss": "PT by loss",
    "pt-random-choice": "random choices",
    "pt-without-tuning": "PT without tuning",
    "pt-another-order": "PT in another order",
    **{f"k{k}": f"K = {k}" for k in (1, 2, 4)},
    **{f"k{k}-beta": f"K = {k}, edges normalised" for k in (1, 2, 4)},
}


def label(arm: str) -> str:
    """`DARTS, then PT` for `darts-1st/pt`; a name without a label stays."""
    return ", then ".join(LABELS.get(part, part) for part in arm.split("/"))


def worth_showing(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows of arms that choose something with supernets above twice chance, and the arms that were left out.

    Alpha that is fixed chooses nothing by itself: all operations tie.
    """
    searches = at_the_end(rows[~rows.arm.str.contains("/")])
    accuracy = searches.valid_accuracy.fillna(searches.train_accuracy).groupby(searches.arm).mean()
    at_chance = sorted(accuracy.index[accuracy < LEARNED])
    return rows[~rows.arm.isin([*at_chance, "fixed-alpha"])], at_chance


# --- claims -----------------------------------------------------------------------------------------------------------

# claim: the arm, and what it is held against; the effect is the difference of accuracies on CIFAR-10 at the end
PAIRS: Mapping[str, tuple[str, str]] = {
    "sharpdarts/max-w-201": ("max-w", "darts-1st"),
    "pc-darts/pc-darts-201": ("k4-beta", "darts-1st"),
    "pc-darts/partial-201": ("k4", "darts-1st"),
    "pc-darts/beta-201": ("k4-beta", "k4"),
    "stacnas/one-level-201": ("one-level-half", "darts-1st"),
    "stacnas/groups-201": ("groups", "darts-1st"),
    "darts-pt/pt-beats-alpha-201": ("darts-1st/pt", "darts-1st"),
    "darts-pt/fixed-alpha-beats-alpha-201": ("fixed-alpha/pt", "darts-1st"),
    "darts-pt/tuning-helps": ("darts-1st/pt", "darts-1st/pt-without-tuning"),
    "darts-pt/beats-random-choice-201": ("darts-1st/pt", "darts-1st/pt-random-choice"),
    "darts-pt/beats-pt-mag-201": ("darts-1st/pt", "darts-1st/pt-mag"),
    "darts-pt/sdarts-rs-201": ("sdarts-rs", "darts-1st"),
    "darts-pt/sgas-201": ("sgas", "darts-1st"),
}
LEARNED = 20.0  # percent: twice chance
EARLY = 20  # the epoch that a collapsing cell is compared with


def effects(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """{claim: effects by seed, positive as claimed}, for all claims on NAS-Bench-201 that these rows have arms for."""
    table = Bench201Table.load()
    mean = float(np.mean([table.accuracy(arch)["cifar10"] for arch in table.rows]))
    darts = rows[rows.arm == "darts-1st"]
    end = at_the_end(darts).set_index("seed").cifar10
    found = {claim: against(rows, *arms) for claim, arms in PAIRS.items()}
    found["darts-pt/fewer-free-operations"] = 100 * against(rows, "darts-1st", "darts-1st/pt", "free")
    found["darts/cell-falls-201"] = (darts[darts.epoch == EARLY].set_index("seed").cifar10 - end).dropna()
    found["darts/beats-random-201"] = end - mean
    if len(darts):
        found["across/eigenvalue-stops-201"] = (stopped_early(darts).set_index("seed").cifar10 - end).dropna()
    return {claim: values for claim, values in found.items() if len(values)}


def arms_of(claim: str) -> list[str]:
    """The searches behind a claim on NAS-Bench-201, before anything is selected on their supernets."""
    return sorted({arm.partition("/")[0] for arm in PAIRS.get(claim, ("darts-1st",))})


def has_learned(rows: pd.DataFrame, claim: str) -> bool:
    """Whether the supernets of a claim's arms end above twice chance, on held-out images where there are any.

    For a cell that falls while its supernet gets better, the supernets must have got better.
    """
    part = rows[rows.arm.isin(arms_of(claim))]
    seen = at_the_end(part)
    accuracy = seen.valid_accuracy.fillna(seen.train_accuracy)
    fine = bool((accuracy.groupby(seen.arm).mean() >= LEARNED).all())
    if claim != "darts/cell-falls-201":
        return fine
    return fine and accuracy.mean() > part[part.epoch == EARLY].valid_accuracy.mean()
