"""Prices of sweeps: runs counted from the rows, equal ones once; hours in proportion to multiply-adds."""

import pytest

from benchmarks.sweeps import PARTS, SWEEPS, _training_work, line, runs_of
from benchmarks.work import training_rate, training_work
from nasnb.config import TrainConfig
from nasnb.methods import METHODS
from nasnb.published.genotypes import GENOTYPES
from nasnb.workflow.sweep_file import read_sweep


def sweep(name):
    return read_sweep(SWEEPS / f"{name}.yaml", notebooks=SWEEPS.parent)


def test_runs_are_counted_once_and_short_trainings_among_them():
    darts = runs_of(sweep("darts"))  # two methods: four searches, a short training of each, ten trainings of the best
    assert len(darts.searches) == 8
    assert sorted(config.epochs for *_, config in darts.trainings) == [100] * 8 + [600] * 20
    depth = runs_of(sweep("stacnas-depth"))
    assert {config.cells for _, config in depth.searches} == {5, 8, 11, 14, 17, 20} and not depth.trainings


@pytest.mark.slow
def test_the_card_trains_darts_own_network_in_the_time_that_its_paper_says():
    work = training_work(METHODS["darts-2nd"], GENOTYPES["DARTS_V2"])
    assert work == pytest.approx(600 * 50_000 * 3 * 528_359_040, rel=1e-6)
    assert training_rate() * work == pytest.approx(36)


@pytest.mark.slow
def test_trainings_of_named_cells_are_those_of_their_networks():
    found = line(sweep("pc-darts-spread"))  # five trainings of each of three published cells
    works = [training_work(METHODS["pc-darts"], GENOTYPES[c]) for c in ("DARTS_V1", "DARTS_V2", "PC_DARTS_cifar")]
    assert found["trainings"] == 15 and found["searches"] == 0
    assert found["GPU hours"] == round(training_rate() * 5 * sum(works))


@pytest.mark.slow
def test_an_unknown_cell_counts_as_its_papers_or_as_random_ones():
    own = ("darts-2nd", *[None] * (len(PARTS) - 1))
    config = TrainConfig(epochs=1, channels=4, cells=3)
    assert _training_work(None, own, config) == training_work(METHODS["darts-2nd"], GENOTYPES["DARTS_V2"], config)
    s2 = _training_work(None, ("darts-1st", "s2", *[None] * (len(PARTS) - 2)), config)
    assert 0.5 < s2 / _training_work(None, own, config) < 1.5
