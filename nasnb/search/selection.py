"""How the trained supernet's candidates are scored, and which epoch's architecture counts.

`space.discretise(scores)` alone knows what is legal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from nasnb.limits import decisive
from nasnb.search.state import SearchState
from nasnb.supernet.relaxation import softmax
from nasnb.supernet.shapes import OpValues

ScoreRule = Callable[[SearchState], dict[str, Tensor]]


def magnitude(state: SearchState) -> dict[str, OpValues]:
    """The mixing weights themselves (DARTS, section 2.4), times the edge weights where there are any (PC-DARTS)."""
    weights = state.weights()
    return {
        g: weights[g] * weights[f"{g}/edges"][:, None] if f"{g}/edges" in weights else weights[g]
        for g in state.relaxation.alpha
    }


def softmax_weights(state: SearchState) -> dict[str, OpValues]:
    """The softmax of alpha, whatever the mixing: sharpDARTS decodes cells and paths with it (section 4.2)."""
    relaxation = state.relaxation
    return {g: softmax.weigh(alpha.detach(), relaxation.open(g)) for g, alpha in relaxation.alpha.items()}


def logit(state: SearchState) -> dict[str, OpValues]:
    """Alpha before the softmax: edges are then ranked whatever else competes on them (the code of StacNAS)."""
    return {group: alpha.detach() for group, alpha in state.relaxation.alpha.items()}


def exported_epoch(history: Sequence[Mapping], rule: str = "last") -> int:
    """The `epoch` of the row whose architecture a method exports, among those of the last phase.

    "last"; "min_val_loss"; "best_valid", by accuracy; or "38/50", the 38th epoch of 50 and in proportion with others.
    Raises ValueError for another rule.
    """
    rows = [row for row in history if row.get("phase") == history[-1].get("phase")]
    if rule == "last":
        return rows[-1]["epoch"]
    if rule == "min_val_loss":
        return min(rows, key=lambda row: _of(row, "valid_loss"))["epoch"]  # the first wins ties, here and below
    if rule == "best_valid":
        return max(rows, key=lambda row: _of(row, "valid_accuracy"))["epoch"]
    number, slash, total = rule.partition("/")
    if not (slash and number.isdigit() and total.isdigit() and 0 < int(number) <= int(total)):
        raise ValueError(f"unknown rule {rule!r}; rules: last, min_val_loss, best_valid, or a share such as '38/50'")
    return rows[math.ceil(len(rows) * int(number) / int(total)) - 1]["epoch"]


def _of(row: Mapping, column: str) -> float:
    return decisive(row[column], f"{column} of epoch {row['epoch']}")
