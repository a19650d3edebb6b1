"""Sizes of final networks: the published cells and paths, exactly; and networks of equal size for a fair comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from nasnb.architecture import Genotype
from nasnb.config import TRAINING
from nasnb.methods import METHODS
from nasnb.published.genotypes import GENOTYPES
from nasnb.published.numbers import published
from nasnb.spaces import SPACES, Space
from nasnb.spaces.hypercuboid import HyperCuboid
from nasnb.spaces.sharp import sharp_space
from nasnb.supernet.counts import count
from nasnb.supernet.network import Network

CELLS = {  # rows of Table 2: the space whose operations the final network has, and the cell
    "SharpSepConvDARTS": ("darts-ssc", "SHARPSEPCONV_DARTS"),
    "DARTS+SSC, no search": ("darts-ssc", "DARTS_V2"),
    "sharpDARTS": ("sharp", "SHARP_DARTS"),
    "DARTS (1st order)": ("darts", "DARTS_V1"),
    "DARTS (2nd order)": ("darts", "DARTS_V2"),
    "NASNet-A (repository genotype)": ("darts", "NASNET_A"),
    "AmoebaNet-A (repository genotype)": ("darts", "AMOEBANET_A"),
}
NOT_REPORTED = {
    "SharpSepConvDARTS, Max-W": ("darts-ssc", "SHARPSEPCONV_DARTS_MAX_W"),
    "sharpDARTS, Max-W": ("sharp", "SHARP_DARTS_MAX_W"),
}
MOBILE = {  # of Table 3
    "SharpSepConvDARTS": (SPACES["darts-ssc"], "SHARPSEPCONV_DARTS"),
    "sharpDARTS cmid 96": (sharp_space("sharp", choke=96), "SHARP_DARTS"),
    "sharpDARTS cmid 32": (SPACES["sharp"], "SHARP_DARTS"),
}
PATHS = {  # the released paths that a row of Table 4 may stand for
    "Scalar": ("SCALAR_PATH", "GREEDY_SCALAR_TOP_DOWN"),
    "Handmade": ("HANDMADE_PATH",),
    "Max-W": ("MAX_W_PATH", "GREEDY_MAX_W_TOP_DOWN"),
}


class FinalSize(NamedTuple):
    """In millions: parameters, multiply-adds as the paper counts (with the elements of normalisations, ReLUs and
    pools), and those of layers alone."""

    parameters: float
    multiply_adds: float
    layers: float


def drawn_up(space: Space, genotype: Genotype, **network) -> Network:
    """A final network of shapes without numbers."""
    with torch.device("meta"):
        return space.network(genotype, **network)


def millions(net: Network) -> float:
    """Parameters in millions."""
    return sum(p.numel() for p in net.parameters()) / 1e6


def final_size(space: Space, genotype: Genotype, image: tuple[int, int, int] = (3, 32, 32), **network) -> FinalSize:
    """Of a final network."""
    net = drawn_up(space, genotype, **network)
    return FinalSize(
        millions(net), *(count(net, image, how=how).multiply_adds / 1e6 for how in ("elementwise", "layers"))
    )


def cell_sizes() -> dict[str, FinalSize]:
    """Of the published cells on CIFAR-10, at the paper's 20 cells and 36 channels."""
    at = {"channels": 36, "cells": 20, "classes": 10}
    return {
        name: final_size(SPACES[space], GENOTYPES[cell], **at)
        for name, (space, cell) in {**CELLS, **NOT_REPORTED}.items()
    }


def mobile_sizes() -> dict[str, FinalSize]:
    """Of those of Table 3, on ImageNet."""
    at = {"channels": 48, "cells": 14, "classes": 1000, "stem": "imagenet", "image": (3, 224, 224)}
    return {name: final_size(space, GENOTYPES[cell], **at) for name, (space, cell) in MOBILE.items()}


class PathSize(NamedTuple):
    """A released path: its size with all operations, and multiply-adds without its last one; the head's parameters."""

    row: str
    path: str
    whole: FinalSize
    without_last: float
    head: float


def path_sizes() -> list[PathSize]:
    """Of every released path that a row of Table 4 may stand for, the best one first."""
    grid, found = SPACES["hypercuboid"], []
    for row, names in PATHS.items():
        for name in names:
            path = GENOTYPES[f"MULTI_CHANNEL_{name}"]
            shorter = Genotype({"path": path.picks["path"][:-1]}, path.concat)
            head = millions(drawn_up(grid, path, classes=10).head)
            whole, lost = final_size(grid, path, classes=10), final_size(grid, shorter, classes=10).multiply_adds
            found.append(PathSize(row, name.lower().replace("_", " "), whole, lost, head))
    return found


# --- beside the tables of the paper ---


def lines_of_cells(table: str, sizes: Mapping[str, FinalSize]) -> list[tuple[str, str, str, str]]:
    """For `report.against_published`: table, row, metric and our number in words, of rows of Table 2 or 3."""
    lines = []
    for name, size in sizes.items():
        words = f"{size.multiply_adds:.1f} (layers alone {size.layers:.1f})"
        lines.append((table, name, "parameters_millions", f"{size.parameters:.3f}"))
        lines.append((table, name, "multiply_adds_millions", words))
    return lines


def lines_of_paths(found: Sequence[PathSize]) -> list[tuple[str, str, str, str]]:
    """The same of `path_sizes`, with how much of a network is its head and what it has without its last operation."""
    lines = []
    for each in found:
        row, size = f"MultiChannelNet {each.row}", each.whole
        head = f"{100 * each.head / size.parameters:.0f} % of it head"
        lines.append(("Table 4", row, "parameters_millions", f"{size.parameters:.3f}, {head} ({each.path})"))
        words = f"{size.multiply_adds:.1f}, without the last {each.without_last:.1f} ({each.path})"
        lines.append(("Table 4", row, "multiply_adds_millions", words))
    return lines


def misses(lines: Sequence[tuple[str, str, str, str]]) -> dict[tuple[str, str, str], float]:
    """By (table, row, metric): how far the number that a line begins with is from the printed one, in percent."""
    found = {}
    for table, row, metric, words in lines:
        printed = published(paper="sharpDARTS", table=table, metric=metric).set_index("row").value[row]
        found[table, row, metric] = 100 * abs(float(words.split()[0]) / printed - 1)
    return found


class Block(NamedTuple):
    """A part of a network: "stem", "normal", "reduce" or "head"; channels and pixels a side of what it gives."""

    kind: str
    channels: int
    side: int


def macro_structure(net: Network, image: tuple[int, int, int] = (3, 32, 32)) -> list[Block]:
    """The blocks of a final network as built on the meta device, read from the maps that they give."""
    blocks: list[Block] = []

    def seen(kind: str) -> Callable:
        return lambda _, __, y: blocks.append(Block(kind, *(y[1] if isinstance(y, tuple) else y).shape[1:3]))

    parts = [("stem", net.stem), *zip(net.groups, net.blocks, strict=True)]
    hooks = [part.register_forward_hook(seen(kind)) for kind, part in parts]
    with torch.no_grad():
        logits = net.eval()(torch.empty(1, *image, device="meta"))
    for hook in hooks:
        hook.remove()
    return [*blocks, Block("head", logits.shape[1], 1)]


def macros() -> dict[str, list[Block]]:
    """`macro_structure` of the paper's supernet and final network, by a title with their sizes."""
    stacks = {"the supernet of a search": METHODS["sharpdarts"].config, "the final network": TRAINING["sharpdarts"]}
    found = {}
    for what, c in stacks.items():  # a supernet stacks its cells as the network of any genotype does
        net = drawn_up(SPACES["sharp"], GENOTYPES["SHARP_DARTS"], channels=c.channels, cells=c.cells, classes=10)
        found[f"{what}: {c.cells} cells of {c.channels} channels"] = macro_structure(net)
    return found


def of_trained_paths(
    grid: HyperCuboid,
    chosen: Mapping[str, Sequence[Genotype]],
    runs: Mapping[str, Sequence],
    seeds: Sequence[int],
    **net,
) -> pd.DataFrame:
    """A row per path trained (results as nasnb.runs.Result): path, seed, error_percent of the last epoch, thousands of
    parameters. `net` are the network's channels, classes and image_channels.
    """
    rows = [
        (name, seed, 100 - run.history.valid_accuracy.iloc[-1], 1000 * millions(drawn_up(grid, genotype, **net)))
        for name, genotypes in chosen.items()
        for seed, genotype, run in zip(seeds, genotypes, runs[name], strict=True)
    ]
    return pd.DataFrame(rows, columns=["path", "seed", "error_percent", "thousands"])


def channels_for(space: Space, genotype: Genotype, target: float, *, choices: Sequence[int], **network) -> int:
    """The number of channels, of `choices`, with which a network comes nearest to `target` million parameters.

    Near as a ratio: half as large is as far as twice as large.
    """
    return min(choices, key=lambda c: abs(np.log(millions(drawn_up(space, genotype, channels=c, **network)) / target)))


RELATIVE = (  # what sections 1 and 4.2 say in percent, of Table 2: metric, the row, what it is compared with
    ("lower error", 10, "error_percent", "DARTS+SSC, no search", "DARTS (2nd order)"),
    ("lower error", 13, "error_percent", "SharpSepConvDARTS", "DARTS (2nd order)"),
    ("lower error", 19, "error_percent", "DARTS (2nd order)", "random search"),
    ("more multiply-adds", -5, "multiply_adds_millions", "DARTS+SSC, no search", "DARTS (2nd order)"),
    ("fewer parameters", 32, "parameters_millions", "sharpDARTS", "DARTS (1st order)"),
    ("fewer multiply-adds", 31, "multiply_adds_millions", "sharpDARTS", "DARTS (1st order)"),
    ("shorter search", 80, "gpu_days", "SharpSepConvDARTS", "DARTS (2nd order)"),
)


def relative_claims(sizes: Mapping[str, FinalSize]) -> pd.DataFrame:
    """The paper's percentages beside those of its own Table 2, and of the released cells where these can be counted."""
    table = published(paper="sharpDARTS", table="Table 2").query("dataset == 'CIFAR-10'")
    counted = {"parameters_millions": "parameters", "multiply_adds_millions": "multiply_adds"}
    rows = []
    for what, said, metric, row, other in RELATIVE:
        value = table[table.metric == metric].set_index("row").value
        exact = "–"
        if metric in counted:
            ours = [getattr(sizes[name], counted[metric]) for name in (row, other)]
            exact = f"{abs(100 * (1 - ours[0] / ours[1])):.1f} %"
        printed = f"{abs(100 * (1 - value[row] / value[other])):.1f} % ({value[row]:g} and {value[other]:g})"
        rows.append((f"{row}: {what} than {other}", f"{abs(said)} %", printed, exact))
    columns = ["comparison", "the text says", "by the printed numbers", "by the released cells"]
    return pd.DataFrame(rows, columns=columns)
