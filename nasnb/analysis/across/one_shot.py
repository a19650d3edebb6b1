"""A cell inside the supernet that it was chosen from: how much of its images it gets right without any training."""

from __future__ import annotations

import torch

from nasnb import evaluation
from nasnb.architecture import Genotype
from nasnb.search.state import SearchState
from nasnb.supernet.shapes import OpValues


def one_shot_accuracy(state: SearchState, genotype: Genotype) -> float:
    """Percent of the held-out images, every chosen operation with weight 1 and all others with 0.

    BatchNorms take the statistics of the batch: those of the whole supernet are not the cell's. What edges weigh
    (PC-DARTS) stays.
    """
    weights = {key: value.detach() for key, value in state.weights().items()} | chosen_weights(state, genotype)
    with evaluation.statistics(state.net, "batch"):
        return evaluation.evaluate(lambda images: state.net(images, weights), state.valid, state.data).accuracy


def chosen_weights(state: SearchState, genotype: Genotype) -> dict[str, OpValues]:
    """{group: (edges, ops)}: 1 for what the cell has, 0 elsewhere."""
    found = {}
    for group, edges in state.relaxation.choices.groups.items():
        rows = {edge[:2]: row for row, edge in enumerate(edges)}
        weights = torch.zeros_like(state.relaxation.alpha[group].detach())
        for op, *place in genotype.picks[group]:
            row = rows[tuple(place)]
            weights[row, edges[row].ops.index(op)] = 1
        found[group] = weights
    return found
