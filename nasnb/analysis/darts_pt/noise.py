"""Why perturbation takes the noise of S4: what masking says of it, by the number of held-out images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from nasnb.data import Split
from nasnb.search.perturbation import weakest
from nasnb.search.state import SearchState
from nasnb.search.strengths import operation_strengths

NOISE = "noise"


def noise_missed(state: SearchState, images: Split, sizes: Sequence[int]) -> pd.DataFrame:
    """Every edge of a trained supernet of S4, judged as PT judges it before anything is decided or tuned.

    A row per edge and number of held-out images, the first ones of `images`: seed, images, group, edge, weight (of
    noise, by alpha), gap (accuracy without the other operation less accuracy without noise, in points: above 0 where
    noise is missed more) and noise, whether PT would take it. Raises ValueError where a size is larger than `images`.
    """
    if max(sizes) > len(images):
        raise ValueError(f"{max(sizes)} held-out images asked for; there are {len(images)}")
    rows = []
    for size in sizes:
        judged = replace(state, valid=images.take(slice(size)))
        for group, edges in state.method.space.choices.groups.items():
            for edge, choice in enumerate(edges):
                scores, at = operation_strengths(judged, group, edge), choice.ops.index(NOISE)
                other = next(op for op in scores if op != at)
                gap = scores[other].accuracy - scores[at].accuracy
                weight = state.weights()[group][edge, at].item()
                rows.append((state.config.seed, size, group, edge, weight, gap, weakest(scores) == at))
    return pd.DataFrame(rows, columns=["seed", "images", "group", "edge", "weight", "gap", "noise"])
