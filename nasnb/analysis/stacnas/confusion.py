"""Gradient confusion: how much the mini-batches of a network disagree, and which depth matches (StacNAS, 2.5.2).

The papers' equation 10 sums from 11 to 10; we read it as the mean over ten iterations (the appendix says mean).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nasnb import evaluation
from nasnb.data import Augment, Data, Split, batches
from nasnb.limits import decisive
from nasnb.search.state import SearchState
from nasnb.training import TrainState

Loss = Callable[[Tensor, Tensor], Tensor]
Remember = Callable[[str, dict, Callable[[], dict]], dict]


def gradient_confusion(
    gradients: Tensor | Sequence[Tensor] | None = None, *, gram: Tensor | None = None, rule: str = "set"
) -> float:
    """zeta = max(0, max over pairs of -<g_i, g_j>), of gradients (batches, parameters) or a list, or of their `gram`.

    `rule="row"`: the mean over i of max(0, max over j of -<g_i, g_j>). A single batch has no confusion.
    """
    if rule not in ("set", "row"):
        raise ValueError(f"unknown rule {rule!r}; known: set, row")
    if (gradients is None) == (gram is None):
        raise ValueError("give either the gradients or their Gram matrix")
    if gram is None:
        g = gradients if isinstance(gradients, Tensor) else torch.stack([g.flatten() for g in gradients])
        gram = g.double() @ g.double().T
    rows = _confusions(gram)
    return float(rows.max() if rule == "set" else rows.mean())


def _confusions(gram: Float[Tensor, "batches batches"]) -> Tensor:
    """(batches,): max(0, max over j of -<g_i, g_j>). A gradient always agrees with itself."""
    return (-gram.double()).fill_diagonal_(0).clamp_min(0).amax(1)


@dataclass(frozen=True)
class Confusion:
    """Per iteration (or row), and their mean (or sum) divided by the parameters in millions."""

    value: float
    iterations: tuple[float, ...]
    parameters: int


def confusion_of(
    net: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    loss: Loss | None = None,
    include: Sequence[Tensor] = (),
    m: int = 10,
    iterations: int = 10,
    rule: str = "set",
    reduction: str = "mean",
) -> Confusion:
    """Confusion of a network where it stands, over `iterations` times `m` batches; nothing about it is changed.

    `loss(images, labels)` defaults to the cross entropy of `net(images)`; for a supernet give
    `lambda images, labels: state.loss((images, labels), state.weights())`. BatchNorms use batch statistics. `include`
    are parameters besides the network's, such as alpha. Only the Gram matrix outlives an iteration. `rule="row"` draws
    one set of `m` batches in all. Raises ValueError if the batches run out.
    """
    if rule not in ("set", "row") or reduction not in ("mean", "sum"):
        raise ValueError(f"rule={rule!r}, reduction={reduction!r}: choose 'set' or 'row', 'mean' or 'sum'")
    loss = (lambda images, labels: F.cross_entropy(net(images), labels)) if loss is None else loss
    stream, values, parameters = iter(batches), [], 0
    inputs = [p for p in [*net.parameters(), *include] if p.requires_grad]
    rounds = 1 if rule == "row" else iterations
    with evaluation.statistics(net, "batch"):
        for _ in range(rounds):
            gram, parameters = _gram(inputs, loss, _take(stream, m, rounds))
            rows = _confusions(gram)
            values += rows.tolist() if rule == "row" else [float(rows.max())]
    total = sum(values) / (len(values) if reduction == "mean" else 1)
    return Confusion(total / (parameters / 1e6), tuple(values), parameters)


def _gram(inputs: Sequence[Tensor], loss: Loss, drawn: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, int]:
    """(m, m) in float64, and how many parameters have a gradient."""
    rows = []
    for images, labels in drawn:
        found = torch.autograd.grad(loss(images, labels), inputs, allow_unused=True)
        rows.append([None if g is None else g.flatten() for g in found])
    columns = [parts for parts in zip(*rows, strict=True) if any(part is not None for part in parts)]
    gram = 0.0
    for parts in columns:  # in double precision only one parameter at a time
        like = next(part for part in parts if part is not None)
        block = torch.stack([torch.zeros_like(like) if part is None else part for part in parts]).double()
        gram = gram + block @ block.T
    return gram, sum(next(p for p in parts if p is not None).numel() for parts in columns)


def _take(stream: Iterator, m: int, rounds: int) -> list[tuple[Tensor, Tensor]]:
    drawn = [batch for _, batch in zip(range(m), stream, strict=False)]
    if len(drawn) < m:
        raise ValueError(f"the batches ran out: {rounds} x {m} are needed; `fresh_batches` has no end")
    return drawn


def by_batches(
    state: SearchState, *, sizes: Sequence[int] = (16, 64), most: int = 10, rounds: int = 10
) -> pd.DataFrame:
    """What the confusion of a supernet hangs on: batch_size, m, round, confusion (not divided).

    On held-out images, or where a search has none (one level) on its own. One Gram matrix of `most` batches serves
    every m from 2 on.
    """
    split = state.valid if len(state.valid) else state.train
    loss, inputs = (lambda *batch: state.loss(batch, state.weights())), list(state.net.parameters())
    rows = []
    with evaluation.statistics(state.net, "batch"):
        for size in sizes:
            stream = fresh_batches(state.data, split=split, batch_size=size, seed=state.config.seed)
            for at in range(rounds):
                gram, _ = _gram(inputs, loss, _take(stream, most, rounds))
                rows += [(size, m, at, float(_confusions(gram[:m, :m]).max())) for m in range(2, most + 1)]
    return pd.DataFrame(rows, columns=["batch_size", "m", "round", "confusion"])


def fresh_batches(
    data: Data, *, split: Split | None = None, batch_size: int = 96, seed: int = 0, augment: Augment | None = Augment()
) -> Iterator[tuple[Tensor, Tensor]]:
    """Full training batches without end, in a new order with every pass; of the whole split where it is smaller.

    Confusion grows with the noise of the batches: compare networks at one batch size only.
    """
    epoch, split = 0, data.train if split is None else split
    while True:
        yield from batches(
            split,
            min(batch_size, len(split)),
            mean=data.mean,
            std=data.std,
            seed=seed,
            purpose="confusion",
            epoch=epoch,
            augment=augment,
            drop_last=True,
        )
        epoch += 1


def confusion_of_run(
    result: Any, data: Data, pool: Split, *, seed: int, batch_size: int, m: int, iterations: int
) -> Confusion:
    """Of a finished search or training where it ended, on fresh batches of `pool`, one for all that are compared."""
    return confusion_of_state(result.state(), data, pool, seed=seed, batch_size=batch_size, m=m, iterations=iterations)


def confusion_of_state(
    state: SearchState | TrainState, data: Data, pool: Split, *, seed: int, batch_size: int, m: int, iterations: int
) -> Confusion:
    """Of a search or a training where it stands, untrained ones too, on fresh batches of `pool`."""
    loss = (lambda *batch: state.loss(batch, state.weights())) if isinstance(state, SearchState) else None
    drawn = fresh_batches(data, split=pool, batch_size=batch_size, seed=seed)
    return confusion_of(state.net, drawn, loss=loss, m=m, iterations=iterations)


def confusions_of_runs(
    results: Sequence[Any], data: Data, pool: Split, *, remember: Remember, **how: int
) -> np.ndarray:
    """(2, runs): confusion per million parameters, as the paper has it, and not divided; batches by each run's seed.

    `remember(kind, facts, compute)` computes what is not known yet (`runs.run_once`); `how` is what `confusion_of_run`
    takes.
    """
    found = []
    for result in results:
        at = how | {"seed": result.record["seed"]}
        facts = {"of": result.name, "data": data.checksum, "pool": len(pool), **at}
        each = remember("confusion", facts, lambda r=result, at=at: vars(confusion_of_run(r, data, pool, **at)))
        found.append((each["value"], each["value"] * each["parameters"] / 1e6))
    return np.array(found).T


def ratio_table(values: Mapping[str, np.ndarray], final: str, *, seed: int) -> pd.DataFrame:
    """network, seed, confusion, ratio to the mean of the network `final`; NaN where no two of its batches disagree."""
    base = float(np.mean(values[final])) or float("nan")
    rows = [(name, seed + i, x, x / base) for name, several in values.items() for i, x in enumerate(several)]
    return pd.DataFrame(rows, columns=["network", "seed", "confusion", "ratio"])


def effects_of_depth(ratios: pd.DataFrame, skips: pd.DataFrame) -> dict[str, np.ndarray]:
    """{claim: a value per seed}, from a `ratio_table` with networks `stage 1, 8 cells` and a `skips_by_depth`.

    The deepest stage one has as many cells as stage two.
    """
    of, picked = (
        table.pivot(index="seed", columns=by, values=value)
        for table, by, value in ((ratios, "network", "ratio"), (skips, "cells", "skips"))
    )
    low, high = picked.columns.min(), picked.columns.max()
    deepest = of[f"stage 1, {high} cells"]
    return {
        "stacnas/deeper-more-skips": (picked[high] - picked[low]).to_numpy(),
        "stacnas/deeper-more-confused": (deepest - of[f"stage 1, {low} cells"]).to_numpy(),
        "stacnas/stage-two-less-confused": (deepest - of[f"stage 2, {high} cells"]).to_numpy(),
    }


def sensitivity_of_match(settings: Mapping[str, Mapping[int | str, np.ndarray]], final: str) -> pd.DataFrame:
    """How sure a matching depth is, {setting: {cells, or `final`: (2, runs)}}: a line per setting and division by M."""
    lines = []
    for name, values in settings.items():
        for row, division in enumerate(("divided by M", "not divided")):
            tried = {depth: list(each[row]) for depth, each in values.items() if depth != final}
            seeds = matches_by_seed(tried, list(values[final][row]))
            words = ", ".join("not bracketed" if depth is None else f"{depth}" for depth in seeds)
            lines.append((name, division, f"{np.mean(values[final][row]):.3g}", words))
    return pd.DataFrame(lines, columns=["measured", "parameters", "of the final network", "matching cells, by seed"])


def matching_depth(confusions: Mapping[int, float], reference: float, *, rule: str = "difference") -> int:
    """The number of cells whose confusion is nearest to that of the final network; the smaller wins ties.

    `rule="log_ratio"` measures the distance by ratios.
    """
    rules = {"difference": lambda x: abs(x - reference), "log_ratio": lambda x: abs(_log(x) - _log(reference))}
    if rule not in rules:
        raise ValueError(f"unknown rule {rule!r}; known: {', '.join(rules)}")
    for depth, value in [*confusions.items(), ("the final network", reference)]:
        decisive(value, f"the confusion of {depth} cells" if depth in confusions else f"the confusion of {depth}")
    return min(sorted(confusions), key=lambda depth: round(rules[rule](confusions[depth]), 12))


def is_bracketed(confusions: Mapping[int, float], reference: float) -> bool:
    """Whether the final network's confusion lies between those of the depths tried; else the nearest says little.

    Where no two batches disagree, at 0, there is nothing to match.
    """
    return reference > 0 and min(confusions.values()) <= reference <= max(confusions.values())


def matches_by_seed(confusions: Mapping[int, Sequence[float]], references: Sequence[float]) -> list[int | None]:
    """The matching depth of every seed, its supernets against its own final network; None where it is not bracketed."""
    found = []
    for at, reference in enumerate(references):
        mine = {depth: values[at] for depth, values in confusions.items()}
        found.append(matching_depth(mine, reference) if is_bracketed(mine, reference) else None)
    return found


def _log(x: float) -> float:
    return log(x) if x > 0 else -float("inf")
