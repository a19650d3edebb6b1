"""The collapse of DARTS as a run that chapters share: one search, its trail, what other rules choose from it."""

import numpy as np
import pandas as pd
import pytest
from conftest import tiny_data

from nasnb.analysis.collapse import cell_of
from nasnb.workflow import collapse_live as collapse_live_module
from nasnb.workflow.collapse_live import RULES, collapse_live, digits_of, live_config, what_rules_choose


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:  # one rule is as good as three, and quicker
        patch.setattr(collapse_live_module, "RULES", {"an operation at random": RULES["an operation at random"]})
        return collapse_live(tiny_data(n=32), preset="smoke", epochs=1, runs_dir=tmp_path_factory.mktemp("runs"))


def test_every_epoch_has_the_real_accuracy_of_its_cell(live):
    (row,) = live.trail.itertuples()
    assert row.cell == digits_of(live.result.genotype)
    assert {"train_accuracy", "valid_accuracy", "eigenvalue", "cifar10", "percentile", "skips"} <= set(live.trail)


def test_each_rule_chooses_a_cell_of_the_same_supernet(live):
    assert list(live.chosen.rule)[3:] == ["an operation at random"]
    assert live.chosen.cifar10.between(10, 94.4).all()


def test_digits_and_cells_are_each_other():
    assert digits_of(cell_of("012344")) == "012344"


def test_rules_of_the_trail_read_different_epochs():
    rows = pd.DataFrame(
        {
            "arm": "a",
            "seed": 0,
            "epoch": range(1, 5),
            "cell": ["333333", "333331", "311111", "111111"],
            "valid_accuracy": [30.0, 40.0, 60.0, 50.0],
            "eigenvalue": [1.0, 1.1, 2.0, np.nan],
        }
    )
    found = what_rules_choose(rows, {"PT": cell_of("222222")}).set_index("rule")
    assert list(found.epoch) == [4, 3, 2, 4]
    assert list(found.cell) == ["111111", "311111", "333331", "222222"]


def test_the_laptop_takes_few_images_and_many_epochs():
    config = live_config("laptop", seed=3)
    assert (config.train_images, config.epochs, config.channels, config.seed) == (512, 80, 8, 3)
    assert live_config("overnight").train_images == 5000
