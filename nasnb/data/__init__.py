"""Image sets as tensors, batches of them, and the NAS-Bench-201 table."""

from nasnb.data.batches import Augment, batches, n_batches
from nasnb.data.bench201 import Bench201Table
from nasnb.data.loaders import NAMES, load, load_cifar10_1, source_checksum
from nasnb.data.sets import Data, Split, balanced_subsets, channel_statistics, checksum_of, split

__all__ = [
    "NAMES",
    "Augment",
    "Bench201Table",
    "Data",
    "Split",
    "balanced_subsets",
    "batches",
    "channel_statistics",
    "checksum_of",
    "load",
    "load_cifar10_1",
    "n_batches",
    "source_checksum",
    "split",
]
