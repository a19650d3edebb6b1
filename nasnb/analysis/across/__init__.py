"""Every paper's diagnostic on every paper's supernet."""

from nasnb.analysis.across.clusters import agreement, factors, pair, seed_correlations, separated
from nasnb.analysis.across.comparison import FORETELL, effects_by_seed, half_widths, listed, means, spreads
from nasnb.analysis.across.complete import complete_searches
from nasnb.analysis.across.measures import (
    DIAGNOSTICS,
    NOT_DEFINED,
    NotDefined,
    convolution_ranks,
    cost,
    diagnostics,
    in_parts,
    or_reason,
)
from nasnb.analysis.across.on_table import (
    SIGNALS,
    along_searches,
    foretelling_on_table,
    most_seeds_first,
    over_arms,
    rules_on_arms,
    signals,
)
from nasnb.analysis.across.one_shot import one_shot_accuracy
from nasnb.analysis.across.suites import shared_methods, suite_rows, suites

__all__ = [
    "DIAGNOSTICS",
    "FORETELL",
    "NOT_DEFINED",
    "SIGNALS",
    "NotDefined",
    "agreement",
    "along_searches",
    "complete_searches",
    "convolution_ranks",
    "cost",
    "diagnostics",
    "effects_by_seed",
    "factors",
    "foretelling_on_table",
    "half_widths",
    "in_parts",
    "listed",
    "means",
    "most_seeds_first",
    "one_shot_accuracy",
    "or_reason",
    "over_arms",
    "pair",
    "rules_on_arms",
    "seed_correlations",
    "separated",
    "shared_methods",
    "signals",
    "spreads",
    "suite_rows",
    "suites",
]
