"""The proxy of ImageNet: class-balanced parts of a training set (PC-DARTS, section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from nasnb.data import Data, balanced_subsets, checksum_of


def on_subsets(data: Data, fractions: Sequence[float] = (0.1, 0.025), *, seed: int = 0) -> tuple[Data, float]:
    """The set with disjoint class-balanced parts of its training images, one after the other (section 4.3).

    And the `train_fraction` that cuts exactly between the two: `fractions[0] / sum(fractions)` would not, since every
    class gives a whole number of images to each. The first part trains the weights, the second alpha and beta. Which
    images these are depends on seed and position alone (`nasnb.data.balanced_subsets`).
    """
    parts = balanced_subsets(data.train.labels.cpu(), fractions, seed=seed)
    train = data.train.take(torch.cat(parts))
    checksum = checksum_of(train.images, train.labels, data.test.images, data.test.labels)
    name = f"{data.name}/{'+'.join(f'{100 * fraction:g}%' for fraction in fractions)}"
    return replace(data, name=name, train=train, checksum=checksum), len(parts[0]) / len(train)
