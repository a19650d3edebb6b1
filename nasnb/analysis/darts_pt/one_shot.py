"""One-shot accuracies under both statistics of BatchNorm: how much of them is the cell, how much the statistics?

A supernet that was trained by drawing one path at a time has running statistics averaged over all paths. They fit no
single cell; the statistics of the batch fit every one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from nasnb.analysis.correlations import correlation_with_interval
from nasnb.analysis.darts_pt.selecting import strength_table
from nasnb.analysis.logs import read_samples
from nasnb.architecture import Choices
from nasnb.config import SearchConfig
from nasnb.data import Data
from nasnb.device.precision import computing
from nasnb.evaluation import Score, Tally, statistics
from nasnb.methods import METHODS
from nasnb.randomness import generator, reseed, seeded
from nasnb.search import begin
from nasnb.search.state import SearchState
from nasnb.search.strengths import Evaluation, masked_scores
from nasnb.spaces.official import load_official, read_official

MODES = ("running", "batch")


def cell_weights(picks: pd.DataFrame, choices: Choices) -> dict[str, Tensor]:
    """{group: (edges, ops)} with a 1 on every picked operation; columns of `picks`: group, source, target, op.

    Raises ValueError for an edge that is no edge of the space.
    """
    weights = {group: torch.zeros(choices.shape(group)) for group in choices.groups}
    for pick in picks.itertuples():
        edges = choices.groups[pick.group]
        row = next((i for i, e in enumerate(edges) if (e.source, e.target) == (pick.source, pick.target)), None)
        if row is None:
            raise ValueError(f"{pick.source}->{pick.target} is no edge of {pick.group!r} in this space")
        weights[pick.group][row, edges[row].ops.index(pick.op)] = 1.0
    return weights


def drawn_samples(samples: pd.DataFrame, n: int, *, seed: int = 0) -> list[int]:
    """So many different samples of a log (see `logs.read_samples`), in their order; all if there are fewer."""
    known = samples["sample"].unique()
    order = torch.randperm(len(known), generator=generator(seed, "samples of a log"))
    return sorted(known[order[:n].numpy()].tolist())


@torch.no_grad()
def one_shot_score(state: SearchState, weights: dict[str, Tensor], *, images: int, mode: str) -> Score:
    """The supernet with nothing but one cell open, on the first test images, unaugmented."""
    weights = {group: matrix.to(state.train.images.device) for group, matrix in weights.items()}
    routed = state.net.route(weights, {group: (matrix > 0).tolist() for group, matrix in weights.items()})
    tally, part = Tally(state.train.images.device), state.data.test.take(slice(0, images))
    with computing(state.config.precision), statistics(state.net, mode), seeded(state.config.seed, "one shot"):
        for number, (x, labels) in enumerate(state.batches(part, "one shot", 0, augment=False)):
            reseed(state.config.seed, "noise", 0, number)  # where an operation is noise, the same for every cell
            logits = state.net.head(state.net.features(state.net.stem(x), routed)[1]).float()
            tally.add(F.cross_entropy(logits, labels), logits, labels)
    return tally.score()


def one_shot_accuracies(
    state: SearchState, samples: pd.DataFrame, chosen: Sequence[int], *, images: int = 640
) -> pd.DataFrame:
    """Some cells of a log evaluated again: sample, logged, running, batch; accuracies in percent.

    `state` holds the weights of the log's supernet, `images` test images are taken (a log has 640 held-out ones).
    """
    rows = []
    for sample in chosen:
        picks = samples[samples["sample"] == sample]
        weights = cell_weights(picks, state.relaxation.choices)
        again = {mode: one_shot_score(state, weights, images=images, mode=mode).accuracy for mode in MODES}
        rows.append({"sample": sample, "logged": picks.accuracy.iloc[0], **again})
    return pd.DataFrame(rows)


def official_supernet(data: Data, space: str, weights: str | Path) -> SearchState:
    """A supernet of the official size (16 channels, 8 cells) with published weights (see `spaces.official`)."""
    state = begin(METHODS["darts-pt-fixed-alpha"].on(space), data, SearchConfig(train_images=2000))
    load_official(state.net, read_official(weights))
    return state


def look_at(
    data: Data, space: str, weights: str | Path, log: str | Path | None = None, *, cells: int = 30
) -> dict[str, pd.DataFrame]:
    """`strengths` of the normal cell's operations in a published supernet; with the log of its random search also some
    `cells` evaluated again."""
    state = official_supernet(data, space, weights)
    found = {"strengths": strength_table(state, "normal", how=Evaluation(augment=False))}
    if log is not None:
        samples = read_samples(log, state.relaxation.choices)
        found["cells"] = one_shot_accuracies(state, samples, drawn_samples(samples, cells))
    return found


def by_the_log(samples: pd.DataFrame, choices: Choices, group: str, ops: tuple[str, str]) -> pd.DataFrame:
    """How much better the cells of a log are with the first of two `ops` on an edge than with the second (mean
    one-shot accuracy, points): edge ("0→2"), lead."""
    of_group = samples[samples.group == group]
    mean = of_group.groupby(["source", "target", "op"]).accuracy.mean().unstack("op")
    return _leads(mean[ops[0]] - mean[ops[1]], choices, group)


def by_masking(state: SearchState, group: str, ops: tuple[str, str], *, images: int, mode: str) -> pd.DataFrame:
    """How much more the supernet misses the first of two `ops` on an edge, on the first test images, not augmented:
    edge ("0→2"), points (of accuracy), nats (of loss); `attrs["unmasked"]` is its accuracy (%) with all of them.

    `mode` says which statistics the BatchNorms use: "batch" or "running".
    """
    judged, how = replace(state, valid=state.data.test.take(slice(images))), Evaluation(statistics=mode, augment=False)
    without = strength_table(judged, group, how=how).pivot(index=["source", "target"], columns="op")
    points, nats = without.accuracy_without, without.loss_without
    found = _leads(points[ops[1]] - points[ops[0]], state.method.space.choices, group).rename(
        columns={"lead": "points"}
    )
    found["nats"] = _leads(nats[ops[0]] - nats[ops[1]], state.method.space.choices, group).lead
    found.attrs["unmasked"] = masked_scores(judged, group, [()], how=how)[0].accuracy
    return found


def _leads(lead: pd.Series, choices: Choices, group: str) -> pd.DataFrame:
    edges = [(edge.source, edge.target) for edge in choices.groups[group]]
    return pd.DataFrame({"edge": [f"{a}→{b}" for a, b in edges], "lead": lead.reindex(edges).to_numpy()})


def statistics_summary(table: pd.DataFrame, by: str = "space") -> pd.DataFrame:
    """Per supernet: do we compute what was logged, and what is left of the spread over cells under batch statistics?

    Columns: `by`, n, r, low, high (running statistics against the log, Fisher interval), r_batch (batch against
    running), mean_running, mean_batch, sd_running, sd_batch, explained (percent of the variance that goes).
    """
    rows = []
    for name, part in table.groupby(by, sort=False):
        match = correlation_with_interval(part.logged, part.running, "pearson")
        sd_running, sd_batch = part.running.std(), part.batch.std()
        rows.append(
            {
                by: name,
                "n": len(part),
                "r": match.value,
                "low": match.low,
                "high": match.high,
                "r_batch": correlation_with_interval(part.running, part.batch, "pearson").value,
                "mean_running": part.running.mean(),
                "mean_batch": part.batch.mean(),
                "sd_running": sd_running,
                "sd_batch": sd_batch,
                "explained": 100 * (1 - sd_batch**2 / sd_running**2),
            }
        )
    return pd.DataFrame(rows)


def told_by_space(summary: pd.DataFrame, column: str, form: str = "{:.2f}", *, by: str = "space") -> str:
    """`0.97 (S2), 1.00 (S4)`: a column of `statistics_summary` as part of a sentence."""
    return ", ".join(f"{form.format(x)} ({name})" for x, name in zip(summary[column], summary[by], strict=True))
