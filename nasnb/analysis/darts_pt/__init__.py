"""DARTS-PT: what operations and edges are worth, shuffling, proposition 1, selection by perturbation."""

from nasnb.analysis.darts_pt.discretisation import discretisation_accuracy
from nasnb.analysis.darts_pt.handmade import prepare_stack, resnet, vgg16
from nasnb.analysis.darts_pt.proposition import grid_minimum, optimal_mixture, proposition_check, proposition_summary
from nasnb.analysis.darts_pt.shuffling import (
    edge_shuffling,
    layer_shuffling,
    shuffling_summary,
    swappable,
    swapped_edges,
)

__all__ = [
    "discretisation_accuracy",
    "edge_shuffling",
    "grid_minimum",
    "layer_shuffling",
    "optimal_mixture",
    "prepare_stack",
    "proposition_check",
    "proposition_summary",
    "resnet",
    "shuffling_summary",
    "swappable",
    "swapped_edges",
    "vgg16",
]
