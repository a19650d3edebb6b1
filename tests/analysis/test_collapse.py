"""Cells looked up: digits, percentiles, intervals, when a cell collapses and where an eigenvalue stops the search."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nasnb.analysis import collapse
from nasnb.data.bench201 import Bench201Table


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
