"""How far the yardstick of DARTS-PT can be trusted, what statistics do to it, and the published cells."""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny_data
from supernets import tiny_supernet

from nasnb.analysis.darts_pt import one_shot, published_cells, shuffling, yardstick
from nasnb.architecture import Genotype
from nasnb.config import SearchConfig
from nasnb.data import Bench201Table
from nasnb.methods import METHODS
from nasnb.search import begin
from nasnb.spaces import SPACES

OPS = ["a", "b", "c"]


def measured(*repeats, edge=0, seed=0):
    """Three operations of one edge, measured as often as there are rows."""
    rows = [
        {
            "seed": seed,
            "edge": edge,
            "op": op,
            "repeat": i,
            "alpha": a,
            "weight": a,
            "batch": x,
            "running": -x,
            "loss": 1.0,
            "epochs": 1,
        }
        for i, values in enumerate(repeats)
        for op, a, x in zip(OPS, (0.2, 0.3, 0.5), values, strict=True)
    ]
    return pd.DataFrame(rows)


# --- reliability ------------------------------------------------------------------------------------------------------


def test_repeats_that_agree_set_no_ceiling_and_those_that_do_not_a_low_one():
    assert yardstick.reliability(measured((1, 2, 3), (4, 5, 6))) == {"single": 1, "mean_of_all": 1, "ceiling": 1}
    half = yardstick.reliability(measured((1, 2, 3), (1, 3, 2)))  # Spearman's is 1/2
    assert half["single"] == pytest.approx(0.5)
    assert half["mean_of_all"] == pytest.approx(2 * 0.5 / 1.5) and half["ceiling"] == pytest.approx((2 / 3) ** 0.5)
    assert yardstick.reliability(measured((1, 2, 3), (3, 2, 1)))["ceiling"] == 0


def test_a_yardstick_measured_once_has_no_known_ceiling():
    assert np.isnan(yardstick.reliability(measured((1, 2, 3)))["ceiling"])


def test_the_ceiling_is_what_truth_itself_reaches():
    """A simulation: the truth correlates with the mean of noisy repeats as the ceiling says."""
    draw, reached, said = np.random.default_rng(0), [], []
    truth = np.arange(12) / 6
    for _ in range(60):
        repeats = truth + draw.normal(0, 0.7, (3, 12))
        table = pd.DataFrame(
            [(0, op, r, x) for r, row in enumerate(repeats) for op, x in enumerate(row)],
            columns=["edge", "op", "repeat", "batch"],
        )
        said.append(yardstick.reliability(table)["ceiling"])
        reached.append(yardstick.order_correlation(truth, repeats.mean(0)))
    assert np.mean(said) == pytest.approx(np.mean(reached), abs=0.05)


# --- comparisons ------------------------------------------------------------------------------------------------------


def test_measures_are_compared_edge_by_edge_and_supernet_by_supernet():
    worths = pd.concat(
        [measured((1, 2, 3), (1, 2, 3)), measured((3, 2, 1), (3, 2, 1), edge=1), measured((1, 2, 3), (1, 2, 3), seed=1)]
    )
    strengths = worths.drop_duplicates(["seed", "edge", "op"])[["seed", "edge", "op"]].assign(
        accuracy_without=[3, 2, 1] * 3, loss_without=[1, 2, 3] * 3
    )
    found = yardstick.held_against(worths, strengths, yardstick.MEASURES)
    assert found.correlations["alpha"].tolist() == [0, 1], "one edge of the first supernet is the other way round"
    assert found.correlations["masking, accuracy"].tolist() == [0, 1] and found.best["alpha"].tolist() == [1, 1]
    assert found.edges.tolist() == [2, 1] and found.ceiling.tolist() == [1, 1]
    told = found.table()
    assert told.measure.tolist() == [*yardstick.MEASURES, "ceiling: the yardstick repeated"]
    assert told["same favourite, edges"].tolist() == ["2 of 3"] * 3 + [""]
    assert set(found.titled().panel) == {"seed 0, edge 0", "seed 0, edge 1", "seed 1, edge 0"}
    measures = yardstick.MEASURES | {"running statistics": "batch"}
    effects = yardstick.held_against(worths, strengths, measures).effects()
    assert effects["darts-pt/alpha-ranks-worth"].tolist() == [0, 1]
    assert effects["darts-pt/alpha-below-ceiling"].tolist() == [1, 0], "supernets whose alpha agrees less lie lower"
    assert effects["darts-pt/masking-ranks-better"].tolist() == [0, 0]


def test_effects_are_positive_as_claimed():
    ways = [(n, 0, "swapped", lost) for n, lost in (("VGG", 99), ("ResNet", 8), ("supernet (S2)", 5))]
    swaps = shuffling.swap_effects(pd.DataFrame(ways, columns=["network", "seed", "how", "lost"]))
    assert [values.item() for values in swaps.values()] == [94, 3]


def test_a_tie_is_no_preference():
    table = pd.DataFrame({"edge": [0, 0, 1, 1], "op": ["skip_connect", "sep_conv_3x3"] * 2, "x": [1, 1, 1, 2]})
    found = yardstick.favourites(table, {"rule": "x"})
    assert found.op.tolist() == ["tie", "sep_conv_3x3"]
    assert yardstick.edges_preferring(found.assign(seed=0), "tie").loc[0, "rule"] == 1


def test_worth_in_cells_is_a_mean_over_all_cells_that_have_it():
    table = Bench201Table.load()
    found = yardstick.worth_in_cells(SPACES["bench201"].choices, table)
    assert len(found) == 30
    has = [table.accuracy(arch)["cifar10"] for arch in table.rows if arch.startswith("|nor_conv_3x3~0|+")]
    assert len(has) == 3125
    assert found.query("edge == 0 and op == 'nor_conv_3x3'").cells.item() == pytest.approx(np.mean(has))


# --- one-shot accuracies ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def supernet():
    config = SearchConfig(epochs=1, batch_size=16, channels=4, cells=3, train_images=32)
    return begin(METHODS["darts-pt-fixed-alpha"].on("s2"), tiny_data(n=48), config)


def a_cell(op: str) -> pd.DataFrame:
    rows = [(0, 40.0, g, s, t, op) for g in ("normal", "reduce") for t in range(2, 6) for s in (0, 1)]
    return pd.DataFrame(rows, columns=["sample", "accuracy", "group", "source", "target", "op"])


def test_a_cell_of_a_log_is_one_hot_and_knows_its_edges(supernet):
    choices = supernet.relaxation.choices
    weights = one_shot.cell_weights(a_cell("sep_conv_3x3"), choices)
    assert weights["normal"].sum() == 8 and weights["normal"].max() == 1
    row = [(e.source, e.target) for e in choices.groups["normal"]].index((1, 4))
    assert weights["normal"][row].tolist() == [0, 1]
    with pytest.raises(ValueError, match="5->2 is no edge of 'normal'"):
        one_shot.cell_weights(a_cell("skip_connect").assign(source=5), choices)


def test_a_path_is_the_network_with_its_weights_and_leaves_no_trace(supernet):
    weights = one_shot.cell_weights(a_cell("sep_conv_3x3"), supernet.relaxation.choices)
    before = {name: tensor.clone() for name, tensor in supernet.net.state_dict().items()}
    table = one_shot.one_shot_accuracies(supernet, a_cell("sep_conv_3x3"), [0], images=16)
    assert table.columns.tolist() == ["sample", "logged", "running", "batch"] and table.logged.tolist() == [40.0]
    images, labels = next(iter(supernet.batches(supernet.data.test.take(slice(0, 16)), "one shot", 0, augment=False)))
    supernet.net.eval()
    with torch.no_grad():
        right = (supernet.net(images, weights).argmax(1) == labels).float().mean().item()
    assert table.running.item() == pytest.approx(100 * right)
    assert all(torch.equal(before[name], tensor) for name, tensor in supernet.net.state_dict().items())


def test_log_and_masking_say_of_every_edge_which_operation_leads(supernet, monkeypatch):
    choices, two = supernet.relaxation.choices, ("sep_conv_3x3", "skip_connect")
    log = pd.concat([a_cell("sep_conv_3x3").assign(accuracy=60.0), a_cell("skip_connect")])
    of_log = one_shot.by_the_log(log, choices, "normal", two).set_index("edge").lead
    assert of_log.index[0] == "0→2" and len(of_log) == 14 and of_log["1→4"] == 20 and np.isnan(of_log["4→5"])

    def strengths(state, group, *, how):
        told = {"accuracy_without": len(state.valid), "loss_without": 1.0}
        rows = [
            {"source": e.source, "target": e.target, "op": op} | told for e in choices.groups[group] for op in e.ops
        ]
        table = pd.DataFrame(rows)
        hurt = (table.op == two[0]) & (table.target == 3)  # without the convolution it is worse
        return table.assign(accuracy_without=table.accuracy_without - hurt, loss_without=table.loss_without + 2 * hurt)

    monkeypatch.setattr(one_shot, "strength_table", strengths)
    found = one_shot.by_masking(supernet, "normal", two, images=16, mode="running").set_index("edge")
    assert found.points.to_dict() == {edge: float(edge.endswith("3")) for edge in of_log.index}
    assert found.nats["0→3"] == 2 and found.nats["0→2"] == 0 and 0 <= found.attrs["unmasked"] <= 100


def test_samples_are_drawn_once_each():
    samples = pd.DataFrame({"sample": np.repeat(np.arange(50), 4)})
    drawn = one_shot.drawn_samples(samples, 9)
    assert len(set(drawn)) == 9 and drawn == sorted(drawn) == one_shot.drawn_samples(samples, 9)
    assert one_shot.drawn_samples(samples, 99) == list(range(50))


def test_what_statistics_explain_is_a_share_of_the_variance():
    x = np.array([10.0, 20, 30, 40, 50, 60])
    table = pd.DataFrame({"space": "S2", "logged": x, "running": x + 1, "batch": 50 + x / 2})
    found = one_shot.statistics_summary(table).iloc[0]
    assert found.explained == pytest.approx(75) and found.r == pytest.approx(1) and found.r_batch == pytest.approx(1)
    assert found.mean_running == 36 and found.n == 6
    assert one_shot.told_by_space(one_shot.statistics_summary(table), "explained", "{:.0f} %") == "75 % (S2)"


# --- published cells --------------------------------------------------------------------------------------------------


def test_all_published_cells_are_counted():
    table = published_cells.published_cells()
    assert len(table) == 56 and table.groupby("rule").size().tolist() == [28, 28]
    one = table.set_index("name").loc["darts_pt_s2_1"]  # sk0 sk1 / s30 sk2 / s31 sk3 / s31 s34
    assert (one.normal, one.space, one.dataset, one.run) == (4, "S2", "CIFAR-10", 1)
    assert ((table.convolutions + table.skips + table.pools + table.noise) == 16).all()
    assert published_cells.mean_counts().cells.sum() == 56


def test_the_best_of_some():
    assert published_cells.best_of(1) == pytest.approx(0, abs=1e-9)
    assert published_cells.best_of(2) == pytest.approx(np.pi**-0.5)
    assert published_cells.best_of(3) == pytest.approx(1.5 * np.pi**-0.5)
    with pytest.raises(ValueError, match="the best of 0 results"):
        published_cells.best_of(0)
    table = pd.DataFrame({"n": [2], "mean": [97.0], "sd": [0.2], "high": [97.1]})
    found = published_cells.flattery(table, 3).iloc[0]
    assert found.lead == pytest.approx(0.5) and found.lead_of_n == pytest.approx(0.3 * np.pi**-0.5)


# --- controls of Table 1 ----------------------------------------------------------------------------------------------


def test_untrained_edges_in_the_same_places_are_those_of_the_twin():
    """All edges of the twin: with every pair replaced nothing of the cells' own operations is left."""
    net, weights, images = tiny_supernet("s2")
    twin, _, _ = tiny_supernet("s2", seed=1)
    with torch.no_grad():
        before = net(images, weights)
        with shuffling.swapped_edges(net, weights, {0: (0, 1)}, untrained=net):
            assert torch.allclose(net(images, weights), before, atol=1e-5), "itself as twin changes nothing"
        with shuffling.swapped_edges(net, weights, {0: (0, 1)}, untrained=twin):
            assert not torch.allclose(net(images, weights), before, atol=1e-3)


def test_a_supernet_is_swapped_in_three_ways(supernet):
    table = shuffling.supernet_swaps(supernet, draws=1)
    assert table.groupby("how", sort=False).draw.apply(list).to_dict() == {how: [0, 1] for how in shuffling.HOWS}
    same = table[table.draw == 0].set_index("how").accuracy
    assert same.iloc[1] == same.iloc[2], "nothing replaced yet"


def test_genotypes_are_counted_by_kind():
    cell = Genotype.from_short(normal="sk0 s31 / mp0 d51", reduce="sk0 sk1 / ap0 s30")
    assert published_cells.op_counts(cell) == {"convolutions": 3, "normal": 2, "skips": 3, "pools": 2, "noise": 0}
