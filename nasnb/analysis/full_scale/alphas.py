"""What mixing weights say of an epoch: how much skip connections have, and whether they lead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nasnb.analysis.darts.dominance import SKIP, is_convolution
from nasnb.architecture import Edge

MEASURES = ("skip", "skip_of_rest", "leads", "gap", "none")


def measures(weights: np.ndarray, edges: Sequence[Edge]) -> dict[str, float]:
    """Of one cell, weights (edges, ops), means over its edges; NaN for what its edges do not have.

    skip: weight of skip; skip_of_rest: of what `none` leaves; leads: share of edges whose strongest operation
    (`none` aside) is skip; gap: skip less the best convolution; none: weight of `none`.
    """
    rows = [_edge(np.asarray(row, dtype=float), edge.ops) for row, edge in zip(weights, edges, strict=True)]
    table = np.array([[row[name] for name in MEASURES] for row in rows])
    known = np.isfinite(table)
    sums = np.where(known, table, 0).sum(axis=0)
    means = np.divide(sums, known.sum(axis=0), out=np.full(len(MEASURES), np.nan), where=known.any(axis=0))
    return dict(zip(MEASURES, map(float, means), strict=True))


def _edge(row: np.ndarray, ops: Sequence[str]) -> dict[str, float]:
    by_op = dict(zip(ops, row, strict=False))  # a space with fewer operations on an edge leaves columns closed
    none = by_op.get("none", np.nan)
    rest = {op: weight for op, weight in by_op.items() if op != "none"}
    if SKIP not in rest:
        return dict.fromkeys(MEASURES, np.nan) | {"none": none}
    best = max((weight for op, weight in rest.items() if is_convolution(op)), default=np.nan)
    return {
        "skip": rest[SKIP],
        "skip_of_rest": rest[SKIP] / sum(rest.values()),
        "leads": float(max(rest, key=rest.get) == SKIP),
        "gap": rest[SKIP] - best,
        "none": none,
    }
