"""Image sets as tensors, batches of them, and the NAS-Bench-201 table."""

from nasnb.data.batches import Augment, batches, n_batches
from nasnb.data.bench201 import Bench201Table
from nasnb.data.loaders import NAMES, load, load_cifar10_1, look_for, source_checksum
from nasnb.data.scale import dataset_of, load_at
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
    "dataset_of",
    "load",
    "load_at",
    "load_cifar10_1",
    "look_for",
    "n_batches",
    "source_checksum",
    "split",
]
