"""MSR-DARTS: stable ranks before, during and after a search, noise sensitivity, estimated norms."""

from nasnb.analysis.msr_darts.norms import FILTERS, Filtered, filtered, rescaled_norms
from nasnb.analysis.msr_darts.rank_history import (
    before_and_after,
    cells_by_rank,
    choice_over_time,
    in_turn,
    lowest_ranked,
    ranks_over_epochs,
    recorded_ranks,
    unmoved_share,
    with_both_ends,
)
from nasnb.analysis.msr_darts.ranks import (
    candidate_convolutions,
    last_convolutions,
    noise_against_rank,
    power_iteration_accuracy,
    stable_rank_table,
)

__all__ = [
    "FILTERS",
    "Filtered",
    "before_and_after",
    "candidate_convolutions",
    "cells_by_rank",
    "choice_over_time",
    "filtered",
    "in_turn",
    "last_convolutions",
    "lowest_ranked",
    "noise_against_rank",
    "power_iteration_accuracy",
    "ranks_over_epochs",
    "recorded_ranks",
    "rescaled_norms",
    "stable_rank_table",
    "unmoved_share",
    "with_both_ends",
]
