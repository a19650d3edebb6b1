"""Runs of others: counted by hand on cells and weights made up here; and the tables that ship are what they say."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nasnb.analysis.across import complete
from nasnb.analysis.full_scale import alphas, networks, rivals, searches
from nasnb.analysis.full_scale.cells import counts, picks, settled_at, shared
from nasnb.analysis.full_scale.tables import read_table
from nasnb.analysis.logs import read_search
from nasnb.architecture import Edge
from nasnb.runs.files import runs_folder
from nasnb.spaces import SPACES

FIGURES = runs_folder("figures")
NORMAL = "skip_connect<0 sep_conv_3x3<1 max_pool_3x3<0 skip_connect<2"
REDUCE = "dil_conv_5x5<0 avg_pool_3x3<1 sep_conv_5x5<0 skip_connect<1"


# --- cells ------------------------------------------------------------------------------------------------------------


def test_picks_have_no_order_and_count_by_hand():
    cell = picks(NORMAL, REDUCE)
    turned = picks("sep_conv_3x3<1 skip_connect<0 skip_connect<2 max_pool_3x3<0", REDUCE)
    assert cell == turned and ("normal", 3, "skip_connect", 2) in cell
    assert counts(cell, "normal") == {"skip": 2, "pool": 1, "sep": 1, "dil": 0}
    assert counts(cell, "reduce") == {"skip": 1, "pool": 1, "sep": 1, "dil": 1}
    with pytest.raises(ValueError, match=r"'skip_connect' in the normal cell .*: expected an operation<state"):
        picks("skip_connect sep_conv_3x3<1", REDUCE)


def test_settled_from_the_last_change_on():
    final = picks(NORMAL, REDUCE)
    other = picks(NORMAL.replace("max_pool", "avg_pool"), REDUCE)
    assert shared([final, other, final], final).tolist() == [1, 7 / 8, 1]
    assert settled_at([1, 7 / 8, 1]) == 2  # that it was right before does not count
    assert settled_at([1, 1]) == 0


# --- weights ----------------------------------------------------------------------------------------------------------


def test_measures_of_two_edges_by_hand():
    ops = ("none", "skip_connect", "sep_conv_3x3", "max_pool_3x3")
    weights = np.array([[0.5, 0.2, 0.1, 0.2], [0.1, 0.2, 0.6, 0.1]])
    found = alphas.measures(weights, [Edge(0, 2, ops), Edge(1, 2, ops)])
    assert found["skip"] == pytest.approx(0.2)
    assert found["skip_of_rest"] == pytest.approx((0.4 + 0.2 / 0.9) / 2)
    assert found["leads"] == 0.5  # of equals, the first
    assert found["gap"] == pytest.approx((0.1 - 0.4) / 2)
    assert found["none"] == pytest.approx(0.3)


def test_edges_without_skip_say_nothing_of_it():
    edges = [Edge(0, 2, ("skip_connect", "sep_conv_3x3")), Edge(1, 2, ("max_pool_3x3", "avg_pool_3x3"))]
    found = alphas.measures(np.array([[0.7, 0.3], [0.5, 0.5]]), edges)
    assert found["skip"] == 0.7 and found["leads"] == 1 and np.isnan(found["none"])


# --- draws and doses --------------------------------------------------------------------------------------------------


def test_runs_of_one_draw_are_one_value():
    table = pd.DataFrame({"draw": ["a", "a", "b", "c"], "x": [1.0, 3.0, 5.0, np.nan]})
    assert searches.per_draw(table, "x").tolist() == [2, 5]


def robust(**columns):
    rows = {"space": "s1", "dataset": "cifar10", "epochs": 50, "last_train_accuracy": 90.0, "last_valid_accuracy": 80.0}
    return pd.DataFrame({**rows, **columns})


def test_a_dose_speaks_once_per_seed_and_never_from_chance():
    runs = robust(
        seed=[1, 1, 2, 2, 2], dose=[0, 1, 0, 1, 1], skips=[8, 2, 6, 1, 8], last_valid_accuracy=[80, 80, 80, 80, 10.5]
    )
    runs = searches.complete(runs)
    assert runs.learned.tolist() == [True] * 4 + [False]
    found = searches.dose_effect(runs, "skips", without=runs.dose == 0, having=runs.dose == 1)
    assert found.tolist() == [6, 5]
    assert len(searches.complete(robust(seed=[1, 2], epochs=[50, 1]))) == 1


def test_correlations_need_enough_settings_of_a_seed():
    runs = robust(seed=[1] * 5 + [2] * 4, x=[1, 2, 3, 4, 5, 1, 2, 3, 4], y=[1, 2, 3, 5, 4, 4, 3, 2, 1], learned=True)
    assert searches.correlation_by_seed(runs, "x", "y").tolist() == pytest.approx([0.9])


def test_agreement_within_and_across_seeds():
    runs = pd.DataFrame({"run": list("abcd"), "repo": ["r", "r", "r", "q"], "seed": [1, 1, 2, 1]})
    pairs = pd.DataFrame(
        [("a", "b", 0.5), ("a", "c", 0.1), ("b", "c", 0.3), ("a", "d", 0.9)], columns=["first", "second", "shared"]
    )  # another repository says nothing
    found = searches.agreement_by_seed(pairs, runs)
    assert found.to_dict("records") == [{"seed": 1, "within": 0.5, "across": pytest.approx(0.2), "pairs": 1}]


def test_a_log_that_cannot_be_placed():
    with pytest.raises(ValueError, match="prints neither its cells nor weights"):
        searches.from_log(pd.DataFrame({"epoch": [0], "lr": [0.1]}))


def test_a_log_among_the_others(tmp_path):
    cell = "[('skip_connect', 0), ('sep_conv_3x3', 1)]"
    other = cell.replace("skip_connect", "max_pool_3x3")
    said = "genotype = Genotype(normal={0}, normal_concat=range(2, 3), reduce={0}, reduce_concat=range(2, 3))"
    path = tmp_path / "log.txt"
    lines = [line for e, text in enumerate((other, cell, cell)) for line in (f"epoch {e} lr 0.1", said.format(text))]
    path.write_text("\n".join(lines))
    table = searches.from_log(read_search(path))
    assert table.shared.tolist() == [0.5, 1, 1]
    found = searches.settling(table).iloc[0]
    assert (found.epochs, found.settled, found.half_way) == (3, 1, 1)


# --- trained networks -------------------------------------------------------------------------------------------------


def test_a_line_in_counts_finds_what_made_the_numbers():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.integers(0, 5, (60, 6)), columns=list(networks.COUNTED))
    slopes = np.arange(1, 7) / 10
    table["accuracy"] = 90 + table.to_numpy() @ slopes
    model = networks.ByCounts.fit(table, "accuracy")
    assert model.intercept == pytest.approx(90) and model.slopes == pytest.approx(tuple(slopes))
    assert model.expect(table) == pytest.approx(table.accuracy)
    assert networks.explained_left_out(table, "accuracy") == pytest.approx(1)
    table["noise"] = rng.standard_normal(60)
    one_out = [networks.ByCounts.fit(table.drop(i), "noise").expect(table.loc[[i]])[0] for i in table.index]
    left = ((table.noise - one_out) ** 2).sum() / ((table.noise - table.noise.mean()) ** 2).sum()
    assert networks.explained_left_out(table, "noise") == pytest.approx(1 - left)


def test_places_between_quantiles():
    assert networks.percentile(2.5, [1, 2, 3]) == 75
    assert networks.percentile(9, [1, 2, 3]) == 100 and networks.percentile(0, [1, 2, 3]) == 0


def test_a_gap_that_can_be_seen_is_seen_four_times_of_five():
    gap, n, rng = networks.visible_gap(0.2, 5), 5, np.random.default_rng(1)
    first, second = rng.normal(gap, 0.2, (4000, n)), rng.normal(0, 0.2, (4000, n))
    assert (stats.ttest_ind(first, second, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.02)
    assert np.isnan(networks.visible_gap(0.2, 1))


def test_noise_of_pairs():
    rng = np.random.default_rng(2)
    true = rng.normal(0, 0.3, 5000)
    pairs = pd.DataFrame({"first": true + rng.normal(0, 0.1, 5000), "second": true + rng.normal(0, 0.1, 5000)})
    found = networks.repeat_noise(pairs)
    assert found["sd"] == pytest.approx(0.1, rel=0.05) and found["reliability"] == pytest.approx(0.9, abs=0.01)


# --- rivals -----------------------------------------------------------------------------------------------------------


def test_worth_to_a_supernet_whose_accuracy_is_its_number_of_convolutions():
    rng, rows = np.random.default_rng(4), []
    edges = SPACES["s2"].choices.groups["normal"]
    column = edges[0].ops.index("sep_conv_3x3")
    for _ in range(120):
        cells = []
        for _ in range(2):
            pairs = [
                (int(op), int(source))
                for node in range(4)
                for op, source in zip(rng.integers(0, 2, 2), rng.permutation(node + 2)[:2], strict=True)
            ]
            cells.append(" ".join(f"{op}<{source}" for op, source in pairs))
        convolutions = sum(pick.startswith(f"{column}<") for pick in cells[0].split())
        rows.append(
            {
                "space": "s2",
                "dataset": "x",
                "one_shot_accuracy": 50 + convolutions,
                "normal": cells[0],
                "reduce": cells[1],
            }
        )
    worth = rivals.one_shot_worth(pd.DataFrame(rows)).set_index(["cell", "op"])
    assert worth.rho["normal", "sep_conv_3x3"] == pytest.approx(1)
    assert worth.rho["normal", "skip_connect"] == pytest.approx(-1)
    assert worth.by_counts.iloc[0] == pytest.approx(1) and abs(worth.rho["reduce", "skip_connect"]) < 0.3


def test_rankings_that_agree_and_that_do_not():
    rows = [(space, method, value) for space in "wxyz" for value, method in enumerate("abc")]
    table = pd.DataFrame(rows, columns=["space", "method", "value"])
    options = {"spaces": ["space"], "method": "method", "value": "value"}
    assert rivals.concordance(table, **options)["w"] == pytest.approx(1)
    assert rivals.rank_survival(table, **options).rho.tolist() == pytest.approx([1] * 4)
    turned = table.assign(value=table.value.where(table.space != "z", -table.value))
    assert rivals.rank_survival(turned, **options).rho.tolist() == pytest.approx([1, 1, 1, -1])
    assert rivals.concordance(turned, **options)["w"] == pytest.approx(((10 - 8) / (12 - 8)) ** 2)
    assert rivals.variance_shares(table, "value", ["method", "space"]).tolist() == pytest.approx([1, 0])


# --- what ships -------------------------------------------------------------------------------------------------------


def test_tables_are_small_and_every_one_has_a_source():
    folder = FIGURES / "08-full-scale"
    tables = {path.name.removesuffix(".csv.gz") for path in folder.glob("*.csv.gz")}
    assert sum(path.stat().st_size for path in folder.glob("*")) < 3e6
    sources = read_table("sources", figures_dir=FIGURES)
    named = {name.strip() for names in sources.tables for name in names.split(",")}
    assert named == tables
    rows = sources[sources.ships == "rows"]
    assert set(rows.licence) <= {"Apache-2.0", "MIT"}
    notice = (FIGURES.parent / "NOTICE").read_text()
    assert all(repository in notice for repository in rows.repository)
    with pytest.raises(ValueError, match=r"no table 'confop', did you mean 'confopt'"):
        read_table("confop", figures_dir=FIGURES)
    with pytest.raises(ValueError, match="start from the repository's folder"):
        read_table("confopt", figures_dir=FIGURES / "nowhere")


def test_only_open_sources_keep_their_alphas():
    runs = read_table("alpha_open", figures_dir=FIGURES).run.unique()
    assert len(runs) == 17 and all(run.startswith(("confopt-", "ptdarts-jkooy-")) for run in runs)
    assert list(read_table("random_quantiles", figures_dir=FIGURES).percent) == list(range(101))


@pytest.mark.parametrize(
    ("space", "drop_path", "weight_decay", "skips"),
    [("s1", 0.0, 0.0081, 2), ("s1", 0.0, 0.0003, 7), ("s3", 0.0, 0.0003, 8)],
)
def test_skips_of_robust_darts_as_read_elsewhere(space, drop_path, weight_decay, skips):
    runs = searches.complete(read_table("robustdarts_runs", figures_dir=FIGURES))
    part = runs[(runs.space == space) & (runs.drop_path == drop_path) & (runs.weight_decay == weight_decay)]
    assert len(runs) == 211 and len(part) == 3 and part.skip_normal.mean() == pytest.approx(skips)


def test_first_readings_are_found_again_but_for_two():
    """What was read off the raw sources before this package did; beta's two counts are not what the tables say."""
    read = partial(read_table, figures_dir=FIGURES)
    alpha = read("alpha_epochs").query("run.str.startswith('confopt-darts_s2') and cell == 'normal'")
    ends = alpha.sort_values("epoch").groupby("run").skip.agg(["first", "last"])
    assert ends["first"].round(2).tolist() == [0.49] * 3 and sorted(ends["last"].round(2)) == [0.62, 0.63, 0.65]
    pair = read("eight_methods").query("dataset == 'CIFAR10' and method == 'DARTS'").set_index("kind")
    for kind, mean, sd in (("searched", 97.24, 0.20), ("random", 96.92, 0.19)):
        assert pair.loc[kind, ["mean", "sd", "n"]].tolist() == pytest.approx([mean, sd, 8], abs=0.006)
    gains = read("against_random").query("dataset == 'CIFAR10' and method == 'DARTS'").gain_percent
    assert len(gains) == 8 and gains.mean() == pytest.approx(100 * 0.3125 / 2.92, abs=0.2)
    first = read("strength_edges").query("not run.str.contains('resumed')")
    assert ((first.strongest == first.favourite).sum(), len(first)) == (13, 28)
    eigen = searches.complete(read("robustdarts_runs")).query("space == 's1' and drop_path == 0")
    eigen = eigen.groupby("weight_decay").last_eigenvalue.mean()
    assert eigen[[0.0003, 0.0009, 0.0081]].round(2).tolist() == [0.66, 0.55, 0.20]
    assert (len(read("alpha_runs")), len(read("zero_cost").columns) - 2, len(read("confopt"))) == (32, 13, 567)
    beta = read("beta").query("run == 'pcdarts-hw-20200101'").groupby("cell").raw.agg(["sum", "size"])
    assert beta["size"].tolist() == [150, 150]
    assert beta["sum"].tolist() == [105, 87]  # read as 104 and 72: ties in the printed digits can be read either way


def test_noise_in_s4_by_hand():
    lines = [
        ("a", epoch, edge, value)
        for epoch, pair in ((0, (0.5, 0.4)), (1, (0.3, 0.3)), (2, (0.6, 0.5)))
        for edge, value in enumerate(pair)
    ]
    edges = pd.DataFrame(lines, columns=["run", "epoch", "edge", "noise"]).assign(cell="normal")
    others = edges.assign(run="lora a", noise=0.9), edges.assign(cell="reduce", noise=0.9)
    found = searches.noise_in_s4(pd.concat([edges, *others]))
    assert found == {"noise_first": "0.45", "noise_lowest": "0.30", "noise_last": "0.55", "noise_ahead": "1 of 2"}
    assert [searches.draws_in_words(n) for n in (1, 3)] == ["1 draw", "3 draws"]


def test_doses_are_exchanged_as_wholes():
    table = pd.DataFrame(
        [(f"dose {i}", seed, i, i) for i in range(6) for seed in range(3)], columns=["method", "seed", "x", "y"]
    )
    told = complete.doses_in_words(table.assign(state=complete.END), "x", "y")
    assert told == f"+1.00 (p = {2 / 720:.2g}, 6 doses)"  # of 720 orders this one and its reverse
