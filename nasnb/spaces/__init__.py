"""Search spaces: what may be chosen, the networks it makes, and which choices are legal."""

from nasnb.spaces.bench201 import Bench201Space
from nasnb.spaces.cells import CellSpace, every_edge, with_nodes
from nasnb.spaces.hypercuboid import HyperCuboid
from nasnb.spaces.registry import SPACES, Space, random_genotype, space
from nasnb.spaces.variants import msr_space

__all__ = [
    "SPACES",
    "Bench201Space",
    "CellSpace",
    "HyperCuboid",
    "Space",
    "every_edge",
    "msr_space",
    "random_genotype",
    "space",
    "with_nodes",
]
