"""The papers' analyses, a folder per paper; here, what several of them use."""

from nasnb.analysis.correlations import Interval, correlation_with_interval
from nasnb.analysis.fans import Fan, Place, fans_of, places, watching
from nasnb.analysis.hessian import alpha_hessian, dominant_eigenvalue
from nasnb.analysis.logs import (
    eigenvalues,
    moving_average,
    read_derivatives,
    read_errors,
    read_samples,
    read_search,
    stopping_record,
)
from nasnb.analysis.shapes import (
    agreement_over_time,
    candidate_parameters,
    cell_depth,
    cell_width,
    edge_agreement,
    expected_parameters,
    parameter_free_picks,
    parameter_free_share,
    weight_entropy,
    weight_gap,
)

__all__ = [
    "Fan",
    "Interval",
    "Place",
    "agreement_over_time",
    "alpha_hessian",
    "candidate_parameters",
    "cell_depth",
    "cell_width",
    "correlation_with_interval",
    "dominant_eigenvalue",
    "edge_agreement",
    "eigenvalues",
    "expected_parameters",
    "fans_of",
    "moving_average",
    "parameter_free_picks",
    "parameter_free_share",
    "places",
    "read_derivatives",
    "read_errors",
    "read_samples",
    "read_search",
    "stopping_record",
    "watching",
    "weight_entropy",
    "weight_gap",
]
