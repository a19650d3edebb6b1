"""Search spaces: what may be chosen, the networks it makes, and which choices are legal."""

from nasnb.spaces.cells import SPACES, CellSpace

__all__ = ["SPACES", "CellSpace"]
