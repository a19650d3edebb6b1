"""The table of all diagnostics on all supernets, compared: means, spreads, what agrees, what foretells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from nasnb.analysis.across.clusters import seed_correlations


def means(table: pd.DataFrame, columns: Sequence[str], *, by: str = "method") -> pd.DataFrame:
    """A line per supernet and seed to a line per method: numbers averaged over seeds; NaN where none is defined."""
    return _numbers(table, columns).groupby(table[by], sort=False).mean()


def spreads(table: pd.DataFrame, columns: Sequence[str], *, by: str = "method") -> pd.DataFrame:
    """The standard deviations that belong to `means`; NaN of fewer than two seeds."""
    return _numbers(table, columns).groupby(table[by], sort=False).std()


def half_widths(table: pd.DataFrame, columns: Sequence[str], *, by: str = "method") -> pd.DataFrame:
    """Of the 95 % t intervals of `means`, in which there is no sense below three numbers: NaN."""
    groups = _numbers(table, columns).groupby(table[by], sort=False)
    n = groups.count()
    return groups.std() / np.sqrt(n) * stats.t.ppf(0.975, (n - 1).where(n > 2))


def _numbers(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    return table[list(columns)].apply(pd.to_numeric, errors="coerce")


# --- claims -----------------------------------------------------------------------------------------------------------

# the sign that a measure is said to have in a good search
FORETELL = {"eigenvalue": -1, "skip_gap": -1, "confusion": -1, "correlation": -1, "agreement": 1, "stable_rank": -1}


def effects_by_seed(table: pd.DataFrame) -> dict[str, pd.Series]:
    """{claim: effects by seed, positive as claimed}, of a table with a line per method and seed (`observed`)."""

    def of(column: str) -> pd.DataFrame:
        return (
            _numbers(table, [column])
            .join(table[["seed", "method"]])
            .pivot(index="seed", columns="method", values=column)
        )

    gap, alike, bent = of("skip_gap"), of("correlation"), of("eigenvalue")
    leads = {rule: of(f"by {rule}") - of("by magnitude") for rule in ("perturbation", "stable rank")}
    found = {f"across/{rule.replace(' ', '-')}-beats-magnitude": lead.mean(axis=1) for rule, lead in leads.items()}
    found |= {
        f"across/{measure.replace('_', '-')}-foretells": seed_correlations(table, measure, "own", sign=sign)
        for measure, sign in FORETELL.items()
    }
    return found | {
        "across/smaller-skip-gap": gap["DARTS"] - gap.drop(columns="DARTS").mean(axis=1),
        "across/groups-less-alike": alike["DARTS"] - alike["StacNAS"],
        "across/noise-flattens": bent["DARTS"] - bent["SDARTS-RS"],
        "across/alpha-ranks-strength": of("agreement")["DARTS"],
    }


# --- words ------------------------------------------------------------------------------------------------------------


def listed(names: Sequence[str]) -> str:
    """`A, B and C`; `none` if there are none."""
    names = list(names)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "none"
