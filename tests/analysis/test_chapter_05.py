"""What the chapter on MSR-DARTS adds: ranks remembered over a search, norms of a supernet, filters, their figures."""

from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from supernets import tiny_supernet

from nasnb import plots
from nasnb.analysis.collapse import cell_of
from nasnb.analysis.msr_darts import cost, proxies, published_cell
from nasnb.analysis.msr_darts.norms import FILTERS, filtered, rescaled_norms, rescaled_spectrum
from nasnb.analysis.msr_darts.rank_history import (
    before_and_after,
    cells_by_rank,
    choice_over_time,
    in_turn,
    late_slope,
    ranks_over_epochs,
    recorded_ranks,
    unmoved_share,
    with_both_ends,
)
from nasnb.data import load
from nasnb.methods import METHODS
from nasnb.published.genotypes import GENOTYPES
from nasnb.search import begin, search
from nasnb.search.ranks import maximum_stable_rank, minimum_stable_rank, rank_weighted
from nasnb.spaces.bench201 import bench201
from nasnb.spectral import SpectralNormalised, SpectralRule
from nasnb.supernet.layers import Source, StackedConv
from nasnb.supernet.operations import DARTS_OPS
from nasnb.training import prepare


@pytest.fixture(scope="module")
def states():
    """Two epochs of the paper's search and of the published code's, each of two steps, with ranks remembered."""
    data = load("fashion-sample").resized(8)
    found = {}
    for name, hook in (
        ("msr-darts", recorded_ranks()),
        ("msr-darts-published-code", in_turn(rank_weighted(), recorded_ranks())),
    ):
        method = replace(METHODS[name], hook=hook)
        config = method.at("smoke", epochs=2, train_images=64, batch_size=32)
        found[name] = begin(method, data, config)
        for _ in search(method, data, config, state=found[name]):
            pass
    return found


def test_ranks_before_and_after_every_epoch(states):
    history = ranks_over_epochs(states["msr-darts"])
    assert history.epoch.unique().tolist() == [0, 1, 2]
    assert len(history) == 3 * 3 * 14 * 4
    assert history["rank"].between(1, 16).all()


def test_both_ends_of_a_supernet_that_recorded_none(states):
    state = states["msr-darts"]
    recorded, state.extra["ranks"] = state.extra["ranks"], []
    found = with_both_ends(state).extra["ranks"]
    state.extra["ranks"] = recorded
    assert len(found) == 2
    for mine, kept in zip(found, (recorded[0], recorded[-1]), strict=True):
        torch.testing.assert_close(mine, kept)


def test_the_last_cells_are_those_that_the_search_rules_give(states):
    state = states["msr-darts"]
    rules = {
        ("operator", "minimum"): minimum_stable_rank(),
        ("kernel", "minimum"): minimum_stable_rank(of="kernel"),
        ("published", "minimum"): minimum_stable_rank(shape_rule="published_code"),
        ("operator", "maximum"): maximum_stable_rank(),
        ("operator", "maximum on the same edges"): maximum_stable_rank(keep_edges=True),
    }
    for (reading, choose), rule in rules.items():
        cells = cells_by_rank(state, reading, choose=choose)
        assert len(cells) == 3
        assert cells[-1] == state.method.space.discretise(rule(state))


def test_a_resumed_hook_remembers_nothing_twice(states):
    state = states["msr-darts"].copied()
    recorded_ranks()(state)
    pd.testing.assert_frame_equal(ranks_over_epochs(state), ranks_over_epochs(states["msr-darts"]))


def test_published_mixing_leaves_candidates_untrained(states):
    """Softmax of minus ranks in the hundreds is one-hot: what weighs nothing does not learn."""
    published = states["msr-darts-published-code"]
    assert unmoved_share(ranks_over_epochs(states["msr-darts"])) < 0.1
    assert unmoved_share(ranks_over_epochs(published)) > 0.4


def test_refusals(states):
    with pytest.raises(ValueError, match="unknown reading 'operators' of stable ranks; known: operator"):
        ranks_over_epochs(states["msr-darts"], "operators")
    with pytest.raises(ValueError, match="cannot choose by 'largest'; known: minimum"):
        cells_by_rank(states["msr-darts"], choose="largest")
    method = METHODS["msr-darts"]
    fresh = begin(method, states["msr-darts"].data, method.at("smoke"))
    with pytest.raises(ValueError, match="recorded no ranks; give it hook=recorded_ranks"):
        ranks_over_epochs(fresh)


def history_by_hand(ranks):
    """One cell, one edge, operations a and b; `ranks` are pairs, one per epoch."""
    rows = [
        (e, "normal", 0, 0, 0, op, rank) for e, pair in enumerate(ranks) for op, rank in zip("ab", pair, strict=True)
    ]
    return pd.DataFrame(rows, columns=["epoch", "group", "block", "edge", "source", "op", "rank"])


def test_readings_by_hand():
    history = history_by_hand([(1.0, 2.0), (3.0, 2.0), (1.5, 2.0)])
    assert choice_over_time(history).to_dict("list") == {
        "epoch": [0, 1, 2],
        "as_before": [1, 0, 1],
        "as_at_end": [1, 0, 1],
    }
    assert unmoved_share(history) == 0.5
    assert before_and_after(history).after.tolist() == [1.5, 2.0]


def norms_by(rule, net):
    for part in [module for module in net.modules() if isinstance(module, SpectralNormalised)]:
        part.rule = rule
    return rescaled_norms(net)


def test_norms_after_rescaling_are_a_little_more_than_one():
    net, _, _ = tiny_supernet("msr")
    table = norms_by(SpectralRule(), net)
    assert table.groupby("conv").norm.size().to_dict() == {"1x1": 252, "3x3": 126, "5x5": 126}
    assert table.norm.min() >= 1 - 1e-9
    assert 1.01 < table.norm.max() < 2
    assert norms_by(SpectralRule(iterations=100), net).norm.mean() < 1.002
    assert set(norms_by(SpectralRule(method="exact"), net).norm) == {1.0}


def test_norms_of_a_network_without_normalised_convolutions():
    net, _, _ = tiny_supernet("s2")
    with pytest.raises(ValueError, match="use a supernet of the space 'msr'"):
        rescaled_norms(net)


def test_filters_and_their_ranks():
    image = torch.rand(9, 9, generator=torch.Generator().manual_seed(0))
    found = filtered(image)
    assert list(found) == list(FILTERS)
    for each in found.values():
        by_values = (each.singular_values**2).sum() / each.singular_values[0] ** 2
        assert each.stable_rank == pytest.approx(by_values)
        assert each.noise_sensitivity >= each.stable_rank * (1 - 1e-12)  # a delta reaches the bound
    alone = found["leave alone"]
    assert alone.clean == pytest.approx(image.numpy())
    assert alone.stable_rank == pytest.approx(81)
    assert found["blur 5x5"].stable_rank < found["blur 3x3"].stable_rank < 81


@pytest.fixture
def style():
    with matplotlib.rc_context():  # other tests see matplotlib's own
        plots.use_style()
        yield


def test_figures_show_what_they_are_given(states, style):
    image = torch.rand(6, 6)
    fig = plots.plot_filters(filtered(image, {"blur": torch.ones(3, 3)}))
    assert fig.axes[3].get_title(loc="left").startswith("stable rank ")
    history = ranks_over_epochs(states["msr-darts"])
    fig = plots.plot_ridge_panels(history, "rank", rows="op", panels="epoch", label="rank", names={"sep_conv_3x3": "a"})
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["0", "1", "2"]
    assert fig.axes[0].get_yticklabels()[list(history.op.unique()).index("sep_conv_3x3")].get_text() == "a"
    ends = before_and_after(history)
    fig = plots.plot_change({"one": ends, "two": ends}, by="group", label="rank")
    reduce = next(line for line in fig.axes[0].lines if line.get_label() == "reduce")
    moved = ends[ends.group == "reduce"]
    assert reduce.get_ydata() == pytest.approx(100 * (moved.after / moved.before - 1).to_numpy())
    table = pd.DataFrame({"order": "paper", "conv": "1x1", "iterations": [1, 1, 5, 5], "ratio": [0.5, 0.7, 0.9, 0.9]})
    fig = plots.plot_estimates(table)
    assert fig.axes[0].lines[0].get_ydata() == pytest.approx([0.6, 0.9])


def test_the_late_slope_sees_a_rise_and_not_the_noise_that_a_minimum_sees():
    epochs = list(range(1, 11))
    assert late_slope(epochs, [5, 4, 3, 2, 1, 1, 1, 1.1, 1.2, 1.3]) == pytest.approx(1.0)
    draw = np.random.default_rng(0)
    noise = draw.normal(size=(400, 10))
    slopes = [late_slope(epochs, losses) for losses in noise]
    assert abs(np.mean(slopes)) < 3 * np.std(slopes) / 20 and (noise[:, -1] - noise.min(axis=1)).mean() > 1
    assert np.isnan(late_slope([1], [2.0]))


# --- the published cell, counted --------------------------------------------------------------------------------------


def test_later_nodes_mix_in_the_published_cell_and_in_a_quarter_of_all():
    assert published_cell.later_nodes_mix(GENOTYPES["MSRDARTS"])
    assert not published_cell.later_nodes_mix(GENOTYPES["MSRDARTS"], "reduce")
    assert published_cell.share_that_mixes() == pytest.approx(2 / 3 * 2 / 3 * 3 / 5)


@pytest.mark.parametrize("op", ["sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_receptive_field_is_what_a_gradient_reaches(op, stride):
    module = DARTS_OPS[op](channels=2, stride=stride, edges=1, affine=True).eval()
    with torch.no_grad():
        for conv in (m for m in module.modules() if isinstance(m, StackedConv)):
            conv.weight.fill_(1)  # so that no ReLU stops the gradient
    images = torch.ones(1, 2, 41, 41, requires_grad=True)
    found = module(Source(images))
    found[0, :, found.shape[2] // 2, found.shape[3] // 2].sum().backward()
    rows = images.grad.abs().sum((0, 1, 3)).nonzero()
    assert rows.max() - rows.min() + 1 == published_cell.receptive_field(op, stride=stride)


def test_the_latest_input_is_seen_through_smaller_fields_and_skips_have_none():
    fields = published_cell.input_fields(GENOTYPES["MSRDARTS"]).groupby("input").pixels.mean()
    assert fields.to_dict() == {0: 8.5, 1: 7.0}
    with pytest.raises(ValueError, match="'skip_connect' is no separable or dilated convolution"):
        published_cell.receptive_field("skip_connect")


# --- stable rank as a score -------------------------------------------------------------------------------------------


def scored(n=40):
    draw = np.random.default_rng(0)
    truth = draw.standard_normal(n)
    return pd.DataFrame(
        {
            "arch": [str(i) for i in range(n)],
            "synflow": truth + 0.1 * draw.standard_normal(n),
            "rank": -truth + 0.1 * draw.standard_normal(n),
            "rank_again": -truth + 0.1 * draw.standard_normal(n),
            "rank_after": draw.standard_normal(n),
            "accuracy_after": -truth + 0.1 * draw.standard_normal(n),
            "convolutions": np.arange(n) % 2,
            "cifar10_test_200": 90 + truth,
        }
    )


def test_small_ranks_count_as_good_and_cells_without_any_do_not_count():
    table = scored()
    lost = pd.concat([table, table.iloc[:3].assign(rank=np.nan)])
    found = proxies.agreements(lost).set_index("score")
    assert found.n.unique().tolist() == [40]
    three = found.rho[["synflow", "stable rank, untrained", "accuracy after an epoch"]]
    assert three.tolist() == pytest.approx([1, 1, -1], abs=0.05)
    assert found.within["stable rank, untrained"] == pytest.approx(1, abs=0.05)
    assert proxies.by_part(table, score="rank", parts=4) == pytest.approx(np.ones(4), abs=0.1)
    assert 0.9 < proxies.repeatability(table) < 1


def test_relative_ranks_are_of_the_kernels_in_the_cells():
    net = bench201.network(cell_of("013241"), channels=4, cells=1, classes=3)
    convs = [m for m in net.modules() if isinstance(m, StackedConv)]
    with torch.no_grad():
        for conv in convs:  # of one direction
            conv.weight.copy_(torch.ones_like(conv.weight))
    ranks = proxies.relative_ranks(net)
    assert sorted(ranks) == pytest.approx(sorted([1 / 16, 1 / 16, 1 / 8, 1 / 8, 1 / 4, 1 / 4]))


def test_scores_of_a_cell_are_of_its_network_and_of_another_draw():
    genotype, config = cell_of("013241"), replace(proxies.SHORT, channels=4, train_images=64)
    state = prepare(bench201, genotype, load("fashion-sample").resized(8), config)  # not trained yet
    found = proxies.cell_scores(genotype, state)
    assert found["rank"] == found["rank_after"] == proxies.relative_ranks(state.net).mean() != found["rank_again"]
    assert found["convolutions"] == sum("conv" in op for op in genotype.ops("cell")) > 0


def test_rescaling_leaves_the_shape_of_a_spectrum(states):
    stored, used = rescaled_spectrum(states["msr-darts"].net).values()
    assert used.max() == pytest.approx(1, abs=0.05)
    assert used / used.max() == pytest.approx(stored / stored.max(), rel=1e-4)
    fig = plots.plot_idea({"a": {"x": 1.0, "y": 0.5}}, {"before": [2.0, 1.0], "after": [1.0, 0.5]})
    assert [line.get_label() for line in fig.axes[2].lines[:2]] == ["before: norm 2.000", "after: norm 1.000"]


def test_a_search_is_compared_with_searches_on_its_four_operations():
    found = cost.rivals(METHODS)
    assert {len(method.space.choices.groups["normal"][0].ops) for method in found.values()} == {4}
    assert found["MSR-DARTS"].space.before_forward and not found["DARTS, second order"].space.before_forward
    names = {"DARTS, second order": (8.0, 2.0), "MSR-DARTS": (2.0, 4.0)}
    seconds = pd.DataFrame(names).rename_axis("repeat").reset_index().melt("repeat", None, "method", "seconds")
    assert cost.doublings(seconds).tolist() == [2, -1]
