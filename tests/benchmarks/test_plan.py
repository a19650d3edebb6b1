"""A plan for a cluster: arithmetic over what one search needs."""

import json
import subprocess
from functools import partial
from pathlib import Path

import pytest

from benchmarks import rows
from benchmarks.plan import Needs, Plan, _requests, told
from benchmarks.work import _passes
from nasnb.methods import METHODS


def test_a_plan_adds_up():
    plan = Plan(searches=128, cards=64, epoch=6.0, start=0.0, preempted=48.0, poll=2.0)
    said = told(plan, Needs(fixed=10, per_epoch=30, files=8, checkpoint=10**6))
    assert said["hours in all"] == "11"  # two rounds of 50 epochs of 6 minutes, and 10 % of it lost
    assert said["files at the end"] == "1,024 (8 a search)"
    assert said["written in all"].startswith("6 GB, 0.18 MB/s")  # 128 x 50 MB within 10 hours
    assert said["requests of the file system"].startswith("5.3 a second")  # 64 x 30 in 6 minutes
    assert said["questions to the scheduler"].startswith("30 an hour")
    assert said["lost if pre-empted without warning"] == "3.0 minutes each time, 10.00 % of the time"


@pytest.mark.slow
def test_requests_grow_with_the_epochs_alone(tmp_path):
    asked = [_requests(tmp_path / str(epochs), epochs) for epochs in (2, 4, 6)]
    assert asked[2] - asked[1] == pytest.approx(asked[1] - asked[0], abs=12)


def test_rows_that_do_nothing_are_answered_for_as_the_workflow_asks(tmp_path):
    script = rows.prepared(tmp_path, 20)
    ask = partial(subprocess.run, cwd=tmp_path, capture_output=True, text=True, check=True)
    plan = json.loads(ask([script, "-m", "nasnb", "sweep", "none", "--plan"]).stdout)["rows"]
    assert [row["needs"] for row in plan[8:10]] == [[], ["row-8"]] and len(plan) == 20
    Path(plan[3]["folder"]).mkdir(parents=True)
    ask([script, "-m", "nasnb", "row", "none", "row-3"])
    assert {path.name for path in Path(plan[3]["folder"]).iterdir()} == {"executed.ipynb", "result.json"}


@pytest.mark.parametrize(("name", "passes"), [("darts-1st", 2), ("darts-2nd", 5), ("pc-darts", 1.7), ("stacnas", 1)])
def test_passes_of_a_step_are_counted_over_the_epochs(name, passes):
    method = METHODS[name]  # PC-DARTS: 15 of 50 epochs without alpha; StacNAS: one level
    assert sum(_passes(method, method.config)) / method.config.epochs == pytest.approx(passes)


@pytest.mark.slow
def test_rows_go_through_the_workflow_engine():
    snakemake = Path(".venv-cluster/bin/snakemake")
    if not snakemake.exists():
        pytest.skip("no .venv-cluster: make cluster")
    found = rows.through(snakemake, 10)
    assert found["rows"] == 10 and found["files of the engine"] >= 10 and found["processor seconds"] > 0
