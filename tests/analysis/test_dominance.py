import numpy as np
import pytest

from nasnb.analysis.darts.dominance import skip_dominance, skip_gap, skip_share
from nasnb.architecture import Edge, Genotype
from nasnb.spaces import SPACES


def softmax(alpha):
    e = np.exp(alpha)
    return e / e.sum(-1, keepdims=True)


def test_gap_of_three_edges_by_hand():
    """DARTS-PT specification, case P11: alphas (0, 0), (ln 3, 0), (0, ln 3)."""
    edges = [Edge(0, 2, ("skip_connect", "sep_conv_3x3"))] * 3
    alpha = np.array([[[0, 0], [np.log(3), 0], [0, np.log(3)]]])
    assert skip_gap(softmax(alpha), edges) == pytest.approx([0.0])
    assert skip_gap(softmax(alpha[:, 1:2]), edges[:1]) == pytest.approx([0.5])


def test_gap_of_s2_from_the_formula():
    edges = [Edge(0, 2, ("skip_connect", "sep_conv_3x3"))] * 14
    e, k = np.mgrid[:14, :2]
    assert skip_gap(softmax(np.sin(1.7 * e + 0.9 * k))[None], edges) == pytest.approx([0.0125335], abs=1e-6)
    assert skip_gap(softmax(np.cos(0.6 * e - 1.3 * k))[None], edges) == pytest.approx([-0.0126368], abs=1e-6)


def test_the_best_convolution_counts_and_edges_without_a_pair_do_not():
    edges = [Edge(0, 2, ("none", "skip_connect", "sep_conv_3x3", "dil_conv_3x3")), Edge(1, 2, ("max_pool_3x3",))]
    weights = np.array([[[0.4, 0.3, 0.1, 0.2], [1.0, 0, 0, 0]]])
    assert skip_gap(weights, edges) == pytest.approx([0.1])
    assert skip_gap(weights, edges, convolution="mean") == pytest.approx([0.15])
    with pytest.raises(ValueError, match="convolution='all': choose best or mean"):
        skip_gap(weights, edges, convolution="all")
    with pytest.raises(ValueError, match="no edge of this cell has both"):
        skip_gap(weights[:, 1:], edges[1:])


def test_share_and_table():
    genotype = Genotype.from_short(normal="sk0 s31 / sk0 sk1 / s30 s31 / s30 s31", reduce="mp0 mp1 / mp0 mp1")
    assert skip_share([genotype]) == pytest.approx([3 / 8])
    edges = SPACES["darts"].choices.groups["normal"]
    table = skip_dominance(np.full((2, 14, 8), 1 / 8), edges, [genotype] * 2, [50.0, 60.0])
    assert table.columns.tolist() == ["epoch", "skip_share", "skip_gap", "skip_gap_mean", "valid_accuracy"]
    assert table.skip_gap.tolist() == [0.0, 0.0]
