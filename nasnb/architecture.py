"""What a search space leaves open (`Choices`) and what a search picked (`Genotype`). No torch here."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

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


@dataclass(frozen=True, eq=False)
class Genotype:
    """A discrete architecture: per group the picked operations, and the states that make up the cell's output.

    Within a node, the stronger edge comes first, as in the official repositories. That order says how sure a search
    was, not what the network is: genotypes are equal when their canonical forms are.
    """

    picks: Mapping[str, tuple[Pick, ...]]
    concat: Mapping[str, tuple[int, ...]]

    def ops(self, group: str) -> list[str]:
        """Names of the picked operations of one group, in order."""
        return [pick.op for pick in self.picks[group]]

    def canonical(self) -> Genotype:
        """The same architecture written in the one agreed order: edges by target, source and operation."""
        picks = {g: p if g == "path" else tuple(sorted(p, key=_place)) for g, p in sorted(self.picks.items())}
        return Genotype(picks, {group: tuple(sorted(states)) for group, states in sorted(self.concat.items())})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Genotype) and self.canonical().to_json() == other.canonical().to_json()

    def __hash__(self) -> int:
        return hash(self.canonical().to_json())

    def to_json(self) -> str:
        """One line of JSON; `from_json` reads it back to an equal genotype."""
        picks = {group: [list(pick) for pick in picks] for group, picks in self.picks.items()}
        return json.dumps({"picks": picks, "concat": {g: list(c) for g, c in self.concat.items()}})

    @staticmethod
    def from_json(text: str) -> Genotype:
        """Raises ValueError for text that is not a genotype, or one of states that cannot be."""
        try:
            value = json.loads(text, object_pairs_hook=_once_each)
            if set(value) != {"picks", "concat"}:
                raise ValueError(f"expected the entries picks and concat, got {', '.join(map(str, value))}")
            picks = {group: tuple(Pick(*row) for row in rows) for group, rows in value["picks"].items()}
            return checked(Genotype(picks, {group: tuple(states) for group, states in value["concat"].items()}))
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise ValueError(f"not a genotype in JSON: {_shown(text)} ({error})") from None

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
        """Read any of the three notations as data; nothing is evaluated. Raises ValueError naming what is wrong.

        All of the text must be understood: `Genotype(...)` may have a name before it (`DARTS_V2 = Genotype(...)`).
        """
        text = text.strip()
        if text.startswith("|"):
            return checked(Genotype({"cell": _parse_bench201(text)}, {"cell": (text.count("+") + 1,)}))
        if text.startswith("["):
            return checked(Genotype({"path": _parse_path(text)}, {"path": ()}))
        return checked(_parse_cells(text))

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
        return checked(Genotype(picks, {g: tuple((concat or every)[g]) for g in groups}))


_place = itemgetter(2, 1, 0)  # a pick's target, source and operation


def _shown(text: str) -> str:
    return repr(text[:80] + "..." if len(text) > 80 else text)


def checked(genotype: Genotype) -> Genotype:
    """The genotype, if its states can be: edges run forward and every node has an input.

    Which operations and how many edges a node may have, the space says. Raises ValueError.
    """
    if not genotype.picks or set(genotype.picks) != set(genotype.concat):
        groups = f"{', '.join(genotype.picks) or 'none'}, their outputs for {', '.join(genotype.concat) or 'none'}"
        raise ValueError(f"a genotype needs cells and the output of each; picks are given for {groups}")
    for group, picks in genotype.picks.items():
        for pick in picks:
            is_name = isinstance(pick.op, str) and re.fullmatch(r"[^\W\d][\w.#-]*", pick.op)
            if not is_name or not _are_states(pick.source, pick.target):
                raise ValueError(f"{group!r}: {tuple(pick)!r} is not an operation's name and two whole numbers")
        _check_path(picks) if group == "path" else _check_cell(group, picks, genotype.concat[group])
    return genotype


def _are_states(*values: object) -> bool:
    return all(type(value) is int and value >= 0 for value in values)  # True is no state


def _check_path(path: Sequence[Pick]) -> None:
    for before, after in zip([None, *path], path, strict=False):
        if min(after.source, after.target) < 1 or (before is not None and before.target != after.source):
            came = f" after {before.target} channels" if before else ""
            raise ValueError(f"path: {after.op!r} from {after.source} to {after.target} channels cannot be{came}")
    if not path:
        raise ValueError("the path is empty: expected [(channels in, channels out, 'op'), ...]")


def _check_cell(group: str, picks: Sequence[Pick], concat: Sequence[int]) -> None:
    first = 1 if group == "cell" else N_INPUTS  # the state that the first node becomes
    for pick in picks:
        if pick.source >= pick.target or pick.target < first:
            raise ValueError(f"{group!r}: {pick.op} into state {pick.target} cannot come from state {pick.source}")
    targets = {pick.target for pick in picks}
    if missing := set(range(first, max(targets, default=first) + 1)) - targets:
        raise ValueError(f"{group!r}: nothing leads into state {min(missing)}")
    if not concat or not _are_states(*concat) or len(set(concat)) < len(concat) or not set(concat) <= targets:
        raise ValueError(f"{group!r}: the output {list(concat)} must name nodes among {sorted(targets)}, each once")


def _once_each(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return dict(pairs)


def _parse_short(text: str) -> tuple[Pick, ...]:
    picks = []
    for target, node in enumerate(text.split("/"), start=N_INPUTS):
        for token in node.split():
            name, own, state = token.rpartition("~") if "~" in token else (token[:-1], "", token[-1])
            if not (own or name in _LONG_NAMES) or not re.fullmatch("[0-9]+", state):
                raise ValueError(f"unknown operation {token!r}; known: {', '.join(sorted(_LONG_NAMES))} and a state")
            picks.append(Pick(name if own else _LONG_NAMES[name], int(state), target))
    return tuple(picks)


def _bench201_string(picks: Sequence[Pick]) -> str:
    nodes: dict[int, list[str]] = {}
    for op, source, target in sorted(picks, key=_place):
        nodes.setdefault(target, []).append(f"{op}~{source}")
    return "+".join(f"|{'|'.join(node)}|" for node in nodes.values())


def _parse_bench201(text: str) -> tuple[Pick, ...]:
    picks: list[Pick] = []
    for target, node in enumerate(text.split("+"), start=1):
        if not re.fullmatch(r"\s*\|([^|~\s]+~[0-9]{1,3}\|)+\s*", node):
            raise ValueError(f"{node!r} in {_shown(text)}: expected |op~source|op~source|..., as in |nor_conv_3x3~0|")
        entries = [entry.split("~") for entry in node.strip().strip("|").split("|")]
        sources = sorted(int(source) for _, source in entries)
        if sources != list(range(target)):
            here = f"in {node!r} they come from {', '.join(map(str, sources))}"
            raise ValueError(f"node {target} needs one operation from each of the states 0 to {target - 1}; {here}")
        picks += [Pick(op, int(source), target) for op, source in entries]
    return tuple(picks)


def _parse_path(text: str) -> tuple[Pick, ...]:
    try:
        return tuple(Pick(op, source, target) for source, target, op in _literal(_parsed(text)))
    except (ValueError, TypeError):
        raise ValueError(f"not a path: {_shown(text)}; expected [(channels in, channels out, 'op'), ...]") from None


def _parse_cells(text: str) -> Genotype:
    fields = _keywords(text)
    fields.pop("layout", None)  # sharpDARTS' name for the kind of network
    groups = [name for name in fields if not name.endswith("_concat")]
    if not groups or {*groups, *(f"{group}_concat" for group in groups)} != set(fields):
        raise ValueError(
            f"every cell needs its _concat, as normal and normal_concat; got {', '.join(fields) or 'none'}"
        )
    concat = {group: fields[f"{group}_concat"] for group in groups}
    for group, states in concat.items():
        if not isinstance(states, list | tuple | range) or len(states) > 1000:
            raise ValueError(f"{group}_concat must list states, as [2, 3, 4, 5] or range(2, 6), got {states!r:.80}")
    picks = {group: _pairs(group, fields[group]) for group in groups}
    return Genotype(picks, {group: tuple(states) for group, states in concat.items()})


def _pairs(group: str, pairs: Any) -> tuple[Pick, ...]:
    fits = isinstance(pairs, list | tuple) and all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs)
    if not fits or not pairs or len(pairs) % 2:
        raise ValueError(f"{group} needs two (operation, state) pairs per node, got {_shown(repr(pairs))}")
    return tuple(Pick(op, state, N_INPUTS + i // 2) for i, (op, state) in enumerate(pairs))


def _parsed(text: str) -> ast.expr:
    """The one expression that the text is, without the name that it may be assigned to."""
    try:
        with warnings.catch_warnings(action="ignore"):  # the parser comments on the style of what it reads
            (statement,) = ast.parse(text).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise ValueError(f"not a genotype: {_shown(text)} cannot be read") from None
    named = isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) for target in statement.targets)
    return statement.value if named or isinstance(statement, ast.Expr) else statement


def _keywords(text: str) -> dict[str, Any]:
    call = _parsed(text)
    if not isinstance(call, ast.Call) or getattr(call.func, "id", "") != "Genotype" or call.args:
        raise ValueError(f"not a genotype: {_shown(text)}; expected Genotype(normal=[('sep_conv_3x3', 0), ...], ...)")
    return _once_each([(str(keyword.arg), _literal(keyword.value)) for keyword in call.keywords])


def _literal(node: ast.AST) -> Any:
    """A plain value, or what `range(...)` of plain numbers stands for."""
    try:
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "range" and not node.keywords:
            return range(*map(ast.literal_eval, node.args))
        return ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        raise ValueError(f"{_shown(ast.unparse(node))} is not a list of (operation, state) pairs or states") from None
