"""Many searches at once: what lands, what travels, what an interruption changes (nothing)."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import pandas as pd
import psutil
import pytest
import torch
from conftest import tiny_data

from nasnb.data.packed import pack
from nasnb.search import search
from nasnb.workflow import arms, crowd

TINY = {"epochs": 2, "train_images": 48, "channels": 4, "batch_size": 24, "pace": 0.02}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    pack(tiny_data(n=48), path)
    return path


def called(out, data, *more):
    crowd.from_command_line([str(out), "--data", str(data), "--workers", "2", "--changes", json.dumps(TINY), *more])


def table(folder):
    return pd.read_csv(folder / "rows.csv.gz", dtype={"cell": str}).drop(columns=["device", "commit"])


def test_arms_differ_by_one_idea_and_share_the_size():
    for arm in arms.ARMS:
        assert replace(arm.config, train_images=5000, train_fraction=0.5) == arms.SIZE
    assert len({arm.name for arm in arms.arms()}) == len(arms.arms()) == 9 + len(arms.ARMS)
    assert [arm.name for arm in arms.arms(["core"])] == list(arms.CORE)
    with pytest.raises(ValueError, match="unknown arm 'sgsa', did you mean 'sgas'"):
        arms.arms(["sgsa"])


def test_a_plan_goes_seed_by_seed_and_names_nothing_twice():
    planned = crowd.jobs(["sgas,k4@1-2", "sgas@0-1"])
    assert [crowd.title(job) for job in planned] == ["sgas-1", "k4-1", "sgas-2", "k4-2", "sgas-0"]
    assert len(crowd.jobs(["all@0"])) == len(arms.arms())
    with pytest.raises(ValueError, match="cannot read 'sgas': expected arms and seeds"):
        crowd.jobs(["sgas"])
    with pytest.raises(ValueError, match="cannot read 'sgas@1-x'"):
        crowd.jobs(["sgas@1-x"])


@pytest.mark.slow
def test_parcels_take_a_search_where_the_next_call_goes_on(tmp_path, data):
    called(tmp_path / "whole", data, "--plan", "darts-1st@0", "--to", str(tmp_path / "a"))
    assert (tmp_path / "whole/done/darts-1st-0").exists()
    # the search is there, two selections are not
    for left_out in ("done/darts-1st-0", "rows/darts-1st+pt-0.csv", "rows/darts-1st+pt-mag-0.csv"):
        (tmp_path / "whole" / left_out).unlink()
    parcels = crowd.parcels(tmp_path / "whole", tmp_path / "a")
    assert parcels and all(path.stat().st_size <= crowd.PARCEL for path in parcels)
    state = ["--state", *map(str, parcels)]
    called(tmp_path / "again", data, "--plan", "darts-1st@0", "--to", str(tmp_path / "b"), *state)
    pd.testing.assert_frame_equal(table(tmp_path / "a"), table(tmp_path / "b"))
    assert set(table(tmp_path / "b").arm) == {"darts-1st", *(f"darts-1st/{m.name}" for m in arms.SELECTIONS)}


def test_what_is_not_finished_is_told_as_far_as_it_got(tmp_path):
    for folder in ("rows", "done", "errors"):
        (tmp_path / folder).mkdir()
    arm = arms.arms(["k4"])[0]
    config = replace(arm.config, **TINY)
    for seed in (0, 1):
        job = tmp_path / "runs" / f"k4-{seed}"
        result = crowd.run_search(arm.method, tiny_data(n=48), replace(config, seed=seed), runs_dir=job)
    crowd.rows("k4", 0, result).to_csv(tmp_path / "rows/k4-0.csv", index=False)
    (tmp_path / "done/k4-0").touch()
    crowd.collect(tmp_path, tmp_path)
    found = pd.read_csv(tmp_path / "rows.csv.gz")
    assert found.groupby("seed").finished.first().to_dict() == {0: True, 1: False}
    assert found.groupby("seed").epoch.max().tolist() == [2, 2]


def driven(out, data):
    """A call for one endless search, once that is under way, and the processes that it started."""
    long = json.dumps(TINY | {"epochs": 10_000})
    command = [sys.executable, "-m", "nasnb.workflow.crowd", str(out), "--data", str(data), "--workers", "1"]
    driver = subprocess.Popen([*command, "--plan", "sgas@0", "--changes", long], stdout=subprocess.PIPE, text=True)
    while not list(out.glob("runs/*/*/history.csv")):
        time.sleep(0.2)
        assert driver.poll() is None
    return driver, psutil.Process(driver.pid).children()


@pytest.mark.slow
def test_whoever_is_told_to_stop_leaves_no_process_behind(tmp_path, data):
    driver, children = driven(tmp_path, data)
    driver.terminate()
    assert "0 of 1 searches done, errors: []" in driver.communicate(timeout=60)[0]
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert list(tmp_path.glob("runs/*/*/checkpoint-*.pt"))


@pytest.mark.slow
def test_processes_of_a_killed_call_save_and_end(tmp_path, data):
    driver, children = driven(tmp_path, data)
    driver.kill()
    driver.communicate(timeout=60)
    assert not psutil.wait_procs(children, timeout=30)[1]
    assert list(tmp_path.glob("runs/*/*/checkpoint-*.pt"))


@pytest.mark.slow
def test_a_search_that_fails_is_named_and_the_others_go_on(tmp_path, data):
    where = {"out": str(tmp_path), "data": str(data), "device": "cpu", "plan": ["sgas,max-w@0"], "size": "whole"}
    crowd.run({**where, "changes": TINY | {"precision": "nonsense"}}, workers=1, minutes=1)
    assert sorted(path.stem for path in (tmp_path / "errors").iterdir()) == ["max-w-0", "sgas-0"]
    assert "unknown precision" in (tmp_path / "errors/sgas-0.txt").read_text()


def test_rows_say_which_cell_and_what_alpha_says(tmp_path):
    arm = next(arm for arm in arms.ARMS if arm.name == "groups")
    config = replace(arm.config, **TINY)
    result = crowd.run_search(arm.method, tiny_data(n=48), config, runs_dir=tmp_path)
    rows = crowd.rows("groups", 3, result)
    assert len(rows) == 4 and set(rows.phase) == {"search", "stage 2"}
    last = dict(zip("01234", crowd.BENCH201_NAMES, strict=True))
    assert [last[digit] for digit in rows.cell.iloc[-1]] == [pick.op for pick in result.genotype.picks["cell"]]
    assert rows.largest.between(0, 1).all()


def test_curvature_is_looked_at_every_tenth_epoch(tmp_path):
    arm = arms.arms(["darts-1st"])[0]
    config = replace(arm.config, **(TINY | {"epochs": 1}))
    epoch = next(search(arm.method, tiny_data(n=48), config))
    before = {name: value.clone() for name, value in epoch.state.net.state_dict().items()}
    assert arms.alpha_curvature(epoch) == {}
    seen = arms.alpha_curvature(replace(epoch, number=10))
    assert seen["eigenvalue"] == seen["eigenvalue"]
    assert all(torch.equal(before[name], value) for name, value in epoch.state.net.state_dict().items())


def test_small_searches_keep_the_proportions():
    whole, small = (
        {arm.name: arm.config for arm, _ in crowd.jobs(["darts-1st,one-level-half@0"], size)} for size in arms.SIZES
    )
    assert (small["darts-1st"].channels, small["darts-1st"].train_images) == (8, 2000)
    images = [each["one-level-half"].train_images for each in (whole, small)]
    assert images == [2500, 1000]
