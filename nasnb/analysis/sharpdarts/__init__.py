"""sharpDARTS: blocks, the bias to small operations and its rivals, Max-W's gradient, annealing, sizes, ablation."""

from nasnb.analysis.sharpdarts import ablation, annealing, blocks, capacity, kinds, rivals, sizes, weighting
from nasnb.analysis.sharpdarts.annealing import time_between_improvements
from nasnb.analysis.sharpdarts.blocks import operation_layers, operation_sizes
from nasnb.analysis.sharpdarts.capacity import capacity_over_time
from nasnb.analysis.sharpdarts.plan import SharpPlan, sharp_plan
from nasnb.analysis.sharpdarts.weighting import alpha_gradient_of, softmax_of, weighting_gradients

__all__ = [
    "SharpPlan",
    "ablation",
    "alpha_gradient_of",
    "annealing",
    "blocks",
    "capacity",
    "capacity_over_time",
    "kinds",
    "operation_layers",
    "operation_sizes",
    "rivals",
    "sharp_plan",
    "sizes",
    "softmax_of",
    "time_between_improvements",
    "weighting",
    "weighting_gradients",
]
