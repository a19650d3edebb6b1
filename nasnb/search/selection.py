"""How the trained supernet's candidates are scored. `space.discretise(scores)` alone knows what is legal."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from nasnb.search.state import SearchState

Score = Callable[[SearchState], dict[str, Tensor]]


def magnitude(state: SearchState) -> dict[str, Tensor]:
    """The mixing weights themselves (DARTS, section 2.4), times the edge weights where there are any (PC-DARTS)."""
    weights = state.weights()
    groups = [group for group in weights if not group.endswith("/edges")]
    return {g: weights[g] * weights[f"{g}/edges"][:, None] if f"{g}/edges" in weights else weights[g] for g in groups}
