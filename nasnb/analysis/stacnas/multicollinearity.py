"""Why similar operations lose: equal ones can only share what one of them would get (StacNAS, equations 6 and 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import softmax

from nasnb.architecture import Edge
from nasnb.config import nearest
from nasnb.limits import decisive
from nasnb.spaces.cells import CellSpace, plain_name


def duplicated(
    space: CellSpace, op: str, *, copies: int = 2, edges: Mapping[str, Sequence[int]] | None = None
) -> CellSpace:
    """The space with `op` standing `copies` times on every edge that has it, or on {group: edges} only.

    The copies are `op`, `op#2`, ..., each with weights of its own. Raises ValueError if no edge has the operation.
    """
    candidates, found = {}, False
    for group, rows in space.candidates.items():
        candidates[group] = tuple(
            _with_copies(row, op, copies) if edges is None or edge in edges.get(group, ()) else row
            for edge, row in enumerate(rows)
        )
        found |= candidates[group] != tuple(rows)
    if copies > 1 and not found:
        names = {name for rows in space.candidates.values() for row in rows for name in row}
        raise ValueError(f"none of these edges of space {space.name!r} has {op!r}{nearest(op, names)}")
    return replace(space, name=f"{space.name}-{op}-x{copies}", candidates=candidates)


def _with_copies(row: Sequence[str], op: str, copies: int) -> tuple[str, ...]:
    more = tuple(f"{op}#{i}" for i in range(2, copies + 1))
    return tuple(name for each in row for name in ((each, *more) if each == op else (each,)))


def joined(weights: np.ndarray, edges: Sequence[Edge]) -> pd.DataFrame:
    """Weights with and without adding up the copies of an operation, of (edges, ops).

    Columns: edge, op, weight (of all copies), largest (of the strongest copy). Where the operation with the most
    weight is not the one with the largest single weight, copies have flipped the choice.
    """
    rows = []
    for i, edge in enumerate(edges):
        shares: dict[str, list[float]] = {}
        for name, weight in zip(edge.ops, weights[i], strict=False):
            shares.setdefault(plain_name(name), []).append(
                decisive(float(weight), f"the weight of {name!r} on edge {i}")
            )
        rows += [(i, name, sum(copies), max(copies)) for name, copies in shares.items()]
    return pd.DataFrame(rows, columns=["edge", "op", "weight", "largest"])


def flipped(weights: np.ndarray, edges: Sequence[Edge]) -> list[int]:
    """The edges on which the strongest operation is not the one that a single weight would choose; none is ignored."""
    table = joined(weights, edges)
    strongest = (part.set_index("op") for _, part in table[table.op != "none"].groupby("edge"))
    return [i for i, part in enumerate(strongest) if part.weight.idxmax() != part.largest.idxmax()]


def toy_search(
    features: np.ndarray,
    target: np.ndarray,
    *,
    copies: Mapping[int, int] | None = None,
    steps: int = 2000,
    lr: float = 1.0,
) -> np.ndarray:
    """Weights (steps + 1, ops) of gradient descent on the logits of sum over o of softmax(beta)_o f_o = target.

    `features` are (ops, values); `copies` {op: how often it stands there}, each copy beside its original. The loss is
    the mean square error, which sees only the sum of the copies' weights: started alike, they stay alike.
    """
    times = [(copies or {}).get(op, 1) for op in range(len(features))]
    stacked = np.repeat(features, times, axis=0)
    beta = np.zeros(len(stacked))
    history = [softmax(beta)]
    for _ in range(steps):
        weights = history[-1]
        slope = 2 * stacked @ (weights @ stacked - target) / len(target)
        beta = beta - lr * weights * (slope - weights @ slope)
        history.append(softmax(beta))
    return np.stack(history)
