"""What a search space leaves open (`Choices`) and what a search picked (`Genotype`). No torch here."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

N_INPUTS = 2  # a DARTS-like cell reads the outputs of the two cells before it: states 0 and 1

# The short names of the specs and figures: `s31` is sep_conv_3x3 from state 1.
SHORT_NAMES = {
    "none": "zr",
    "noise": "nz",
    "max_pool_3x3": "mp",
    "avg_pool_3x3": "ap",
    "skip_connect": "sk",
    "sep_conv_3x3": "s3",
    "sep_conv_5x5": "s5",
    "sep_conv_7x7": "s7",
    "dil_conv_3x3": "d3",
    "dil_conv_5x5": "d5",
    "conv_7x1_1x7": "c7",
    "flood_conv_3x3": "f3",
    "flood_conv_5x5": "f5",
    "dil_flood_conv_3x3": "df3",
    "choke_conv_3x3": "k3",
    "dil_choke_conv_3x3": "dk3",
    "nor_conv_1x1": "n1",
    "nor_conv_3x3": "n3",
}
_LONG_NAMES = {short: long for long, short in SHORT_NAMES.items()}


class Edge(NamedTuple):
    """One connection of a cell: from state `source` to state `target`, with its candidate operations in order."""

    source: int
    target: int
    ops: tuple[str, ...]


class Pick(NamedTuple):
    """One chosen operation. In a HyperCuboid path, source and target are channel counts instead of states."""

    op: str
    source: int
    target: int


@dataclass(frozen=True)
class Choices:
    """What a space leaves open: for every group (cell type) its edges, in the order of the rows of alpha."""

    groups: Mapping[str, tuple[Edge, ...]]

    def shape(self, group: str) -> tuple[int, int]:
        """Rows and columns of the group's alpha; edges with fewer candidates than the longest leave columns closed."""
        edges = self.groups[group]
        return len(edges), max(len(edge.ops) for edge in edges)

    def is_candidate(self, group: str) -> list[list[bool]]:
        """(edges, ops): whether this column of alpha stands for a real candidate of its edge."""
        _, n_ops = self.shape(group)
        return [[column < len(edge.ops) for column in range(n_ops)] for edge in self.groups[group]]


@dataclass(frozen=True)
class Genotype:
    """A discrete architecture: per group the picked operations, and the states that make up the cell's output.

    Within a node, the stronger edge comes first, as in the official repositories.
    """

    picks: Mapping[str, tuple[Pick, ...]]
    concat: Mapping[str, tuple[int, ...]]

    def ops(self, group: str) -> list[str]:
        """Names of the picked operations of one group, in order."""
        return [pick.op for pick in self.picks[group]]

    def __hash__(self) -> int:
        return hash(self.to_json())

    # --- JSON -------------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """One line of JSON; `from_json` reads it back to an equal genotype."""
        picks = {group: [list(pick) for pick in picks] for group, picks in self.picks.items()}
        return json.dumps({"picks": picks, "concat": {g: list(c) for g, c in self.concat.items()}})

    @staticmethod
    def from_json(text: str) -> Genotype:
        """Raises ValueError for text that is not a genotype."""
        try:
            value = json.loads(text)
            picks = {g: tuple(Pick(str(op), int(s), int(t)) for op, s, t in rows) for g, rows in value["picks"].items()}
            return Genotype(picks, {g: tuple(map(int, c)) for g, c in value["concat"].items()})
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not a genotype in JSON: {text[:80]!r} ({error})") from None

    # --- notations of the papers ------------------------------------------------------------------------------

    def notation(self) -> str:
        """The notation of the official repositories: `Genotype(normal=...)`, NAS-Bench-201 string or path."""
        if set(self.picks) == {"cell"}:
            return _bench201_string(self.picks["cell"])
        if set(self.picks) == {"path"}:
            return repr([(source, target, op) for op, source, target in self.picks["path"]])
        fields = []
        for group, picks in self.picks.items():
            fields.append(f"{group}={[(op, source) for op, source, _ in picks]!r}")
            fields.append(f"{group}_concat={list(self.concat[group])!r}")
        return f"Genotype({', '.join(fields)})"

    @staticmethod
    def from_notation(text: str) -> Genotype:
        """Read any of the three notations as data; nothing is evaluated. Raises ValueError naming what is wrong."""
        text = text.strip()
        if text.startswith("|"):
            return Genotype({"cell": _parse_bench201(text)}, {"cell": (text.count("+") + 1,)})
        if text.startswith("["):
            return Genotype({"path": _parse_path(text)}, {"path": ()})
        return _parse_cells(text)

    def short(self, group: str) -> str:
        """`s31 s30 / sk0 s31 / ...`: short names, source states, nodes parted by slashes; one's own ops as `name~0`."""
        nodes: dict[int, list[str]] = {}
        for op, source, target in self.picks[group]:
            nodes.setdefault(target, []).append(f"{SHORT_NAMES.get(op, f'{op}~')}{source}")
        return " / ".join(" ".join(node) for node in nodes.values())

    @staticmethod
    def from_short(concat: Mapping[str, Sequence[int]] | None = None, **groups: str) -> Genotype:
        """`from_short(normal="s31 s30 / ...", reduce="...")`; all nodes are concatenated unless `concat` says else."""
        picks = {group: _parse_short(text) for group, text in groups.items()}
        every = {g: tuple(range(N_INPUTS, N_INPUTS + text.count("/") + 1)) for g, text in groups.items()}
        return Genotype(picks, {g: tuple((concat or every)[g]) for g in groups})


def _parse_short(text: str) -> tuple[Pick, ...]:
    picks = []
    for target, node in enumerate(text.split("/"), start=N_INPUTS):
        for token in node.split():
            name, own, state = token.rpartition("~") if "~" in token else (token[:-1], "", token[-1])
            if not (own or name in _LONG_NAMES) or not state.isdigit():
                raise ValueError(f"unknown operation {token!r}; known: {', '.join(sorted(_LONG_NAMES))} and a state")
            picks.append(_checked(Pick(name if own else _LONG_NAMES[name], int(state), target)))
    return tuple(picks)


def _checked(pick: Pick) -> Pick:
    if not 0 <= pick.source < pick.target:
        raise ValueError(f"{pick.op} into state {pick.target} cannot come from state {pick.source}: states run forward")
    return pick


def _bench201_string(picks: Sequence[Pick]) -> str:
    nodes: dict[int, list[str]] = {}
    for op, source, target in sorted(picks, key=lambda pick: (pick.target, pick.source)):
        nodes.setdefault(target, []).append(f"{op}~{source}")
    return "+".join(f"|{'|'.join(node)}|" for node in nodes.values())


def _parse_bench201(text: str) -> tuple[Pick, ...]:
    picks = []
    for target, node in enumerate(text.split("+"), start=1):
        for entry in filter(None, node.strip().split("|")):
            op, tilde, source = entry.partition("~")
            if not tilde or not source.isdigit():
                raise ValueError(f"{entry!r} in {text!r}: expected op~source, as in |nor_conv_3x3~0|")
            picks.append(_checked(Pick(op, int(source), target)))
    return tuple(picks)


def _parse_path(text: str) -> tuple[Pick, ...]:
    try:
        return tuple(Pick(str(op), int(source), int(target)) for source, target, op in ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError):
        raise ValueError(f"not a path: {text[:80]!r}; expected [(channels in, channels out, 'op'), ...]") from None


_FIELD = re.compile(r"(\w+)\s*=\s*(\[.*?\]|range\(\s*\d+\s*,\s*\d+\s*\)|\(.*?\))\s*(?=,\s*\w+\s*=|\)\s*$)", re.DOTALL)


def _parse_cells(text: str) -> Genotype:
    if not text.startswith("Genotype("):
        raise ValueError(f"not a genotype: {text[:80]!r}; expected Genotype(normal=[('sep_conv_3x3', 0), ...], ...)")
    fields = {name: _literal(value) for name, value in _FIELD.findall(text[len("Genotype(") :])}
    groups = [name for name in fields if not name.endswith("_concat")]
    picks: dict[str, tuple[Pick, ...]] = {}
    for group in groups:
        if f"{group}_concat" not in fields:
            raise ValueError(f"{group}_concat is missing in {text[:80]!r}")
        pairs = fields[group]
        if len(pairs) % 2 or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
            raise ValueError(f"{group} needs two (operation, state) pairs per node, got {pairs!r}")
        picks[group] = tuple(_checked(Pick(op, int(s), N_INPUTS + i // 2)) for i, (op, s) in enumerate(pairs))
    if not picks:
        raise ValueError(f"no cell found in {text[:80]!r}")
    return Genotype(picks, {group: tuple(fields[f"{group}_concat"]) for group in groups})


def _literal(text: str) -> Sequence:
    span = re.fullmatch(r"range\(\s*(\d+)\s*,\s*(\d+)\s*\)", text)
    if span:
        return range(int(span[1]), int(span[2]))
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise ValueError(f"not a list of (operation, state) pairs: {text[:80]!r}") from None
