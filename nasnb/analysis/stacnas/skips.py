"""Skip connections: how many a depth brings, and the head start that ranking edges after a softmax gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from nasnb.analysis.darts.dominance import SKIP, skip_gap
from nasnb.architecture import Edge, Genotype
from nasnb.randomness import generator
from nasnb.spaces.stacnas import groups_of, stacnas, stage_two

RULES = ("after the softmax (paper)", "before the softmax (code)")


def skips_by_depth(searches: Mapping[int, Sequence], edges: Sequence[Edge]) -> pd.DataFrame:
    """depth (in words), cells, seed, skips of the normal cell, gap (weight of skip less the best convolution) at the
    end, of one-stage searches at several depths.
    """
    rows = [
        (
            f"{cells} cells",
            cells,
            result.record["seed"],
            result.genotype.ops("normal").count(SKIP),
            skip_gap(result.weights["normal"], edges)[-1],
        )
        for cells, results in searches.items()
        for result in results
    ]
    return pd.DataFrame(rows, columns=["depth", "cells", "seed", "skips", "gap"])


def share_of(genotype: Genotype, op: str = SKIP) -> float:
    """Of an operation, in percent of those kept in the normal cell."""
    return 100 * float(np.mean([each == op for each in genotype.ops("normal")]))


def head_start(
    draws: int = 200, *, won: Mapping[str, Sequence[str]] | None = None, spread: float = 1e-3
) -> pd.DataFrame:
    """Shares of skip in untrained second stages, alpha Gaussian with this spread; winners of the first are drawn
    evenly, or `won`, {cell type: an operation per edge}.

    Columns: rule (`RULES`), draw, share: percent of the kept operations of the normal cell. An edge of two candidates
    begins at a half after the softmax, one of three at a third, so edges with skip and none lead by that alone.
    """
    rows, groups, kept = [], groups_of(stacnas), stacnas.choices.groups
    for draw in range(draws):
        dice = generator(0, "head start", draw)
        drawn = {
            cell: [groups[i][0] for i in torch.randint(len(groups), (len(edges),), generator=dice)]
            for cell, edges in kept.items()
        }
        space = stage_two(stacnas, won or drawn)
        alpha = {c: spread * torch.randn(space.choices.shape(c), generator=dice) for c in kept}
        shares = {cell: _softmax(alpha[cell], space.choices.groups[cell]) for cell in kept}
        for rule, scores in zip(RULES, (shares, alpha), strict=True):
            rows.append((rule, draw, share_of(space.discretise(scores))))
    return pd.DataFrame(rows, columns=["rule", "draw", "share"])


def _softmax(alpha: torch.Tensor, edges: Sequence[Edge]) -> torch.Tensor:
    """Over the candidates that each edge has; 0 for those it lacks."""
    own = torch.tensor([[k < len(edge.ops) for k in range(alpha.shape[1])] for edge in edges])
    return alpha.masked_fill(~own, -float("inf")).softmax(1)
