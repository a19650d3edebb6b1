"""Selection by perturbation (DARTS-PT, algorithm 1): decide edge by edge what is missed most, tune in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from nasnb.config import SearchConfig
from nasnb.evaluation import Score
from nasnb.limits import decisive
from nasnb.randomness import generator
from nasnb.schedules import cosine
from nasnb.search.decisions import candidates, kept_edges
from nasnb.search.phase import Phase
from nasnb.search.state import SearchState, sgd
from nasnb.search.steps import weights_only
from nasnb.search.strengths import Evaluation, edge_strengths, masked_scores, operation_strengths

CRITERIA = ("accuracy", "loss", "magnitude", "random")
TOPOLOGIES = ("one_round", "greedy_code", "greedy_cumulative", "magnitude")

Select = Callable[..., Phase]  # select(method, config) -> Phase


class Decision(NamedTuple):
    """One decision to make: the operation of an edge, or the edges that a node keeps."""

    kind: str  # "op" or "node"
    group: str
    index: int  # of the edge, or of the node's state


def perturbation(
    *,
    criterion: str = "accuracy",
    topology: str = "one_round",
    interval: int = 5,
    lr: float = 0.0025,
    lr_min: float | None = None,
    tune_alpha: bool = True,
    joint: bool = True,
    order: int = 0,
    how: Evaluation = Evaluation(),
) -> Select:
    """Algorithm 1 of DARTS-PT, continuing the searched supernet for `interval` epochs (times the pace) per decision.

    `criterion`: what an operation is judged by once it is masked; "magnitude" takes the largest alpha instead (PT-Mag),
    "random" any operation, the baseline for what the tuning does by itself.
    `topology`: each incoming edge masked once, the strongest kept; or the code's rounds; or rounds in which eliminated
    edges stay masked; or "magnitude", by the weights at decision time. `lr` is constant, or annealed to `lr_min`.
    `joint` decides an edge of every cell type in each interval, as the official code. Another `order` draws another
    random order of the edges.
    """
    for name, value, known in (("criterion", criterion, CRITERIA), ("topology", topology, TOPOLOGIES)):
        if value not in known:
            raise ValueError(f"unknown {name} {value!r}; known: {', '.join(known)}")

    def select(method, config: SearchConfig) -> Phase:
        rounds = decision_order(method.space, config.seed, joint=joint, order=order)
        n_nodes = sum(decisions[0].kind == "node" for decisions in rounds)
        when, total = timetable(len(rounds) - n_nodes, n_nodes, round(interval * config.pace))
        start = config.epochs

        def hook(state: SearchState) -> None:
            done = state.stage_epoch - start
            if done == 0:  # fresh momentum; alpha's optimiser goes on
                state.weight_optimizer = sgd(state.net, config)
            for decisions in [decisions for decisions, epoch in zip(rounds, when, strict=True) if epoch == done]:
                _decide_all(state, decisions, criterion=criterion, topology=topology, how=how)

        def rate(epoch: int) -> float:
            return lr if lr_min is None else cosine(epoch - start, total, lr, lr_min)

        step = method.step if tune_alpha else weights_only()
        return Phase("selection", start, start + total, step, rate, hook)

    return select


def decision_order(space, seed: int, *, joint: bool = True, order: int = 0) -> list[list[Decision]]:
    """The rounds of decisions: all operations in random order of the edges, then all nodes that must lose edges."""
    ops, nodes, kept = [], [], kept_edges(space)
    for i, (group, edges) in enumerate(space.choices.groups.items()):
        targets = [edge.target for edge in edges]
        crowded = sorted({node for node in targets if targets.count(node) > kept[group][node]})
        ops.append([Decision("op", group, edge) for edge in _shuffled(range(len(edges)), seed, "edges", i, order)])
        nodes.append([Decision("node", group, node) for node in _shuffled(crowded, seed, "nodes", i, order)])
    if joint:
        return [list(decisions) for decisions in (*zip(*ops, strict=True), *zip(*nodes, strict=True))]
    flat = [[decision for decisions in part for decision in decisions] for part in (ops, nodes)]
    return [
        [decision] for i, decisions in enumerate(flat) for decision in _shuffled(decisions, seed, "rounds", i, order)
    ]


def _shuffled(items: Sequence, seed: int, what: str, index: int, order: int) -> list:
    purpose = f"perturbation {what}" + (f", order {order}" if order else "")
    drawn = torch.randperm(len(items), generator=generator(seed, purpose, index))
    return [items[i] for i in drawn.tolist()]


def timetable(n_ops: int, n_nodes: int, interval: int) -> tuple[list[int], int]:
    """The tuning epoch (from 0) before which each round is decided, and the number of tuning epochs, as in the code.

    One epoch follows the last decision, without influence; a space without topology gives up one epoch before it.
    """
    n = n_ops + n_nodes
    total = interval * (n - 1) + 1 if n_nodes else max(1, interval * (n - 1))
    return [min(interval * i, total - 1) for i in range(n)], total


# --- decisions -----------------------------------------------------------------------------------------------------


def _decide_all(
    state: SearchState, decisions: Sequence[Decision], *, criterion: str, topology: str, how: Evaluation
) -> None:
    trace, first = state.extra.setdefault("decisions", []), len(state.extra["decisions"])
    before = masked_scores(state, decisions[-1].group, [()], how=how)[0].accuracy
    for decision in decisions:
        if decision.kind == "op":
            trace.append({"epoch": state.epoch, **decision._asdict(), **_decide_op(state, decision, criterion, how)})
        else:
            trace.append(
                {"epoch": state.epoch, **decision._asdict(), **_decide_node(state, decision, criterion, topology, how)}
            )
    trace[first]["accuracy_before"] = before
    trace[-1]["accuracy_after"] = masked_scores(state, decisions[-1].group, [()], how=how)[0].accuracy


def _decide_op(state: SearchState, decision: Decision, criterion: str, how: Evaluation) -> dict:
    ops, weights = (
        candidates(state.method.space, decision.group, decision.index),
        state.weights()[decision.group][decision.index],
    )
    weight_of = f"a weight on edge {decision.index} of {decision.group!r}"
    largest = max(ops, key=lambda op: decisive(weights[op].item(), weight_of))  # the first wins ties, here and below
    scores: dict[int, Score] = {}
    if criterion == "magnitude" or len(ops) == 1:
        chosen = largest
    elif criterion == "random":
        draw = generator(state.config.seed, f"random choice {decision.group}", decision.index)
        chosen = ops[int(torch.randint(len(ops), (), generator=draw))]
    else:
        scores = operation_strengths(state, decision.group, decision.index, candidates=ops, how=how)
        chosen = weakest(scores, criterion)
    state.relaxation.decide(decision.group, decision.index, chosen)
    return {"op": chosen, "largest_alpha": largest, "weight": weights[chosen].item(), "without": _plain(scores)}


def _decide_node(state: SearchState, decision: Decision, criterion: str, topology: str, how: Evaluation) -> dict:
    space, (_, group, node) = state.method.space, decision
    incoming = [i for i, edge in enumerate(space.choices.groups[group]) if edge.target == node]
    n_kept, scores = kept_edges(space)[group][node], {}

    def measure(edges: Sequence[int], masked: Sequence[int] = (), draw: int = 0) -> dict[int, Score]:
        scores.update(edge_strengths(state, group, edges, masked=masked, how=how, draw=draw))
        return scores

    if topology == "magnitude":
        weight = {t["index"]: t["weight"] for t in state.extra["decisions"] if (t["kind"], t["group"]) == ("op", group)}
        kept = sorted(incoming, key=lambda edge: -weight[edge])[:n_kept]
    elif topology == "one_round":
        kept = strongest_edges(measure(incoming), n_kept, criterion)
    else:
        kept = eliminated(incoming, n_kept, measure, criterion, cumulative=topology == "greedy_cumulative")
    for edge in set(incoming) - set(kept):
        state.relaxation.decide(group, edge, None)
    return {"kept": sorted(kept), "without": _plain(scores)}


def _missed(score: Score, criterion: str) -> tuple[float, ...]:
    """The lower, the more the supernet misses what was masked. PT-Mag with measured edges takes the accuracy.

    Of equal accuracies, which few held-out images make common, the larger loss is missed more.
    """
    decisive(score.loss, "the loss of a masked supernet")  # so wrong a network has an accuracy all the same
    return (-score.loss,) if criterion == "loss" else (score.accuracy, -score.loss)


def weakest(scores: dict[int, Score], criterion: str = "accuracy") -> int:
    """The key without which the supernet does worst; of equals in accuracy and loss the first."""
    return min(scores, key=lambda key: _missed(scores[key], criterion))


def strongest_edges(scores: dict[int, Score], n_kept: int, criterion: str = "accuracy") -> list[int]:
    """The edges that are missed most; lower edges win ties."""
    return sorted(sorted(scores), key=lambda edge: _missed(scores[edge], criterion))[:n_kept]


def eliminated(
    edges: Sequence[int], n_kept: int, measure: Callable, criterion: str = "accuracy", *, cumulative: bool
) -> list[int]:
    """What is left after removing, round by round, the edge that is missed least; the last loses ties.

    `measure(edges, masked, draw)` scores the supernet without each. The official code forgets in every round what it
    has eliminated; `cumulative` keeps that masked.
    """
    left, gone = list(edges), []
    while len(left) > n_kept:
        scores = measure(left, gone if cumulative else (), len(gone))
        least = max(reversed(left), key=lambda edge: _missed(scores[edge], criterion))
        left.remove(least)
        gone.append(least)
    return left


def _plain(scores: dict[int, Score]) -> dict[int, list[float]]:
    return {key: [score.loss, score.accuracy] for key, score in scores.items()}
