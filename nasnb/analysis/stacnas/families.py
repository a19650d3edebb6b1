"""Operations as families: how much more alike they are within one than across, before and after training.

StacNAS, section 2.4.2, figure 1 and Table 6. Matrices are data frames with the operations as index and columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from nasnb.analysis.fans import places
from nasnb.analysis.stacnas.correlation import (
    centred_correlations,
    mean_correlation,
    operator_correlation,
    operator_groups,
    rand_index,
)
from nasnb.data import Data
from nasnb.data import batches as draw
from nasnb.published.numbers import published
from nasnb.search import begin
from nasnb.search.phase import Hook
from nasnb.search.state import Batch, SearchState
from nasnb.supernet.network import Network, Weights

FIRST = "first edge, per feature"  # the reading that the claims take


class Contrast(NamedTuple):
    """Mean correlation of the pairs within a group, and of those across groups."""

    within: float
    across: float


def contrast(correlation: pd.DataFrame, groups: Sequence[Sequence[str]]) -> Contrast:
    """Of a correlation matrix under a grouping; operations that are in no group, or not in the matrix, do not count.

    Raises ValueError if one of the two kinds of pairs does not occur.
    """
    home = {op: i for i, group in enumerate(groups) for op in group if op in correlation.index}
    names = list(home)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    kinds = [[correlation.loc[a, b] for a, b in pairs if (home[a] == home[b]) is same] for same in (True, False)]
    if not all(kinds):
        raise ValueError(f"groups {list(map(tuple, groups))} need pairs within a group and pairs across groups")
    return Contrast(*(float(np.mean(values)) for values in kinds))


def published_correlation() -> pd.DataFrame:
    """Table 6 of StacNAS."""
    rows = published(paper="StacNAS", table="Table 6")
    pairs = [tuple(row.split(", ")) for row in rows["row"]]
    names = list(dict.fromkeys(op for pair in pairs for op in pair))
    matrix = pd.DataFrame(np.eye(len(names)), names, names)
    for (a, b), value in zip(pairs, rows["value"], strict=True):
        matrix.loc[a, b] = matrix.loc[b, a] = value
    return matrix


def correlation_views(
    net: Network, batches: Callable[[], Iterable[Batch]], weights: Weights, *, ops: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Everything that the paper's text may mean by the correlation of `ops`, on one network and one set of images.

    Keys: "first edge" or "all edges" (their mean), and the centre, "per feature" or "global". `batches()` begins
    anew; one pass is enough. BatchNorms use batch statistics, so that an untrained network, whose running ones are
    none, is read in the same way.
    """
    both = centred_correlations(net, batches(), weights, at=places(net), ops=ops, statistics="batch")
    views = {}
    for center, name in (("feature", "per feature"), ("global", "global")):
        found = both[center]
        views[f"first edge, {name}"] = found[min(found)]
        views[f"all edges, {name}"] = mean_correlation(found)
    return {name: view.loc[list(ops), list(ops)] for name, view in views.items()}


def views_of(
    state: SearchState, batches: Callable[[str], Iterable[Batch]], *, ops: Sequence[str]
) -> dict[str, np.ndarray]:
    """`correlation_views` of a trained supernet on training images, and the first edge on test images and untrained.

    `batches` takes "train" or "test".
    """
    fresh = begin(state.method, state.data, state.config)
    views = correlation_views(state.net, lambda: batches("train"), state.weights(), ops=ops)
    how = {"at": places(state.net)[:1], "ops": ops, "statistics": "batch"}
    test = operator_correlation(state.net, batches("test"), state.weights(), **how)
    untrained = operator_correlation(fresh.net, batches("train"), fresh.weights(), **how)
    views |= {"test images": test.loc[ops, ops], "untrained": untrained.loc[ops, ops]}
    return {name: view.to_numpy() for name, view in views.items()}


def images_for(data: Data, n: int) -> Callable[[str], Iterator[Batch]]:
    """`images("train")` begins a pass over the first n images of a part, as they are."""

    def images(part: str) -> Iterator[Batch]:
        how = {"mean": data.mean, "std": data.std, "seed": 0, "purpose": "correlation", "epoch": 0, "shuffle": False}
        return draw(getattr(data, part).take(slice(0, n)), 200, **how)

    return images


def as_pairs(matrices: Mapping[str, np.ndarray], ops: Sequence[str]) -> pd.DataFrame:
    """reading, first, second, correlation: every pair of different operations once."""
    pairs = [(i, j) for i in range(len(ops)) for j in range(i)]
    rows = [(name, ops[i], ops[j], matrix[i, j]) for name, matrix in matrices.items() for i, j in pairs]
    return pd.DataFrame(rows, columns=["reading", "first", "second", "correlation"])


def summary_of_readings(
    views: Sequence[Mapping[str, np.ndarray]], ops: Sequence[str], groups: Sequence[Sequence[str]], *, tau: float
) -> pd.DataFrame:
    """What is said of every reading of every search, a line each: search, reading, the correlation of every family by
    its first member, apart (pairs within groups less others), convolutions (mean of the separable and the dilated pair,
    less others), rand (adjusted Rand index of the groups found at tau with these).
    """
    rows, several = [], [group for group in groups if len(group) > 1]
    for at, view in enumerate(views):
        for reading, matrix in view.items():
            table = pd.DataFrame(matrix, ops, ops)
            pairs, kinds = of_families(table, groups), contrast(table, groups)
            convolutions = np.mean([r for op, r in pairs.items() if "conv" in op]) - kinds.across
            rand = rand_index(operator_groups(table, tau=tau), several)
            whole = {"apart": kinds.within - kinds.across, "convolutions": convolutions, "rand": rand}
            rows.append({"search": at, "reading": reading, **pairs, **whole})
    return pd.DataFrame(rows)


def effects_of_readings(told: pd.DataFrame, reading: str = FIRST) -> dict[str, np.ndarray]:
    """What the claims on feature maps ask for, search by search, of a `summary_of_readings`."""
    trained, fresh = (told[told.reading == name].set_index("search") for name in (reading, "untrained"))
    return {
        "stacnas/families-alike": trained.apart.to_numpy(),
        "stacnas/groups-found": trained.rand.to_numpy(),
        "stacnas/convolutions-alike": (trained.convolutions - fresh.convolutions).to_numpy(),
    }


def fitting_taus(correlation: pd.DataFrame, groups: Sequence[Sequence[str]]) -> tuple[float, float]:
    """The smallest and the largest tau, in hundredths, at which the groups found are these.

    Raises ValueError if there is none.
    """
    wanted = {frozenset(group) for group in groups if len(group) > 1}
    taus = [hundredth / 100 for hundredth in range(1, 100)]
    fit = [tau for tau in taus if set(map(frozenset, operator_groups(correlation, tau=tau))) == wanted]
    if not fit:
        raise ValueError(f"at no tau are the groups {', '.join(' + '.join(sorted(group)) for group in wanted)}")
    return min(fit), max(fit)


def of_families(correlation: pd.DataFrame, groups: Sequence[Sequence[str]]) -> dict[str, float]:
    """{first member: correlation of the two members of a group}, of groups of two."""
    return {group[0]: float(correlation.loc[group[0], group[1]]) for group in groups if len(group) == 2}


def recorded_families(batches: Callable[[], Iterable[Batch]], *, groups: Sequence[Sequence[str]]) -> Hook:
    """Remember, before a search and after every epoch, how alike the two members of every family are on the first edge.

    `batches()` begins anew. Batch statistics throughout, so that the untrained network is read as the trained one.
    """
    ops = [op for group in groups if len(group) == 2 for op in group]

    def hook(state: SearchState) -> None:
        how = {"at": places(state.net)[:1], "ops": ops, "statistics": "batch"}
        now = of_families(operator_correlation(state.net, batches(), state.weights(), **how), groups)
        state.extra["families"] = [*state.extra.get("families", [])[: state.stage_epoch], now]

    return hook


def families_over_training(state: SearchState) -> pd.DataFrame:
    """What `recorded_families` remembered: step (0 before training), family (its first member), correlation."""
    steps = len(state.train) // state.config.batch_size
    rows = [(at * steps, *pair) for at, now in enumerate(state.extra["families"]) for pair in now.items()]
    return pd.DataFrame(rows, columns=["step", "family", "correlation"])
