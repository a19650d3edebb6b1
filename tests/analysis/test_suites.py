"""Other suites of methods, from the tables that the repository keeps."""

import numpy as np
import pandas as pd
import pytest

from nasnb.analysis.across.complete import END, SAID, START, complete_searches
from nasnb.analysis.across.suites import SHARED, shared_methods, suite_rows, suites


def test_every_suite_has_its_methods(request):
    tables = suites(figures_dir=request.config.rootpath / "figures")
    rows = suite_rows(tables).set_index("suite")
    assert rows.loc["ConfOpt", ["methods", "settings"]].tolist() == [7, 9]
    assert rows.loc["NAS-evaluation", ["methods", "settings"]].tolist()[1] == 5
    assert (rows.apart > 0).all() and rows.W.between(0, 1).all() and rows.p.between(0, 1).all()
    for method, names in SHARED.items():
        for suite, theirs in names.items():
            assert theirs in set(tables[suite].method), (method, suite)
    shared = shared_methods(tables, pd.Series({"DARTS": 1.0})).set_index("method")
    assert shared.here["DARTS"] == 1 and np.isnan(shared.here["GDAS"]) and shared.NASLib["GDAS"] > 80


def test_settings_that_rank_alike_agree_fully():
    lines = [(m, s, 10.0 * s + i) for s in range(4) for i, m in enumerate("abc")]
    (row,) = suite_rows({"made": pd.DataFrame(lines, columns=["method", "setting", "value"])}).itertuples()
    assert pytest.approx(1) == row.W and row.apart == pytest.approx(2) and row.noise == pytest.approx(0)


def test_complete_searches_have_every_setting_whole(request):
    table = complete_searches(figures_dir=request.config.rootpath / "figures")
    assert (table.groupby(["state", "method"]).seed.nunique() == 3).all() and set(table.state) == {START, END}
    assert table[[c for c in SAID if c != "eigenvalue"]].notna().all(axis=None)
    end = table[table.state == END]
    assert np.allclose(end.gap, end.train_accuracy - end.valid_accuracy) and end.valid_accuracy.min() > 20
    assert 3 < end.eigenvalue.notna().groupby(end.method).all().sum() < end.method.nunique()
