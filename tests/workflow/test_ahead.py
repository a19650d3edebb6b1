"""What is told before any work: the runs that a notebook asks for, their price, and whether the data are there."""

import re
from pathlib import Path

import pytest

from nasnb.config import PRESETS
from nasnb.data import dataset_of, load_at
from nasnb.runs.estimate import Foreseen
from nasnb.workflow import ahead, execute
from nasnb.workflow.ahead import cells_towards_runs, told
from nasnb.workflow.cli import main

ROOT = Path(__file__).resolve().parents[2]


def foreseen(name: str, kind: str = "search", **changes) -> Foreseen:
    usual = {
        "epochs": 2,
        "steps": 100,
        "seconds_per_step": 0.5,
        "seconds_per_end": 5.0,
        "data": "d@16",
        "images": 50,
        "of": 60,
        "device": "cpu",
    }
    return Foreseen(name, kind, **usual | changes)


def test_the_price_is_that_of_all_runs_and_finished_ones_cost_nothing():
    runs = [
        foreseen("a"),
        foreseen("b", epochs=3, seconds_per_step=0.45),
        foreseen("c", is_finished=True, steps=0),
        foreseen("d", "train", seconds_per_step=1.1),
    ]
    assert told(runs, []).splitlines() == [
        "data: d@16, 50 of 60 training images",
        "searches: 3 of 2, 3 epochs, 1 of them finished",
        "trainings: 1 of 2 epochs, 0 of them finished",
        "price: about 4 min 0 s for 300 steps, timed here (cpu): searches 2 min 0 s, trainings 2 min 0 s; "
        "analyses come on top",
    ]
    assert "nothing to compute but analyses" in told([foreseen("c", is_finished=True)], [])
    some = told(runs, ["n, cell 5 (NameError)"])
    assert "searches: at least 3" in some and "price: at least about" in some and "n, cell 5" in some


def test_only_cells_that_lead_to_runs_are_read():
    cells = [
        "import a\nfrom e import run_search",
        "seed = 0",
        "x = 1",
        "def find(s):\n    return run_search(s, k)",
        "k = seed + 1",
        "found = [find(s) for s in range(3)]",
        "fig = plot(found)",
        "%magic",
        "y = x",
    ]
    towards, makers = cells_towards_runs(cells)
    assert towards == {3, 5} and makers == {0, 1, 4}


@pytest.mark.slow
def test_the_dry_run_of_a_chapter_counts_all_its_searches_and_trainings(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = ["-p", "preset=smoke", "-p", "searches=2", "-p", "retrainings=2", "-p", f"runs_dir={tmp_path / 'runs'}"]
    assert main(["run", str(ROOT / "notebooks/01-darts.ipynb"), *values, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "data: fashion-sample@16, 128 of 4,000 training images" in said
    assert "searches: 2 of 2 epochs, 0 of them finished" in said
    assert "trainings: 6 of 1 epochs" in said  # of three cells
    assert re.search(r"price: about .* for \d+ steps", said) and not list(tmp_path.iterdir())


def test_the_dry_run_of_the_book_prices_all_chapters_together(tmp_path, capsys, monkeypatch):
    priced = []
    monkeypatch.setattr(ahead, "price", lambda jobs: priced.extend(jobs) or "price: at least about 9 min")
    command = ["book", "--preset", "smoke", "--notebooks", str(ROOT / "notebooks"), "--output", str(tmp_path / "pages")]
    assert main([*command, "--dry-run"]) == 0
    n = len(list((ROOT / "notebooks").glob("[0-9]*.ipynb")))
    assert capsys.readouterr().out == f"{n} chapters, 0 of them up to date\nprice: at least about 9 min\n"
    assert len(priced) == n and all(values == {"preset": "smoke"} for _, values in priced)
    assert not list(tmp_path.iterdir())


# --- data -------------------------------------------------------------------------------------------------------------


def test_the_preset_decides_the_data_set_and_one_that_is_given_wins():
    assert [dataset_of(preset) for preset in PRESETS] == ["fashion-sample"] * 2 + ["cifar10"] * 3
    assert dataset_of("paper", "svhn") == "svhn" and dataset_of("gpu", "fashion-sample") == "fashion-sample"
    with pytest.raises(ValueError, match=r"preset='paper' with dataset='fashion-sample': .* leave dataset out"):
        dataset_of("paper", "fashion-sample")
    assert load_at("smoke", image_size=9).image_size == (1, 9, 9)
    assert load_at("smoke").name == "fashion-sample@16"


@pytest.mark.parametrize("preset", ["gpu", "paper", "overnight"])
def test_missing_data_are_told_before_a_chapter_or_a_row_starts(tmp_path, monkeypatch, capsys, preset):
    monkeypatch.setattr(execute, "_papermill", lambda *_: pytest.fail("executed"))
    monkeypatch.setattr(ahead, "price", lambda *_: pytest.fail("priced"))
    monkeypatch.chdir(ROOT)
    places = ["-p", f"data_dir={tmp_path / 'no'}", "-p", f"runs_dir={tmp_path / 'runs'}"]
    for command in (
        ["run", "01-darts", "-p", f"preset={preset}"],
        ["sweep", "smoke", "--preset", preset],
        ["sweep", "smoke", "--preset", preset, "--plan"],
    ):
        assert main([*command, *places]) == 2
        assert f"no cifar10 here: looked for {tmp_path / 'no'}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_sample_at_the_papers_scale_is_refused_by_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["run", "01-darts", "-p", "preset=paper", "-p", "dataset=fashion-sample"]) == 2
    assert "the sample's 4,000 images say nothing at the paper's scale" in capsys.readouterr().err


def test_a_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "pictures"))):
        load_at("gpu", data_dir="~/pictures")
