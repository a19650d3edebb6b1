"""Figures as functions of data: each takes plain arrays or tables, draws on an Axes and computes nothing else."""

from nasnb.plots.bands import plot_bands
from nasnb.plots.cells import draw_cell, draw_cells, draw_choices, draw_path
from nasnb.plots.curves import (
    alpha_table,
    plot_alpha,
    plot_band,
    plot_landscape,
    plot_metrics,
    plot_panels_of_points,
    plot_points_with_spread,
    plot_schedule,
    plot_skip_dominance,
    plot_small_multiples,
)
from nasnb.plots.darts_pt import plot_picks, plot_trajectory, plot_weight_and_worth
from nasnb.plots.distributions import draw_ridges, plot_paired_bars, plot_ridges, plot_scatter_with_correlation
from nasnb.plots.matrices import plot_alpha_heatmap, plot_matrices, plot_matrix
from nasnb.plots.msr_darts import plot_change, plot_estimates, plot_filters, plot_idea, plot_ridge_panels
from nasnb.plots.slider import draw_weights_and_cell, slider
from nasnb.plots.style import op_colours, op_label, op_legend, op_style, show, svg, use_style

__all__ = [
    "alpha_table",
    "draw_cell",
    "draw_cells",
    "draw_choices",
    "draw_path",
    "draw_ridges",
    "draw_weights_and_cell",
    "op_colours",
    "op_label",
    "op_legend",
    "op_style",
    "plot_alpha",
    "plot_alpha_heatmap",
    "plot_band",
    "plot_bands",
    "plot_change",
    "plot_estimates",
    "plot_filters",
    "plot_idea",
    "plot_landscape",
    "plot_matrices",
    "plot_matrix",
    "plot_metrics",
    "plot_paired_bars",
    "plot_panels_of_points",
    "plot_picks",
    "plot_points_with_spread",
    "plot_ridge_panels",
    "plot_ridges",
    "plot_scatter_with_correlation",
    "plot_schedule",
    "plot_skip_dominance",
    "plot_small_multiples",
    "plot_trajectory",
    "plot_weight_and_worth",
    "show",
    "slider",
    "svg",
    "use_style",
]
