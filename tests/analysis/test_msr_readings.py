"""MSR-DARTS without training, and several searches read at once."""

import numpy as np
import pandas as pd
import pytest

from nasnb.analysis.msr_darts.readings import (
    AGAINST,
    changed_picks,
    effects_of_cells,
    moves_of,
    ops_apart,
    shape_effects,
    shape_table,
    sizes_in_tables,
    supernet_effects,
    told_apart,
    within_edges,
)
from nasnb.analysis.msr_darts.untrained import (
    norms_under_batchnorm,
    published_shape,
    sensitivity_to_white_noise,
    untrained_supernets,
)
from nasnb.published import GENOTYPES


@pytest.mark.slow
def test_batchnorm_undoes_the_norms():
    table = norms_under_batchnorm()
    assert table.loss[0] < 1e-12 and table.gradient[0] < 1e-9
    assert 1e-4 < table.gradient[1] < 0.5  # with its usual eps BatchNorm lets a little through


@pytest.mark.slow
def test_untrained_supernets_choose_by_their_draw():
    table = untrained_supernets([0], channels=8, cells=3, image_size=16)
    assert 0.2 < table["rank"][0] < 0.4 and table.one_hot.between(0, 1).all()
    assert table["the code's sizes"][0] == 4 and table["true sizes"][0] < 4


def test_white_noise_does_not_see_the_rank():
    table = sensitivity_to_white_noise(8, image_size=16)
    assert table.kernel_rank.iloc[0] == pytest.approx(1) and table.kernel_rank.iloc[-1] == pytest.approx(8)
    assert table.per_pixel.to_numpy() == pytest.approx(np.full(5, 8), rel=0.03)


def test_what_the_published_cell_is_like():
    assert published_shape() == pytest.approx({"normal": 100 / 180, "reduce": 1 / 180})
    cell = GENOTYPES["MSRDARTS"]
    assert changed_picks(cell, cell) == 0 and changed_picks(cell, GENOTYPES["DARTS_V2"]) > 0.5
    shapes = shape_table({"published": [cell]}).set_index(["measure", "group"]).value
    assert shapes["depth", "normal"] == 4 and shapes["width", "normal"] == 2.5 and shapes["width", "reduce"] == 4


@pytest.mark.slow
def test_sizes_of_the_published_cell():
    sizes = sizes_in_tables()
    assert [round(1e6 * p) for p, _ in sizes.values()] == [1628830, 4007710, 5671744]
    assert sizes["Table 3", "MSR-DARTS (CIFAR-10)"][1] == pytest.approx(622.89, abs=0.005)


def test_operations_are_compared_within_cells():
    """Two cells of very different rank; in each, one operation lies one spread below the other."""
    rows = [(0, block, op, base + high) for block, base in ((0, 4.0), (1, 400.0)) for op, high in (("a", 0), ("b", 1))]
    table = pd.DataFrame(rows, columns=["seed", "block", "op", "rank"])
    assert ops_apart(table) == pytest.approx([2**0.5])
    steps = pd.concat(
        table.assign(epoch=e, group="normal", edge=0, source=0, rank=table["rank"] * (1 + e)) for e in (0, 1)
    )
    assert (moves_of(steps).moved == 1).all()


def test_correlation_within_edges_is_one_per_search():
    ranks = [1.0, 2, 3, 4]
    rows = [
        (s, 0, e, op, r, r if s else -r) for s in (0, 1) for e in (0, 1) for op, r in zip("abcd", ranks, strict=True)
    ]
    found = within_edges(pd.DataFrame(rows, columns=["seed", "block", "edge", "op", "kernel_rank", "per_pixel"]))
    assert found.correlation.tolist() == pytest.approx([-1, 1]) and found.quietest.tolist() == [0, 1]


def test_effects_of_shapes_and_supernets_seed_by_seed():
    cells = {"minimum rank": [GENOTYPES["MSRDARTS"]] * 2, "DARTS": [GENOTYPES["DARTS_V2"], GENOTYPES["MSRDARTS"]]}
    shapes = shape_effects(shape_table(cells))
    assert shapes["msr-darts/deeper"].tolist() == [4 - 3, 0] and shapes["msr-darts/narrower"].tolist() == [3.5 - 2.5, 0]
    assert shapes["msr-darts/reduction-wide-by-true-sizes"] == pytest.approx([4 - 2.57] * 2, abs=0.01)
    kept = [
        {"seed": seed, "cell": name, "genotype": cell.notation(), "correlation": 0.1 * seed, "late_slope": 1.0 - seed}
        for name, several in cells.items()
        for seed, cell in enumerate(several)
    ]
    found = supernet_effects(pd.DataFrame(kept).sort_values("seed"))
    assert found["msr-darts/deeper"].tolist() == [1, 0] and found["msr-darts/loss-turns-up"].tolist() == [1, 0]
    assert found["msr-darts/low-rank-low-sensitivity"] == pytest.approx([0, 0.1])


def test_minimum_rank_is_compared_with_every_control_in_percent_of_the_error():
    kept = pd.DataFrame({"cell": [*AGAINST.values(), "minimum rank"], "seed": 3, "error_percent": [30, 20, 30, 20, 20]})
    found = effects_of_cells(kept)
    assert [round(float(effect[0])) for effect in found.values()] == [40, 0, 40, 0]


def test_cells_are_told_apart_if_they_differ_by_more_than_two_trainings_of_one():
    names = {"minimum rank": 30.0, "maximum rank": 20.0, "DARTS": 10.0, "random": 20.0, "random, again": 22.0}
    rows = [(seed, cell, error + 50 * seed) for seed in range(4) for cell, error in names.items()]
    kept = pd.DataFrame(rows, columns=["seed", "cell", "error_percent"])
    kept["genotype"] = kept.cell.str.removesuffix(", again").replace(
        "random", "maximum rank"
    )  # found twice, counts once
    found = told_apart(kept)
    assert found["cells"] == pytest.approx(10) and found["trainings"] == pytest.approx(np.sqrt(2))
    assert found["p"] == pytest.approx(9.6e-4, abs=1e-5)  # of F = 50 with 8 and 4 degrees of freedom
