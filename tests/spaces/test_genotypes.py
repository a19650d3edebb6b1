"""The published genotypes are legal, survive both notations, and have the sizes that were measured for them."""

import csv
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasnb.architecture import SHORT_NAMES, Genotype, Pick
from nasnb.published.genotypes import GENOTYPES, genotype, genotype_names

CELLS = {name: cells for name, cells in GENOTYPES.items() if "path" not in cells.picks}
PATHS = {name: path for name, path in GENOTYPES.items() if "path" in path.picks}
EVALUATED = [name for name in CELLS if name not in ("NASNET_A", "AMOEBANET_A")]  # these two have five nodes


def published_counts():
    with (Path(__file__).parents[1] / "published_counts.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["parameters"]]


@pytest.mark.parametrize("name", GENOTYPES)
def test_both_notations_read_back_to_the_same_genotype(name):
    published = GENOTYPES[name]
    assert Genotype.from_json(published.to_json()) == published
    assert Genotype.from_notation(published.notation()) == published


@pytest.mark.parametrize("name", CELLS)
def test_cell_is_legal(name):
    for group in ("normal", "reduce"):
        picks, concat = CELLS[name].picks[group], CELLS[name].concat[group]
        n_nodes = len(picks) // 2
        assert [pick.target for pick in picks] == [2 + i // 2 for i in range(2 * n_nodes)]
        assert all(pick.op in SHORT_NAMES and 0 <= pick.source < pick.target for pick in picks)
        used = {pick.source for pick in picks} | set(concat)
        assert used >= set(range(2, 2 + n_nodes)), "a node leads nowhere"


@pytest.mark.parametrize("name", EVALUATED)
def test_node_of_the_darts_spaces_has_two_different_inputs_and_all_four_are_concatenated(name):
    for group in ("normal", "reduce"):
        sources = [pick.source for pick in CELLS[name].picks[group]]
        assert len(sources) == 8
        assert all(sources[i] != sources[i + 1] for i in range(0, 8, 2))
        assert CELLS[name].concat[group] == (2, 3, 4, 5)


@pytest.mark.parametrize("name", PATHS)
def test_path_is_unbroken(name):
    picks = PATHS[name].picks["path"]
    assert len(picks) == 8
    assert {pick.op for pick in picks} == {"sep_conv_3x3", "max_pool_3x3"}
    assert all(before.target == after.source for before, after in itertools.pairwise(picks))
    assert {width for pick in picks for width in (pick.source, pick.target)} <= {32, 64, 128, 256}


@pytest.mark.parametrize(
    ("space", "ops"),
    [
        ("S2", {"skip_connect", "sep_conv_3x3"}),
        ("S3", {"skip_connect", "sep_conv_3x3"}),
        ("S4", {"sep_conv_3x3"}),
        ("msr", {"sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"}),
    ],
)
def test_cells_use_the_operations_of_their_space(space, ops):
    used = {
        op for name in genotype_names(space=space) for group in ("normal", "reduce") for op in CELLS[name].ops(group)
    }
    assert used == ops


def test_darts_v2_by_hand():
    normal = GENOTYPES["DARTS_V2"].picks["normal"]
    assert normal[-2:] == (Pick("skip_connect", 0, 5), Pick("dil_conv_3x3", 2, 5))
    assert genotype("AMOEBANET_A").concat == {"normal": (4, 5, 6), "reduce": (3, 4, 6)}


@pytest.mark.parametrize("row", published_counts(), ids=lambda r: "-".join(list(r.values())[:6]) + r["variant"])
def test_measured_parameter_count(row):
    count = path_parameters if row["kind"] == "path" else network_parameters
    assert count(row) == int(row["parameters"])


def test_counts_cover_every_genotype_of_the_cell_spaces():
    assert {row["genotype"] for row in published_counts()} >= set(CELLS)


@pytest.mark.parametrize(("wrong", "right"), [("darts_v2", "DARTS_V2"), ("PC_DARTS_imagenet", "PC_DARTS_image")])
def test_unknown_name_suggests_the_nearest(wrong, right):
    with pytest.raises(ValueError, match=rf"unknown genotype '{wrong}', did you mean '{right}'\?"):
        genotype(wrong)


def test_unknown_paper_lists_the_known_ones():
    with pytest.raises(ValueError, match="no genotype of paper 'P-DARTS'; there are DARTS, sharpDARTS"):
        genotype_names(paper="P-DARTS")
    assert genotype_names(paper="DARTS-PT", space="darts") == [
        f"{m}_pt_s5_{i}" for m in ("darts", "blank") for i in range(4)
    ]


def test_published_genotypes_cannot_be_changed():
    with pytest.raises(TypeError):
        GENOTYPES["DARTS_V1"] = GENOTYPES["DARTS_V2"]


@st.composite
def cell_genotypes(draw):
    picks, concat = {}, {}
    for group in ("normal", "reduce"):
        nodes = range(2, 2 + draw(st.integers(1, 6)))
        picks[group] = tuple(
            Pick(draw(st.sampled_from(sorted(SHORT_NAMES))), draw(st.integers(0, node - 1)), node)
            for node in nodes
            for _ in range(2)
        )
        concat[group] = tuple(sorted(draw(st.sets(st.sampled_from(nodes), min_size=1))))
    return Genotype(picks, concat)


@given(cell_genotypes())
def test_any_cell_survives_every_notation(cells):
    assert Genotype.from_json(cells.to_json()) == cells
    assert Genotype.from_notation(cells.notation()) == cells
    assert Genotype.from_short(cells.concat, normal=cells.short("normal"), reduce=cells.short("reduce")) == cells


# --- a second way to count: closed forms of the layer tables, without building a network --------------------------


def sharp_separable(c_in, c_out, kernel, middle):
    return kernel**2 * (c_in + middle) + middle * (c_in + c_out) + 2 * (middle + c_out)


def op_parameters(op, channels, stride, variant):
    c, sharp, kernel = channels, "sharp ops" in variant, int(op[-1]) if op[-1].isdigit() else 0
    if "pool" in op:
        return 2 * c if "pool BN" in variant else 0
    if op == "skip_connect":
        return c * c + 2 * c if stride == 2 else 0
    if op == "conv_7x1_1x7":
        return 14 * c * c + 2 * c
    if op.startswith("dil_conv") and not sharp:
        return kernel**2 * c + c * c + 2 * c
    choke = 96 if "choke 96" in variant else 32
    return sharp_separable(c, c, kernel, 4 * c if "flood" in op else choke if "choke" in op else c)


def network_parameters(row):
    cells, channels, classes = int(row["cells"]), int(row["channels"]), int(row["classes"])
    published, imagenet, variant = GENOTYPES[row["genotype"]], row["kind"] == "imagenet", row["variant"]
    stem = 27 * channels // 2 + channels + 9 * channels**2 // 2 + 9 * channels**2 + 4 * channels
    total = stem if imagenet else (27 + 2) * 3 * channels
    before, last = (channels, channels) if imagenet else (3 * channels, 3 * channels)
    for index in range(cells):
        group = "reduce" if index in (cells // 3, 2 * cells // 3) else "normal"
        channels *= 2 if group == "reduce" else 1
        total += (before + last + 4) * channels
        for op, source, _ in published.picks[group]:
            total += op_parameters(op, channels, 2 if group == "reduce" and source < 2 else 1, variant)
        before, last = last, len(published.concat[group]) * channels
        if index == 2 * cells // 3 and row["auxiliary"] == "1":
            has_second_norm = not imagenet or "auxiliary BN" in variant
            total += 128 * last + 256 + 4 * 128 * 768 + 2 * 768 * has_second_norm + 769 * classes
    return total + (last + 1) * classes


def path_parameters(row):
    picks = GENOTYPES[row["genotype"]].picks["path"][: int(row["cells"])]
    total = 27 * picks[0].source + 2 * picks[0].source
    for op, c_in, c_out in picks:
        pool = c_in * c_out + 2 * c_out if c_in != c_out else 0
        total += pool if op == "max_pool_3x3" else sharp_separable(c_in, c_out, 3, c_out)
    return total + sharp_separable(picks[-1].target, 768, 3, 768) + 769 * 10
