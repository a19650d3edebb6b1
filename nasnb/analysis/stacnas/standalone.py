"""Stand-alone networks that differ in one operation: what alpha is compared with (StacNAS, section 3.4, figure 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from nasnb.architecture import N_INPUTS, Genotype
from nasnb.spaces import CellSpace
from nasnb.supernet.network import Network


def with_first_edge(genotype: Genotype, op: str, group: str = "normal") -> Genotype:
    """The genotype with another operation on the edge from state 0 to the first node, which no cell can drop.

    Raises ValueError if this genotype has no such edge.
    """
    picks = genotype.picks[group]
    here = [(pick.source, pick.target) == (0, N_INPUTS) for pick in picks]
    if sum(here) != 1:
        raise ValueError(f"{sum(here)} picks of {group!r} go from state 0 to state {N_INPUTS}; there must be one")
    changed = tuple(pick._replace(op=op) if first else pick for pick, first in zip(picks, here, strict=True))
    return replace(genotype, picks={**genotype.picks, group: changed})


@dataclass(frozen=True)
class FirstEdge:
    """Makes the final networks of `space`, with `op` on the first edge of the first cell; later cells are unchanged.

    Stands in for the space where a network is trained: `run_training(FirstEdge(space, op), genotype, data, config)`.
    """

    space: CellSpace
    op: str

    @property
    def name(self) -> str:
        return f"{self.space.name}-first-{self.op}"

    def network(self, genotype: Genotype, **size: Any) -> Network:
        """The final network; `size` as `space.network` takes it."""
        net = self.space.network(genotype, **size)
        net.blocks[0] = self.space.network(with_first_edge(genotype, self.op), **size).blocks[0]
        return net
