import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from supernets import batches_of, tiny_supernet
from torch.testing import assert_close

from benchmarks.plain import PlainSupernet
from nasnb.analysis.fans import Place, fans_of, places, watching
from nasnb.analysis.stacnas.correlation import (
    Correlation,
    mean_correlation,
    operator_correlation,
    operator_correlations,
    operator_groups,
    rand_index,
    representatives,
)
from nasnb.published.numbers import published
from nasnb.spaces import SPACES
from nasnb.spaces.official import to_official
from nasnb.spaces.stacnas import STACNAS_GROUPS
from nasnb.supernet.partial_channels import partial_channels

X, Y, Z = [[1, 10], [3, 10]], [[2, 0], [2, 4]], [[0, 5], [4, 5]]  # StacNAS specification, case T9


def streamed(outputs, center, size):
    correlation = Correlation()
    for block in outputs.split(size, dim=1):
        correlation.add(block)
    return correlation.matrix(center)


def two_pass(outputs, center):
    x = np.asarray(outputs, dtype=np.longdouble)
    x = x - x.mean(axis=1 if center == "feature" else (1, 2), keepdims=True)
    products = np.einsum("anf,bnf->ab", x, x)
    d = np.sqrt(np.diagonal(products))
    return (products / d[:, None] / d).astype(float)


def test_correlation_by_hand():
    outputs = torch.tensor([X, Y, Z], dtype=torch.float64)
    correlation = Correlation()
    correlation.add(outputs)
    assert_close(correlation.covariances(), torch.tensor([[2, 0, 4], [0, 8, 0], [4, 0, 8]], dtype=torch.float64))
    assert correlation.matrix() == pytest.approx(np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]]), abs=1e-12)
    assert streamed(outputs, "global", 1)[0, 2] == pytest.approx(0.835914, abs=1e-6)


@pytest.mark.parametrize("center", ["feature", "global"])
@given(seed=st.integers(0, 10**6), size=st.integers(1, 7), offset=st.sampled_from([0.0, 3.0, 1e6]))
@settings(max_examples=20, deadline=None)
def test_streaming_is_two_pass_and_scale_means_nothing(center, seed, size, offset):
    draw = torch.Generator().manual_seed(seed)
    outputs = torch.randn(3, 7, 4, generator=draw, dtype=torch.float64) + offset
    found = streamed(outputs, center, size)
    assert found == pytest.approx(two_pass(outputs, center), abs=1e-9)
    scale = torch.tensor([1.0, 5.0, 0.1], dtype=torch.float64)[:, None, None]
    assert streamed(outputs * scale, center, size) == pytest.approx(found, abs=1e-9)


def test_an_output_that_never_changes_has_no_correlation():
    found = streamed(torch.tensor([X, [[1, 2], [1, 2]]], dtype=torch.float64), "feature", 2)
    assert np.isnan(found[0, 1])
    with pytest.raises(ValueError, match="'b' are unknown"):
        operator_groups(pd.DataFrame(np.array([[1, np.nan], [np.nan, np.nan]]), ["a", "b"], ["a", "b"]))
    with pytest.raises(ValueError, match="unknown centre 'mean'; known: feature, global"):
        streamed(torch.ones(2, 2, 2), "mean", 2)


# --- on supernets -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def darts():
    return tiny_supernet("darts")


def test_candidates_are_those_of_the_plain_supernet(darts):
    net, weights, images = darts
    plain = PlainSupernet(SPACES["darts"].choices, 4, 3, 4).eval()
    plain.load_state_dict(to_official(net), strict=False)
    seen = 0

    def see(fan, state, mixtures, routed):
        nonlocal seen
        cell = plain.cells[fan.block]
        for (row, name), y in fan.candidates(state).items():
            op = cell._ops[row]._ops[cell.edges[row].ops.index(name)]
            assert_close(y, op(state), rtol=1e-4, atol=1e-5)
            seen += 1
        for row, (mixed,) in zip(fan.rows, mixtures, strict=True):
            own = weights[fan.group][row]
            assert_close(fan.mixture(row, state, own), mixed, rtol=1e-4, atol=1e-5)
            assert_close(cell._ops[row](state, own), mixed, rtol=1e-4, atol=1e-5)

    with torch.no_grad(), watching(net, see):
        net(images, weights)
    assert seen == 3 * 14 * 7
    net(images, weights)
    assert seen == 3 * 14 * 7  # nothing stays behind


def test_correlation_of_the_first_edge_against_two_passes(darts):
    net, weights, images = darts
    before = [b.clone() for b in net.buffers()]
    found = operator_correlation(net, batches_of(images), weights)
    assert all(torch.equal(a, b) for a, b in zip(before, net.buffers(), strict=True))
    assert list(found.index) == [op for op in SPACES["darts"].choices.groups["normal"][0].ops[1:] if "skip" not in op]
    stored = {}

    def see(fan, state, mixtures, routed):
        if (fan.block, fan.source) == (0, 0):
            stored.update(fan.candidates(state, rows=[0], ops=found.index))

    with torch.no_grad(), watching(net, see):
        net(images, weights)
    outputs = torch.stack([stored[0, op].flatten(1) for op in found.index])
    assert found.to_numpy() == pytest.approx(two_pass(outputs, "feature"), abs=1e-4)


def test_mean_over_edges_and_where_to_look(darts):
    net, weights, images = darts
    assert places(net)[:2] == [Place(0, 0), Place(0, 1)]
    assert len(places(net)) == 42
    assert places(net, group="reduce", rows=[3]) == [Place(1, 3), Place(2, 3)]
    at = places(net, block=0)
    each = operator_correlations(net, batches_of(images), weights, at=at)
    mean = operator_correlation(net, batches_of(images), weights, at=at)
    assert list(each) == at
    assert mean.to_numpy() == pytest.approx(np.mean([m.to_numpy() for m in each.values()], axis=0))
    with pytest.raises(ValueError, match="no edge at"):
        operator_correlation(net, batches_of(images), weights, at=[(0, 99)])


def test_edges_with_other_candidates_share_what_they_share():
    net, weights, images = tiny_supernet("s1")
    mean = operator_correlation(
        net,
        batches_of(images),
        weights,
        at=places(net, block=0),
        ops=["skip_connect", "sep_conv_3x3", "dil_conv_3x3", "dil_conv_5x5", "max_pool_3x3"],
    )
    assert np.isnan(mean.loc["max_pool_3x3", "dil_conv_5x5"])  # never on one edge
    assert mean.loc["dil_conv_3x3", "dil_conv_5x5"] == pytest.approx(mean.loc["dil_conv_5x5", "dil_conv_3x3"])
    a = pd.DataFrame([[1.0, 0.2], [0.2, 1.0]], ["x", "y"], ["x", "y"])
    assert mean_correlation([a, a.iloc[:1, :1] * 3]).to_numpy().tolist() == [[2.0, 0.2], [0.2, 1.0]]


@pytest.mark.parametrize("select", ["first", "random"])
def test_partial_channels_and_bench201_have_fans_too(select):
    net, weights, images = tiny_supernet("s2", channels=16, mix=partial_channels(4, select=select))
    assert len(fans_of(net)) == 3 * (5 if select == "first" else 14)
    found = operator_correlation(net, batches_of(images), weights, ops=["skip_connect", "sep_conv_3x3"])
    assert found.shape == (2, 2)
    net, weights, images = tiny_supernet("bench201", cells=1)
    assert operator_correlation(net, batches_of(images), weights).shape == (3, 3)


def test_networks_without_cells_say_so():
    net = SPACES["hypercuboid"].supernet(channels=2, classes=4)
    with pytest.raises(ValueError, match="but Stage"):
        fans_of(net)


# --- groups -------------------------------------------------------------------------------------------------------

POOLS = ("avg_pool_3x3", "max_pool_3x3")
SEPS = ("sep_conv_3x3", "sep_conv_5x5")
DILS = ("dil_conv_3x3", "dil_conv_5x5")


@pytest.fixture(scope="module")
def table_six():
    names = [*POOLS, *SEPS, *DILS]
    matrix = pd.DataFrame(np.eye(6), names, names)
    for row in published("StacNAS", "Table 6").itertuples():
        a, b = row.row.split(", ")
        matrix.loc[a, b] = matrix.loc[b, a] = row.value
    return matrix


@pytest.mark.parametrize("tau", [0.11, 0.2, 0.27])
def test_groups_of_table_six(table_six, tau):
    assert operator_groups(table_six, tau=tau) == [POOLS, SEPS, DILS]


def test_groups_at_other_thresholds_and_linkage(table_six):
    alone = [(op,) for op in (*SEPS, *DILS)]
    assert operator_groups(table_six, tau=0.28) == [POOLS, SEPS, *alone[2:]]
    assert operator_groups(table_six, tau=0.4) == [POOLS, *alone]
    assert operator_groups(table_six, tau=0.15, linkage="single") == [POOLS, (*SEPS, *DILS)]
    assert operator_groups(table_six, tau=0.151, linkage="single") == [POOLS, SEPS, DILS]
    with pytest.raises(ValueError, match="unknown linkage 'ward'"):
        operator_groups(table_six, linkage="ward")


def test_the_papers_groups_and_representatives_come_out(table_six):
    ops = SPACES["darts"].choices.groups["normal"][0].ops
    groups = operator_groups(table_six, ops=ops)
    assert {frozenset(g) for g in groups} == {frozenset(g) for g in STACNAS_GROUPS}
    assert set(representatives(groups)) == {"max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3"}


def test_rand_index_by_hand():
    """Pairs together: 4 here, 2 there, 2 in both, of 15; by chance 4 * 2 / 15 would be."""
    first, second = [("a", "b", "c"), ("d", "e"), ("f",)], [("a", "b"), ("c",), ("d", "e"), ("f",)]
    ours, theirs = 3 + 1, 1 + 1
    assert rand_index(first, second) == pytest.approx((2 - 8 / 15) / ((ours + theirs) / 2 - 8 / 15))
    assert rand_index(first, first) == 1
    alone, together = [("a",), ("b",)], [("a", "b")]
    assert rand_index(alone, together) == 0
    assert rand_index(alone, alone) == 1
    with pytest.raises(ValueError, match="different operations"):
        rand_index(alone, [("a",)])
