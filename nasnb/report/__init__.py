"""What every chapter says in the same way: its setting, its claims, published against measured, cost and record."""

from nasnb.report.claims import Finding, answer, judge
from nasnb.report.tables import (
    SHOWS,
    SHOWS_NOT,
    UNTOLD,
    Table,
    against_published,
    claims_table,
    composition,
    costs,
    glue,
    hyperparameters,
    mean_sd,
    part_text,
    published_text,
    record_of,
    setting,
    verdict,
)
from nasnb.report.tables import ClaimRow as Claim

__all__ = [
    "SHOWS",
    "SHOWS_NOT",
    "UNTOLD",
    "Claim",
    "Finding",
    "Table",
    "against_published",
    "answer",
    "claims_table",
    "composition",
    "costs",
    "glue",
    "hyperparameters",
    "judge",
    "mean_sd",
    "part_text",
    "published_text",
    "record_of",
    "setting",
    "verdict",
]
