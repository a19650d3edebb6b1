"""Skip dominance: how skip connections take over a search (DARTS-PT, section 3.2 and figure 3).

Works on the recorded weights of any run, or on genotypes read from somebody's log: nothing here needs a network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from nasnb.architecture import Edge, Genotype

SKIP = "skip_connect"
CONVOLUTION = {"best": np.max, "mean": np.mean}


def is_convolution(op: str) -> bool:
    """Whether an operation has weights to learn, skip connections and pools having none to speak of."""
    return "conv" in op


def skip_gap(
    weights: Float[np.ndarray, "*epochs edges ops"], edges: Sequence[Edge], *, convolution: str = "best"
) -> np.ndarray:
    """(epochs,): the mixing weight of skip minus that of the edge's convolutions, mean over edges that have both.

    `weights` is (epochs, edges, ops). Of several convolutions the "best" counts, which decides the choice, or their
    "mean", which DARTS-PT plots against the supernet's accuracy. Raises ValueError for another word.
    """
    if convolution not in CONVOLUTION:
        raise ValueError(f"convolution={convolution!r}: choose {' or '.join(CONVOLUTION)}")
    gaps = []
    for row, edge in enumerate(edges):
        convolutions = [column for column, op in enumerate(edge.ops) if is_convolution(op)]
        if SKIP in edge.ops and convolutions:
            of_edge = weights[:, row]
            rival = CONVOLUTION[convolution](of_edge[:, convolutions], axis=1)
            gaps.append(of_edge[:, edge.ops.index(SKIP)] - rival)
    if not gaps:
        raise ValueError(
            "no edge of this cell has both a skip connection and a convolution: there is no gap to measure"
        )
    return np.mean(gaps, axis=0)


def skip_share(genotypes: Sequence[Genotype], group: str = "normal") -> np.ndarray:
    """(epochs,): share of skip connections among the operations chosen for a cell, from 0 to 1."""
    return np.array([np.mean([op == SKIP for op in genotype.ops(group)]) for genotype in genotypes])


def skip_dominance(
    weights: np.ndarray,
    edges: Sequence[Edge],
    genotypes: Sequence[Genotype],
    accuracy: Sequence[float],
    *,
    group: str = "normal",
) -> pd.DataFrame:
    """One row per epoch: `epoch`, `skip_share`, `skip_gap` (to the best convolution), `skip_gap_mean` (to their mean),
    `valid_accuracy` (percent)."""
    return pd.DataFrame(
        {
            "epoch": np.arange(1, len(genotypes) + 1),
            "skip_share": skip_share(genotypes, group),
            "skip_gap": skip_gap(weights, edges),
            "skip_gap_mean": skip_gap(weights, edges, convolution="mean"),
            "valid_accuracy": np.asarray(accuracy, dtype=float),
        }
    )
