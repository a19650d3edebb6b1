"""DARTS: how skip connections come to dominate, and how good its second-order gradient is."""

from nasnb.analysis.darts.dominance import skip_dominance, skip_gap, skip_share
from nasnb.analysis.darts.hypergradient import hypergradient_errors

__all__ = ["hypergradient_errors", "skip_dominance", "skip_gap", "skip_share"]
