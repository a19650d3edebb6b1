"""The relaxation owns alpha, beta and which candidates are open, and turns them into mixing weights.

A `Rule` is a value: `softmax`, `uniform`, `edge_normalised(softmax)`. The network never sees alpha, only weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from nasnb.architecture import Choices
from nasnb.randomness import generator
from nasnb.supernet.shapes import EdgeValues, OpenOps, OpValues


@dataclass(frozen=True)
class Rule:
    """From alpha (edges, ops) and the open mask to mixing weights of the same shape; closed candidates weigh 0."""

    name: str
    weigh: Callable[[Tensor, Tensor], Tensor]
    learns: bool = True  # False: alpha is never updated
    edges: bool = False  # True: every edge has a beta too, softmaxed over the edges that enter its node


def _softmax(alpha: OpValues, open: OpenOps) -> OpValues:
    # a row with nothing open is 0 / 0 and gets zeros; an alpha that is no number must stay one, for all to see
    return torch.where(open, torch.softmax(alpha.masked_fill(~open, -torch.inf), dim=1), 0.0)


def _max_w(alpha: OpValues, open: OpenOps) -> OpValues:
    # the maximum is not detached: the leader's own factor is then the constant 1 (sharpDARTS, section 4.2)
    w = _softmax(alpha, open)
    return torch.where(open, 1 - w.amax(dim=1, keepdim=True) + w, torch.zeros_like(w))


def _uniform(alpha: OpValues, open: OpenOps) -> OpValues:
    return _softmax(torch.zeros_like(alpha), open)


def _plain_sum(alpha: OpValues, open: OpenOps) -> OpValues:
    return open.to(alpha.dtype)


softmax = Rule("softmax", _softmax)  # DARTS, equation 2
max_w = Rule("max_w", _max_w)  # sharpDARTS, equation 3
uniform = Rule("uniform", _uniform, learns=False)  # DARTS-PT, section 5: alpha fixed at 0
plain_sum = Rule("plain_sum", _plain_sum, learns=False)  # MSR-DARTS, equation 2


def edge_normalised(rule: Rule) -> Rule:
    """The rule with PC-DARTS' edge normalisation (equation 2): node = sum over edges of softmax(beta) * mixture."""
    return replace(rule, name=f"edge_normalised({rule.name})", edges=True)


class Relaxation(nn.Module):
    """Alpha (and beta) of every group, drawn from N(0, std), and the open mask. `relaxation()` gives the weights."""

    def __init__(self, choices: Choices, rule: Rule, *, std: float = 1e-3, seed: int = 0):
        super().__init__()
        self.choices, self.rule = choices, rule
        self.alpha, self.beta = nn.ParameterDict(), nn.ParameterDict()
        for i, (group, edges) in enumerate(choices.groups.items()):
            draw = generator(seed, "alpha", i)
            std = std if rule.learns else 0.0
            self.alpha[group] = nn.Parameter(std * torch.randn(choices.shape(group), generator=draw))
            if rule.edges:
                self.beta[group] = nn.Parameter(std * torch.randn(len(edges), generator=draw))
                targets = torch.tensor([edge.target for edge in edges])
                self.register_buffer(f"enters_{group}", targets[:, None] == targets[None, :], persistent=False)
            self.register_buffer(f"open_{group}", torch.tensor(choices.is_candidate(group)))
        self.requires_grad_(rule.learns)
        self._closed: dict[str, tuple[tuple[bool, ...], ...]] | str | None = "unknown"  # is_open(), once looked up
        self.register_load_state_dict_post_hook(lambda module, _: module._changed())

    def forward(self) -> dict[str, Tensor]:
        """{group: (edges, ops)}, and for edge-normalised rules {group/edges: (edges,)}."""
        weights = {group: self.rule.weigh(alpha, self.open(group)) for group, alpha in self.alpha.items()}
        for group in self.beta:
            weights[f"{group}/edges"] = self.edge_weights(group)
        return weights

    def edge_weights(self, group: str) -> EdgeValues:
        """(edges,): softmax of beta over the edges that enter the same node."""
        same_node = getattr(self, f"enters_{group}")
        shares = torch.softmax(self.beta[group].expand_as(same_node).masked_fill(~same_node, -torch.inf), dim=1)
        return shares.diagonal()

    def open(self, group: str) -> OpenOps:
        """(edges, ops) booleans: the candidates still in the race."""
        return getattr(self, f"open_{group}")

    def is_open(self) -> dict[str, tuple[tuple[bool, ...], ...]] | None:
        """The open mask on the host, for networks to skip what is closed; None while every candidate is open.

        Waits for the device only after a decision; until the next one the very same object is returned.
        """
        if self._closed == "unknown":
            masks = self.mask()
            every = {g: tuple(map(tuple, self.choices.is_candidate(g))) for g in masks}
            self._closed = None if masks == every else masks
        return self._closed

    def mask(self) -> dict[str, tuple[tuple[bool, ...], ...]]:
        """The open mask on the host, whatever it is."""
        return {group: tuple(map(tuple, self.open(group).tolist())) for group in self.alpha}

    def held(self) -> dict[str, OpValues]:
        """{group: alpha now}, if edges have been decided: weight decay and momentum would go on moving it."""
        return {} if self.is_open() is None else {group: alpha.detach().clone() for group, alpha in self.alpha.items()}

    @torch.no_grad()
    def put_back(self, held: dict[str, OpValues]) -> None:
        """Undo what happened to the alpha of decided and pruned edges since `held`."""
        for group, before in held.items():
            decided = self.open(group).sum(1, keepdim=True) <= 1
            self.alpha[group].copy_(torch.where(decided, before, self.alpha[group]))

    @torch.no_grad()
    def decide(self, group: str, edge: int, op: int | None) -> None:
        """Close every candidate of an edge but one (a column of alpha); None prunes the edge whole."""
        mask = self.open(group)
        mask[edge] = False
        if op is not None:
            mask[edge, op] = True
        self._changed()

    def _changed(self) -> None:
        self._closed = "unknown"
