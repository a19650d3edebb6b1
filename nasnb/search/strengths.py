"""How much the supernet needs an operation or an edge: its score on the held-out part without it (DARTS-PT, 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from nasnb.device.precision import computing
from nasnb.evaluation import Score, Tally, statistics
from nasnb.limits import decisive
from nasnb.randomness import reseed, seeded
from nasnb.search.state import SearchState
from nasnb.supernet.edges import Routed
from nasnb.supernet.network import Once, each_time

Mask = Sequence[tuple[int, int | None]]  # closed candidates (edge, op); None closes the whole edge


@dataclass(frozen=True)
class Evaluation:
    """How masked supernets are scored. All masks see the same images, augmented alike."""

    statistics: str = "batch"  # of BatchNorms, as the official code; the running ones are put back. Or "running"
    augment: bool = True  # as the official code
    renormalise: bool = False  # True: the open candidates of an edge share what the masked one weighed


def operation_strengths(
    state: SearchState,
    group: str,
    edge: int,
    *,
    candidates: Sequence[int] | None = None,
    how: Evaluation = Evaluation(),
) -> dict[int, Score]:
    """{op: score of the supernet without it}, for the open candidates of an edge or some of them.

    An operation is masked in all cells of the type at once. The lower the accuracy, the stronger the operation.
    """
    open_ops = [op for op, is_open in enumerate(state.relaxation.mask()[group][edge]) if is_open]
    ops = [op for op in open_ops if candidates is None or op in candidates]
    return dict(zip(ops, masked_scores(state, group, [[(edge, op)] for op in ops], how=how), strict=True))


def edge_strengths(
    state: SearchState,
    group: str,
    edges: Sequence[int],
    *,
    masked: Sequence[int] = (),
    how: Evaluation = Evaluation(),
    draw: int = 0,
) -> dict[int, Score]:
    """{edge: score of the supernet without it}, those `masked` being left out every time.

    Another `draw` orders and augments the images anew.
    """
    always = [(edge, None) for edge in masked]
    scores = masked_scores(state, group, [[*always, (edge, None)] for edge in edges], how=how, draw=draw)
    return dict(zip(edges, scores, strict=True))


@torch.no_grad()
def masked_scores(
    state: SearchState, group: str, masks: Sequence[Mask], *, how: Evaluation = Evaluation(), draw: int = 0
) -> list[Score]:
    """The supernet's score on the held-out part under each mask, the empty one included.

    Batches are the outer loop: of a batch, whatever does not depend on the mask is computed once for all masks.
    """
    if len(state.valid) == 0:
        raise ValueError(f"train_fraction={state.config.train_fraction} holds no images out to measure strengths on")
    seed, net, start = state.config.seed, state.net, state.net.groups.index(group)
    base = net.route(state.weights(), state.relaxation.is_open())
    variants = [base | {group: _routed(state, group, mask, how, base[group])} for mask in masks]
    tallies = [Tally(state.valid.images.device) for _ in masks]
    precision = computing(state.config.precision)
    with precision, statistics(net, how.statistics), seeded(seed, "strengths", state.epoch), state.autocast():
        batches = state.batches(state.valid, f"strengths {draw}", state.epoch, augment=how.augment)
        for number, (images, labels) in enumerate(batches):
            shared = net.features(net.stem(images), base, stop=start)
            call = Once((shared, base))
            for mask, routed, tally in zip(masks, variants, tallies, strict=True):
                reseed(seed, "noise", state.epoch, number)  # the same draws for every mask, where an op is noise
                before = _drawn(images.device)
                whole = not mask  # nothing differs, so all of the network would be kept
                states = net.features(shared, routed, start=start, call=each_time if whole else call)
                logits = net.head(states[1]).float()
                tally.add(F.cross_entropy(logits, labels), logits, labels)
                if not torch.equal(before, _drawn(images.device)):  # a draw that is shared would shift the later ones
                    call = each_time
    scores = [tally.score() for tally in tallies]
    for score in scores:  # the accuracy of a network gone wrong is a number all the same
        decisive(score.loss, f"the loss of the supernet without an operation or an edge of {group!r}")
    return scores


def _drawn(device: torch.device) -> Tensor:
    """The state of the default generator: whether it moves tells whether an operation draws numbers."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _routed(state: SearchState, group: str, mask: Mask, how: Evaluation, base: list[Routed]) -> list[Routed]:
    """The group's mixing weights with masked entries at 0, and the open mask that spares their computation.

    States that no masked edge leaves keep the very objects of `base`.
    """
    weights, open = state.weights(), state.relaxation.open(group).clone()
    for edge, op in mask:
        open[edge, slice(None) if op is None else op] = False
    masked = _shared_out(weights[group], open) if how.renormalise else weights[group] * open
    wiring, rows = state.net.wirings[group], {edge for edge, _ in mask}
    routed = wiring(masked, weights.get(f"{group}/edges"), open.tolist())
    return [new if rows & set(leaving) else old for new, old, leaving in zip(routed, base, wiring.leaving, strict=True)]


def _shared_out(weights: Float[Tensor, "*rows ops"], open: Bool[Tensor, "*rows ops"]) -> Float[Tensor, "*rows ops"]:
    kept = weights * open
    share = weights.sum(1, keepdim=True) / kept.sum(1, keepdim=True)
    return (kept * share).nan_to_num(0.0)  # a row without anything open stays 0
