"""All search spaces by name, and what each of them promises.

>>> from nasnb import SPACES
>>> {group: SPACES["darts"].choices.shape(group) for group in SPACES["darts"].choices.groups}
{'normal': (14, 8), 'reduce': (14, 8)}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from nasnb.architecture import Choices, Genotype
from nasnb.config import nearest
from nasnb.randomness import generator
from nasnb.spaces import sharp as _sharp
from nasnb.spaces import stacnas as _stacnas
from nasnb.spaces.bench201 import bench201, bench201_groups
from nasnb.spaces.cells import darts, darts_no_none
from nasnb.spaces.hypercuboid import hypercuboid
from nasnb.spaces.variants import msr, s1, s2, s3, s4
from nasnb.supernet.network import Network


class Space(Protocol):
    """What a search needs of a space."""

    name: str

    @property
    def choices(self) -> Choices:
        """Groups, edges and candidates: the shape of alpha."""

    def supernet(self, *, channels: int, cells: int, classes: int) -> Network:
        """The network in which all candidates compete."""

    def network(self, genotype: Genotype, *, channels: int, cells: int, classes: int, auxiliary: bool) -> Network:
        """The final network of a genotype."""

    def discretise(self, scores: Mapping[str, Tensor]) -> Genotype:
        """The legal architecture that the scores {group: (edges, ops)} favour."""


_ALL: tuple[Space, ...] = (
    darts,
    darts_no_none,
    s1,
    s2,
    s3,
    s4,
    msr,
    _sharp.sharp,
    _sharp.sharp_code,
    _sharp.darts_ssc,
    _sharp.sharper,
    _stacnas.stacnas,
    _stacnas.stacnas_drawn,
    _stacnas.stacnas_v1,
    _stacnas.stacnas_v1_ungrouped,
    _stacnas.stacnas_v2,
    _stacnas.stacnas_v2_ungrouped,
    bench201,
    bench201_groups,
    hypercuboid,
)

SPACES: dict[str, Space] = {each.name: each for each in _ALL}


def random_genotype(space: Space, *, seed: int) -> Genotype:
    """A legal architecture drawn by chance: what uniformly random scores favour."""
    draw = generator(seed, "random genotype")
    shapes = {group: space.choices.shape(group) for group in space.choices.groups}
    return space.discretise({group: torch.rand(shape, generator=draw) for group, shape in shapes.items()})


def space(name: str) -> Space:
    """The space of this name. Raises ValueError naming the nearest known one."""
    if name not in SPACES:
        raise ValueError(f"unknown space {name!r}{nearest(name, SPACES)}; spaces: {', '.join(SPACES)}")
    return SPACES[name]
