"""StacNAS' spaces: one candidate per group of similar operations, then the members of each edge's winning group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from nasnb.architecture import Choices
from nasnb.spaces.cells import CellSpace, every_edge, plain_name, score_rows
from nasnb.supernet.operations import DARTS_OPS, pool

Groups = Sequence[Sequence[str]]

# Section 2.4.2; the first member of a group stands for it in stage one. `none` belongs to no group and is everywhere.
STACNAS_GROUPS: Groups = (
    ("max_pool_3x3", "avg_pool_3x3"),
    ("skip_connect",),
    ("sep_conv_3x3", "sep_conv_5x5"),
    ("dil_conv_3x3", "dil_conv_5x5"),
)
# Section 2.4.1: the average pool gives way to a third separable convolution
V1_GROUPS: Groups = (
    ("max_pool_3x3",),
    ("skip_connect",),
    ("sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7"),
    ("dil_conv_3x3", "dil_conv_5x5"),
)
V2_GROUPS: Groups = (("max_pool_3x3",), ("sep_conv_3x3", "sep_conv_5x5"))  # equation 6


def stage_one(name: str, groups: Groups = STACNAS_GROUPS, *, representatives: Sequence[str] | None = None) -> CellSpace:
    """A representative of every group, and none, on every edge. By default the first member of each group."""
    chosen = tuple(group[0] for group in groups) if representatives is None else tuple(representatives)
    for op, group in zip(chosen, groups, strict=True):
        if op not in group:
            raise ValueError(f"{op!r} cannot represent the group {', '.join(group)}")
    return CellSpace(name, every_edge((*chosen, "none")), DARTS_OPS, families=tuple(map(tuple, groups)))


def groups_of(space: CellSpace) -> Groups:
    """The groups whose representatives compete in a space. Raises ValueError for a space that has none."""
    families = getattr(space, "families", ())
    if not families:
        raise ValueError(
            f"space {space.name!r} has no groups of similar operations for a second stage; take stacnas, stacnas-v1 or "
            "stacnas-v2, or name them: best_groups(groups=...)"
        )
    return families


def ungrouped(name: str, groups: Groups) -> CellSpace:
    """All members of all groups, and none, on every edge: what a search without groups competes in."""
    return CellSpace(name, every_edge((*(op for group in groups for op in group), "none")), DARTS_OPS)


def winners(choices: Choices, scores: Mapping[str, Tensor]) -> dict[str, tuple[str, ...]]:
    """{group: the strongest operation other than none of every edge}; the first wins ties. No edge is left out."""
    won = {}
    for group, edges in choices.groups.items():
        rows = zip(edges, score_rows(choices, scores, group), strict=True)
        ranked = [[(s, op) for s, op in zip(row, edge.ops, strict=False) if op != "none"] for edge, row in rows]
        won[group] = tuple(plain_name(max(row, key=lambda pair: pair[0])[1]) for row in ranked)
    return won


def stage_two(
    space: CellSpace, won: Mapping[str, Sequence[str]], *, groups: Groups | None = None, singleton: str = "single"
) -> CellSpace:
    """The members of every edge's winning group, and none (algorithm 1). `won` names a member of that group per edge.

    `groups` are those of the space unless given.
    Softmaxes of different length favour edges with few candidates when edges are ranked. The published code lists a
    group's only member twice against that: `singleton="duplicate"`.
    """
    if singleton not in ("single", "duplicate"):
        raise ValueError(f"singleton={singleton!r}: choose 'single' (the paper) or 'duplicate' (its code)")
    members = {op: tuple(group) for group in groups or groups_of(space) for op in group}
    candidates = {}
    for cell, ops in won.items():
        for edge, op in enumerate(ops):
            if op not in members:
                raise ValueError(f"{op!r} on edge {edge} of {cell!r} is in no group; known: {', '.join(members)}")
        rows = [members[op] for op in ops]
        doubled = [(row[0], f"{row[0]}#2") if len(row) == 1 and singleton == "duplicate" else row for row in rows]
        candidates[cell] = tuple((*row, "none") for row in doubled)
    return replace(space, name=f"{space.name}-stage-two", candidates=candidates, families=())


def with_pool_norm(space: CellSpace) -> CellSpace:
    """The space with BatchNorms after the pools of final networks too: the published code, against the paper."""
    pools = {"max_pool_3x3": pool("max", norm=True), "avg_pool_3x3": pool("avg", norm=True)}
    return replace(space, ops={**space.ops, **pools})


stacnas = stage_one("stacnas")
# section 3.4: representatives that are drawn instead of named; one draw
stacnas_drawn = stage_one(
    "stacnas-drawn", representatives=("avg_pool_3x3", "skip_connect", "sep_conv_5x5", "dil_conv_3x3")
)
stacnas_v1 = stage_one("stacnas-v1", V1_GROUPS)
stacnas_v2 = stage_one("stacnas-v2", V2_GROUPS)
stacnas_v1_ungrouped = ungrouped("stacnas-v1-ungrouped", V1_GROUPS)
stacnas_v2_ungrouped = ungrouped("stacnas-v2-ungrouped", V2_GROUPS)
