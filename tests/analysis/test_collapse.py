"""Cells looked up: digits, percentiles, intervals, when a cell collapses and where an eigenvalue stops the search."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nasnb.analysis import collapse
from nasnb.data.bench201 import Bench201Table
from nasnb.published.claims import claim
from nasnb.runs.kept import kept
from nasnb.workflow import arms


def rows(arm, seed, cells, **columns):
    return pd.DataFrame({"arm": arm, "seed": seed, "epoch": range(1, len(cells) + 1), "cell": cells, **columns})


def test_six_digits_are_a_cell():
    assert collapse.cell_of("013240").notation() == (
        "|none~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_1x1~0|avg_pool_3x3~1|none~2|"
    )
    with pytest.raises(ValueError, match="six digits from 0 to 4, got '33333'"):
        collapse.cell_of("33333")
    with pytest.raises(ValueError, match="got '333335'"):
        collapse.cell_of("333335")


def test_look_up_of_the_two_extremes():
    found = collapse.looked_up(rows("a", 0, ["111111", "333333"]))
    assert found.cifar10.tolist() == pytest.approx([54.2967, 93.76], abs=0.005)
    assert found.skips.tolist() == [6, 0]
    assert found.percentile.iloc[0] < 3 < 98 < found.percentile.iloc[1]
    assert collapse.looked_up(rows("a", 0, ["333123"])).percentile.iloc[0] > 99


def test_interval_of_an_arm_is_students():
    values = np.array([90.0, 92.0, 93.0, 97.0])
    table = pd.concat([rows("a", seed, ["111111", "111111"], cifar10=[0.0, v]) for seed, v in enumerate(values)])
    line = collapse.summary(table).iloc[0]
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (line.low, line.high) == pytest.approx((expected.low, expected.high))
    assert (line.n, line.worst, line.best) == (4, 90, 97)
    two = collapse.summary(table[table.seed < 2]).iloc[0]
    assert two.n == 2 and np.isnan(two.low)


def test_only_finished_searches_have_an_end():
    table = pd.concat([rows("a", 0, ["111111"] * 3, finished=True), rows("a", 1, ["111111"] * 2, finished=False)])
    assert collapse.at_the_end(table).seed.tolist() == [0]


def test_arms_are_compared_seed_by_seed():
    table = pd.concat(
        [
            rows("a", 0, ["111111"], cifar10=90.0),
            rows("a", 1, ["111111"], cifar10=91.0),
            rows("b", 1, ["111111"], cifar10=80.0),
            rows("b", 2, ["111111"], cifar10=50.0),
        ]
    )
    assert collapse.against(table, "a", "b").tolist() == [11.0]


def test_a_cell_has_collapsed_once_it_stays_down():
    falls = rows("a", 0, ["111111"] * 5, cifar10=[93, 60, 93, 60, 54.0])
    stays = rows("b", 0, ["111111"] * 5, cifar10=[60, 93, 93, 93, 93.0])
    never_up = rows("c", 0, ["111111"] * 2, cifar10=[60, 60.0])
    found = collapse.collapse_epochs(pd.concat([falls, stays, never_up]))
    assert found.epoch.tolist()[0::2] == [4, 1] and np.isnan(found.epoch[1])


def test_the_eigenvalue_stops_before_it_has_grown_by_a_third():
    looks = [np.nan, 0.10, np.nan, 0.11, np.nan, 0.30, np.nan, 0.40]
    grows = rows("a", 0, ["111111"] * 8, eigenvalue=looks)
    steady = rows("a", 1, ["111111"] * 8, eigenvalue=[np.nan, 0.10] * 4)
    assert collapse.stopped_early(pd.concat([grows, steady])).epoch.tolist() == [4, 8]


def test_random_cells_are_rows_like_any_others():
    found = collapse.looked_up(collapse.random_cells(range(300)))
    everyone = [line[0] for line in Bench201Table.load().rows.values()]
    assert found.cifar10.mean() == pytest.approx(np.mean(everyone), abs=4 * np.std(everyone) / 300**0.5)
    assert collapse.random_cells([5]).cell.equals(collapse.random_cells([5]).cell)


def arm_rows(arm, seed, first, last, *, valid=50.0, cell="111111"):
    """Twenty-one epochs that end in `last`; at the twentieth the cell has `first`."""
    accuracies = [first] * 20 + [last]
    return rows(
        arm,
        seed,
        [cell] * 21,
        cifar10=accuracies,
        free=1.0,
        valid_accuracy=valid,
        train_accuracy=60.0,
        eigenvalue=[np.nan] * 9 + [0.1] + [np.nan] * 9 + [0.3, np.nan],
    )


def test_effects_of_claims_are_positive_as_claimed():
    table = pd.concat(
        [arm_rows("darts-1st", s, 93.0, 54.0 + s) for s in range(3)]
        + [arm_rows("sgas", s, 93.0, 94.0) for s in range(1, 3)]
    ).reset_index(drop=True)
    found = collapse.effects(table)
    assert found["darts/cell-falls-201"].tolist() == [39, 38, 37]
    assert found["darts-pt/sgas-201"].to_dict() == {1: 39.0, 2: 38.0}
    assert found["across/eigenvalue-stops-201"].tolist() == [39, 38, 37]
    everyone = np.mean([line[0] for line in Bench201Table.load().rows.values()])
    assert found["darts/beats-random-201"][0] == pytest.approx(54 - everyone)
    assert "pc-darts/beta-201" not in found


def test_every_effect_is_that_of_a_claim():
    for id in (
        *collapse.PAIRS,
        "darts/cell-falls-201",
        "darts/beats-random-201",
        "across/eigenvalue-stops-201",
        "darts-pt/fewer-free-operations",
    ):
        assert claim(id).design == "paired" and claim(id).unit == "points"


def test_nothing_is_said_from_a_supernet_at_chance():
    table = pd.concat([arm_rows("darts-1st", 0, 93.0, 54.0), arm_rows("max-w", 0, 93.0, 54.0, valid=11.0)])
    assert not collapse.has_learned(table, "sharpdarts/max-w-201")
    assert collapse.has_learned(table, "darts/beats-random-201")
    # the supernet has not got better since the twentieth epoch: then no cell has fallen while it did
    assert not collapse.has_learned(table, "darts/cell-falls-201")
    rising = arm_rows("darts-1st", 0, 93.0, 54.0, valid=[50.0] * 20 + [53.0])
    assert collapse.has_learned(rising, "darts/cell-falls-201")
    one_level = arm_rows("one-level-half", 0, 93.0, 54.0, valid=np.nan)
    assert collapse.has_learned(pd.concat([rising, one_level]), "stacnas/one-level-201")


def test_arms_that_choose_nothing_or_learn_nothing_are_not_shown():
    table = pd.concat(
        [arm_rows(arm, 0, 93.0, 54.0) for arm in ("darts-1st", "darts-1st/pt", "fixed-alpha")]
        + [arm_rows("max-w", 0, 93.0, 54.0, valid=11.0)]
    )
    shown, left_out = collapse.worth_showing(table)
    assert set(shown.arm) == {"darts-1st", "darts-1st/pt"} and left_out == ["max-w"]


def test_every_arm_has_words():
    for arm in arms.ARMS:
        assert collapse.label(arm.name) != arm.name
        for method in arm.selections:
            assert ", then " in collapse.label(f"{arm.name}/{method.name}")


def test_the_hazard_counts_epochs_at_risk():
    """One of two searches falls at epoch 3: 3 + 4 epochs at risk. The interval of 1 event is (0.0253, 5.572)."""
    falls = pd.DataFrame({"arm": "a", "seed": 0, "epoch": range(1, 5), "cifar10": [90.0, 90.0, 60.0, 60.0]})
    stays = falls.assign(seed=1, cifar10=90.0)
    never = stays.assign(arm="b", seed=0)
    table = collapse.collapse_hazard(pd.concat([falls, stays, never])).set_index("arm")
    assert tuple(table.loc["a", ["searches", "collapsed", "epochs"]]) == (2, 1, 7)
    assert table.loc["a", ["hazard", "low", "high"]].tolist() == pytest.approx(
        [100 / 7, 2.532 / 7, 557.16 / 7], rel=1e-3
    )
    assert tuple(table.loc["b", ["collapsed", "low"]]) == (0, 0)
    assert table.loc["b", "high"] == pytest.approx(368.89 / 4, rel=1e-3)


def test_compared_arms_have_random_cells_that_were_looked_up():
    rows = kept("nas-bench-201/arms").table
    shown = collapse.compared_arms(rows, ["darts-1st", "k4"])
    assert set(shown.arm) == {"DARTS", "K = 4", "random cell"} and shown.finished.dtype == bool
    drawn = shown[shown.arm == "random cell"]
    assert len(drawn) == 1000 and drawn.cifar10.between(10, 95).all() and drawn.percentile.notna().all()


def test_cells_worse_than_the_mean_random_cell_are_counted():
    found = [("a", 0, 90.0), ("a", 1, 70.0), ("b", 0, 79.0)] + [
        ("random cell", s, a) for s, a in enumerate((70.0, 90.0))
    ]
    rows = pd.DataFrame(found, columns=["arm", "seed", "cifar10"]).assign(epoch=1)
    told = collapse.beside_random(rows)
    assert told == {"arms_n": "1 or 2", "arms_below": 2, "arms_all": 3, "arms_random": "80.0 %"}


def test_ends_of_two_sizes_stand_side_by_side():
    rows = pd.DataFrame(
        [("darts-1st", 0, 1, "111111"), ("darts-1st/pt", 0, 2, "111111"), ("darts-1st", 1, 1, "333333")],
        columns=["arm", "seed", "epoch", "cell"],
    )
    sizes = {"whole": collapse.looked_up(rows), "small": collapse.looked_up(rows[rows.seed == 0])}
    table = collapse.ends_by_size(sizes, "darts", cells=2).set_index("way")
    assert table.loc["DARTS", ["n, whole", "n, small"]].tolist() == [2, 1]
    assert table.loc["random cell", "n, small"] == 2 and list(table.columns)[:2] == ["n, whole", "CIFAR-10 (%), whole"]
    assert list(collapse.ends_by_size({"whole": sizes["whole"]}, "darts", cells=2).columns)[1] == "n"


def test_what_another_rule_gains_is_told_apart_for_searches_that_fell():
    cells = {"darts-1st": ("111111", "333333", "333333"), "darts-1st/pt": ("333333", "333333")}
    rows = [(arm, seed, 1, cell) for arm, several in cells.items() for seed, cell in enumerate(several)]
    found = collapse.mended(
        collapse.looked_up(pd.DataFrame(rows, columns=["arm", "seed", "epoch", "cell"])), "darts-1st", "darts-1st/pt"
    )
    assert found.fallen.tolist() == [True, False] and found.gain[0] > 30 and found.gain[1] == 0
