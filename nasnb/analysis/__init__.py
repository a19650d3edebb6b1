"""The papers' analyses as functions, usable on any supernet or record.

Every name below is imported with its module only when it is asked for: `from nasnb.analysis import gradient_confusion`.
"""

from importlib import import_module

_HOME = {
    "across": (
        "DIAGNOSTICS",
        "NotDefined",
        "chosen_rank",
        "column_correlations",
        "confusion",
        "convolution_ranks",
        "critical_correlation",
        "diagnostics",
        "largest_group",
        "lowest_rank",
        "separation",
        "strength_agreement",
    ),
    "annealing": ("time_between_improvements",),
    "blocks": ("operation_layers", "operation_sizes"),
    "capacity": ("capacity_over_time",),
    "correlations": ("Interval", "correlation_with_interval"),
    "decisions": ("agreement", "discretisation_accuracy", "worth_of_edge"),
    "dominance": ("skip_dominance", "skip_gap", "skip_share"),
    "families": ("Contrast", "contrast", "correlation_views", "published_correlation", "similarity_tree"),
    "fans": ("Fan", "Place", "fans_of", "places", "watching"),
    "gradients": ("Confusion", "confusion_of", "fresh_batches", "gradient_confusion", "matching_depth"),
    "hessian": ("alpha_hessian", "dominant_eigenvalue"),
    "hypergradient": ("hypergradient_errors",),
    "logs": (
        "conditional_accuracy",
        "count_of",
        "eigenvalues",
        "moving_average",
        "read_derivatives",
        "read_errors",
        "read_samples",
        "read_search",
        "stopping_record",
    ),
    "multicollinearity": ("duplicated", "flipped", "joined", "toy_search"),
    "norms": ("FILTERS", "Filtered", "filtered", "rescaled_norms"),
    "operators": (
        "Correlation",
        "comembership",
        "grouping_stability",
        "mean_correlation",
        "operator_correlation",
        "operator_correlations",
        "operator_groups",
        "rand_index",
        "representatives",
    ),
    "partial": (
        "beta_effect",
        "beta_table",
        "decoded",
        "in_proportion",
        "kept_in_common",
        "on_subsets",
        "processed_counts",
        "saved_bytes",
        "step_costs",
        "supernet_costs",
        "variant",
    ),
    "proposition": ("grid_minimum", "optimal_mixture", "proposition_check", "proposition_summary"),
    "rank_history": (
        "before_and_after",
        "cells_by_rank",
        "choice_over_time",
        "in_turn",
        "largest_weights",
        "lowest_ranked",
        "ranks_over_epochs",
        "recorded_ranks",
        "unmoved_share",
    ),
    "ranks": (
        "candidate_convolutions",
        "last_convolutions",
        "noise_against_rank",
        "power_iteration_accuracy",
        "stable_rank_table",
    ),
    "shapes": (
        "agreement_across",
        "agreement_over_time",
        "candidate_parameters",
        "cell_depth",
        "cell_width",
        "edge_agreement",
        "expected_parameters",
        "parameter_free_picks",
        "parameter_free_share",
        "weight_entropy",
        "weight_gap",
    ),
    "shuffling": ("edge_shuffling", "layer_shuffling", "shuffling_summary", "swappable", "swapped_edges"),
    "stacks": ("prepare_stack", "resnet", "vgg16"),
    "standalone": ("FirstEdge", "with_first_edge"),
    "weighting": ("alpha_gradient_of", "softmax_of", "weighting_gradients"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_MODULE_OF]
