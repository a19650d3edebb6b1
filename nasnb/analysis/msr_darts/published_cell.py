"""What section 4.5 and Table 2 of MSR-DARTS say of cells and of numbers, counted."""

from __future__ import annotations

from itertools import combinations, product

import pandas as pd

from nasnb.architecture import N_INPUTS, Genotype
from nasnb.published import GENOTYPES, published
from nasnb.spaces import SPACES

PUBLISHED = "MSRDARTS"
# rows of Table 2 whose cells are known: the name of the genotype
CELLS_OF_TABLE_2 = {
    "DARTS (1st order)": "DARTS_V1",
    "DARTS (2nd order)": "DARTS_V2",
    "PC-DARTS": "PC_DARTS_cifar",
    "MSR-DARTS": PUBLISHED,
}


def later_nodes_mix(genotype: Genotype, group: str = "normal") -> bool:
    """Whether every node but the first reads an input of the cell and a node within it."""
    sources: dict[int, set[bool]] = {}
    for pick in genotype.picks[group]:
        sources.setdefault(pick.target, set()).add(pick.source < N_INPUTS)
    return all(len(kinds) == 2 for node, kinds in sources.items() if node > N_INPUTS)


def share_that_mixes(n_nodes: int = 4) -> float:
    """The share of all ways to give each node two states before it in which every later node does."""
    states = [tuple(combinations(range(node), 2)) for node in range(N_INPUTS + 1, N_INPUTS + n_nodes)]
    found = [all((a < N_INPUTS) != (b < N_INPUTS) for a, b in ways) for ways in product(*states)]
    return sum(found) / len(found)


def receptive_field(op: str, *, stride: int = 1) -> int:
    """Side in pixels of what one output pixel of a separable or dilated convolution sees of its input.

    A separable one is its kernel twice, the first time with the stride; a dilated one once, with gaps of one pixel.
    Raises ValueError for any other operation.
    """
    kind, _, size = op.rpartition("_")
    kernel = int(size.partition("x")[0]) if size[0].isdigit() else 0
    fields = {"sep_conv": kernel + stride * (kernel - 1), "dil_conv": 2 * (kernel - 1) + 1}
    if kind not in fields:
        raise ValueError(f"{op!r} is no separable or dilated convolution; known: {', '.join(SPACES['msr'].ops)}")
    return fields[kind]


def input_fields(genotype: Genotype, group: str = "reduce") -> pd.DataFrame:
    """A line per operation on an input of the cell: input (0: the cell before the last, 1: the last), op, pixels."""
    stride = 2 if group == "reduce" else 1
    rows = [
        (p.source, p.op, receptive_field(p.op, stride=stride)) for p in genotype.picks[group] if p.source < N_INPUTS
    ]
    return pd.DataFrame(rows, columns=["input", "op", "pixels"])


def table_2() -> pd.DataFrame:
    """Rows of Table 2: method, error (%), printed (million parameters), and counted, the same of the cells that are
    known, with 20 cells and 36 channels and without an auxiliary head.
    """
    rows = published(paper="MSR-DARTS", table="Table 2")
    wide = rows.pivot_table(index="row", columns="metric", values="value", sort=False).reset_index()
    table = wide.rename(columns={"row": "method", "error_percent": "error", "parameters_millions": "printed"})
    return table[["method", "error", "printed"]].assign(counted=table.method.map(_millions))


def _millions(row: str) -> float:
    name = CELLS_OF_TABLE_2.get(row)
    if name is None:
        return float("nan")
    space = SPACES["msr" if name == PUBLISHED else "darts"]
    net = space.network(GENOTYPES[name], channels=36, cells=20, classes=10)
    return sum(p.numel() for p in net.parameters()) / 1e6
