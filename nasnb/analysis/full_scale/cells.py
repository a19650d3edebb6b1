"""Cells as the tables write them, `sep_conv_3x3<0 ...`: two picks per node, an operation and the state it reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from nasnb.architecture import N_INPUTS, Genotype

Picked = tuple[str, int, str, int]  # cell, node, operation, source
FAMILIES = {"skip": "skip_connect", "pool": "pool", "sep": "sep_conv", "dil": "dil_conv"}


def picks(normal: str, reduce: str) -> frozenset[Picked]:
    """All picks of a cell, without an order. Raises ValueError for text that is no such cell."""
    found = []
    for cell, text in (("normal", normal), ("reduce", reduce)):
        for at, pick in enumerate(text.split()):
            op, mark, source = pick.partition("<")
            if not mark or not source.isdigit():
                raise ValueError(
                    f"{pick!r} in the {cell} cell {text!r}: expected an operation<state, as skip_connect<0"
                )
            found.append((cell, N_INPUTS + at // 2, op, int(source)))
    return frozenset(found)


def picks_of(genotype: Genotype) -> frozenset[Picked]:
    """The same of a genotype."""
    return frozenset((cell, p.target, p.op, p.source) for cell, each in genotype.picks.items() for p in each)


def shared(cells: Iterable[frozenset[Picked]], final: frozenset[Picked]) -> np.ndarray:
    """Which share of the picks each cell has in common with the final one, from 0 to 1."""
    return np.array([len(cell & final) / len(final) for cell in cells])


def settled_at(shares: Sequence[float]) -> int:
    """The place from which on all is as in the end, counted from 0."""
    unlike = np.flatnonzero(np.asarray(shares) < 1)
    return int(unlike[-1]) + 1 if len(unlike) else 0


def counts(cell: frozenset[Picked], group: str) -> dict[str, int]:
    """How many operations of each family one of the two cells has."""
    ops = Counter(op for name, _, op, _ in cell if name == group)
    return {family: sum(n for op, n in ops.items() if part in op) for family, part in FAMILIES.items()}
