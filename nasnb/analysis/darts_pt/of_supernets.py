"""What supernets of S2 say of the claims of DARTS-PT: the tables of `nasnb.workflow.on_s2` in a row per seed."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from nasnb.analysis.correlations import correlation_with_interval
from nasnb.analysis.darts_pt import proposition, yardstick

ALPHA = "largest alpha"  # the rule for which nothing is done after the search
SEARCHED, BEFORE = "searched", "before the search"
QUESTIONS: Mapping[str, Mapping[str, str]] = {  # panels of a figure of `told_by_seed`: what stands beside each other
    "edges that prefer skip": {"alpha": "skips_alpha", "masking, loss": "skips_loss"},
    "ln of error variances, convolution over skip": {"searched": "near_searched", "before": "near_before"},
    "accuracy when all is decided (%)": {"PT": "end_pt", "PT-Mag": "end_pt_mag"},
    "convolutions in the normal cell": {"alpha": "convs_alpha", "PT": "convs_pt"},
    "correlations within a search": {
        "gap, accuracy": "gap_with_accuracy",
        "optimal, learnt gap": "optimal_with_learnt",
    },
}


def told_by_seed(
    picks: pd.DataFrame, gaps: pd.DataFrame, checks: pd.DataFrame, steps: pd.DataFrame, convs: pd.DataFrame
) -> pd.DataFrame:
    """(seeds, numbers): what each seed's supernet says, of the tables of `nasnb.workflow.on_s2`."""
    skips = yardstick.edges_preferring(picks, "skip_connect")
    near = proposition.nearness(checks).unstack("supernet")
    ends = steps.groupby(["how", "seed"]).after.last().unstack("how")  # all operations decided, no edge pruned
    r_gap = {s: _r(t.skip_gap_mean, t.valid_accuracy, "pearson") for s, t in gaps.groupby("seed")}
    found = {
        "skips_alpha": skips["alpha"],
        "skips_loss": skips["masking, loss"],
        "gap_with_accuracy": pd.Series(r_gap),
        "near_searched": near[SEARCHED],
        "near_before": near[BEFORE],
        "optimal_with_learnt": optimal_with_learnt(checks),
        "end_pt": ends["PT"],
        "end_pt_mag": ends["PT-Mag"],
        "convs_pt": convs["PT"],
        "convs_alpha": convs[ALPHA],
    }
    return pd.DataFrame(found).rename_axis("seed")


def optimal_with_learnt(checks: pd.DataFrame) -> pd.Series:
    """(seeds): rank correlation over edges of the gap of proposition 1 and the learnt one, after the search."""
    of_search = checks[(checks.supernet == SEARCHED) & (checks.estimate == "consensus")].groupby("seed")
    return pd.Series({s: _r(t.optimal_gap, t.learnt_gap) for s, t in of_search})


def _r(x: pd.Series, y: pd.Series, kind: str = "spearman") -> float:
    return correlation_with_interval(x, y, kind).value


def effects_on_s2(table: pd.DataFrame) -> dict[str, pd.Series]:
    """{claim: effects by seed, positive as claimed}, of `told_by_seed`."""
    return {
        "darts-pt/alpha-prefers-skip": table.skips_alpha - table.skips_loss,
        "darts-pt/gap-grows-with-accuracy": table.gap_with_accuracy,
        "darts-pt/skip-nearer": table.near_searched - table.near_before,
        "darts-pt/learnt-gap-follows": table.optimal_with_learnt,
        "darts-pt/pt-keeps-accuracy": table.end_pt - table.end_pt_mag,
        "darts-pt/more-convolutions": table.convs_pt - table.convs_alpha,
    }
