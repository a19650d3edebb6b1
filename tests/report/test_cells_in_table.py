"""What is shown without computing: cells looked up, kept results, single published numbers."""

import pytest
from conftest import tiny_data

from nasnb.config import SearchConfig
from nasnb.data import Bench201Table
from nasnb.experiment import run_search
from nasnb.methods import METHODS
from nasnb.published.numbers import published_value
from nasnb.report import cells_in_table, show_kept


def test_searches_on_the_table_are_looked_up(tmp_path):
    config = SearchConfig(epochs=1, batch_size=16, channels=2, cells=1, train_images=32, seed=3)
    assert cells_in_table(tmp_path).empty
    result = run_search(METHODS["darts-1st"].on("bench201"), tiny_data(n=32), config, runs_dir=tmp_path)
    (line,) = cells_in_table(tmp_path).to_dict("records")
    assert line["seed"] == 3 and "bench201" in line["method"]
    assert line["cifar10"] == Bench201Table.load().accuracy(result.genotype)["cifar10"]


def test_a_kept_result_that_is_not_there_is_no_error(capsys):
    assert show_kept("no-chapter/nothing") is None
    assert "figures/no-chapter/nothing is not here" in capsys.readouterr().out


def test_one_published_number():
    assert published_value("DARTS-PT", "Table 4", "DARTS, NAS-Bench-201") == 45.7
    assert published_value("DARTS-PT", "Table 2", "DARTS+PT (average)", "gpu_days") == 0.8
    with pytest.raises(ValueError, match=r"has 3 numbers for 'DARTS\+PT \(average\)'"):
        published_value("DARTS-PT", "Table 2", "DARTS+PT (average)")
