"""Operations as families: how much more alike they are within one than across, and the tree that a threshold cuts.

StacNAS, section 2.4.2, figure 1 and Table 6. Matrices are data frames with the operations as index and columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from nasnb.analysis.fans import places
from nasnb.analysis.stacnas.correlation import mean_correlation, operator_correlations
from nasnb.published.numbers import published
from nasnb.search.state import Batch
from nasnb.supernet.network import Network, Weights


class Contrast(NamedTuple):
    """Mean correlation of the pairs within a group, and of those across groups."""

    within: float
    across: float


def contrast(correlation: pd.DataFrame, groups: Sequence[Sequence[str]]) -> Contrast:
    """Of a correlation matrix under a grouping; operations that are in no group, or not in the matrix, do not count.

    Raises ValueError if one of the two kinds of pairs does not occur.
    """
    home = {op: i for i, group in enumerate(groups) for op in group if op in correlation.index}
    names = list(home)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    kinds = [[correlation.loc[a, b] for a, b in pairs if (home[a] == home[b]) is same] for same in (True, False)]
    if not all(kinds):
        raise ValueError(f"groups {list(map(tuple, groups))} need pairs within a group and pairs across groups")
    return Contrast(*(float(np.mean(values)) for values in kinds))


def similarity_tree(correlation: pd.DataFrame) -> np.ndarray:
    """Average linkage on 1 - correlation, (n - 1, 4) as scipy gives it; groups of tau lie below 1 - tau."""
    matrix = correlation.to_numpy(dtype=float)
    return linkage(squareform(1 - (matrix + matrix.T) / 2, checks=False), "average")


def published_correlation() -> pd.DataFrame:
    """Table 6 of StacNAS."""
    rows = published(paper="StacNAS", table="Table 6")
    pairs = [tuple(row.split(", ")) for row in rows["row"]]
    names = list(dict.fromkeys(op for pair in pairs for op in pair))
    matrix = pd.DataFrame(np.eye(len(names)), names, names)
    for (a, b), value in zip(pairs, rows["value"], strict=True):
        matrix.loc[a, b] = matrix.loc[b, a] = value
    return matrix


def correlation_views(
    net: Network, batches: Callable[[], Iterable[Batch]], weights: Weights, *, ops: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Everything that the paper's text may mean by the correlation of `ops`, on one network and one set of images.

    Keys: "first edge" or "all edges" (their mean), and the centre, "per feature" or "global". `batches()` begins anew.
    """
    views = {}
    for center, name in (("feature", "per feature"), ("global", "global")):
        found = operator_correlations(net, batches(), weights, at=places(net), ops=ops, center=center)
        views[f"first edge, {name}"] = found[min(found)]
        views[f"all edges, {name}"] = mean_correlation(found)
    return {name: view.loc[list(ops), list(ops)] for name, view in views.items()}
