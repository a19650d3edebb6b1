"""PC-DARTS: what partial channels cost and save, what beta decides, how steady alpha is, the proxy of ImageNet."""

from nasnb.analysis.pc_darts.costs import (
    fastest_step,
    published_sizes,
    saved_bytes,
    search_totals,
    step_costs,
    supernet_costs,
)
from nasnb.analysis.pc_darts.mixing import (
    chain_of,
    compared,
    expected_untouched,
    in_proportion,
    never_processed,
    processed_counts,
    variant,
)
from nasnb.analysis.pc_darts.noise import agreement_of_gradients, alpha_noise, gradient_of_alpha
from nasnb.analysis.pc_darts.plan import Plan, planned
from nasnb.analysis.pc_darts.stability import (
    beta_effect,
    beta_table,
    cells_in_common,
    decoded,
    edges_kept,
    full_scale_changes,
    kept_in_common,
)
from nasnb.analysis.pc_darts.subsets import on_subsets

__all__ = [
    "Plan",
    "agreement_of_gradients",
    "alpha_noise",
    "beta_effect",
    "beta_table",
    "cells_in_common",
    "chain_of",
    "compared",
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
    "processed_counts",
    "published_sizes",
    "saved_bytes",
    "search_totals",
    "step_costs",
    "supernet_costs",
    "variant",
]
