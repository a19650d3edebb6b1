"""What chapter 03 measures: steadiness of alpha's gradient, chains of channels, counts of a search, cells in common."""

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny_data

from nasnb.analysis import pc_darts
from nasnb.analysis.pc_darts import cold, table_3
from nasnb.config import scaled
from nasnb.experiment import method_like
from nasnb.methods import METHODS
from nasnb.plots.edge import edge_html
from nasnb.published.genotypes import GENOTYPES
from nasnb.search import begin
from nasnb.supernet.partial_channels import full_mix, partial_channels
from nasnb.training import prepare
from nasnb.workflow.sweep_file import read_sweep

METHOD = METHODS["pc-darts"]
ROOT = Path(__file__).resolve().parents[2]


# --- steadiness -------------------------------------------------------------------------------------------------------


def test_agreement_is_the_mean_cosine_of_all_pairs():
    rows = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    by_hand = (0 + 2 * 0.5**0.5) / 3
    assert pc_darts.agreement_of_gradients(rows) == pytest.approx(by_hand)
    assert pc_darts.agreement_of_gradients(torch.tensor([[1.0, 2], [2, 4]])) == pytest.approx(1)
    assert pc_darts.agreement_of_gradients(torch.tensor([[1.0, 2], [-1, -2]])) == pytest.approx(-1)


@pytest.fixture
def state():
    data = tiny_data(n=48, size=8)
    return begin(METHOD, data, METHOD.at("smoke", channels=8, batch_size=8))


def test_gradient_of_alpha_is_that_of_finite_differences_and_touches_nothing(state):
    before = {name: value.clone() for name, value in state.net.state_dict().items()}
    batch = next(state.batches(state.train, "test", 0, augment=False))
    gradient = pc_darts.gradient_of_alpha(state, batch)
    alpha = state.relaxation.alpha["normal"]
    assert len(gradient) == sum(a.numel() for a in state.relaxation.alpha.values())
    losses = []
    with torch.no_grad():
        for step in (0.05, -0.05):
            alpha[0, 4] += step
            state.net.train()
            losses.append(float(state.loss(batch, state.relaxation())))
            alpha[0, 4] -= step
    assert float(gradient[4]) == pytest.approx((losses[0] - losses[1]) / 0.1, rel=0.05, abs=2e-4)
    state.net.load_state_dict(before)
    pc_darts.gradient_of_alpha(state, batch)
    assert all(torch.equal(value, before[name]) for name, value in state.net.state_dict().items())


def test_noise_draws_no_image_twice(state):
    n = len(state.data.test)
    table = pc_darts.alpha_noise(state, batch_sizes=(4, n // 2), draws=100)
    assert table.draws.tolist() == [n // 4, 2] and table.agreement.between(-1, 1).all()
    with pytest.raises(ValueError, match=f"{n} test images do not fill two batches of {n}: choose a smaller one"):
        pc_darts.alpha_noise(state, batch_sizes=(n,), draws=2)


# --- channels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mixing", "short"),
    [("first, then shuffle", "shuffle"), ("first, then shift", "shift"), ("first, nothing more", "none")],
)
@pytest.mark.parametrize("k", [2, 4, 8])
def test_a_chain_follows_the_channels_as_the_mix_moves_them(k, mixing, short):
    states, processed = pc_darts.chain_of(16, k, mixing, nodes=3)
    x = torch.arange(16.0).view(1, 16, 1, 1)
    mix = partial_channels(k, mixing=short)
    for order in states:
        assert x.flatten().tolist() == order
        x = mix.join((x[:, : 16 // k], x[:, 16 // k :]))
    assert all(each == list(range(16 // k)) for each in processed)
    edges = zip(states[:-1], processed[:-1], strict=True)  # what the last state sends on is of no edge yet
    seen = {order[i] for order, at in edges for i in at}
    assert pc_darts.never_processed(states, processed) == 16 - len(seen)


def test_random_masks_leave_out_as_many_as_expected():
    left = [pc_darts.never_processed(*pc_darts.chain_of(16, 4, "random", nodes=3, seed=s)) for s in range(300)]
    assert np.mean(left) == pytest.approx(pc_darts.expected_untouched(16, 4, 3), abs=0.3)
    with pytest.raises(ValueError, match=r"K = 3 of 16 channels, 'random': K divides them; known: first, then shuffle"):
        pc_darts.chain_of(16, 3, "random")


def test_the_interactive_edge_shows_its_first_drawing_without_javascript():
    chains = {(k, "random"): pc_darts.chain_of(8, k, "random") for k in (2, 4)}
    page = edge_html(chains, first=(4, "random"), alt="channels of an edge")
    assert page.count("data-frame=") == 2 and '<div data-frame="2 random" hidden>' in page
    assert "http" not in page.replace("http://www.w3.org", "") and "<script" not in page
    with pytest.raises(ValueError, match=r"no drawing of \(8, 'random'\): there are \(2, 'random'\)"):
        edge_html(chains, first=(8, "random"), alt="channels of an edge")


# --- counts -----------------------------------------------------------------------------------------------------------


def test_a_search_of_the_paper_in_steps():
    costs = pd.DataFrame({"k": [1, 4], "multiply_adds": [300, 60], "bytes_per_image": [40, 10]})
    totals = pc_darts.search_totals(costs).set_index("K")
    assert totals.batch_size.tolist() == [64, 256]
    assert totals.weight_steps[4] == 4900 and totals.alpha_steps[4] == 3430  # 98 steps an epoch, 35 of 50 epochs
    assert totals.weight_steps[1] == 50 * 391
    assert totals.multiply_adds[4] == 3 * 25_000 * 85 * 60
    assert totals.bytes_per_step.tolist() == [64 * 40, 256 * 10]


def test_the_published_reduction_cells_share_no_operation():
    cells = GENOTYPES["PC_DARTS_cifar"], GENOTYPES["PC_DARTS_image"]
    pairs, shared, chance = pc_darts.cells_in_common(*cells, "reduce")
    assert (pairs, shared) == (0, 0.5) and chance == pytest.approx((1 + 2 / 3 + 2 / 4 + 2 / 5) / 4)
    assert pc_darts.cells_in_common(cells[0], cells[0], "normal")[:2] == (8, 1.0)
    # at least the two edges of the first node and one of the two that the second keeps are common
    assert pc_darts.share_as_few_edges(8) == pytest.approx(1) and pc_darts.share_as_few_edges(2) == 0
    assert pc_darts.share_as_few_edges(3) == pytest.approx(2 / 3 * 1 / 6 * 3 / 10)


def test_changes_by_beta_are_counted_after_the_warm_up():
    rows = [
        ("a", epoch, "normal", node, True, changed)
        for epoch, changed in ((3, True), (15, False), (16, True))
        for node in (3, 4)
    ]
    table = pd.DataFrame(rows, columns=["run", "epoch", "cell", "target", "raw", "changed"])
    line = pc_darts.full_scale_changes(table).iloc[0]
    assert (line.nodes, line.changed, line.last_nodes, line.last_changed) == (4, 2, 2, 2)
    assert line["at the end"] == "2 of 2"


def test_skips_of_complete_searches_are_of_cifar10_and_of_the_whole_space():
    runs = [
        ("a", "PC-DARTS (K=4)", "DARTS (8 ops)", "cifar10"),
        ("b", "DARTS (2nd order)", "DARTS (8 ops)", "cifar100"),
    ]
    runs += [("c", "DARTS (2nd order)", "DARTS (8 ops)", "cifar10"), ("d", "DARTS", "NAS-Bench-201", "cifar10")]
    epochs = [(run, 0, cell, 0.2, 0.5, 0.1) for run in "abcd" for cell in ("normal", "reduce")]
    table = pc_darts.full_scale_skips(
        pd.DataFrame(epochs, columns=["run", "epoch", "cell", "skip_of_rest", "leads", "none"]),
        pd.DataFrame(runs, columns=["run", "method", "space", "dataset"]),
    )
    assert table[["run", "method"]].values.tolist() == [["a", "PC-DARTS"], ["c", "DARTS (2nd order)"]]
    assert table.iloc[0][["skip_of_rest", "leads", "none"]].tolist() == [20, 50, 10]
    words = pc_darts.spans_at_the_end(pd.concat([table, table.assign(run="e", none=30.0)]))
    assert words["pc_none"] == words["darts_none"] == "10 to 30 %" and len(words) == 6


def test_errors_by_seed_are_rows():
    table = pc_darts.by_seed({"PC no, EN no": [3, 4], "random cells": [5, 6], "K = 4": [7, 8]}, [10, 11])
    assert table.variant.tolist()[::2] == ["PC no, EN no", "random cells", "K = 4"]
    assert table.seed.tolist() == [10, 11] * 3 and table.error_percent.tolist() == [3, 4, 5, 6, 7, 8]


def test_times_less_and_the_table_of_costs():
    costs = pd.DataFrame(
        {
            "k": [1, 4],
            "parameters": [10, 5],
            "multiply_adds": [300, 60],
            "bytes_per_image": [40, 10],
            "batch_size": [1, 4],
        }
    )
    less = pc_darts.times_less(costs)
    assert less.loc[4].tolist() == [4.0, 5.0, 2.0] and less.loc[1].tolist() == [1.0] * 3
    table = pc_darts.cost_table(costs, gigabytes=12)
    assert table["times less"].tolist() == [1.0, 4.0] and table["fit in 12 GB"].tolist() == [1, 4]
    assert table["steps"].tolist() == pc_darts.search_totals(costs).weight_steps.tolist()


def test_printed_runs_and_tables():
    runs = pc_darts.printed.trainings()
    assert [len(each) for each in runs.values()] == [5, 5, 5]
    assert runs["PC-DARTS"].min() == 2.57  # the headline
    table = pc_darts.printed.table_4(runs).set_index("Table 4, CIFAR-10")
    assert table.loc["five trainings", "PC-DARTS"] == f"{runs['PC-DARTS'].mean():.2f} ± {runs['PC-DARTS'].std():.2f} %"
    assert table.loc["6 nodes", "PC-DARTS"] == table.loc["searched 50 epochs", "PC-DARTS"] == "2.57 %"
    assert pc_darts.printed.table_3()["PC yes, EN yes"] == "2.57 ± 0.07 %"


def test_price_of_an_imagenet_training_is_that_of_its_multiply_adds(tmp_path):
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "work.csv").write_text("method,training (10^15),training (GPU hours)\ndarts-1st,50,100\n")
    found = pc_darts.printed.imagenet_hours(10, figures_dir=tmp_path)
    assert found == pytest.approx(2 * 3 * 597e6 * 1_281_167 * 10 / 1e15)  # two hours for every 10^15


def test_weight_free_share_over_time():
    edges = METHOD.space.choices.groups["normal"]
    even = np.full((2, len(edges), len(edges[0].ops)), 1 / len(edges[0].ops))
    run = SimpleNamespace(weights={"normal": even})
    table = pc_darts.weight_free_over_time(METHOD.space, {"K = 1": [run], "K = 4": [run]}, [5])
    assert table.epoch.tolist() == [1, 2, 1, 2] and table.K.tolist() == ["K = 1"] * 2 + ["K = 4"] * 2
    assert table.percent.tolist() == pytest.approx([300 / 7] * 4) and set(table.seed) == {5}


# --- alpha from the first step ---------------------------------------------------------------------------------------


def _cold_row(arm, seed, free, kept, **cosines):
    return {"arm": arm, "seed": seed, "valid_accuracy": 60.0, "weight_free": free, **cosines, "kept": kept}


COLD_ROWS = pd.DataFrame(
    [
        _cold_row(cold.K1, 0, 45.0, "1100", cosine_16=0.3, cosine_64=0.6),
        _cold_row(cold.K1, 1, 44.0, "1010", cosine_16=0.2, cosine_64=0.5),
        _cold_row(cold.K4, 0, 43.0, "1100", cosine_16=0.1, cosine_64=0.7),
        _cold_row(cold.K4, 1, 43.5, "1100", cosine_16=0.1, cosine_64=0.6),
        _cold_row(cold.WITHOUT_BETA, 0, 43.0, "1100"),
        _cold_row(cold.WITHOUT_BETA, 1, 43.0, "0011"),
    ]
)


def test_effects_without_a_warmup_by_hand():
    effects = cold.cold_effects(COLD_ROWS)
    assert effects["pc-darts/partial-noisier"].tolist() == pytest.approx([0.2, 0.1])
    assert effects["pc-darts/larger-batch-steadies"].tolist() == pytest.approx([0.4, 0.4])
    assert effects["pc-darts/holds-back-weight-free"].tolist() == pytest.approx([2.0, 0.5])
    assert effects["pc-darts/seeds-agree-on-edges"] == ([[*"1100"]] * 2, [[*"1100"], [*"0011"]])
    common = cold.edges_in_common(COLD_ROWS).groupby("arm").common.mean()
    assert common.to_dict() == {cold.K1: 50, cold.K4: 100, cold.WITHOUT_BETA: 0}
    assert cold.cosines(COLD_ROWS).groupby("of", sort=False).cosine.mean().tolist() == pytest.approx(
        [0.25, 0.1, 0.65, 0.55]
    )


def test_cold_arms_differ_in_one_thing_each():
    arms = cold.cold_arms(METHOD)
    assert [arm.mix for arm in arms.values()] == [full_mix, METHOD.mix, METHOD.mix]
    assert len({arm.step for arm in arms.values()}) == 1 and arms[cold.K4].step != METHOD.step
    assert replace(arms[cold.WITHOUT_BETA], name="", relax=METHOD.relax) == replace(arms[cold.K4], name="")


# --- arms -------------------------------------------------------------------------------------------------------------


def test_arms_of_table_3_are_those_of_the_sweeps():
    arms = pc_darts.table_3_arms(METHOD)
    for (k, partial), (beta, normed) in itertools.product(((1, "no"), (4, "yes")), ((False, "no"), (True, "yes"))):
        assert method_like("pc-darts", k=k, edge_normalisation=beta) == arms[f"PC {partial}, EN {normed}"]
    for k in (1, 2, 4, 8):  # figure 3
        assert method_like("pc-darts", k=k) == pc_darts.variant(METHOD, k=k)
    assert len({made.name for made in arms.values()}) == len(arms) == 6


def test_effects_of_table_3_by_hand():
    errors = {
        "PC no, EN no": [30, 50],
        "PC no, EN yes": [20, 40],
        "PC yes, EN no": [20, 30],
        "PC yes, EN yes": [10, 30],
    }
    four = pc_darts.by_seed(errors, [0, 1])
    effects = table_3.table_3_effects(four.iloc[::-1])
    assert effects.pop("pc-darts/beta-narrows-spread")[0].tolist() == [20, 30]
    assert {id: each.tolist() for id, each in effects.items()} == {
        "pc-darts/partial-lowers-error": pytest.approx([100 * 10 / 15, 100 * 10 / 35]),
        "pc-darts/beta-alone-lowers-error": pytest.approx([100 * 10 / 25, 100 * 10 / 45]),
        "pc-darts/beta-lowers-error": pytest.approx([100 * 10 / 15, 0]),
    }
    more = pd.concat([four, pc_darts.by_seed({"random cells": [30, 30], "K = 8, EN yes": [20, 20]}, [0, 1])])
    effects = table_3.table_3_effects(more)
    assert effects["pc-darts/beats-random"].tolist() == pytest.approx([100, 0])
    assert effects["pc-darts/k8-much-worse"].tolist() == pytest.approx([100 * 10 / 15, -100 * 10 / 25])


def test_arms_with_k8_and_what_they_reach():
    arms = table_3.arms_with_k8(METHOD)
    assert len(arms) == 5 and arms[table_3.K8] == method_like("pc-darts", k=8) and arms[table_3.BOTH] is METHOD
    rows = pd.DataFrame(
        {"variant": ["a", "random cells"], "error_percent": [30.0, 45.0], "valid_accuracy": [50.0, np.nan]}
    )
    assert [each.tolist() for each in table_3.accuracies_of(rows)] == [[70], [55], [50]]


def test_orders_of_arms_after_long_and_short_trainings_by_hand():
    def errors(**by_arm):
        return pd.DataFrame(
            [(arm, each) for arm, two in by_arm.items() for each in two], columns=["variant", "error_percent"]
        )

    longer, shorter = errors(a=[10, 30], b=[12, 12], c=[30, 30]), errors(a=[30, 32], b=[40, 42], c=[50, 60], d=[1, 1])
    assert table_3.compared_orders(longer, shorter) == {
        "order_longer": "b; a; c",
        "order_shorter": "a; b; c",
        "order_stays": "does not stay",
        "order_correlation": "0.50",
    }
    assert table_3.compared_orders(longer, longer)["order_stays"] == "stays"
    assert table_3.gained_at_the_end(pd.Series([40.0, 60, 70, 75, 76, 78, 78, 79, 80, 80.5])) == 1.5


@pytest.mark.parametrize("name", ["pc-darts-ablation", "pc-darts-channels"])
def test_sweeps_train_each_cell_with_the_seed_of_its_search(name):
    sweep = read_sweep(ROOT / "notebooks" / "sweeps" / f"{name}.yaml", notebooks=ROOT / "notebooks")
    rows = [row.values for row in sweep.rows if row.step == "retrain"]
    assert all(row["seed"] == row["search_seed"] for row in rows)
    assert {row["seed"] for row in rows} == set(range(pc_darts.planned("paper").searches))


def test_searches_without_warm_up():
    config = METHOD.at("laptop", epochs=10)
    cold = pc_darts.without_warmup(METHOD, config)
    assert [c.epochs for _, c in cold.values()] == [6, 6, 6]
    rates = [c.alpha_lr for _, c in cold.values()]
    assert rates == [config.alpha_lr, config.alpha_lr, config.alpha_lr / 2]
    assert cold["K = 1"][0] is cold["K = 1, DARTS' alpha rate"][0] and cold["K = 4"][0].mix == METHOD.mix


def test_what_is_ahead_counts_steps_as_the_searches_do():
    data, plan = tiny_data(n=48, size=8), pc_darts.planned("smoke")
    config, training = METHOD.at("smoke", epochs=3, batch_size=5, train_images=None), scaled(METHOD.training, "smoke")
    training = replace(training, train_images=None, batch_size=7, epochs=2)
    table = pc_darts.runs_ahead(plan, config, training, images=len(data.train)).set_index("what")
    state = begin(METHOD, data, config)
    first, last = table.iloc[0], table.iloc[-1]
    assert first["steps of each"] == 3 * state.steps_per_epoch and first.number == 4
    trained = prepare(METHOD.space, GENOTYPES["DARTS_V1"], data, training)
    assert last["steps of each"] == 2 * trained.steps_per_epoch
    assert table["steps of all"].tolist() == (table.number * table["steps of each"]).tolist()
    assert table.number.tolist() == [4, 2, 3, 7, 3]  # no other K at smoke
    without = pc_darts.runs_ahead(replace(plan, cold=False), config, training, images=len(data.train))
    assert without.number.tolist() == [4, 2, 7, 3]


# --- plans ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["smoke", "laptop", "overnight", "gpu", "paper"])
def test_every_preset_has_a_plan_that_the_method_can_follow(preset):
    plan = pc_darts.planned(preset, searches=2, ks=[2])
    assert plan.searches == 2 and plan.ks == (1, 2, 4)
    METHOD.at(preset, **plan.search)
