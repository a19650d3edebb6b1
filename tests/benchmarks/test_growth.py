"""How costs grow: exponents from known powers, and the smallest of each kind of size measured."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import growth


def test_exponents_are_those_of_known_powers():
    x = np.array([1, 2, 4, 8])
    table = pd.DataFrame({"size": "known", "value": x, "seconds": 3.0 * x**2, "megabytes": 5.0 * x})
    row = growth.exponents(table).iloc[0]
    assert (row.seconds, row.megabytes, row["to"]) == ("2.00 ± 0.00", "1.00 ± 0.00", 8)


@pytest.mark.parametrize(
    "name, value",
    [
        ("rows of a sweep", 3),
        pytest.param("channels", 4, marks=pytest.mark.slow),
        pytest.param("runs in a folder", 3, marks=pytest.mark.slow),
    ],
)
def test_a_size_is_measured(name, value, monkeypatch, tmp_path):
    monkeypatch.setattr(growth, "BASE", growth.Size(batch=2, channels=4, cells=3, pixels=8))
    factor = growth.FACTORS[name]
    rows = list(growth.measure(growth.replace(factor, values=(value, 2 * value)), repeats=1))
    assert [row["value"] for row in rows] == [value, 2 * value] and all(row["seconds"] > 0 for row in rows)
    if factor.memory:
        assert rows[1]["megabytes"] > rows[0]["megabytes"] > 0
    growth.write(pd.DataFrame(rows), 1.0, tmp_path)
    assert (tmp_path / "bench" / "growth-exponents.csv").read_text().startswith("size,from,to")
