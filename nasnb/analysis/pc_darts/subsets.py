"""The proxy of ImageNet: class-balanced parts of a training set (PC-DARTS, section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from nasnb.data import Data, balanced_subsets, checksum_of


def on_subsets(data: Data, fractions: Sequence[float] = (0.1, 0.025), *, seed: int = 0) -> Data:
    """The set with disjoint class-balanced parts of its training images, one after the other (section 4.3).

    With `train_fraction = fractions[0] / sum(fractions)` the first trains the weights, the second alpha and beta.
    Which images these are depends on seed and position alone (`nasnb.data.balanced_subsets`).
    """
    chosen = torch.cat(balanced_subsets(data.train.labels.cpu(), fractions, seed=seed))
    train = data.train.take(chosen)
    checksum = checksum_of(train.images, train.labels, data.test.images, data.test.labels)
    name = f"{data.name}/{'+'.join(f'{100 * fraction:g}%' for fraction in fractions)}"
    return replace(data, name=name, train=train, checksum=checksum)
