"""What cells look like: depth and width, kept edges in common, operations without parameters, size expected of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise, product

import numpy as np
import pandas as pd
from jaxtyping import Float

from nasnb.analysis.darts.dominance import is_convolution
from nasnb.analysis.fans import fans_of
from nasnb.architecture import N_INPUTS, Edge, Genotype, Pick
from nasnb.spaces.hypercuboid import Stage
from nasnb.supernet.network import Network


def cell_depth(genotype: Genotype, group: str = "normal") -> int:
    """Connections on the longest way from an input to the output, the last one into the output included.

    Shu et al. 2020; MSR-DARTS, section 4.5.
    """
    longest: dict[int, int] = {}
    for pick in sorted(_real(genotype, group), key=lambda pick: pick.target):
        longest[pick.target] = max(longest.get(pick.target, 0), longest.get(pick.source, 0) + 1)
    return 1 + max((longest.get(node, 0) for node in genotype.concat[group]), default=0)


def cell_width(genotype: Genotype, group: str = "normal") -> float:
    """Sum over the nodes of the share of their inputs that are inputs of the cell."""
    picks = _real(genotype, group)
    n_inputs = min(pick.target for pick in genotype.picks[group])
    shares = [[pick.source < n_inputs for pick in picks if pick.target == node] for node in {p.target for p in picks}]
    return float(sum(map(np.mean, shares)))


def _real(genotype: Genotype, group: str) -> list:
    return [pick for pick in genotype.picks[group] if pick.op != "none"]


def topologies(n_nodes: int = 4) -> pd.DataFrame:
    """Depth and width of every way to give each node of a cell two different states before it: 180 for four nodes.

    What a cell looks like if its edges are drawn by chance (MSR-DARTS, section 4.5, compares two cells).
    """
    states = [tuple(combinations(range(node), 2)) for node in range(N_INPUTS, N_INPUTS + n_nodes)]
    rows = []
    for sources in product(*states):
        picks = [Pick("skip_connect", s, N_INPUTS + node) for node, pair in enumerate(sources) for s in pair]
        cell = Genotype({"normal": tuple(picks)}, {"normal": tuple(range(N_INPUTS, N_INPUTS + n_nodes))})
        rows.append((cell_depth(cell), cell_width(cell)))
    return pd.DataFrame(rows, columns=["depth", "width"])


def edge_agreement(first: Genotype, second: Genotype, group: str = "normal", *, ops: bool = False) -> dict[int, float]:
    """{node: share of its kept edges that two genotypes have in common}; with `ops`, the operations count too."""
    kept = [{(p.target, p.source, p.op if ops else "") for p in _real(g, group)} for g in (first, second)]
    nodes = sorted({target for edges in kept for target, *_ in edges})
    mine = {node: [{e for e in edges if e[0] == node} for edges in kept] for node in nodes}
    return {node: len(a & b) / max(len(a), len(b)) for node, (a, b) in mine.items()}


def agreement_over_time(genotypes: Sequence[Genotype], group: str = "normal", *, ops: bool = False) -> np.ndarray:
    """(epochs - 1,): share of a cell's kept edges that stay from each epoch to the next."""
    agreed = [edge_agreement(a, b, group, ops=ops) for a, b in pairwise(genotypes)]
    return np.array([np.mean(list(nodes.values())) for nodes in agreed])


# --- mixing weights over time: (epochs, edges, ops) ------------------------------------------------------------------


def parameter_free_share(weights: Float[np.ndarray, "epochs edges ops"], edges: Sequence[Edge]) -> np.ndarray:
    """(epochs,): how much of the weight, `none` aside, lies on skips, pools and noise; mean over the edges."""
    real = _columns(edges, lambda op: op != "none", weights.shape[2])
    free = _columns(edges, lambda op: op != "none" and not is_convolution(op), weights.shape[2])
    return ((weights * free).sum(2) / (weights * real).sum(2)).mean(1)


def parameter_free_picks(genotype: Genotype, group: str = "normal") -> float:
    """Share of skips and pools among the operations of a decoded cell or path."""
    return float(np.mean([not is_convolution(op) for op in genotype.ops(group)]))


def weight_entropy(weights: Float[np.ndarray, "*epochs edges ops"], edges: Sequence[Edge]) -> np.ndarray:
    """(epochs, edges): from 0 (one operation has it all) to 1 (all equal). An edge with one candidate has 0."""
    n_ops = np.array([len(edge.ops) for edge in edges])
    shares = weights / weights.sum(2, keepdims=True)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(2)
    return entropy / np.log(np.maximum(n_ops, 2))


def weight_gap(weights: Float[np.ndarray, "*epochs edges ops"]) -> np.ndarray:
    """(epochs, edges): the largest weight less the second largest."""
    ranked = np.sort(weights, axis=2)
    return ranked[..., -1] - ranked[..., -2]


def _columns(edges: Sequence[Edge], wanted, n_ops: int) -> np.ndarray:
    return np.array([[k < len(edge.ops) and wanted(edge.ops[k]) for k in range(n_ops)] for edge in edges])


# --- size --------------------------------------------------------------------------------------------------------


def candidate_parameters(net: Network) -> dict[str, np.ndarray]:
    """{group: (edges, ops)}: parameters of every candidate of a supernet, added up over the cells of the group."""
    stages = zip(net.blocks, net.groups, strict=True)
    return {g: _of_stage(stage) for stage, g in stages if isinstance(stage, Stage)} or _of_cells(net)


def _of_cells(net: Network) -> dict[str, np.ndarray]:
    edges = {group: wiring.edges for group, wiring in net.wirings.items()}
    found = {group: np.zeros((len(rows), max(len(edge.ops) for edge in rows))) for group, rows in edges.items()}
    for fan in fans_of(net):
        for name, op in fan.module.ops.items():
            members = fan.module.members[name]
            count = sum(p.numel() for p in op.parameters()) / len(members)
            for edge in members:
                found[fan.group][fan.rows[edge], fan.edges[edge].ops.index(name)] += count
    return found


def _of_stage(stage: Stage) -> np.ndarray:
    return np.array([[sum(p.numel() for p in op.parameters()) for op in stage.ops]], dtype=float)


def expected_parameters(weights: Mapping[str, np.ndarray], sizes: Mapping[str, np.ndarray]) -> np.ndarray:
    """(epochs,): parameters of the candidates if each edge drew one by its weights; `sizes` of `candidate_parameters`.

    How strongly a search leans to small operations (sharpDARTS, section 4.1): compare with equal weights. Weights are
    {group: (epochs, edges, ops)}; they need not add up to 1.
    """
    drawn = [w / w.sum(2, keepdims=True) * sizes[group] for group, w in weights.items() if group in sizes]
    return sum(part.sum((1, 2)) for part in drawn)
