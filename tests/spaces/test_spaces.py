"""What each space offers on each edge, its operations by their definitions, and a space of one's own."""

import copy
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import nasnb
from nasnb.architecture import SHORT_NAMES, Genotype, Pick
from nasnb.methods import METHODS
from nasnb.published.genotypes import GENOTYPES
from nasnb.spaces import SPACES, CellSpace, every_edge, msr_space, space
from nasnb.spaces.sharp import DARTS_SSC, SHARP_CODE, SHARP_PAPER, SHARPER, sharp_ops, sharp_space
from nasnb.spaces.stacnas import STACNAS_GROUPS, V1_GROUPS, stage_one, stage_two, with_pool_norm
from nasnb.spectral import SpectralRule, spectral_norm
from nasnb.supernet.counts import count
from nasnb.supernet.edges import dropped
from nasnb.supernet.layers import Source, StackedConv
from nasnb.supernet.operations import DARTS_OPS, per_edge
from nasnb.supernet.partial_channels import partial_channels
from nasnb.supernet.relaxation import Relaxation, plain_sum, softmax

GROUPS = ("normal", "reduce")
CELL_SPACES = [name for name, each in SPACES.items() if isinstance(each, CellSpace)]


def candidates(name, group="normal"):
    return [edge.ops for edge in SPACES[name].choices.groups[group]]


def test_every_space_goes_by_its_name():
    assert all(each.name == name for name, each in SPACES.items())
    assert nasnb.SPACES is SPACES
    assert {
        "darts",
        "darts-no-none",
        "s1",
        "s2",
        "s3",
        "s4",
        "msr",
        "sharp",
        "darts-ssc",
        "stacnas",
        "bench201",
        "hypercuboid",
    } <= set(SPACES)


def test_unknown_space():
    with pytest.raises(ValueError, match="unknown space 'dart', did you mean 'darts'"):
        space("dart")


@pytest.mark.parametrize(
    ("name", "ops"),
    [("s2", "sk s3"), ("s3", "zr sk s3"), ("s4", "nz s3"), ("msr", "s3 s5 d3 d5"), ("stacnas", "mp sk s3 d3 zr")],
)
def test_same_candidates_everywhere(name, ops):
    for group in GROUPS:
        assert {" ".join(SHORT_NAMES[op] for op in row) for row in candidates(name, group)} == {ops}


def test_two_candidates_on_every_edge_of_s1():
    assert [len(row) for group in GROUPS for row in candidates("s1", group)] == [2] * 28
    assert candidates("s1")[5] == ("max_pool_3x3", "skip_connect")
    assert candidates("s1")[12:] == [("dil_conv_3x3", "dil_conv_5x5")] * 2
    assert candidates("s1", "reduce")[:2] == [("max_pool_3x3", "avg_pool_3x3"), ("max_pool_3x3", "dil_conv_3x3")]
    assert [row[0] for row in candidates("s1", "reduce")].count("max_pool_3x3") == 8, "every edge at stride 2"


def test_candidates_of_the_sharp_spaces():
    assert [len(names) for names in (SHARP_PAPER, SHARP_CODE, DARTS_SSC, SHARPER)] == [10, 9, 8, 12]
    assert candidates("sharp")[0] == SHARP_PAPER
    assert set(SHARP_PAPER) - set(SHARP_CODE) == {"avg_pool_3x3"}
    assert candidates("darts-ssc") == candidates("darts")


# --- every cell space ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELL_SPACES)
def test_supernet_discretises_to_a_network_that_runs(name):
    each = SPACES[name]
    torch.manual_seed(0)
    net = each.supernet(channels=4, cells=3, classes=5, image_channels=1)
    weights = Relaxation(each.choices, softmax, std=1.0)()
    images = torch.randn(2, 1, 16, 16)
    assert net(images, weights).shape == (2, 5)
    genotype = each.discretise(weights)
    final = each.network(genotype, channels=4, cells=3, classes=5, image_channels=1)
    assert final(images).shape == (2, 5)
    assert Genotype.from_notation(genotype.notation()) == genotype


@pytest.mark.parametrize("name", CELL_SPACES)
def test_imagenet_stem(name):
    with torch.device("meta"):
        net = SPACES[name].supernet(channels=4, cells=3, classes=1000, stem="imagenet")
        auxiliary = (
            SPACES[name].network(
                GENOTYPES["DARTS_V1"], channels=4, cells=3, classes=1000, stem="imagenet", auxiliary=True
            )
            if "skip_connect" in SPACES[name].ops
            else None
        )
    assert net.stem.channels == (12, 12)
    first, second = net.stem(torch.empty(1, 3, 64, 64, device="meta"))
    assert (first.shape, second.shape) == ((1, 12, 16, 16), (1, 12, 8, 8))
    if auxiliary is not None:
        normed = sum(isinstance(m, nn.BatchNorm2d) for m in auxiliary.auxiliary.modules())
        assert normed == (2 if "sharp" in name or "ssc" in name else 1)


def test_sizes_inside_a_supernet():
    """K = 4 or any other: a cell has four times its channels, and reduction cells halve the map."""
    net = SPACES["darts"].supernet(channels=16, cells=8, classes=10, mix=partial_channels(4)).eval()
    routed = net.route(Relaxation(SPACES["darts"].choices, softmax)())
    states = net.stem(torch.randn(1, 3, 32, 32))
    sizes = []
    for i in range(8):
        states = net.features(states, routed, start=i, stop=i + 1)
        sizes.append(tuple(states[1].shape[1:3]))
    assert sizes == [(64, 32), (64, 32), (128, 16), (128, 16), (128, 16), (256, 8), (256, 8), (256, 8)]


def test_genotype_of_another_space():
    with pytest.raises(ValueError, match=r"unknown operation 'choke_conv_3x3' on edge 0->2 of 'normal'.*space 'darts'"):
        SPACES["darts"].network(GENOTYPES["SHARP_DARTS"], channels=4, cells=3, classes=10)
    path = Genotype({"path": (Pick("sep_conv_3x3", 4, 4),)}, {"path": ()})
    with pytest.raises(ValueError, match=r"needs the cells \('normal', 'reduce'\), the genotype has \('path',\)"):
        SPACES["darts"].network(path, channels=4, cells=3, classes=10)


def test_scores_that_do_not_fit():
    with pytest.raises(ValueError, match=r"scores of 'normal' have shape \(14, 8\), this space has .* \(14, 2\)"):
        SPACES["s2"].discretise(dict.fromkeys(GROUPS, torch.zeros(14, 8)))
    with pytest.raises(ValueError, match="no scores for 'reduce': the groups are normal, reduce, got normal"):
        SPACES["s2"].discretise({"normal": torch.zeros(14, 2)})


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"cells": 2}, "cells=2: two reductions"),
        ({"channels": 5}, "channels=5: must be even"),
        ({"stem": "mnist"}, "unknown stem 'mnist'; stems: cifar, imagenet"),
    ],
)
def test_impossible_sizes(size, message):
    with pytest.raises(ValueError, match=message):
        SPACES["darts"].supernet(**{"channels": 4, "cells": 3, "classes": 10, **size})


# --- operations ---------------------------------------------------------------------------------------------------


def build(ops, name, *, channels=4, stride=1, edges=1, affine=False):
    return ops[name](channels=channels, stride=stride, edges=edges, affine=affine)


def run(op, x):
    return op(Source(x)) if op.shared else op(Source(x), None, None)


@pytest.mark.parametrize(
    "name",
    [
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
        "noise",
    ],
)
@pytest.mark.parametrize("stride", [1, 2])
def test_operation_keeps_channels_and_divides_the_map(name, stride):
    x = torch.randn(2, 4, 8, 8)
    assert run(build(DARTS_OPS, name, stride=stride), x).shape == (2, 4, 8 // stride, 8 // stride)


def test_average_pool_of_ones_is_ones():
    ones = torch.ones(1, 4, 6, 6)
    assert torch.equal(run(build(DARTS_OPS, "avg_pool_3x3", affine=True), ones), ones)
    corner = run(build(sharp_ops(include_pad=True), "avg_pool_3x3", affine=True), ones)[0, 0, 0, 0]
    assert corner == pytest.approx(4 / 9)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("sep_conv_3x3", 3384),
        ("dil_conv_3x3", 3384),
        ("flood_conv_3x3", 12_348),
        ("dil_flood_conv_3x3", 12_348),
        ("choke_conv_3x3", 3052),
        ("dil_choke_conv_3x3", 3052),
    ],
)
def test_parameters_of_sharp_operations(name, parameters):
    op = build(sharp_ops(), name, channels=36, affine=True)
    assert sum(p.numel() for p in op.parameters()) == parameters
    for stride in (1, 2):
        op = build(sharp_ops(choke=6), name, stride=stride)
        assert run(op, torch.randn(1, 4, 8, 8)).shape == (1, 4, 8 // stride, 8 // stride)


def test_sharp_separable_convolution_is_that_of_darts():
    one, other = build(sharp_ops(), "sep_conv_3x3"), build(DARTS_OPS, "sep_conv_3x3")
    other.load_state_dict(one.state_dict())
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(run(one, x), run(other, x))


def test_sharp_dilated_convolution_dilates_once():
    """A single pixel spreads over 5 x 5 in the first convolution and by one pixel more in the second."""
    op = build(sharp_ops(), "dil_conv_3x3").eval()
    with torch.no_grad():
        for p in op.parameters():
            p.fill_(1.0)
    x = torch.zeros(1, 4, 11, 11)
    x[..., 5, 5] = 1.0
    assert run(op, x)[0, 0, 5].bool().tolist() == [False] * 2 + [True] * 7 + [False] * 2


def test_choke_is_a_choice_of_the_space():
    narrow = sharp_space("narrow", choke=4).supernet(channels=8, cells=3, classes=10)
    ops = [op for name, op in narrow.named_modules() if name.endswith(".choke_conv_3x3")]
    assert {op.units[0].pointwise.weight.shape[0] // op.edges for op in ops} == {4}


def test_drop_path():
    torch.manual_seed(0)
    x = torch.ones(4000, 1, 1, 1)
    kept = dropped(x, 0.2, True)
    assert set(kept.flatten().tolist()) == {0.0, 1.25}
    assert kept.mean() == pytest.approx(1, abs=0.03)  # 3.8 standard deviations
    assert dropped(x, 0.0, True) is x
    assert dropped(x, 0.2, False) is x


def test_drop_path_leaves_identities_alone():
    skips = tuple(Pick("skip_connect", source, node) for node in range(2, 6) for source in (0, 1))
    genotype = Genotype(dict.fromkeys(GROUPS, skips), dict.fromkeys(GROUPS, (2, 3, 4, 5)))
    net = SPACES["darts"].network(genotype, channels=4, cells=3, classes=10)
    normal, routed = net.blocks[0], net.route(None)["normal"]
    x = torch.randn(2, 12, 8, 8)
    kept, unchanged = normal(x, x, routed, 0.99), normal(x, x, routed, 0.0)
    assert torch.equal(kept, unchanged)


# --- MSR-DARTS ----------------------------------------------------------------------------------------------------


def test_convolutions_of_the_msr_supernet_have_spectral_norm_one():
    torch.manual_seed(0)
    each = msr_space(SpectralRule(method="exact", iterations=10))
    net = each.supernet(channels=4, cells=3, classes=5)
    weights = Relaxation(each.choices, plain_sum)()
    assert {float(w.min()) for w in weights.values()} == {1.0}
    used = {}
    for conv in fan_convolutions(net):
        conv.reparametrise.register_forward_hook(lambda rule, args, kernel: used.update({rule: (kernel, args[1])}))
    net(torch.randn(2, 3, 8, 8), weights)
    assert len(used) == 3 * 5 * 12  # 4 + 4 + 2 + 2 stacks for each of five states
    for conv in fan_convolutions(net)[::10]:
        kernel, size = used[conv.reparametrise]
        for edge in kernel.unflatten(0, (conv.edges, -1)):
            plain = nn.Conv2d(
                edge.shape[1] * conv.groups,
                len(edge),
                conv.weight.shape[-1],
                conv.stride,
                conv.padding,
                conv.dilation,
                conv.groups,
                bias=False,
            )
            plain.weight.data.copy_(edge)
            assert float(spectral_norm(plain, tuple(size))) == pytest.approx(1, abs=0.02)


def fan_convolutions(net):
    return [m for cell in net.blocks for m in cell.fans.modules() if isinstance(m, StackedConv)]


def test_only_candidates_are_normalised():
    net = SPACES["msr"].supernet(channels=4, cells=3, classes=5)
    fans = set(fan_convolutions(net))
    assert all((m.reparametrise is not None) == (m in fans) for m in net.modules() if isinstance(m, StackedConv))
    edges = sum(conv.edges for conv in fans if conv.groups > 1)
    assert edges == 3 * 14 * 6  # two depthwise in each separable convolution, one in each dilated one
    final = SPACES["msr"].network(GENOTYPES["MSRDARTS"], channels=4, cells=3, classes=5)
    assert all(m.reparametrise is None for m in final.modules() if isinstance(m, StackedConv))


def test_msr_supernet_survives_copies_and_its_counts():
    each = SPACES["msr"]
    net = each.supernet(channels=4, cells=3, classes=5)
    weights = Relaxation(each.choices, plain_sum)()
    images = torch.randn(2, 3, 8, 8)
    net(images, weights)
    twin = copy.deepcopy(net).eval()
    torch.testing.assert_close(twin(images, weights), net.eval()(images, weights))
    plain = CellSpace("plain", each.candidates, each.ops).supernet(channels=4, cells=3, classes=5)
    assert count(net, (3, 8, 8), each.choices) == count(plain, (3, 8, 8), each.choices)


# --- StacNAS ------------------------------------------------------------------------------------------------------


def test_groups_belong_to_the_space():
    won = {g: ["sep_conv_3x3"] * 14 for g in ("normal", "reduce")}
    ops = stage_two(SPACES["stacnas-v1"], won).choices.groups["normal"][0].ops
    assert ops == ("sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "none")
    assert METHODS["stacnas"].on("stacnas-v1").space.families == V1_GROUPS
    with pytest.raises(ValueError, match=r"space 's2' has no groups of similar operations.*take stacnas, stacnas-v1"):
        METHODS["stacnas"].on("s2")


def test_second_stage_holds_the_members_of_the_winning_groups():
    won = {"normal": ["skip_connect"] * 13 + ["avg_pool_3x3"], "reduce": ["dil_conv_3x3"] * 14}
    two = stage_two(SPACES["stacnas"], won)
    assert two.name == "stacnas-stage-two"
    rows = [edge.ops for edge in two.choices.groups["normal"]]
    assert (rows[0], rows[13]) == (("skip_connect", "none"), ("max_pool_3x3", "avg_pool_3x3", "none"))
    assert two.choices.shape("normal") == (14, 3)
    assert two.choices.is_candidate("normal")[0] == [True, True, False]
    doubled = stage_two(SPACES["stacnas"], won, singleton="duplicate")
    assert doubled.choices.groups["normal"][0].ops == ("skip_connect", "skip_connect#2", "none")
    scores = torch.zeros(14, 3)
    scores[:, 1] = 1  # the second skip
    scores[13, 1] = 2
    assert set(doubled.discretise(dict.fromkeys(GROUPS, scores)).ops("normal")) == {"skip_connect", "avg_pool_3x3"}


def test_groups_are_data():
    assert candidates("stacnas-v1")[0] == ("max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3", "none")
    assert set(candidates("stacnas-v1-ungrouped")[0]) == {
        "max_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "sep_conv_7x7",
        "dil_conv_3x3",
        "dil_conv_5x5",
        "none",
    }
    assert candidates("stacnas-v2-ungrouped")[0] == ("max_pool_3x3", "sep_conv_3x3", "sep_conv_5x5", "none")
    wide = ("max_pool_3x3", "skip_connect", "sep_conv_7x7", "dil_conv_5x5")
    assert stage_one("wide", V1_GROUPS, representatives=wide).choices.groups["normal"][0].ops == (*wide, "none")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: stage_one("x", STACNAS_GROUPS, representatives=["skip_connect"] * 4),
            "cannot represent the group max",
        ),
        (lambda: stage_two(SPACES["stacnas"], {"normal": ["none"]}), "'none' on edge 0 of 'normal' is in no group"),
        (lambda: stage_two(SPACES["stacnas"], {}, singleton="twice"), "choose 'single' .* or 'duplicate'"),
    ],
)
def test_groups_that_cannot_be(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_normalised_pools_of_the_published_code():
    torch.manual_seed(0)
    net = with_pool_norm(SPACES["darts"]).network(GENOTYPES["DARTS_V1"], channels=4, cells=3, classes=10)
    pool = net.blocks[1].fans[0].ops["max_pool_3x3"]  # from state 0 of a reduction cell to three nodes
    with torch.no_grad():
        pool.norm.weight.unflatten(0, (3, 8)).copy_(torch.tensor([1.0, 2.0, 3.0])[:, None])
    one, two, three = run(pool, torch.randn(2, 8, 6, 6)).chunk(3, dim=1)
    torch.testing.assert_close((two, three), (2 * one, 3 * one))
    assert float(one.detach().std()) == pytest.approx(1, abs=0.1)


# --- one's own ----------------------------------------------------------------------------------------------------


def shifted(channels, stride, affine):
    return nn.Sequential(nn.AvgPool2d(stride), nn.BatchNorm2d(channels, affine=affine))


def test_operation_of_ones_own():
    mine = CellSpace(
        "mine", every_edge(["none", "sep_conv_3x3", "shifted"]), {**DARTS_OPS, "shifted": per_edge(shifted)}
    )
    net = mine.supernet(channels=4, cells=3, classes=5)
    relaxation = Relaxation(mine.choices, softmax)
    net(torch.randn(2, 3, 8, 8), relaxation()).square().sum().backward()
    assert all(alpha.grad[:, 2].abs().min() > 0 for alpha in relaxation.alpha.values())
    scores = torch.zeros(14, 3)
    scores[:, 2] = 1
    genotype = mine.discretise(dict.fromkeys(GROUPS, scores))
    assert set(genotype.ops("normal")) == {"shifted"}
    assert Genotype.from_notation(genotype.notation()) == genotype
    assert genotype.short("normal").startswith("shifted~0 shifted~1 / shifted~0")
    assert Genotype.from_short(normal=genotype.short("normal"), reduce=genotype.short("reduce")) == genotype
    final = mine.network(genotype, channels=4, cells=3, classes=5)
    assert final(torch.randn(2, 3, 8, 8)).shape == (2, 5)
    assert any(m.affine for cell in final.blocks for m in cell.fans.modules() if isinstance(m, nn.BatchNorm2d))


def test_space_with_an_operation_that_nobody_made():
    with pytest.raises(
        ValueError, match=r"unknown operation 'sep_conv_33' on edge 0->2 of 'normal', did you mean 'sep_conv_3x3"
    ):
        CellSpace("mine", every_edge(["sep_conv_33"]), DARTS_OPS)
    with pytest.raises(ValueError, match="3 edges do not fill whole nodes"):
        CellSpace("mine", {"normal": (("none",),) * 3, "reduce": (("none",),) * 3}, DARTS_OPS)


PAGE = (Path(__file__).parents[2] / "book" / "own-space.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.slow
def test_page_on_a_method_of_ones_own_runs_and_names_files_that_exist(capsys):
    names = {}
    for block in BLOCKS:
        exec(block, names)
    assert re.search(r"points \[.*\], n = 6\n$", capsys.readouterr().out)
    files = re.findall(r"`(nasnb/[\w/]+\.py)`", PAGE)
    assert len(files) > 5 and all((Path(__file__).parents[2] / file).exists() for file in files)


def test_page_on_a_space_of_ones_own_runs(capsys):
    assert len(BLOCKS) == 3
    names = {}
    for block in BLOCKS[:2]:
        exec(block, names)
    assert capsys.readouterr().out.startswith("1 Genotype(normal=[('")
    assert names["net"](torch.randn(2, 3, 28, 28)).shape == (2, 10)
