"""Which operations do alike: correlation of the candidates' outputs, and groups of them (StacNAS, section 2.4).

The paper groups by eye. Here similar operations are merged while the average correlation of two groups reaches tau.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import comb

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.cluster.hierarchy import fcluster
from scipy.cluster.hierarchy import linkage as link
from scipy.spatial.distance import squareform
from torch import Tensor

from nasnb import evaluation
from nasnb.analysis.fans import Place, places, run_until, watching
from nasnb.spaces.stacnas import Groups
from nasnb.supernet.network import Network, Weights

SKIP = "skip_connect"
CENTERS = ("feature", "global")


class Correlation:
    """Correlation of several outputs over images, from sums in float64: memory does not grow with the images.

    One pass serves both centres. Outputs are taken relative to the first block's mean, so that a large mean costs no
    digits.
    """

    def __init__(self) -> None:
        self.images, self.origin = 0, None

    def add(self, outputs: Tensor) -> None:
        """More images: (ops, images, features)."""
        outputs = outputs.double()
        if self.origin is None:
            self.origin = outputs.mean(1)
            self.sums = torch.zeros_like(self.origin)
            self.products = outputs.new_zeros(len(outputs), len(outputs))
        outputs = outputs - self.origin[:, None]
        flat = outputs.flatten(1)
        self.sums += outputs.sum(1)
        self.products += flat @ flat.T
        self.images += outputs.shape[1]

    def covariances(self, center: str = "feature") -> Tensor:
        """(ops, ops): summed over images and features.

        `center="feature"` takes every feature's own mean off, as the code; "global" one mean of all, the plain Pearson
        correlation of the flattened outputs, which adds what the features' means differ by.
        """
        if center not in CENTERS:
            raise ValueError(f"unknown centre {center!r}; known: {', '.join(CENTERS)}")
        within = self.products - self.sums @ self.sums.T / self.images
        if center == "feature":
            return within
        means = self.origin + self.sums / self.images
        means = means - means.mean(1, keepdim=True)
        return within + self.images * means @ means.T

    def matrix(self, center: str = "feature") -> Float[np.ndarray, "ops ops"]:
        """(ops, ops); NaN where an output never changes."""
        covariances = self.covariances(center).cpu().numpy()
        deviations = np.sqrt(covariances.diagonal().clip(0))
        scale = np.where(deviations > 0, deviations, np.nan)
        return covariances / scale[:, None] / scale


@torch.no_grad()
def centred_correlations(
    net: Network,
    batches: Iterable[tuple[Tensor, Tensor]],
    weights: Weights,
    *,
    at: Sequence[Place] | None = None,
    ops: Sequence[str] | None = None,
    statistics: str = "running",
) -> dict[str, dict[Place, pd.DataFrame]]:
    """{centre: {edge: correlation of its candidates' own outputs}} of one pass, weights only deciding what later cells
    see.

    `at` is a list of `places(net)`; by default the first edge of the first cell, as the paper. Skip connections and
    none are left out unless `ops` names what to compare. BatchNorms use `statistics` "running" or "batch".
    """
    at = places(net)[:1] if at is None else [Place(*place) for place in at]
    sums = {place: Correlation() for place in at}
    names: dict[Place, list[str]] = {}
    if not set(at) <= set(places(net)):
        raise ValueError(f"no edge at {sorted(set(at) - set(places(net)))}; this network's are places(net)")

    def see(fan, state, mixtures, routed) -> None:
        rows = [row for row in fan.rows if (fan.block, row) in sums]
        compared = [op for op in fan.module.ops if op != SKIP] if ops is None else ops
        outputs = fan.candidates(state, ops=compared, rows=rows) if rows else {}
        for row in rows:
            mine = {name: y for (of, name), y in outputs.items() if of == row}
            if mine:
                names[Place(fan.block, row)] = list(mine)
                sums[Place(fan.block, row)].add(torch.stack([y.flatten(1) for y in mine.values()]))

    with evaluation.statistics(net, statistics), watching(net, see):
        for images, _ in batches:
            run_until(net, images, weights, last=max(place.block for place in at))
    known = [place for place in at if place in names]
    return {c: {p: pd.DataFrame(sums[p].matrix(c), names[p], names[p]) for p in known} for c in CENTERS}


def operator_correlations(
    net: Network, batches: Iterable[tuple[Tensor, Tensor]], weights: Weights, *, center: str = "feature", **options
) -> dict[Place, pd.DataFrame]:
    """The same under one centre."""
    return centred_correlations(net, batches, weights, **options)[center]


def operator_correlation(
    net: Network, batches: Iterable[tuple[Tensor, Tensor]], weights: Weights, **options
) -> pd.DataFrame:
    """The correlation matrix of Table 6: of the first edge, or the mean over the edges `at`; see above."""
    return mean_correlation(operator_correlations(net, batches, weights, **options))


def mean_correlation(matrices: Mapping[Place, pd.DataFrame] | Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean of several matrices by name; a pair of operations counts where both stand on the edge."""
    matrices = list(matrices.values()) if isinstance(matrices, Mapping) else list(matrices)
    names = list(dict.fromkeys(name for matrix in matrices for name in matrix.index))
    stacked = np.stack([matrix.reindex(index=names, columns=names).to_numpy() for matrix in matrices])
    known = ~np.isnan(stacked)
    means = np.where(known, stacked, 0).sum(0) / np.where(known.any(0), known.sum(0), np.nan)
    return pd.DataFrame(means, names, names)


def operator_groups(
    correlation: pd.DataFrame, *, tau: float = 0.2, linkage: str = "average", ops: Sequence[str] | None = None
) -> list[tuple[str, ...]]:
    """Merge groups while the "average" (or "single": largest) correlation between two of them is at least `tau`.

    `ops` are all candidates of the space, by default those of the matrix. A skip connection always stands alone, and
    `none` belongs to no group. Raises ValueError for an operation whose output never changed.
    """
    names = [op for op in (correlation.index if ops is None else ops) if op != "none"]
    similar = [op for op in correlation.index if op in names and op != SKIP]
    matrix = correlation.loc[similar, similar].to_numpy(float)
    if np.isnan(matrix).any():
        unknown = similar[int(np.isnan(matrix).sum(0).argmax())]
        raise ValueError(f"correlations of {unknown!r} are unknown, its output never changed: leave it out")
    label = dict(zip(similar, _clusters(matrix, tau, linkage), strict=True))
    groups: dict[object, list[str]] = {}
    for op in names:
        groups.setdefault(label.get(op, op), []).append(op)
    return [tuple(group) for group in groups.values()]


def _clusters(matrix: np.ndarray, tau: float, linkage: str) -> list[int]:
    if linkage not in ("average", "single"):
        raise ValueError(f"unknown linkage {linkage!r}; known: average, single")
    if len(matrix) < 2:
        return list(range(len(matrix)))
    distances = squareform(1 - (matrix + matrix.T) / 2, checks=False)
    return fcluster(link(distances, linkage), 1 - tau + 1e-9, "distance").tolist()  # 1e-9: equal to tau merges


def representatives(groups: Groups, *, kernel: str = "3x3") -> tuple[str, ...]:
    """One operation per group: of this kernel size where there is one, max before average pooling, else the first."""
    ranked = (sorted(group, key=lambda op: (kernel not in op, op.startswith("avg"))) for group in groups)
    return tuple(group[0] for group in ranked)


def rand_index(first: Groups, second: Groups) -> float:
    """Adjusted Rand index of two groupings of the same operations: 1 for the same, 0 on average by chance.

    Hubert and Arabie 1985. Raises ValueError if they do not group the same operations.
    """
    if sorted(op for group in first for op in group) != sorted(op for group in second for op in group):
        raise ValueError(f"{first} and {second} group different operations")
    shared = Counter(len(set(a) & set(b)) for a in first for b in second)
    pairs = sum(comb(size, 2) * times for size, times in shared.items())
    ours, theirs = (sum(comb(len(group), 2) for group in groups) for groups in (first, second))
    if not (all_pairs := comb(sum(map(len, first)), 2)):
        return 1.0  # of one operation, or none, there is one grouping only
    chance = ours * theirs / all_pairs
    mean = (ours + theirs) / 2
    return 1.0 if mean == chance else (pairs - chance) / (mean - chance)
