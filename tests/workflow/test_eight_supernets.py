"""The supernets of eight methods, trained alike: every method has its place, and a row says what it should."""

from dataclasses import replace

import pandas as pd
import pytest
from conftest import tiny_data

from nasnb.analysis import across
from nasnb.config import SearchConfig
from nasnb.runs.kept import kept
from nasnb.workflow import eight_supernets as eight

TINY = SearchConfig(epochs=1, cells=1, channels=2, batch_size=16, train_images=32, pace=0.0)


def test_every_method_searches_the_table_and_its_own_space():
    for name in eight.EIGHT:
        groups = eight.on_table(name).space.choices.groups
        assert list(groups) == ["cell"] and len(groups["cell"]) == 6, name
        assert eight.in_own_space(name).select is None and eight.in_own_space(name).then is None
    assert set(eight.OWN) < set(eight.EIGHT) and set(eight.OWN.values()) < set(eight.RULES)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    methods = {"MSR-DARTS": eight.on_table("MSR-DARTS")}
    how = {"runs_dir": tmp_path_factory.mktemp("runs"), "n_batches": 1, "batch_size": 8}
    return list(eight.observed(methods, tiny_data(n=48), TINY, seeds=[0], rate=eight.look_up, **how))


def test_a_row_has_diagnostics_and_looked_up_accuracies_and_a_control(lines):
    trained, control = lines
    assert (trained["state"], control["state"]) == (eight.TRAINED, eight.CONTROL)
    assert set(across.DIAGNOSTICS) < set(control) < set(trained)
    assert trained["by magnitude"] == f"{across.NOT_DEFINED}alpha is not learnt"
    assert trained["own"] == trained["by stable rank"]
    assert all(5 < trained[key] <= 95 for key in ("by stable rank", "by perturbation", "random"))
    assert trained["seconds by perturbation"] > trained["seconds by stable rank"]


def test_the_table_is_kept_with_its_scale(lines, tmp_path):
    eight.keep_searches(lines, replace(tiny_data(n=48), name="made"), figures_dir=tmp_path)
    found = kept(eight.SEARCHES, figures_dir=tmp_path)
    pd.testing.assert_series_equal(found.table.own, pd.DataFrame(lines).own, rtol=1e-5)
    assert "n = 1 seeds" in found.record["scale"] and found.record["data"] == "made"
