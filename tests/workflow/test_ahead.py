"""What is told before any work: the runs that a notebook asks for, their price, and whether the data are there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from nasnb.config import PRESETS
from nasnb.data import dataset_of, load_at
from nasnb.runs.estimate import Foreseen
from nasnb.workflow import ahead, execute
from nasnb.workflow.ahead import cells_towards_runs, told
from nasnb.workflow.cli import main
from nasnb.workflow.meanings import check_meaning
from nasnb.workflow.notebook import find_chapter
from nasnb.workflow.parameters import parameters_of, parse_parameters
from nasnb.workflow.sweep_file import read_sweep

ROOT = Path(__file__).resolve().parents[2]


def foreseen(name: str, kind: str = "search", **changes) -> Foreseen:
    usual = {
        "epochs": 2,
        "steps": 100,
        "seconds_per_step": 0.6,
        "data": "d@16",
        "images": 50,
        "of": 60,
        "device": "cpu",
    }
    return Foreseen(name, kind, **usual | changes)


def test_the_price_is_that_of_all_runs_and_finished_ones_cost_nothing():
    runs = [
        foreseen("a"),
        foreseen("b", epochs=3),
        foreseen("c", is_finished=True, steps=0),
        foreseen("d", "train", seconds_per_step=1.2),
    ]
    assert told(runs, []).splitlines() == [
        "data: d@16, 50 of 60 training images",
        "searches: 3 of 2, 3 epochs, 1 of them finished",
        "trainings: 1 of 2 epochs, 0 of them finished",
        "price: about 4 min 0 s for 300 steps, timed here (cpu): searches 2 min 0 s, trainings 2 min 0 s; "
        "validation and analyses come on top",
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


# --- the pages' own commands ------------------------------------------------------------------------------------------

PAGES = ("README.md", "book/how-to-run.md", "book/cluster.md", "book/data.md")
SETTING_UP = ("make", "python", ".venv/bin/pip", "conda", ".venv/bin/python", "pip", "#SBATCH", "#!/bin/bash")


def commands() -> list[tuple[str, str]]:
    """Every command line of the pages' blocks, with its page."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^ *```bash\n(.*?)^ *```$", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(page, line.strip()) for line in lines if line.strip() and not line.strip().startswith("# ")]
    return found


@pytest.mark.parametrize(("page", "line"), commands(), ids=lambda text: text[:60])
def test_every_command_of_the_pages_is_one_that_is_accepted(page, line, monkeypatch):
    """Names, values and sweeps are those that exist; what the commands do is run elsewhere at the smallest scale."""
    monkeypatch.chdir(ROOT)
    line = re.sub(r"\$\(\(.*?\)\)|\$SLURM_ARRAY_TASK_ID", "100", line)
    words = shlex.split(line, comments=True)
    if line.startswith(SETTING_UP):
        return
    if words[0] == "podman":  # what it runs inside, if that is one of ours
        words = words[words.index(".venv/bin/nasnb") :] if ".venv/bin/nasnb" in words else ["podman"]
    if words[0] == "podman":
        return
    if words[0].endswith("torchrun"):
        words = ["nasnb", *words[words.index("nasnb") + 1 :]]
    if words[0].endswith("snakemake"):
        sweeps = [word.partition("=")[2] for word in words if word.startswith("sweep=")]
        values = [word.split("=", 1)[1] for word in words if word.startswith("set=")]
        assert (
            sweeps
            and read_sweep(ROOT / f"notebooks/sweeps/{sweeps[0]}.yaml", assignments=shlex.split(" ".join(values))).rows
        )
    elif words[0].endswith("papermill"):
        known = parameters_of(ROOT / next(word for word in words if word.startswith("notebooks/")))
        for at in (at for at, word in enumerate(words) if word == "-p"):
            assert words[at + 1] in known
            check_meaning(words[at + 1], known[words[at + 1]].parse(words[at + 1], words[at + 2]))
    else:
        assert words[0].endswith("nasnb"), f"{page}: say in this test how {line!r} is checked"
        given = [words[at + 1] for at, word in enumerate(words) if word == "-p"]
        if words[1] == "run":
            parse_parameters(given, parameters_of(find_chapter(words[2], ROOT / "notebooks")))
        elif words[1] == "sweep":
            preset = [f"preset={words[at + 1]}" for at, word in enumerate(words) if word == "--preset"]
            assert read_sweep(ROOT / f"notebooks/sweeps/{words[2]}.yaml", assignments=[*preset, *given]).rows
        else:
            assert words[1] in ("runs", "compare", "gather")


@pytest.mark.slow
def test_the_array_of_the_cluster_page_runs_side_by_side(tmp_path):
    """Two tasks of it at the smallest scale: both end well, and no seed is searched by both."""
    script = next(
        block
        for block in re.findall(r"```bash\n(.*?)```", (ROOT / "book/cluster.md").read_text(), re.DOTALL)
        if "SBATCH --array" in block
    )
    script = script.replace("preset=paper", "preset=smoke -p searches=1 -p retrainings=1").replace("/path/to/", "")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    tasks = [
        subprocess.Popen(["bash", "-c", script], cwd=tmp_path, env={**environment, "SLURM_ARRAY_TASK_ID": number})
        for number in "01"
    ]
    assert [task.wait(600) for task in tasks] == [0, 0]
    copies = sorted(path.name for path in tmp_path.glob("darts-*.ipynb"))
    assert copies == ["darts-0.ipynb", "darts-1.ipynb"]
    assert all(nbformat.read(tmp_path / name, 4).metadata.nasnb for name in copies)
    assert len(list((tmp_path / "runs").glob("search-*"))) == 2
