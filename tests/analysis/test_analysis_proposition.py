import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from supernets import batches_of, tiny_supernet

from nasnb.analysis.darts_pt.proposition import (
    Moments,
    grid_minimum,
    optimal_mixture,
    proposition_check,
    proposition_summary,
)
from nasnb.analysis.fans import watching
from nasnb.spaces import SPACES
from nasnb.supernet.partial_channels import partial_channels

inf = float("inf")


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ((2, 1, 0.5), (0.25, 0.75, 0.875, np.log(3))),
        ((1, 0.25, 0), (0.2, 0.8, 0.2, np.log(4))),
        ((1, 1, 0), (0.5, 0.5, 0.5, 0)),
        ((1, 0.5, 0.6), (0, 1, 0.5, inf)),  # outside: skip alone
        ((0.5, 1, 0.6), (1, 0, 0.5, -inf)),
    ],
)
def test_closed_form_by_hand(moments, expected):
    """DARTS-PT specification, case P10."""
    assert optimal_mixture(*moments) == pytest.approx(expected)


@given(st.floats(0.05, 5), st.floats(0.05, 5), st.floats(-0.95, 0.95))
@settings(max_examples=60, deadline=None)
def test_no_other_weight_leaves_less_variance(var_conv, var_skip, correlation):
    covariance = correlation * np.sqrt(var_conv * var_skip)
    best = optimal_mixture(var_conv, var_skip, covariance)
    s = np.linspace(0, 1, 501)
    left = (1 - s) ** 2 * var_conv + s**2 * var_skip + 2 * s * (1 - s) * covariance
    assert best.variance <= left.min() + 1e-9
    assert best.variance == pytest.approx(left.min(), abs=1e-3)
    assert best.conv + best.skip == pytest.approx(1)
    assert (best.gap > 0) == (var_conv > var_skip)
    assert best.skip == pytest.approx(1 / (1 + np.exp(-best.gap)))


@pytest.mark.parametrize("moments", [(2, 1, 0.5), (1, 0.25, 0), (1, 0.5, 0.6)])
def test_closed_form_against_samples(moments):
    var_conv, var_skip, covariance = moments
    draw = np.random.default_rng(0)
    a, b = draw.multivariate_normal([0, 0], [[var_conv, covariance], [covariance, var_skip]], 100_000).T
    target = draw.standard_normal(100_000)
    skip, left = grid_minimum(target + a, target + b, target, points=501)
    best = optimal_mixture(*moments)
    assert skip == pytest.approx(best.skip, abs=0.01)
    assert left == pytest.approx(best.variance, rel=0.02)


def test_moments_in_pieces_are_those_of_the_whole():
    maps = torch.randn(3, 8, 2, 4, 4, generator=torch.Generator().manual_seed(0)) + 100
    moments = Moments()
    for part in maps.split(3, dim=1):
        moments.add(part)
    flat = maps.double().permute(2, 0, 1, 3, 4).flatten(2).numpy()
    for channel, expected in enumerate(map(np.cov, flat)):
        n = flat.shape[2]
        assert moments.covariances()[channel] == pytest.approx(expected * (n - 1) / n)


def standardised(maps):
    """Per channel over images and positions, in two passes."""
    maps = maps.double()
    return (maps - maps.mean((0, 2, 3), keepdim=True)) / maps.std((0, 2, 3), correction=0, keepdim=True)


def watched(net, weights, images, block):
    """Everything stored, in the plainest way: {row: (skip, other candidates weighed together, mixture)}."""
    stored = {}

    def see(fan, state, mixtures, routed):
        if fan.block == block:
            for at, row in enumerate(fan.rows):
                ops = fan.edges[at].ops
                outputs = {name: y for (_, name), y in fan.candidates(state, rows=[row]).items()}
                theta = dict(zip(ops, weights[fan.group][row], strict=True))
                rest = sum(theta[name] * y for name, y in outputs.items() if name != "skip_connect")
                stored[row] = outputs["skip_connect"], rest, mixtures[at][0]

    with torch.no_grad(), watching(net, see):
        net(images, weights)
    return stored


@pytest.mark.parametrize("name", ["s2", "darts"])
def test_check_against_stored_maps(name):
    """Standardise, take differences, take variances: as the proposition is written, on all maps at once."""
    net, weights, images = tiny_supernet(name)
    table = proposition_check(net, batches_of(images), weights)
    assert set(table.group) == {"normal"}
    edges = SPACES[name].choices.groups["normal"]
    maps = watched(net, weights, images, block=0)
    for row in (0, 4, 13):
        skip, conv = (standardised(m) for m in maps[row][:2])
        others = [f for f in range(14) if f != row]
        targets = {
            "consensus": sum(standardised(maps[f][2]) for f in others),
            "node": sum(maps[f][2] for f in others if edges[f].target == edges[row].target),
            "last": sum(maps[f][2] for f in range(14) if edges[f].target == 5),
        }
        for estimate, target in targets.items():
            a, b = conv - standardised(target), skip - standardised(target)
            found = table[(table.block == 0) & (table.edge == row) & (table.estimate == estimate)].iloc[0]
            assert found.var_conv == pytest.approx(float(a.var(correction=0)), rel=1e-4)
            assert found.var_skip == pytest.approx(float(b.var(correction=0)), rel=1e-4)
            assert found.covariance == pytest.approx(float((a * b).mean()), abs=1e-4)
        theta = dict(zip(edges[row].ops, weights["normal"][row].tolist(), strict=True))
        real = sum(w for op, w in theta.items() if op != "none")
        assert found.learnt_skip == pytest.approx(theta["skip_connect"] / real)
        assert found.learnt_gap == pytest.approx(np.log(found.learnt_skip / (1 - found.learnt_skip)), rel=1e-5)


def test_reduction_cells_partial_channels_and_bench201():
    net, weights, images = tiny_supernet("s2")
    table = proposition_check(net, batches_of(images), weights, groups=["reduce"])
    assert set(table.group) == {"reduce"}
    with pytest.raises(ValueError, match="no cell of the groups"):
        proposition_check(net, batches_of(images), weights, groups=["cell"])
    net, weights, images = tiny_supernet("s2", channels=16, mix=partial_channels(4))
    assert len(proposition_check(net, batches_of(images), weights)) == 14 * 3
    net, weights, images = tiny_supernet("bench201", cells=1)
    table = proposition_check(net, batches_of(images), weights)
    # node 1 has a single edge: without its own part there is no node to compare with
    assert "node" not in set(table[table.target == 1].estimate)


def test_summary_counts_searches():
    table = pd.DataFrame(
        {
            "supernet": "own",
            "estimate": "node",
            "seed": [0, 0, 0, 0, 1, 1],
            "var_conv": [2.0, 1.0, 1.0, 3.0, 1.0, 1.0],
            "var_skip": [1.0, 2.0, 0.5, 1.0, 2.0, 2.0],
            "optimal_gap": [1.0, -1.0, 2.0, inf, 1.0, 2.0],
            "learnt_gap": [0.1, -0.1, 0.2, 0.3, 0.2, 0.1],
        }
    )
    found = proposition_summary(table).set_index("seed")
    assert found.skip_nearer.tolist() == [75, 0] and found.unreached.tolist() == [25, 0]
    assert found.correlation.tolist() == pytest.approx([1, -1])
