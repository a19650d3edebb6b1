"""What every chapter says in the same way: its setting, its claims, published against measured, cost and record."""

from nasnb.analysis.differences import relative
from nasnb.report.cells_in_table import cells_in_table
from nasnb.report.claims import Finding, answer, judge
from nasnb.report.effects import accuracies, all_as_printed, as_printed, learned, reached, runs_learned
from nasnb.report.findings import Findings
from nasnb.report.kept_figure import kept_sizes, show_kept, show_sizes, size_words
from nasnb.report.retest import published_findings, retested
from nasnb.report.tables import (
    Table,
    against_published,
    composition,
    cost_totals,
    costs,
    glue,
    glue_means,
    hyperparameters,
    mean_sd,
    part_text,
    published_text,
    record_of,
    setting,
)

__all__ = [
    "Finding",
    "Findings",
    "Table",
    "accuracies",
    "against_published",
    "all_as_printed",
    "answer",
    "as_printed",
    "cells_in_table",
    "composition",
    "cost_totals",
    "costs",
    "glue",
    "glue_means",
    "hyperparameters",
    "judge",
    "kept_sizes",
    "learned",
    "mean_sd",
    "part_text",
    "published_findings",
    "published_text",
    "reached",
    "record_of",
    "relative",
    "retested",
    "runs_learned",
    "setting",
    "show_kept",
    "show_sizes",
    "size_words",
]
