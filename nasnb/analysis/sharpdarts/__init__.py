"""sharpDARTS: blocks taken apart, the bias to small operations, Max-W's gradient, annealing."""

from nasnb.analysis.sharpdarts.annealing import time_between_improvements
from nasnb.analysis.sharpdarts.blocks import operation_layers, operation_sizes
from nasnb.analysis.sharpdarts.capacity import capacity_over_time
from nasnb.analysis.sharpdarts.weighting import alpha_gradient_of, softmax_of, weighting_gradients

__all__ = [
    "alpha_gradient_of",
    "capacity_over_time",
    "operation_layers",
    "operation_sizes",
    "softmax_of",
    "time_between_improvements",
    "weighting_gradients",
]
