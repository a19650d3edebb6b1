"""Supernet weights under the key names of `quark0/darts` and its forks (RobustDARTS, PC-DARTS, DARTS-PT).

Every official key is a view of one of our (stacked) tensors, so loading and saving are copies through the views.
"""

from __future__ import annotations

import pickle
import re
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nasnb.supernet.edges import FanOut, Wiring
from nasnb.supernet.layers import StackedConv, StackedNorm
from nasnb.supernet.network import Cell, Halve, Network
from nasnb.supernet.operations import FactorizedReduce, Pool, SepConv
from nasnb.supernet.partial_channels import PartialFan, RandomFan

NESTED = ("state_dict", "model_state_dict", "model_state", "model", "network", "net", "weights")
PREFIXES = ("module.", "_orig_mod.", "model.", "network.")  # of DataParallel, torch.compile and wrapping modules
ARCHITECTURE = re.compile(r"(alphas?|betas?|arch_parameters|_arch_parameters)([._].*)?$")  # of forks that save alpha


def read_official(path: str | Path) -> dict[str, Tensor]:
    """The weights in a file of another project, for `load_official`: data only, nothing in it is run.

    Finds them in a checkpoint that nests them and without the prefixes of wrappers. Raises FileNotFoundError, or
    ValueError saying what the file holds instead.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path.resolve()}: a file written by torch.save is expected")
    try:
        # a namespace holds the options of a command, and can do nothing
        with torch.serialization.safe_globals([Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        cure = "save the weights alone where they were made: torch.save(net.state_dict(), ...)"
        what = found[1] if found else "something"
        raise ValueError(f"{path} holds {what} besides tensors, which is not read; {cure}") from None
    except Exception as error:  # readers of damaged files raise whatever they run into
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} is damaged, or not written by torch.save ({reason}); get it again") from None
    return _found(content, path)


def _found(content: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping) and (inner := next((n for n in NESTED if _is_dict(content, n)), None)):
        content = content[inner]
    named = content if isinstance(content, Mapping) else {}
    tensors = {str(key): value for key, value in named.items() if isinstance(value, Tensor)}
    if not tensors:
        holds = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
        raise ValueError(f"{path} holds {holds or 'nothing'}, where a supernet's weights by name are expected")
    while prefix := next((p for p in PREFIXES if _is_wrapped(tensors, p)), None):
        tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors


def _is_dict(content: Mapping, name: str) -> bool:
    return isinstance(content.get(name), Mapping)


def _is_wrapped(tensors: Mapping[str, Tensor], prefix: str) -> bool:
    weights = [str(key) for key in tensors if _is_weight(str(key))]
    return bool(weights) and all(key.startswith(prefix) for key in weights)


def _is_weight(key: str) -> bool:
    return not ARCHITECTURE.match(key)


def to_official(net: Network) -> dict[str, Tensor]:
    """A state dict of the supernet under the official key names; alpha is not part of it."""
    return {key: view.detach().clone() for key, view in _views(net)}


@torch.no_grad()
def load_official(net: Network, state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Fill the supernet with official weights (see `read_official`). Returns the keys of alpha and beta, left aside.

    Raises ValueError naming the first key that is missing, differs, or holds what is no number.
    Pools on edges from one state share their BatchNorm here; where an official file holds different running statistics
    for them (single-path training), the last edge's are kept. Evaluation with batch statistics is not touched by that.
    """
    views = list(_views(net))
    for key, view in views:
        if key not in state:
            raise ValueError(f"key {key!r} is missing: the file is of another space or depth, or not of a supernet")
        if state[key].shape != view.shape:
            raise ValueError(f"key {key!r} has shape {tuple(state[key].shape)}, this supernet has {tuple(view.shape)}")
    known = {key for key, _ in views}
    for key in state:
        if key not in known and _is_weight(key) and not key.endswith("num_batches_tracked"):
            raise ValueError(f"key {key!r} has no place in this supernet: another space, depth or number of channels")
    for key, _ in views:
        if not torch.isfinite(state[key]).all():
            raise ValueError(f"key {key!r} holds NaN or infinities: the network it is from had gone wrong")
    for key, view in views:
        view.copy_(state[key])
    return tuple(key for key in state if not _is_weight(key))


def _views(net: Network) -> Iterator[tuple[str, Tensor]]:
    yield "stem.0.weight", net.stem.conv.weight
    yield from _norm("stem.1", net.stem.norm)
    for i, (cell, group) in enumerate(zip(net.blocks, net.groups, strict=True)):
        for j, read in enumerate(cell.inputs):
            key = f"cells.{i}.preprocess{j}"
            if isinstance(read, Halve):
                yield from _op(key, read.reduce, 0)
            else:
                yield f"{key}.op.1.weight", read[1].weight
                yield from _norm(f"{key}.op.2", read[2])
        yield from _cell(f"cells.{i}._ops", cell, net.wirings[group])
    yield "classifier.weight", net.head.linear.weight
    yield "classifier.bias", net.head.linear.bias


def _cell(prefix: str, cell: Cell, wiring: Wiring) -> Iterator[tuple[str, Tensor]]:
    for leaving, outer in zip(wiring.leaving, cell.fans, strict=True):
        for rows, fan in _fan_outs(leaving, outer):
            for name, op in fan.ops.items():
                for position, edge in enumerate(fan.members[name]):
                    column = wiring.edges[rows[edge]].ops.index(name)
                    yield from _op(f"{prefix}.{rows[edge]}._ops.{column}", op, position)


def _fan_outs(rows: tuple[int, ...], fan: nn.Module) -> list[tuple[tuple[int, ...], FanOut]]:
    """The fan-outs inside, with their edges' rows: with partial channels they lie a level deeper, or one per edge."""
    if isinstance(fan, RandomFan):
        return [((row,), inner) for row, inner in zip(rows, fan.inner, strict=True)]
    return [(rows, fan.inner if isinstance(fan, PartialFan) else fan)]


def _op(key: str, op: nn.Module, position: int) -> Iterator[tuple[str, Tensor]]:
    """The tensors of one edge's operation, the `position`-th of its stack."""
    if isinstance(op, SepConv):
        for i, unit in enumerate(op.units):
            at = 1 + 4 * i
            yield f"{key}.op.{at}.weight", _part(unit.depthwise, position)
            yield f"{key}.op.{at + 1}.weight", _part(unit.pointwise, position)
            yield from _norm(f"{key}.op.{at + 2}", unit.norm, position)
    elif isinstance(op, FactorizedReduce):
        yield f"{key}.conv_1.weight", _part(op.straight, position)
        yield f"{key}.conv_2.weight", _part(op.shifted, position)
        yield from _norm(f"{key}.bn", op.norm, position)
    elif isinstance(op, Pool) and op.norm is not None:
        yield from _norm(f"{key}.1", op.norm)


def _part(conv: StackedConv, position: int) -> Tensor:
    return conv.weight.unflatten(0, (conv.edges, -1))[position]


def _norm(key: str, norm: StackedNorm | nn.BatchNorm2d, position: int | None = None) -> Iterator[tuple[str, Tensor]]:
    for name in ("weight", "bias", "running_mean", "running_var"):
        tensor = getattr(norm, name)
        if tensor is not None:
            stacked = isinstance(norm, StackedNorm) and position is not None
            yield f"{key}.{name}", tensor.unflatten(0, (norm.edges, -1))[position] if stacked else tensor
