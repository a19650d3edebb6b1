"""Sizes of final networks: the published cells and paths, exactly; and networks of equal size for a fair comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
import torch

from nasnb.architecture import Genotype
from nasnb.published.genotypes import GENOTYPES
from nasnb.published.numbers import published
from nasnb.spaces import SPACES, Space
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


def channels_for(space: Space, genotype: Genotype, target: float, *, choices: Sequence[int], **network) -> int:
    """The number of channels, of `choices`, with which a network comes nearest to `target` million parameters."""
    return min(choices, key=lambda c: abs(millions(drawn_up(space, genotype, channels=c, **network)) - target))


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
