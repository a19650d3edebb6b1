"""Every paper as a composition of parts. A method is a value; ablations are `replace(method, part=...)`."""

from __future__ import annotations

from dataclasses import dataclass

from nasnb.architecture import Genotype
from nasnb.config import SearchConfig
from nasnb.networks import FullMix, full_mix
from nasnb.relaxation import Rule, softmax
from nasnb.search.selection import Score, magnitude
from nasnb.search.state import SearchState
from nasnb.search.steps import Step, bilevel
from nasnb.spaces import SPACES, CellSpace


@dataclass(frozen=True)
class Method:
    """A search method: what competes, how it is mixed, weighed, trained and scored, and its paper's own numbers."""

    name: str
    space: CellSpace
    step: Step
    relax: Rule = softmax
    mix: FullMix = full_mix
    score: Score = magnitude
    config: SearchConfig = SearchConfig()

    def genotype(self, state: SearchState) -> Genotype:
        """The architecture that the state stands for now."""
        return self.space.discretise(self.score(state))


_ALL = (
    Method("darts-1st", SPACES["darts"], bilevel(order=1)),
    Method("darts-2nd", SPACES["darts"], bilevel(order=2)),
)

METHODS: dict[str, Method] = {method.name: method for method in _ALL}
