"""Why similar operations lose: equal ones can only share what one of them would get (StacNAS, equations 6 and 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import softmax

from nasnb.analysis.stacnas.skips import share_of
from nasnb.architecture import Edge
from nasnb.config import nearest
from nasnb.limits import decisive
from nasnb.spaces import SPACES
from nasnb.spaces.cells import CellSpace, plain_name

SINGLE, TWICE, UNEQUAL = "max, sep 3×3", "max, sep 3×3 twice", "max, sep 3×3, sep 5×5"  # the candidates of a contest


def duplicated(
    space: CellSpace, op: str, *, copies: int = 2, edges: Mapping[str, Sequence[int]] | None = None
) -> CellSpace:
    """The space with `op` standing `copies` times on every edge that has it, or on {group: edges} only.

    The copies are `op`, `op#2`, ..., each with weights of its own. Raises ValueError if no edge has the operation.
    """
    candidates, found = {}, False
    for group, rows in space.candidates.items():
        candidates[group] = tuple(
            _with_copies(row, op, copies) if edges is None or edge in edges.get(group, ()) else row
            for edge, row in enumerate(rows)
        )
        found |= candidates[group] != tuple(rows)
    if copies > 1 and not found:
        names = {name for rows in space.candidates.values() for row in rows for name in row}
        raise ValueError(f"none of these edges of space {space.name!r} has {op!r}{nearest(op, names)}")
    return replace(space, name=f"{space.name}-{op}-x{copies}", candidates=candidates)


def _with_copies(row: Sequence[str], op: str, copies: int) -> tuple[str, ...]:
    more = tuple(f"{op}#{i}" for i in range(2, copies + 1))
    return tuple(name for each in row for name in ((each, *more) if each == op else (each,)))


def joined(weights: np.ndarray, edges: Sequence[Edge]) -> pd.DataFrame:
    """Weights with and without adding up the copies of an operation, of (edges, ops).

    Columns: edge, op, weight (of all copies), largest (of the strongest copy). Where the operation with the most
    weight is not the one with the largest single weight, copies have flipped the choice.
    """
    rows = []
    for i, edge in enumerate(edges):
        shares: dict[str, list[float]] = {}
        for name, weight in zip(edge.ops, weights[i], strict=False):
            shares.setdefault(plain_name(name), []).append(
                decisive(float(weight), f"the weight of {name!r} on edge {i}")
            )
        rows += [(i, name, sum(copies), max(copies)) for name, copies in shares.items()]
    return pd.DataFrame(rows, columns=["edge", "op", "weight", "largest"])


def flipped(weights: np.ndarray, edges: Sequence[Edge]) -> list[int]:
    """The edges on which the strongest operation is not the one that a single weight would choose; none is ignored."""
    table = joined(weights, edges)
    strongest = (part.set_index("op") for _, part in table[table.op != "none"].groupby("edge"))
    return [i for i, part in enumerate(strongest) if part.weight.idxmax() != part.largest.idxmax()]


def toy_search(
    features: np.ndarray,
    target: np.ndarray,
    *,
    copies: Mapping[int, int] | None = None,
    steps: int = 2000,
    lr: float = 1.0,
) -> np.ndarray:
    """Weights (steps + 1, ops) of gradient descent on the logits of sum over o of softmax(beta)_o f_o = target.

    `features` are (ops, values); `copies` {op: how often it stands there}, each copy beside its original. The loss is
    the mean square error, which sees only the sum of the copies' weights: started alike, they stay alike.
    """
    times = [(copies or {}).get(op, 1) for op in range(len(features))]
    stacked = np.repeat(features, times, axis=0)
    beta = np.zeros(len(stacked))
    history = [softmax(beta)]
    for _ in range(steps):
        weights = history[-1]
        slope = 2 * stacked @ (weights @ stacked - target) / len(target)
        beta = beta - lr * weights * (slope - weights @ slope)
        history.append(softmax(beta))
    return np.stack(history)


def share_by_count(alone: np.ndarray, copies: int = 2) -> np.ndarray:
    """Share of the pool against `copies` equal convolutions by their number alone, from its share against one.

    Odds count candidates: p : (1 - p) becomes p : copies (1 - p), as in a softmax; one half becomes one third.
    """
    alone = np.asarray(alone, dtype=float)
    return alone / (alone + copies * (1 - alone))


def contest_spaces() -> dict[str, CellSpace]:
    """Max pooling against one separable convolution, against two equal ones, and against two kernel sizes (equation 6).

    >>> {name: len(space.choices.groups["normal"][0].ops) for name, space in contest_spaces().items()}
    {'max, sep 3×3': 3, 'max, sep 3×3 twice': 4, 'max, sep 3×3, sep 5×5': 4}
    """
    single = SPACES["stacnas-v2"]
    return {SINGLE: single, TWICE: duplicated(single, "sep_conv_3x3"), UNEQUAL: SPACES["stacnas-v2-ungrouped"]}


def contest_table(contests: Mapping[str, Sequence], spaces: Mapping[str, CellSpace]) -> pd.DataFrame:
    """Max pooling against convolutions at the end of searches, {space: results}, means over the normal cell's edges.

    Columns: candidates, seed, pool, strongest (the largest single convolution), together (all convolutions), pool_share
    (of the chosen operations), flipped (edges where convolutions together outweigh the pool and none does alone).
    """
    rows = []
    for name, results in contests.items():
        ops = spaces[name].choices.groups["normal"][0].ops
        for result in results:
            weights = result.weights["normal"][-1]
            convs, pool = weights[:, ["sep" in op for op in ops]], weights[:, ops.index("max_pool_3x3")]
            together, strongest = convs.sum(1), convs.max(1)
            flips, picked = (together > pool) & (strongest < pool), result.genotype.ops("normal")
            values = pool.mean(), strongest.mean(), together.mean(), picked.count("max_pool_3x3") / len(picked)
            rows.append((name, result.record["seed"], *values, flips.mean()))
    columns = ["candidates", "seed", "pool", "strongest", "together", "pool_share", "flipped"]
    return pd.DataFrame(rows, columns=columns)


def beyond_count(contest: pd.DataFrame, single: str) -> pd.DataFrame:
    """What is left of the pool's share beyond counting, of every space with two convolutions, seed by seed.

    Columns: candidates, seed, share and counted (what the same seed's share in the space `single` makes against two),
    left (points), flipped (percent of the edges). `contest` is a `contest_table`.
    """
    alone = contest[contest.candidates == single].set_index("seed").pool_share
    other = contest[contest.candidates != single].reset_index(drop=True)
    counted = share_by_count(alone.loc[other.seed])
    return pd.DataFrame(
        {
            "candidates": other.candidates,
            "seed": other.seed,
            "share": 100 * other.pool_share,
            "counted": 100 * counted,
            "left": 100 * (other.pool_share - counted),
            "flipped": 100 * other.flipped,
        }
    )


def variant_table(variants: Mapping[str, Sequence], spaces: Mapping[str, CellSpace]) -> pd.DataFrame:
    """Max pooling at the end of searches, {method: results}, beside what the number of candidates alone gives.

    Columns: candidates (the method), seed, share (percent of the normal cell), counted (one in all candidates but
    none), left (points).
    """
    rows = []
    for name, results in variants.items():
        counted = 100 / sum(op != "none" for op in spaces[name].choices.groups["normal"][0].ops)
        shares = [share_of(result.genotype, "max_pool_3x3") for result in results]
        rows += [(name, run.record["seed"], x, counted, x - counted) for run, x in zip(results, shares, strict=True)]
    return pd.DataFrame(rows, columns=["candidates", "seed", "share", "counted", "left"])


def pool_effects(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """{claim: a value per seed} of what is `left` beyond counting, in points, of both tables below each other.

    The methods of a `variant_table` are called DARTS and StacNAS.
    """
    left = table.pivot(index="seed", columns="candidates", values="left")
    return {
        "stacnas/copy-favours-pool": left[TWICE].to_numpy(),
        "stacnas/second-kernel-favours-pool": left[UNEQUAL].to_numpy(),
    } | variant_effects(table)


def variant_effects(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """{claim: a value per seed} of a `variant_table` alone, with the methods DARTS and StacNAS, in points."""
    left = table.pivot(index="seed", columns="candidates", values="left")
    return {"stacnas/darts-pools-more": (left["DARTS"] - left["StacNAS"]).to_numpy()}


def toy_table(*, seed: int = 0, copies: Sequence[int] = (1, 2, 3), steps: int = 2000) -> pd.DataFrame:
    """`toy_search` for a pool with 0.45 and a convolution with 0.55 of the target, the latter several times.

    Columns: candidates, weight of (pool, strongest, together), weight.
    """
    draw = np.random.default_rng(seed)
    features = np.linalg.qr(draw.standard_normal((200, 2)))[0].T * np.sqrt(200)
    rows = []
    for times in copies:
        pool, *convs = toy_search(features, np.array([0.45, 0.55]) @ features, copies={1: times}, steps=steps)[-1]
        name = f"{times} convolution{'s' if times > 1 else ''}"
        rows += [(name, "pool", pool), (name, "strongest", max(convs)), (name, "together", sum(convs))]
    return pd.DataFrame(rows, columns=["candidates", "weight of", "weight"])
