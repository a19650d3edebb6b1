"""Selection watched from outside: on any supernet, at any epoch, each decision a row (DARTS-PT, section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import pandas as pd
import torch

from nasnb.analysis.darts_pt.discretisation import discretisation_accuracy
from nasnb.architecture import Choices
from nasnb.config import SearchConfig
from nasnb.data import Data
from nasnb.randomness import generator
from nasnb.search import run_phase, search
from nasnb.search.decisions import candidates
from nasnb.search.perturbation import Select
from nasnb.search.state import SearchState
from nasnb.search.strengths import Evaluation, operation_strengths


def selected(state: SearchState, select: Select, *, seed: int | None = None) -> SearchState:
    """What a selection makes of a copy of the supernet as it stands, whatever searched it and for how long.

    `seed` draws the order of the edges, the batches and their augmentation; None takes that of the search.
    """
    copy = state.copied()
    seed = copy.config.seed if seed is None else seed
    copy.config = replace(copy.config, epochs=copy.stage_epoch, seed=seed)
    for _ in run_phase(select(copy.method, copy.config), copy):
        pass
    return copy


def trajectory(
    method, data: Data, config: SearchConfig, *, selections: dict[str, Select], snapshots: Sequence[int]
) -> pd.DataFrame:
    """Architectures along one search, by the method's own score after every epoch, and by selections at snapshots.

    Figures 4 and 8 of DARTS-PT; the search stops after the last snapshot. A selection that `method` ends with is left
    out. Columns: epoch, how ("magnitude" or a name of `selections`), genotype (notation), valid_accuracy of the
    supernet it was taken from.
    """
    rows = []
    for epoch in search(replace(method, select=None), data, config):
        found = {"magnitude": epoch.genotype}
        if epoch.number in snapshots:
            states = {name: selected(epoch.state, select) for name, select in selections.items()}
            found |= {name: after.method.genotype(after) for name, after in states.items()}
        rows += [(epoch.number, how, g.notation(), epoch.valid.accuracy) for how, g in found.items()]
        if epoch.number == max(snapshots):
            break
    return pd.DataFrame(rows, columns=["epoch", "how", "genotype", "valid_accuracy"])


def decision_table(decisions: Iterable[dict[str, Any]], choices: Choices) -> pd.DataFrame:
    """Operations as a selection decided them, from `state.extra["decisions"]`: one row per edge, in their order.

    Columns: epoch, group, edge, source, target, op, largest_alpha, agree, tie (whether several operations were missed
    as much), accuracy_before and accuracy_after (of the supernet, percent, on the same batches; NaN where an edge of
    another cell was decided at once: the round's first has the one, its last the other).
    """
    rows = []
    for task in (task for task in decisions if task["kind"] == "op"):
        edge = choices.groups[task["group"]][task["index"]]
        missed = sorted(accuracy for _, accuracy in task["without"].values())
        op, largest = edge.ops[task["op"]], edge.ops[task["largest_alpha"]]
        rows.append(
            {
                "epoch": task["epoch"],
                "group": task["group"],
                "edge": task["index"],
                "source": edge.source,
                "target": edge.target,
                "op": op,
                "largest_alpha": largest,
                "agree": task["op"] == task["largest_alpha"],
                "tie": len(missed) > 1 and missed[0] == missed[1],
                "accuracy_before": task.get("accuracy_before", float("nan")),
                "accuracy_after": task.get("accuracy_after", float("nan")),
            }
        )
    return pd.DataFrame(rows)


def drops(decisions: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """What each round of decisions cost at once, before any tuning: figure 6 of DARTS-PT, from the same trace.

    Columns: round (from 1), kind ("op" or "node"), before, after (accuracies in percent), drop.
    """
    rows: list[dict[str, Any]] = []
    for task in decisions:
        if "accuracy_before" in task:
            rows.append({"round": len(rows) + 1, "kind": task["kind"], "before": task["accuracy_before"]})
        if "accuracy_after" in task:
            rows[-1]["after"] = task["accuracy_after"]
    table = pd.DataFrame(rows, columns=["round", "kind", "before", "after"])
    return table.assign(drop=table.before - table.after)


def strength_table(
    state: SearchState, group: str, edges: Sequence[int] | None = None, *, how: Evaluation = Evaluation()
) -> pd.DataFrame:
    """What the supernet loses with each candidate of some edges (or all): DARTS-PT, section 4.1.

    Columns: group, edge, source, target, op, alpha, weight, accuracy and loss without the operation.
    """
    places, rows = state.relaxation.choices.groups[group], []
    weights = state.weights()[group]
    for e in range(len(places)) if edges is None else edges:
        legal = candidates(state.method.space, group, e)
        for op, score in operation_strengths(state, group, e, candidates=legal, how=how).items():
            rows.append(
                {
                    "group": group,
                    "edge": e,
                    "source": places[e].source,
                    "target": places[e].target,
                    "op": places[e].ops[op],
                    "alpha": state.relaxation.alpha[group][e, op].item(),
                    "weight": weights[e, op].item(),
                    "accuracy_without": score.accuracy,
                    "loss_without": score.loss,
                }
            )
    return pd.DataFrame(rows)


def discretisation_table(
    state: SearchState, group: str, edges: Sequence[int], *, repeats: int = 1, lr: float = 0.0025, epochs: int = 30
) -> pd.DataFrame:
    """The yardstick on every candidate of some edges, each `repeats` times with other batches: figures 1, 2 and 7.

    Columns: group, edge, op, alpha, weight, repeat, and those of `Worth`.
    """
    alpha, weights, rows = state.relaxation.alpha[group], state.weights()[group], []
    for e in edges:
        ops = state.relaxation.choices.groups[group][e].ops
        for op, repeat in product(candidates(state.method.space, group, e), range(repeats)):
            found = discretisation_accuracy(state, group, e, op=op, epochs=epochs, lr=lr, repeat=repeat)
            known = {"alpha": alpha[e, op].item(), "weight": weights[e, op].item(), "repeat": repeat}
            rows.append({"group": group, "edge": e, "op": ops[op], **known, **found._asdict()})
    return pd.DataFrame(rows)


def random_edges(choices: Choices, group: str, n: int, *, seed: int = 0) -> list[int]:
    """`n` different edges of a group, in order; all of them if there are fewer."""
    order = torch.randperm(len(choices.groups[group]), generator=generator(seed, "edges to look at"))
    return sorted(order[:n].tolist())
