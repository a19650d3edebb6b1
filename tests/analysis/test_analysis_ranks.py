from types import SimpleNamespace

import numpy as np
import pytest
import torch
from supernets import tiny_supernet

from nasnb.analysis.msr_darts.ranks import (
    candidate_convolutions,
    last_convolutions,
    noise_against_rank,
    power_iteration_accuracy,
    stable_rank_table,
)
from nasnb.search.ranks import cell_ranks
from nasnb.spaces import SPACES
from nasnb.supernet.relaxation import Relaxation, softmax


@pytest.fixture(scope="module")
def msr():
    return tiny_supernet("msr")


def test_table_is_that_of_the_search(msr):
    """The same numbers by another way: one operator at a time here, stacks of them in the search."""
    net, _, _ = msr
    table = stable_rank_table(net, (3, 8, 8))
    relaxation = Relaxation(SPACES["msr"].choices, softmax)
    state = SimpleNamespace(net=net, relaxation=relaxation, data=SimpleNamespace(image_size=(3, 8, 8)))
    for of in ("operator", "kernel"):
        for (group, block), ranks in cell_ranks(state, of=of).items():
            mine = table[(table.block == block) & (table.group == group)]
            wide = mine.pivot_table(index="edge", columns="op", values=f"{of}_rank")
            assert wide[list(SPACES["msr"].choices.groups[group][0].ops)].to_numpy() == pytest.approx(ranks.numpy())


def test_columns_depth_and_sizes(msr):
    net, _, _ = msr
    table = stable_rank_table(net, (3, 8, 8))
    assert len(table) == 3 * 14 * 4
    assert table.depth.unique().tolist() == [0.0, 0.5, 1.0]
    assert table.groupby("block").height.unique().map(list).tolist() == [[8], [4], [2]]
    area = (table.height * table.width).to_numpy()
    assert (table.operator_rank / table.kernel_rank).to_numpy() == pytest.approx(area)
    assert (table.kernel_rank >= 1).all()
    assert not any(p.is_meta for p in net.parameters())


def test_dense_convolutions_of_bench201():
    net, weights, images = tiny_supernet("bench201", cells=1)
    table = stable_rank_table(net, (3, 8, 8))
    assert set(table.op) == {"nor_conv_1x1", "nor_conv_3x3"}
    inner = table[table.op == "nor_conv_1x1"]
    area = (inner.height * inner.width).to_numpy()
    assert (inner.operator_rank / inner.kernel_rank).to_numpy() == pytest.approx(area)
    noise = noise_against_rank(net, images[:4], weights)
    assert (noise.noise_sensitivity >= noise.operator_rank * (1 - 1e-6)).all()


def test_spaces_without_convolutions_of_their_own_have_only_what_there_is():
    net, _, _ = tiny_supernet("s1")
    found = {(last.op, row) for last in last_convolutions(net) for row in last.rows if last.fan.block == 0}
    edges = SPACES["s1"].choices.groups["normal"]
    assert found == {(op, row) for row, edge in enumerate(edges) for op in edge.ops if "conv" in op}


def test_noise_sensitivity_is_never_below_the_rank_and_by_sampling(msr):
    net, weights, images = msr
    before = [b.clone() for b in net.buffers()]
    table = noise_against_rank(net, images[:4], weights)
    assert all(torch.equal(a, b) for a, b in zip(before, net.buffers(), strict=True))
    assert (table.noise_sensitivity >= table.operator_rank * (1 - 1e-6)).all()
    one = next(last for last in last_convolutions(net) if last.op == "sep_conv_5x5" and last.fan.block == 0)
    seen = []
    handle = one.conv.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        net(images[:4], weights)
    handle.remove()
    x = seen[0].chunk(len(one.rows), dim=1)[1].double()
    operator = one.operator(1, (8, 8))
    weight = operator.weight.double()
    clean = torch.nn.functional.conv2d(x, weight)
    draw = torch.Generator().manual_seed(0)
    total = 0.0
    for _ in range(200):
        noise = torch.randn(x.shape, generator=draw, dtype=x.dtype) * x.flatten(1).norm(dim=1)[:, None, None, None]
        moved = torch.nn.functional.conv2d(x + noise, weight) - clean
        total += (moved.square().sum((1, 2, 3)) / clean.square().sum((1, 2, 3))).mean()
    row = table[(table.block == 0) & (table.op == "sep_conv_5x5") & (table.edge == one.rows[1])]
    assert float(total) / 200 == pytest.approx(row.noise_sensitivity.item(), rel=0.05)


def test_power_iteration_gets_better_and_never_too_large():
    convs = candidate_convolutions(4, 12)
    table = power_iteration_accuracy(convs, iterations=(1, 5, 50), starts=3)
    assert set(table.conv) == set(convs)
    assert table.ratio.max() <= 1 + 1e-9
    means = table.pivot_table(index="conv", columns="iterations", values="ratio")
    assert (means[1] < means[5]).all()
    assert (means[5] <= means[50]).all()
    assert (means[50] > 0.97).all()
    assert (means[5] > 0.8).all()
    paired = table.pivot_table(index=["conv", "start"], columns="iterations", values="ratio")
    assert (np.diff(paired.to_numpy(), axis=1) >= -1e-9).all()  # from one start it never falls
    code = power_iteration_accuracy(convs, iterations=(5,), starts=3, order="output")
    assert len(code) == 3 * len(convs)
