"""Proposition 1 of DARTS-PT: which mixture of skip and convolution comes nearest to the optimal feature map.

With errors a = conv - m* and b = skip - m*, the mixture's error has the variance c^2 Va + s^2 Vb + 2 c s C, c + s = 1.
It is smallest at s* = (Va - C) / (Va + Vb - 2 C); a softmax reaches it at alpha_skip - alpha_conv =
log((Va - C) / (Vb - C)). That needs C < min(Va, Vb): otherwise one of the two alone is best. m* is not known; three
estimates stand in for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from nasnb import evaluation
from nasnb.analysis.fans import Fan, fans_of, run_until, watching
from nasnb.architecture import Edge
from nasnb.limits import decisive
from nasnb.search.state import SearchState
from nasnb.supernet.network import Network, Routed, Weights

SKIP = "skip_connect"


class Mixture(NamedTuple):
    """The best weights of convolution and skip, the variance that is left, and the gap alpha_skip - alpha_conv.

    Where no softmax reaches the optimum, one weight is 1 and the gap infinite.
    """

    conv: float
    skip: float
    variance: float
    gap: float


def optimal_mixture(var_conv: float, var_skip: float, covariance: float) -> Mixture:
    """Proposition 1 in closed form, from the variances of the two errors and their covariance."""
    conv, skip = var_skip - covariance, var_conv - covariance
    if conv > 0 and skip > 0:
        total = conv + skip
        left = (var_conv * var_skip - covariance**2) / total
        return Mixture(conv / total, skip / total, left, float(np.log(skip / conv)))
    if var_skip <= var_conv:
        return Mixture(0.0, 1.0, var_skip, float("inf"))
    return Mixture(1.0, 0.0, var_conv, float("-inf"))


def grid_minimum(
    conv: Float[np.ndarray, " values"],
    skip: Float[np.ndarray, " values"],
    target: Float[np.ndarray, " values"],
    *,
    points: int = 1001,
) -> tuple[float, float]:
    """(best skip weight, variance left) over a grid from 0 to 1: no formula, to check the closed form."""
    grid = np.linspace(0, 1, points)
    left = [np.var((1 - s) * conv + s * skip - target) for s in grid]
    decisive(np.max(left), "a variance on the grid")
    best = int(np.argmin(left))
    return float(grid[best]), float(left[best])


class Moments:
    """Second moments of maps, per channel, from sums in float64. All that the check needs follows from them."""

    def __init__(self) -> None:
        self.count, self.origin = 0, None

    def add(self, maps: Tensor) -> None:
        """More images: (maps, images, channels, height, width)."""
        values = maps.permute(2, 0, 1, 3, 4).flatten(2)
        if self.origin is None:
            self.origin = values.mean(2, keepdim=True).double()
            self.sums = torch.zeros_like(self.origin)
            self.products = self.origin.new_zeros(*values.shape[:2], values.shape[1])
        for channel, origin in enumerate(self.origin):  # in double precision only one channel at a time
            x = values[channel].double() - origin
            self.sums[channel] += x.sum(1, keepdim=True)
            self.products[channel] += x @ x.T
        self.count += values.shape[2]

    def covariances(self) -> np.ndarray:
        """(channels, maps, maps)."""
        return (self.products / self.count - (self.sums / self.count) @ (self.sums / self.count).mT).cpu().numpy()


@torch.no_grad()
def proposition_check(
    net: Network,
    batches: Iterable[tuple[Tensor, Tensor]],
    weights: Weights,
    *,
    groups: Sequence[str] | None = None,
    statistics: str = "running",
) -> pd.DataFrame:
    """Optimal against learnt skip weight of every edge of every cell, one row per `estimate` of m*.

    `estimate`: "consensus", the other edges' mixtures each at the same scale; "node", the value of the node without
    the edge's own part; "last", the cell's last node. Maps are standardised per channel, and all other candidates
    together, by their weights, stand for the convolution. `groups` are by default the cells that do not reduce.

    Columns: block, group, edge, source, target, estimate, var_conv, var_skip, covariance, optimal_skip, learnt_skip,
    optimal_gap, learnt_gap (log of the weights' ratio). With fixed alpha the learnt ones are a control.
    """
    blocks = {fan.block: fan.group for fan in fans_of(net) if _chosen(net, fan, groups)}
    if not blocks:
        raise ValueError(f"no cell of the groups {groups}; this network has {', '.join(net.wirings)}")
    moments, parts = {block: Moments() for block in blocks}, {}

    def see(fan: Fan, state: Tensor, mixtures: list, routed: Routed) -> None:
        if fan.block not in blocks:
            return
        parts.update(_skip_conv_mixed(fan, state, mixtures, routed))
        edges = net.wirings[fan.group].edges
        if len(parts) == len(edges):
            maps = [parts[row][kind] for kind in range(3) for row in range(len(edges))]
            moments[fan.block].add(torch.stack(maps))
            parts.clear()

    with evaluation.statistics(net, statistics), watching(net, see):
        for images, _ in batches:
            run_until(net, images, weights, last=max(blocks))
    tables = [
        _rows(block, group, net.wirings[group].edges, moments[block].covariances(), weights)
        for block, group in blocks.items()
    ]
    return pd.DataFrame([row for rows in tables for row in rows])


def _chosen(net: Network, fan: Fan, groups: Sequence[str] | None) -> bool:
    return net.blocks[fan.block].stride == 1 if groups is None else fan.group in groups


def _skip_conv_mixed(fan: Fan, state: Tensor, mixtures: list, routed: Routed) -> dict[int, tuple[Tensor, ...]]:
    """{row: (skip, rest, mixture)}: the rest is what the other candidates bring; skip is zeros where there is none."""
    skips = {row: y for (row, _), y in fan.candidates(state, ops=[SKIP]).items()}
    found = {}
    for at, row in enumerate(fan.rows):
        mixed = mixtures[at][0]
        if row in skips:
            share = routed.mix[at, fan.module.columns[SKIP]].to(mixed.dtype)
            found[row] = (skips[row], mixed - share * skips[row], mixed)
        else:
            found[row] = (torch.zeros_like(mixed), mixed, mixed)
    return found


def _rows(block: int, group: str, edges: Sequence[Edge], covariances: np.ndarray, weights: Weights) -> Iterator[dict]:
    matrix = weights.get(f"{group}/{block}", weights[group]).detach().double().cpu().numpy()
    n = len(edges)
    for row, edge in enumerate(edges):
        if SKIP not in edge.ops or not any(op not in ("none", SKIP) for op in edge.ops):
            continue
        theta = dict(zip(edge.ops, matrix[row], strict=False))
        skip, conv = theta[SKIP], sum(w for op, w in theta.items() if op not in ("none", SKIP))
        with np.errstate(divide="ignore"):
            learnt = {"learnt_skip": skip / (skip + conv), "learnt_gap": float(np.log(skip) - np.log(conv))}
        for estimate, parts in _estimates(row, edges, covariances).items():
            var_conv, var_skip, covariance = _errors(covariances, n + row, row, parts)
            if np.isnan(var_conv):
                continue  # nothing to compare with: the node has no other edge, or no channel is alive
            best = optimal_mixture(var_conv, var_skip, covariance)
            yield {
                "block": block,
                "group": group,
                "edge": row,
                "source": edge.source,
                "target": edge.target,
                "estimate": estimate,
                "var_conv": var_conv,
                "var_skip": var_skip,
                "covariance": covariance,
                "optimal_skip": best.skip,
                "optimal_gap": best.gap,
                **learnt,
            }


def _estimates(row: int, edges: Sequence[Edge], covariances: np.ndarray) -> dict[str, np.ndarray]:
    """{estimate: (channels, maps)}: m* as a sum of the mixtures, which are the last third of the maps."""
    n = len(edges)
    mixed = slice(2 * n, 3 * n)
    deviations = np.sqrt(np.einsum("ckk->ck", covariances)[:, mixed].clip(0))
    others = np.arange(n) != row
    targets = np.array([edge.target for edge in edges])
    scale = np.divide(1.0, deviations, out=np.zeros_like(deviations), where=deviations > 0)
    shares = {
        "consensus": scale * others,
        "node": np.broadcast_to(others & (targets == edges[row].target), scale.shape),
        "last": np.broadcast_to(targets == targets.max(), scale.shape),
    }
    return {name: np.concatenate([np.zeros((len(share), 2 * n)), share], 1) for name, share in shares.items()}


def _errors(covariances: np.ndarray, conv: int, skip: int, parts: np.ndarray) -> tuple[float, float, float]:
    """Var(a), Var(b), Cov(a, b) of standardised maps, mean over the channels in which all three of them vary.

    Standardised maps differ by Var(o - m*) = 2 - 2 corr(o, m*): only correlations matter.
    """
    with_target = np.einsum("ckl,cl->ck", covariances, parts)
    var_target = np.einsum("ck,ck->c", with_target, parts)
    var_conv, var_skip = covariances[:, conv, conv], covariances[:, skip, skip]
    alive = (np.minimum(var_conv, var_skip) > 1e-12) & (var_target > 1e-12)
    if not alive.any():
        return float("nan"), float("nan"), float("nan")
    d_conv, d_skip, d_target = (np.sqrt(v[alive]) for v in (var_conv, var_skip, var_target))
    conv_target = (with_target[alive, conv] / (d_conv * d_target)).mean()
    skip_target = (with_target[alive, skip] / (d_skip * d_target)).mean()
    both = (covariances[alive, conv, skip] / (d_conv * d_skip)).mean()
    return 2 - 2 * conv_target, 2 - 2 * skip_target, both - conv_target - skip_target + 1


def check_supernet(state: SearchState, *, images: int = 1000) -> pd.DataFrame:
    """`proposition_check` on the first test images, with the statistics of the batch."""
    seen = state.batches(state.data.test.take(slice(0, images)), "proposition", 0, augment=False)
    return proposition_check(state.net, seen, state.weights(), statistics="batch")


def nearness(table: pd.DataFrame, estimate: str = "consensus") -> pd.Series:
    """By supernet and seed: ln of the convolution's error variance over that of skip, mean over edges."""
    part = table[table.estimate == estimate]
    return part.assign(ratio=np.log(part.var_conv / part.var_skip)).groupby(["supernet", "seed"]).ratio.mean()


def proposition_summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row per supernet, estimate of m* and search (seed), so that searches and not edges are the sample.

    Columns: supernet, estimate, seed; skip_nearer and unreached, percent of the edges where skip has the smaller error
    variance, and whose optimum no softmax reaches; correlation, by ranks, of optimal and learnt gap over the edges.
    """
    by = ["supernet", "estimate", "seed"]
    facts = table.assign(
        skip_nearer=100.0 * (table.var_conv > table.var_skip), unreached=100.0 * ~np.isfinite(table.optimal_gap)
    )
    gaps = table.groupby(by, sort=False)[["optimal_gap", "learnt_gap"]]
    correlation = gaps.apply(lambda part: part.optimal_gap.rank().corr(part.learnt_gap.rank())).rename("correlation")
    shares = facts.groupby(by, sort=False)[["skip_nearer", "unreached"]].mean()
    return shares.join(correlation).reset_index()
