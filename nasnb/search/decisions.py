"""Fixing edges while searching: what is legal, and SGAS, which decides one edge of each cell type at a time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nasnb.limits import decisive
from nasnb.search.phase import Hook
from nasnb.search.state import SearchState
from nasnb.search.strengths import Evaluation, operation_strengths
from nasnb.supernet.shapes import EdgeValues, OpValues

Choose = Callable[[SearchState, str, int], int]  # the operation that an edge of a group is decided to


def kept_edges(space) -> dict[str, Counter]:
    """{group: {node: how many edges into it the space keeps}}, found by asking `space.discretise`."""
    zeros = {group: torch.zeros(space.choices.shape(group)) for group in space.choices.groups}
    return {group: Counter(pick.target for pick in picks) for group, picks in space.discretise(zeros).picks.items()}


def candidates(space, group: str, edge: int) -> list[int]:
    """The operations that an edge may be decided to; `none` only where the space allows it in a genotype."""
    ops, allowed = space.choices.groups[group][edge].ops, none_is_legal(space)
    return [op for op, name in enumerate(ops) if name != "none" or allowed]


def none_is_legal(space) -> bool:
    """Whether a genotype may contain `none` (NAS-Bench-201), found by asking `space.discretise`."""
    scores = {group: torch.zeros(space.choices.shape(group)) for group in space.choices.groups}
    for group, edges in space.choices.groups.items():
        for row, edge in zip(scores[group], edges, strict=True):
            if "none" in edge.ops:
                row[edge.ops.index("none")] = 1
    genotype = space.discretise(scores)
    return any("none" in genotype.ops(group) for group in genotype.picks)


def undecided(state: SearchState, group: str) -> list[int]:
    """Edges with several open candidates."""
    return [edge for edge, row in enumerate(state.relaxation.mask()[group]) if sum(row) > 1]


# --- SGAS ----------------------------------------------------------------------------------------------------------


def greedy(
    *,
    first: int = 10,
    interval: int = 5,
    criterion: int = 1,
    history: int = 4,
    batch_growth: int = 8,
    choose: Choose | None = None,
) -> Hook:
    """SGAS: after `first` epochs and then every `interval` (times the config's pace), the surest edge is decided.

    Criterion 1 is importance times certainty, criterion 2 times the stability over `history` epochs as well. A node
    that has all the edges it keeps loses the others, and the batch grows with every round by `batch_growth` images.
    """
    if criterion not in (1, 2):
        raise ValueError(f"criterion={criterion}: SGAS has criterion 1 and 2")
    choose = most_likely if choose is None else choose

    def hook(state: SearchState) -> None:
        memory = state.extra.setdefault("greedy", {"rounds": 0, "past": {}, "decisions": []})
        kept = kept_edges(state.method.space)
        n_rounds = max(sum(nodes.values()) for nodes in kept.values())
        due = [k for k in range(n_rounds) if (first + interval * k) * state.config.pace <= state.stage_epoch]
        past = memory["past"] if criterion == 2 else {}
        for _ in range(memory["rounds"], len(due)):
            for group in kept:
                memory["decisions"] += _decide(state, group, past.get(group, []), kept[group], choose)
        memory["rounds"] = len(due)
        state.extra["batch_size"] = state.config.batch_size + batch_growth * len(due)
        for group in kept:
            memory["past"][group] = [*memory["past"].get(group, []), likelihoods(state, group).tolist()][-history:]

    return hook


def _decide(state: SearchState, group: str, past: Sequence, kept: Counter, choose: Choose) -> list[dict]:
    open_edges = undecided(state, group)
    if not open_edges:
        return []
    scores = edge_scores(state, group, past).tolist()
    for edge in open_edges:
        decisive(scores[edge], f"the score of edge {edge} of {group!r}")
    edge = max(open_edges, key=lambda e: scores[e])  # the first wins ties
    op = choose(state, group, edge)
    state.relaxation.decide(group, edge, op)
    prune_full_nodes(state, group, kept)
    return [{"epoch": state.epoch, "group": group, "edge": edge, "op": op, "score": scores[edge]}]


def prune_full_nodes(state: SearchState, group: str, kept: Counter) -> None:
    """Close the undecided edges of every node that has as many decided edges as it keeps."""
    edges, mask = state.method.space.choices.groups[group], state.relaxation.mask()[group]
    decided = Counter(edge.target for edge, row in zip(edges, mask, strict=True) if sum(row) == 1)
    for i, edge in enumerate(edges):
        if sum(mask[i]) > 1 and decided[edge.target] >= kept[edge.target]:
            state.relaxation.decide(group, i, None)


def edge_scores(state: SearchState, group: str, past: Sequence = ()) -> EdgeValues:
    """(edges,): SGAS' score from 0 to 1, over all edges of the cell, decided ones included."""
    weights = _weights(state, group)
    p = likelihoods(state, group)
    real = _is_real(state, group)
    entropy = -(p * p.clamp_min(1e-30).log()).sum(1)
    certainty = 1 - entropy / math.log(max(2, int(real.sum(1).max())))
    score = _to_unit_range((weights * real).sum(1)) * _to_unit_range(certainty)
    if past:
        overlap = torch.stack([torch.minimum(p, p.new_tensor(old)).sum(1) for old in past])
        score = score * _to_unit_range(overlap.mean(0))
    return score


def likelihoods(state: SearchState, group: str) -> OpValues:
    """(edges, ops): the mixing weights without `none`, each edge adding up to 1."""
    kept = _weights(state, group) * _is_real(state, group)
    return kept / kept.sum(1, keepdim=True)


def _weights(state: SearchState, group: str) -> Tensor:
    """What alpha says, whatever has been decided; in float64, since certainties are small differences."""
    alpha = state.relaxation.alpha[group].detach().double()
    everything = torch.tensor(state.relaxation.choices.is_candidate(group), device=alpha.device)
    return state.relaxation.rule.weigh(alpha, everything)


def _is_real(state: SearchState, group: str) -> Tensor:
    edges, (_, n_ops) = state.relaxation.choices.groups[group], state.relaxation.choices.shape(group)
    rows = [[op < len(edge.ops) and edge.ops[op] != "none" for op in range(n_ops)] for edge in edges]
    return torch.tensor(rows, device=state.relaxation.alpha[group].device)


def _to_unit_range(x: EdgeValues) -> EdgeValues:
    low, high = x.min(), x.max()
    # a factor that is the same on all edges (importance where no edge has `none`) says nothing: it drops out
    return torch.ones_like(x) if high - low <= 1e-9 else (x - low) / (high - low)  # rounding is no range, NaN no 1


def most_likely(state: SearchState, group: str, edge: int) -> int:
    """The operation other than none with the largest weight, as SGAS."""
    weights = likelihoods(state, group)[edge]
    decisive(weights.max().item(), f"the largest weight on edge {edge} of {group!r}")  # NaN is the largest of all
    return int(weights.argmax())


def most_missed(how: Evaluation = Evaluation()) -> Choose:
    """The operation that the supernet misses most: SGAS with perturbation (DARTS-PT, section 5.1)."""

    def choose(state: SearchState, group: str, edge: int) -> int:
        ops = candidates(state.method.space, group, edge)
        scores = operation_strengths(state, group, edge, candidates=ops, how=how)
        return min(scores, key=lambda op: scores[op].accuracy)

    return choose
