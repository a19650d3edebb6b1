"""Parameters and multiply-adds of real networks equal the ones measured with the official code."""

import csv
import itertools
from pathlib import Path

import pytest
import torch
from torch import nn

from nasnb.architecture import Genotype
from nasnb.published.genotypes import GENOTYPES
from nasnb.spaces import SPACES, Bench201Space, with_nodes
from nasnb.spaces.hypercuboid import HyperCuboid
from nasnb.spaces.paths import handmade_path
from nasnb.spaces.sharp import sharp_space
from nasnb.spaces.stacnas import stage_two, with_pool_norm
from nasnb.supernet.counts import count
from nasnb.supernet.partial_channels import partial_channels

IMAGES = {"cifar": (3, 32, 32), "imagenet": (3, 224, 224), "path": (3, 32, 32)}
NETWORK = ("genotype", "kind", "cells", "channels", "classes", "variant")


def rows_by_network():
    with (Path(__file__).parents[1] / "published_counts.csv").open(encoding="utf-8", newline="") as file:
        networks = {}
        for row in csv.DictReader(file):
            networks.setdefault(tuple(row[name] for name in NETWORK), []).append(row)
    return networks


def space_of(kind, variant):
    if kind == "path":
        return SPACES["hypercuboid"]
    if "choke 96" in variant:
        return sharp_space("sharp", choke=96)
    return with_pool_norm(SPACES["darts"]) if "pool BN" in variant else SPACES["sharp" if variant else "darts"]


def network(genotype, kind, cells, channels, classes, variant, auxiliary):
    with torch.device("meta"):
        if kind == "path":
            path = Genotype({"path": GENOTYPES[genotype].picks["path"][: int(cells)]}, {"path": ()})
            return space_of(kind, variant).network(path, classes=int(classes))
        return space_of(kind, variant).network(
            GENOTYPES[genotype],
            channels=int(channels),
            cells=int(cells),
            classes=int(classes),
            auxiliary=auxiliary,
            stem=kind,
        )


ROWS = rows_by_network()


@pytest.mark.parametrize("key", ROWS, ids=lambda key: "-".join(filter(None, key)))
def test_published_network(key):
    rows = sorted(ROWS[key], key=lambda row: row["auxiliary"])
    for auxiliary, same in itertools.groupby(rows, key=lambda row: row["auxiliary"] == "1"):
        check(network(*key, auxiliary=auxiliary), same)


def check(net, rows):
    for row in rows:
        if row["parameters"]:
            assert sum(p.numel() for p in net.parameters()) == int(row["parameters"])
        if row["multiply_adds"] or row["multiply_adds_millions"]:
            counts = count(net, IMAGES[row["kind"]])
            assert row["parameters"] in ("", str(counts.parameters))
            if row["multiply_adds"]:
                assert counts.multiply_adds == int(row["multiply_adds"])
            else:
                assert counts.multiply_adds / 1e6 == pytest.approx(float(row["multiply_adds_millions"]), abs=1e-3)
        if row["elementwise_millions"]:
            elementwise = count(net, IMAGES[row["kind"]], how="elementwise").multiply_adds
            assert elementwise / 1e6 == pytest.approx(float(row["elementwise_millions"]), abs=6e-3)


SUPERNETS = [  # space, mix, channels, cells, classes, parameters, millions of multiply-adds
    ("darts", 1, 16, 8, 10, 1_930_618, 300.255744),
    ("darts", 1, 16, 8, 100, 1_953_748, None),
    ("darts", 1, 16, 4, 10, 1_133_882, None),
    ("darts", 1, 8, 5, 10, 394_210, None),
    ("darts", 1, 4, 3, 10, 72_854, None),
    ("darts", 1, 36, 20, 10, 19_932_310, None),
    ("darts", 2, 16, 8, 10, 671_482, 115.272),
    ("darts", 4, 16, 8, 10, 299_578, 56.597),
    ("darts", 8, 16, 8, 10, 178_042, 35.714),
    ("darts-3-nodes", 4, 16, 8, 10, 204_442, 39.526),
    ("darts-5-nodes", 4, 16, 8, 10, 408_826, 76.230),
    ("darts-no-none", 1, 16, 8, 100, 1_953_748, None),
    ("s1", 1, 16, 8, 10, 405_146, None),
    ("s1", 1, 16, 8, 100, 428_276, None),
    ("s2", 1, 16, 8, 10, 665_466, None),
    ("s3", 1, 16, 8, 100, 688_596, None),
    ("s4", 1, 16, 8, 10, 624_506, None),
    ("sharp", 1, 16, 8, 10, 5_867_642, 901.278),
    ("sharp-code", 1, 16, 8, 10, 5_867_642, 901.278),
    ("darts-ssc", 1, 16, 8, 10, 2_527_354, 392.121),
    ("stacnas", 1, 16, 8, 10, 927_994, None),
    ("stacnas", 1, 16, 14, 10, 1_550_266, None),
    ("stacnas", 1, 16, 17, 10, 1_861_402, None),
    ("stacnas", 1, 16, 20, 10, 2_172_538, None),
    ("darts", 1, 16, 14, 10, 3_239_674, None),
]


@pytest.mark.parametrize("row", SUPERNETS, ids=lambda row: "-".join(map(str, row[:5])))
def test_supernet(row):
    name, k, channels, cells, classes, parameters, millions = row
    space = with_nodes(SPACES["darts"], int(name[6])) if name.endswith("nodes") else SPACES[name]
    with torch.device("meta"):
        net = space.supernet(channels=channels, cells=cells, classes=classes, mix=partial_channels(k))
    assert sum(p.numel() for p in net.parameters()) == parameters
    if millions is not None:
        assert count(net, choices=space.choices).multiply_adds / 1e6 == pytest.approx(millions, abs=6e-4)


def test_imagenet_supernet_of_pc_darts():
    space = SPACES["darts"]
    with torch.device("meta"):
        net = space.supernet(channels=16, cells=8, classes=1000, mix=partial_channels(2), stem="imagenet")
    counts = count(net, (3, 224, 224), space.choices)
    assert counts.parameters == 956_512
    assert counts.multiply_adds / 1e6 == pytest.approx(144.393, abs=6e-4)
    affine = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d) and m.affine]
    assert len(affine) == 3, "the stem's only"


@pytest.mark.parametrize(
    ("winner", "parameters"),
    [("max_pool_3x3", 271_482), ("skip_connect", 353_402), ("sep_conv_3x3", 3_095_674), ("dil_conv_3x3", 1_683_578)],
)
def test_stacnas_second_stage_of_the_published_code(winner, parameters):
    won = {cell: [winner] * 14 for cell in ("normal", "reduce")}
    space = stage_two(SPACES["stacnas"], won, singleton="duplicate")
    with torch.device("meta"):
        net = space.supernet(channels=16, cells=20, classes=10)
    assert sum(p.numel() for p in net.parameters()) == parameters


@pytest.mark.parametrize(("affine", "parameters"), [(False, 1_686_106), (True, 1_699_546)])
def test_bench201_supernet(affine, parameters):
    with torch.device("meta"):
        nets = [Bench201Space(affine=affine).supernet(classes=classes) for classes in (10, 100, 120)]
    assert [sum(p.numel() for p in net.parameters()) - parameters for net in nets] == [0, 90 * 65, 110 * 65]


@pytest.mark.parametrize(
    ("widths", "pairs", "nodes", "parameters", "millions"),
    [
        ((32, 64, 128, 256), 4, 304, 8_930_122, 1310.334),
        ((32, 64, 128, 256), 3, 232, 7_396_042, 1328.324),
        ((32, 64), 2, 50, 1_396_554, 127.031),
    ],
)
def test_hypercuboid_supernet(widths, pairs, nodes, parameters, millions):
    space = HyperCuboid(widths=widths, strides=(1, 2) * pairs)
    with torch.device("meta"):
        counts = count(space.supernet(classes=10), choices=space.choices)
    assert counts.parameters == parameters
    assert counts.multiply_adds / 1e6 == pytest.approx(millions, abs=6e-4)


@pytest.mark.parametrize(("pairs", "parameters", "millions"), [(4, 1_265_546, 19.88), (3, 992_138, 26.74)])
def test_handmade_path_with_convolutions_everywhere(pairs, parameters, millions):
    space = HyperCuboid(strides=(1, 2) * pairs)
    with torch.device("meta"):
        net = space.network(handmade_path(space, pool="sep_conv_3x3"), classes=10)
    counts = count(net, how="elementwise")
    assert counts.parameters == parameters
    assert counts.multiply_adds / 1e6 == pytest.approx(millions, abs=6e-3)


def test_elementwise_counter_by_hand():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(8), nn.Flatten(), nn.Linear(4, 2)
    )
    assert count(net, (3, 8, 8)).multiply_adds == 3 * 4 * 64 + 8
    assert count(net, (3, 8, 8), how="elementwise").multiply_adds == 3 * 4 * 64 + 8 + 256 * (2 + 1 + 1)


def test_unknown_way_to_count():
    with pytest.raises(ValueError, match="unknown way to count 'flops': choose 'layers' or 'elementwise'"):
        count(nn.Identity(), how="flops")
