"""NAS-Bench-201: architecture strings, sizes equal to the benchmark's records, the cell against its equations."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nasnb.architecture import Genotype, Pick
from nasnb.published.genotypes import GENOTYPES
from nasnb.spaces import SPACES, Bench201Space
from nasnb.spaces.bench201 import BENCH201_GROUPS, BENCH201_NAMES
from nasnb.spaces.stacnas import stage_two
from nasnb.supernet.counts import count
from nasnb.supernet.partial_channels import partial_channels
from nasnb.supernet.relaxation import Relaxation, softmax

SPACE = SPACES["bench201"]
EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]


def architecture(*indices):
    picks = tuple(Pick(BENCH201_NAMES[i], s, t) for i, (s, t) in zip(indices, EDGES, strict=True))
    return Genotype({"cell": picks}, {"cell": (3,)})


@pytest.mark.parametrize(
    ("indices", "parameters", "multiply_adds"),
    [
        ((0,) * 6, 73_306, (7_783_040, 7_788_800, 1_953_280)),
        ((1,) * 6, 73_306, (7_783_040, 7_788_800, 1_953_280)),
        ((2,) * 6, 241_306, (31_376_000, 31_381_760, 7_851_520)),
        ((3,) * 6, 1_531_546, (220_119_680, 220_125_440, 55_037_440)),
        ((4, 2, 1, 2, 1, 1), 129_306, (15_647_360, 15_653_120, 3_919_360)),  # record 0
        ((3, 3, 4, 0, 3, 4), 802_426, (113_951_360, 113_957_120, 28_495_360)),  # record 11
        ((1, 1, 1, 0, 2, 0), 101_306, (11_715_200, 11_720_960, 2_936_320)),  # record 284
    ],
)
def test_sizes_of_the_benchmark(indices, parameters, multiply_adds):
    for classes, size, expected in zip((10, 100, 120), (32, 32, 16), multiply_adds, strict=True):
        with torch.device("meta"):
            net = SPACE.network(architecture(*indices), classes=classes)
        assert count(net, (3, size, size)) == (parameters + 65 * (classes - 10), expected)


def test_argmax_of_every_edge_none_included():
    scores = torch.sin(1.7 * torch.arange(6)[:, None] + 0.9 * torch.arange(5))
    found = SPACE.discretise({"cell": scores})
    assert found == architecture(2, 0, 4, 3, 1, 0)
    assert found.notation() == ("|nor_conv_1x1~0|+|none~0|avg_pool_3x3~1|+|nor_conv_3x3~0|skip_connect~1|none~2|")
    assert SPACE.discretise({"cell": torch.zeros(6, 5)}) == architecture(*[0] * 6)


@given(st.tuples(*[st.integers(0, 4)] * 6))
def test_scores_of_an_architecture_lead_back_to_it(indices):
    arch = architecture(*indices)
    scores = torch.nn.functional.one_hot(torch.tensor(indices), 5).float()
    assert SPACE.discretise({"cell": scores}) == arch
    assert Genotype.from_notation(arch.notation()) == arch


def test_cell_by_its_equation():
    """Node j is the sum over i < j of w_ij applied to node i; the last node is the output."""
    torch.manual_seed(0)
    net = SPACE.supernet(channels=4, cells=1, classes=3).double().eval()
    weights = torch.rand(6, 5, dtype=torch.float64)
    cell, x = net.blocks[0], torch.randn(2, 4, 6, 6, dtype=torch.float64)

    def apply(source, target, y):
        fan, row = cell.fans[source], EDGES.index((source, target))
        at = target - source - 1
        conv1, conv3 = fan.ops["nor_conv_1x1"], fan.ops["nor_conv_3x3"]
        k1 = conv1.conv.weight.unflatten(0, (-1, 4))[at]
        k3 = conv3.conv.weight.unflatten(0, (-1, 4))[at]
        relu, inverse = torch.relu(y), 1 / (1 + 1e-5) ** 0.5  # running mean 0 and variance 1
        ones = nn.functional.avg_pool2d(torch.ones_like(y), 3, 1, 1)
        parts = [
            torch.zeros_like(y),
            y,
            inverse * torch.einsum("oi,nihw->nohw", k1[:, :, 0, 0], relu),
            inverse * nn.functional.conv2d(relu, k3, padding=1),
            nn.functional.avg_pool2d(y, 3, 1, 1) / ones,
        ]
        return sum(w * part for w, part in zip(weights[row], parts, strict=True))

    nodes = [x]
    for target in range(1, 4):
        nodes.append(sum(apply(source, target, nodes[source]) for source in range(target)))
    routed = net.route({"cell": weights})["cell"]
    torch.testing.assert_close(cell(x, x, routed), nodes[3])


@torch.no_grad()
def copy_convolutions(wide, cell, arch):
    """From the supernet's stacks of all edges to the network's stacks of those that chose the operation."""
    for op, source, target in arch.picks["cell"]:
        if op.startswith("nor_conv"):
            of, to = wide.fans[source].ops[op].conv, cell.fans[source].ops[op].conv
            alike = [t for o, s, t in arch.picks["cell"] if (o, s) == (op, source)]
            edge = of.weight.unflatten(0, (of.edges, -1))[target - source - 1]
            to.weight.unflatten(0, (to.edges, -1))[alike.index(target)] = edge


def test_one_hot_supernet_is_the_network():
    torch.manual_seed(0)
    arch = architecture(3, 1, 2, 4, 0, 3)
    supernet = Bench201Space(affine=True).supernet(channels=4, cells=1, classes=3).double()
    net = SPACE.network(arch, channels=4, cells=1, classes=3).double()
    other = dict(supernet.named_modules())
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.Linear):
            module.load_state_dict(other[name].state_dict())
    for cell, wide, group in zip(net.blocks, supernet.blocks, net.groups, strict=True):
        if group == "cell":
            copy_convolutions(wide, cell, arch)
    one_hot = torch.zeros(6, 5, dtype=torch.float64)
    for row, (op, _, _) in enumerate(arch.picks["cell"]):
        one_hot[row, BENCH201_NAMES.index(op)] = 1
    images = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(supernet(images, {"cell": one_hot}), net(images))


def test_alpha_learns_and_partial_channels_fit():
    relaxation = Relaxation(SPACE.choices, softmax)
    for mix in (partial_channels(1), partial_channels(2)):
        net = SPACE.supernet(channels=4, cells=1, classes=3, mix=mix)
        loss = net(torch.randn(4, 3, 8, 8), relaxation()).square().sum()
        (gradient,) = torch.autograd.grad(loss, [relaxation.alpha["cell"]])
        assert gradient.abs().min() > 0


def test_cells_count_per_stage():
    net = SPACE.supernet(channels=4, cells=2, classes=3)
    assert net.groups == ("cell", "cell", None, "cell", "cell", None, "cell", "cell")


@pytest.mark.parametrize(
    ("genotype", "message"),
    [
        (GENOTYPES["DARTS_V1"], "needs one group 'cell', the genotype has normal, reduce"),
        (
            Genotype({"cell": (Pick("sep_conv_3x3", 0, 1),)}, {"cell": (3,)}),
            "'sep_conv_3x3' on edge 0->1 .* nor_conv_1x1",
        ),
        (Genotype({"cell": (Pick("none", 0, 4),)}, {"cell": (4,)}), "'none' on edge 0->4 does not fit"),
    ],
)
def test_genotypes_of_other_spaces(genotype, message):
    with pytest.raises(ValueError, match=message):
        SPACE.network(genotype, classes=10)


def test_what_the_space_does_not_offer():
    with pytest.raises(ValueError, match="no auxiliary head: train with auxiliary_weight=0"):
        SPACE.network(architecture(*[1] * 6), classes=10, auxiliary=True)
    with pytest.raises(ValueError, match="cells=0: every stage"):
        SPACE.supernet(cells=0, classes=10)
    with pytest.raises(ValueError, match=r"scores of 'cell' have shape \(5, 5\), this space has .* \(6, 5\)"):
        SPACE.discretise({"cell": torch.zeros(5, 5)})


def test_every_architecture_has_a_string_of_its_own():
    strings = {
        architecture(*indices).notation() for indices in itertools.islice(itertools.product(range(5), repeat=6), 500)
    }
    assert len(strings) == 500


def test_edges_may_have_candidates_of_their_own():
    rows = (BENCH201_NAMES, ("skip_connect", "nor_conv_3x3"), *[("nor_conv_1x1",)] * 4)
    space = Bench201Space("part", candidates={"cell": rows})
    scores = torch.zeros(6, 5)
    scores[1, 1], scores[1, 4] = 1, 9  # the last is no candidate of edge 1
    assert space.discretise({"cell": scores}) == architecture(0, 3, 2, 2, 2, 2)
    with pytest.raises(ValueError, match="shorter"):
        _ = Bench201Space("short", candidates={"cell": rows[:5]}).choices


def test_groups_go_from_representatives_to_members():
    space = SPACES["bench201-groups"]
    assert space.choices.groups["cell"][0].ops == ("nor_conv_3x3", "skip_connect", "avg_pool_3x3", "none")
    won = ["nor_conv_3x3", "skip_connect", "avg_pool_3x3"] * 2
    second = stage_two(space, {"cell": won}, groups=BENCH201_GROUPS)
    assert [edge.ops for edge in second.choices.groups["cell"]][:3] == [
        ("nor_conv_3x3", "nor_conv_1x1", "none"),
        ("skip_connect", "none"),
        ("avg_pool_3x3", "none"),
    ]
