"""PC-DARTS: what partial channels cost and save, what beta decides, the proxy of ImageNet."""

from nasnb.analysis.pc_darts.costs import fastest_step, saved_bytes, step_costs, supernet_costs
from nasnb.analysis.pc_darts.mixing import compared, in_proportion, processed_counts, variant
from nasnb.analysis.pc_darts.stability import beta_effect, beta_table, decoded, edges_kept, kept_in_common
from nasnb.analysis.pc_darts.subsets import on_subsets

__all__ = [
    "beta_effect",
    "beta_table",
    "compared",
    "decoded",
    "edges_kept",
    "fastest_step",
    "in_proportion",
    "kept_in_common",
    "on_subsets",
    "processed_counts",
    "saved_bytes",
    "step_costs",
    "supernet_costs",
    "variant",
]
