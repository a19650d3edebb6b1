"""The stages of an experiment, as the notebooks in notebooks/stages run them: search, select, retrain, compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from nasnb.analysis.partial import variant
from nasnb.config import nearest
from nasnb.methods import METHODS, Method
from nasnb.mixes import PartialMix
from nasnb.runs import Result
from nasnb.search.ranks import maximum_stable_rank, minimum_stable_rank
from nasnb.search.selection import Score, magnitude
from nasnb.spaces import with_nodes

SCORES: Mapping[str, Callable[[], Score]] = {
    "magnitude": lambda: magnitude,
    "minimum_stable_rank": minimum_stable_rank,
    "maximum_stable_rank": maximum_stable_rank,
}
PROTOCOLS = ("first", "supernet", "short_training")


def method_like(name: str, *, space: str | None = None, k: int | None = None, edge_normalisation: bool | None = None,
                nodes: int | None = None, score: str | None = None) -> Method:  # fmt: skip
    """A method of METHODS with some of its parts replaced; None keeps a part. Raises ValueError for unknown names."""
    for what, wanted, known in (("method", name, METHODS), ("score", score, SCORES)):
        if wanted is not None and wanted not in known:
            raise ValueError(f"unknown {what} {wanted!r}{nearest(wanted, known)}; known: {', '.join(known)}")
    method = METHODS[name] if space is None else METHODS[name].on(space)
    if k is not None or edge_normalisation is not None:
        own_k = method.mix.k if isinstance(method.mix, PartialMix) else 1
        beta = method.relax.edges if edge_normalisation is None else edge_normalisation
        method = variant(method, k=own_k if k is None else k, beta=beta)
    if nodes is not None:
        method = replace(method, name=f"{method.name}-{nodes}-nodes", space=with_nodes(method.space, nodes))
    if score is not None:
        method = replace(method, name=f"{method.name}-by-{score.replace('_', '-')}", score=SCORES[score]())
    return method


def picked(searches: Sequence[Result], protocol: str, *, short: Sequence[Result] = ()) -> int:
    """Which of several searches goes on: the first; the most accurate supernet; or the best of short trainings.

    The last is how DARTS picks among four (section 3.2): it looks at the test images, so its errors flatter.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}{nearest(protocol, PROTOCOLS)}; known: {', '.join(PROTOCOLS)}")
    if protocol == "first":
        return 0
    judged = searches if protocol == "supernet" else short
    return int(np.argmax([result.history.valid_accuracy.iloc[-1] for result in judged]))
