"""What a search says of itself against the real accuracy of its cell."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nasnb.analysis.across.on_table import SIGNALS, foretelling_on_table, signals


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
