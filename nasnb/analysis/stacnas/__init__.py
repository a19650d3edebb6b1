"""StacNAS: correlated operations, multicollinearity, gradient confusion, alpha against stand-alone accuracy."""

from nasnb.analysis.stacnas.confusion import Confusion, confusion_of, fresh_batches, gradient_confusion, matching_depth
from nasnb.analysis.stacnas.correlation import (
    Correlation,
    mean_correlation,
    operator_correlation,
    operator_correlations,
    operator_groups,
    rand_index,
    representatives,
)
from nasnb.analysis.stacnas.families import Contrast, contrast, correlation_views, published_correlation
from nasnb.analysis.stacnas.multicollinearity import duplicated, flipped, joined, toy_search
from nasnb.analysis.stacnas.published_confusion import matching_cells, published_confusion
from nasnb.analysis.stacnas.standalone import FirstEdge, with_first_edge

__all__ = [
    "Confusion",
    "Contrast",
    "Correlation",
    "FirstEdge",
    "confusion_of",
    "contrast",
    "correlation_views",
    "duplicated",
    "flipped",
    "fresh_batches",
    "gradient_confusion",
    "joined",
    "matching_cells",
    "matching_depth",
    "mean_correlation",
    "operator_correlation",
    "operator_correlations",
    "operator_groups",
    "published_confusion",
    "published_correlation",
    "rand_index",
    "representatives",
    "toy_search",
    "with_first_edge",
]
