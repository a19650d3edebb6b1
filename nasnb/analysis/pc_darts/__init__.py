"""PC-DARTS: what partial channels cost and save, what beta decides, how steady alpha is, the proxy of ImageNet."""

from nasnb.analysis.pc_darts import printed
from nasnb.analysis.pc_darts.costs import (
    cost_table,
    fastest_step,
    published_sizes,
    saved_bytes,
    search_totals,
    step_costs,
    supernet_costs,
    times_less,
)
from nasnb.analysis.pc_darts.mixing import (
    MIXINGS,
    chain_of,
    chains,
    compared,
    expected_untouched,
    in_proportion,
    never_processed,
    processed_counts,
    table_3_arms,
    variant,
    without_warmup,
)
from nasnb.analysis.pc_darts.noise import agreement_of_gradients, alpha_noise, gradient_of_alpha
from nasnb.analysis.pc_darts.plan import Plan, planned, runs_ahead
from nasnb.analysis.pc_darts.stability import (
    beta_effect,
    beta_table,
    cells_in_common,
    decoded,
    edges_kept,
    full_scale_changes,
    kept_in_common,
    weight_free_over_time,
)
from nasnb.analysis.pc_darts.subsets import on_subsets

__all__ = [
    "MIXINGS",
    "Plan",
    "agreement_of_gradients",
    "alpha_noise",
    "beta_effect",
    "beta_table",
    "cells_in_common",
    "chain_of",
    "chains",
    "compared",
    "cost_table",
    "decoded",
    "edges_kept",
    "expected_untouched",
    "fastest_step",
    "full_scale_changes",
    "gradient_of_alpha",
    "in_proportion",
    "kept_in_common",
    "never_processed",
    "on_subsets",
    "planned",
    "printed",
    "processed_counts",
    "published_sizes",
    "runs_ahead",
    "saved_bytes",
    "search_totals",
    "step_costs",
    "supernet_costs",
    "table_3_arms",
    "times_less",
    "variant",
    "weight_free_over_time",
    "without_warmup",
]
