"""What a search says of itself against the real accuracy of its cell."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nasnb.analysis.across.on_table import (
    SIGNALS,
    along_searches,
    foretelling_on_table,
    over_arms,
    rules_on_arms,
    signals,
)


def search(seed, *, eigenvalue, cifar10, valid=40.0, finished=True):
    looks = [np.nan, eigenvalue, np.nan]  # nobody looked in the last epoch
    return pd.DataFrame(
        {"arm": "a", "seed": seed, "epoch": [1, 2, 3], "finished": finished, "eigenvalue": looks, "largest": 0.5}
        | {"train_accuracy": valid + 5.0, "valid_accuracy": valid, "skips": seed, "cifar10": [50.0, 60.0, cifar10]}
    )


def test_the_end_of_a_search_has_the_last_eigenvalue_that_was_looked_at():
    rows = pd.concat([search(0, eigenvalue=2.0, cifar10=90.0), search(1, eigenvalue=3.0, cifar10=9.0, finished=False)])
    (line,) = signals(rows).itertuples()
    assert (line.eigenvalue, line.cifar10, line.gap) == (2.0, 90.0, 5.0)


def test_correlations_are_signed_and_accuracy_is_partialled_out():
    draw = np.random.default_rng(0)
    eigenvalue, valid, noise = draw.normal(size=(3, 40))
    real = -eigenvalue + valid + 0.3 * noise
    rows = pd.concat(
        search(i, eigenvalue=e, cifar10=c, valid=v)
        for i, (e, c, v) in enumerate(zip(eigenvalue, real, valid, strict=True))
    )
    table = foretelling_on_table(signals(rows)).set_index("signal")
    found = table.loc[SIGNALS["eigenvalue"][0]]
    assert found.correlation == pytest.approx(-stats.spearmanr(eigenvalue, real).statistic)
    assert found.low < found.correlation < found.high and found.n == 40

    ranks = [stats.rankdata(x) for x in (eigenvalue, real, valid)]
    left = [r - np.polyval(np.polyfit(ranks[2], r, 1), ranks[2]) for r in ranks[:2]]  # residuals say the same
    assert found.beside == pytest.approx(-np.corrcoef(*left)[0, 1])
    assert np.isnan(table.loc[SIGNALS["valid_accuracy"][0]].beside)


def test_along_a_search_there_is_one_correlation_and_an_arm_counts_once():
    def part(arm, seed, sign):
        n, draw = 12, np.random.default_rng(seed)
        lines = {"arm": arm, "seed": seed, "epoch": range(n), "phase": "search", "cifar10": draw.normal(size=n)}
        table = pd.DataFrame(lines).assign(train_accuracy=50.0, valid_accuracy=40.0, largest=0.5, eigenvalue=np.nan)
        return table.assign(skips=-sign * table.cifar10 + 0.5 * draw.normal(size=n))

    rows = pd.concat([part("a", 0, 1), part("a", 1, 1), part("b", 2, -1), part("c", 3, 1)])
    along = along_searches(rows)
    assert len(along) == 4 and set(along.signal) == {SIGNALS["skips"][0]}
    first = rows[(rows.arm == "a") & (rows.seed == 0)]
    assert along.correlation[0] == pytest.approx(-stats.spearmanr(first.skips, first.cifar10).statistic)
    left = [
        np.subtract(x, np.polyval(np.polyfit(range(12), x, 1), range(12)))
        for x in first[["skips", "cifar10"]].rank().T.to_numpy()
    ]
    assert along.beside[0] == pytest.approx(-np.corrcoef(*left)[0, 1])
    (line,) = over_arms(along).itertuples()
    z = np.arctanh(along.correlation.to_numpy())
    assert (line.arms, line.searches) == (3, 4) and line.low < line.correlation < line.high
    assert line.correlation == pytest.approx(np.tanh(np.mean([z[:2].mean(), z[2], z[3]])))


def test_rules_stand_beside_each_other_on_the_same_supernet():
    arms = pd.DataFrame({"arm": ["darts-1st", "darts-1st/pt", "sgas", "fixed-alpha/pt"], "seed": 0})
    found = rules_on_arms(arms.assign(cifar10=[54.0, 90.0, 93.0, 91.0], epoch=[100, 125, 100, 125]))
    assert found[["method", "rule", "accuracy"]].to_numpy().tolist() == [
        ["DARTS", "magnitude", 54.0],
        ["DARTS", "PT", 90.0],
        ["fixed alpha", "PT", 91.0],
    ]
