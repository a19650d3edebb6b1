"""What can be counted out exactly: all topologies of a cell, published cells side by side, Table 1 of StacNAS."""

import numpy as np
import pytest

from nasnb.analysis.shapes import cell_depth, cell_width, edge_agreement, topologies
from nasnb.analysis.stacnas import matching_cells, published_confusion
from nasnb.published import GENOTYPES


def test_all_180_topologies_of_a_cell():
    cells = topologies()
    assert len(cells) == 180  # 1 x 3 x 6 x 10 pairs of states
    assert cells.mean().round(2).tolist() == [3.77, 2.57] and cells.std(ddof=0).round(2).tolist() == [0.67, 0.48]
    assert ((cells.depth >= 4) & (cells.width <= 2.5)).mean() == pytest.approx(100 / 180)
    assert (cells.width == 4).sum() == 1  # the published reduction cell of MSR-DARTS
    assert cell_width(GENOTYPES["MSRDARTS"], "reduce") == 4 and cell_depth(GENOTYPES["MSRDARTS"], "reduce") == 2


def test_topologies_of_two_nodes_by_hand():
    # the second node has states (0, 1), (0, 2) or (1, 2): depth 2, 3, 3 and width 2, 1.5, 1.5
    assert topologies(2).to_numpy().tolist() == [[2, 2], [3, 1.5], [3, 1.5]]


def test_the_reduction_cells_of_pc_darts_have_no_pick_in_common():
    cells = GENOTYPES["PC_DARTS_cifar"], GENOTYPES["PC_DARTS_image"]
    assert np.mean(list(edge_agreement(*cells, "reduce").values())) == 0.5
    assert not any(edge_agreement(*cells, "reduce", ops=True).values())


def test_table_1_of_stacnas_matches_another_depth_without_the_division():
    table = published_confusion()
    # parameters of the supernets and of the final network: counted with the authors' code
    assert table.millions.tolist() == [3.714382, 1.550266, 1.861402, 2.172538]
    assert matching_cells(table, "printed") == 14 and matching_cells(table, "undivided") == 20
