"""Effects of claims: relative differences, the gate of chance, printed digits."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from nasnb import report
from nasnb.report import effects


def test_a_relative_difference_is_the_same_at_every_scale_and_changes_sign_with_its_sides():
    assert report.relative([3.0, 30.0], [2.7, 27.0]) == pytest.approx([200 * 0.3 / 5.7] * 2)
    assert report.relative([2.0], [3.0]) == pytest.approx(-report.relative([3.0], [2.0]))


def test_networks_at_chance_have_not_learned():
    assert effects.learned([30, 40], [21, 21], classes=10)
    assert not effects.learned([30, 40], [19, 20], classes=10)
    assert not effects.learned([60], classes=2, times=1.5) and not effects.learned([np.nan], classes=10)


def test_a_search_that_holds_no_images_out_is_judged_on_its_own():
    ran = lambda valid: SimpleNamespace(history=pd.DataFrame({"train_accuracy": [60], "valid_accuracy": [valid]}))  # noqa: E731
    assert [effects.reached(ran(valid)) for valid in (15, np.nan)] == [15, 60]
    assert not effects.runs_learned([ran(np.nan)], [ran(15)], classes=10)


def test_a_counted_number_is_compared_at_the_digits_that_were_printed():
    v2 = ("DARTS", "Table 1", "DARTS (2nd order)", "parameters_millions")  # printed 3.3
    assert effects.as_printed(3.27, *v2) and effects.as_printed(3.39, *v2)  # rounded, cut
    assert not effects.as_printed(3.24, *v2) and not effects.as_printed(3.41, *v2)
    macs = ("DARTS", "Table 3", "DARTS (2nd order)", "multiply_adds_millions")  # printed 574
    assert effects.as_printed(573.6, *macs) and not effects.as_printed(544.6, *macs)
    with pytest.raises(ValueError, match="DARTS, Table 1 has no parameters_millions of 'DARTS V2'"):
        effects.as_printed(3.3, "DARTS", "Table 1", "DARTS V2", "parameters_millions")


def test_lines_beside_a_table_are_all_as_printed():
    line = ("Table 1", "DARTS (2nd order)", "parameters_millions", "3.349, 10 % of it head")  # printed 3.3
    assert effects.all_as_printed("DARTS", [line])
    assert not effects.all_as_printed("DARTS", [line, (*line[:3], "3.9")])


def test_totals_count_a_run_once():
    def run(name, seconds):
        return SimpleNamespace(name=name, record={"seconds": seconds, "device_hours": seconds / 3600})

    a, b = run("a", 36.0), run("b", 72.0)
    table = report.cost_totals({"searches": [a, a], "again": [a, b]}).frame
    assert table.number.tolist() == [1, 1] and table.seconds.tolist() == [36.0, 72.0]
    assert table["device-hours"].tolist() == [0.01, 0.02]
