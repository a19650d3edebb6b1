"""Sweeps: what a file expands to, what is refused before any work, and rows as processes that stop, fail and go on."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import papermill
import pytest
from nbclient.exceptions import DeadKernelError

from nasnb.workflow import pool, sweep_file
from nasnb.workflow import row as rows_of
from nasnb.workflow.cli import main
from nasnb.workflow.execute import ChapterFailed, Stopped
from nasnb.workflow.job import JOBS
from nasnb.workflow.row import attempts, run_row
from nasnb.workflow.sweep_file import read_sweep

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = 'preset = "smoke"\nseed = 0\nk = 1\nrate = 0.1\nruns_dir = "runs"\ndevice = None'
REAL = sorted((ROOT / "notebooks" / "sweeps").glob("*.yaml"))


def write_notebook(path: Path, *cells: str) -> None:
    v4 = nbformat.v4
    first = v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell("words"), first, *map(v4.new_code_cell, cells)]), path)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "notebooks" / "sweeps").mkdir(parents=True)
    write_notebook(tmp_path / "notebooks" / "tiny.ipynb", "print(seed)")
    write_notebook(tmp_path / "notebooks" / "other.ipynb", "print(seed)")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(text: str, *assignments: str):
    path = Path("notebooks/sweeps/trial.yaml")
    path.write_text(text)
    return read_sweep(path, assignments=assignments)


# --- files ------------------------------------------------------------------------------------------------------------


def test_rows_times_grid_times_seeds(folder):
    rows = read("notebook: tiny\nrows: [{rate: 1e-3}, {rate: 2}]\ngrid: {k: [1, 4]}\nseeds: 3").rows
    assert len(rows) == len({row.name for row in rows}) == 12
    assert [row.values for row in rows[:4]] == [
        {"rate": 0.001, "k": 1, "seed": 0},
        {"rate": 0.001, "k": 1, "seed": 1},
        {"rate": 0.001, "k": 1, "seed": 2},
        {"rate": 0.001, "k": 4, "seed": 0},
    ]
    assert rows[0].folder.parent == folder / "runs" / "sweeps" / "trial"


def test_an_assignment_replaces_values_and_merges_rows_that_become_equal(folder):
    rows = read("notebook: tiny\ngrid: {k: [1, 4]}\nseeds: 2", "k=2", "preset=paper").rows
    assert [row.values for row in rows] == [{"k": 2, "seed": s, "preset": "paper"} for s in (0, 1)]
    assert rows[0].job == JOBS["paper"]["chapter"]


def test_a_row_is_named_by_code_values_and_version_but_not_by_words_or_places(folder, monkeypatch):
    def name(*assignments):
        return read("notebook: tiny\nseeds: 1", *assignments).rows[0].name

    before, path = name(), Path("notebooks/tiny.ipynb")
    assert name("device=cuda", "runs_dir=/elsewhere") == before and name("k=2") != before
    words = path.read_text().replace('"words"', '"other words"')
    path.write_text(words)
    assert name() == before
    with monkeypatch.context() as patch:
        patch.setattr(sweep_file, "__version__", "another")
        assert name() != before
    write_notebook(path, "print(seed + 1)")
    assert name() != before


def test_a_step_needs_the_rows_before_it_that_agree_but_for_their_seeds(folder):
    steps = "grid: {k: [1, 4]}\nsteps:\n- {name: a, notebook: tiny, seeds: 2}\n- {name: b, notebook: other, seeds: 3}"
    rows = {row.name: row for row in read(steps).rows}
    assert len(rows) == 4 + 6
    for row in rows.values():
        needed = [rows[name] for name in row.needs]
        assert len(needed) == (2 if row.step == "b" else 0)
        assert all(other.told["k"] == row.told["k"] and other.step == "a" for other in needed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("notebook: tiny\ngrids: {k: [1]}", "unknown entry 'grids', did you mean 'grid'?"),
        ("notebook: tiny\ngrid: {sed: [1]}", "unknown parameter 'sed', did you mean 'seed'?"),
        ("notebook: tiny\nrows: [{kk: 1}]", "unknown parameter 'kk', did you mean 'k'?"),
        ("notebook: tiny\ngrid: {k: [1, x]}", "k must be an int, got 'x'"),
        ("notebook: tiny\ngrid: {k: 4}", "grid: k must be a list of values, got 4"),
        ("notebook: tiny\ngrid: [k]", "grid must be a mapping, got"),
        ("notebook: tiny\nrows: [{k: 1}]\ngrid: {k: [2]}", "k is in both a row and the grid or seeds"),
        ("notebook: tiny\nparameters: {preset: smokes}", "unknown preset 'smokes', did you mean 'smoke'?"),
        ("notebook: tiny\njob: {gpu: 1}", "job: unknown entry 'gpu', did you mean 'gpus'?"),
        ("notebook: tiny\njob: {minutes: 0}", "job: minutes must be a positive int, got 0"),
        ("notebook: tinny", "no chapter 'tinny', did you mean 'tiny'?"),
        ("title: nothing", "give either 'notebook' or 'steps'"),
        ("steps: [{name: a, notebok: tiny}]", "step 1: unknown entry 'notebok', did you mean 'notebook'?"),
        ("steps: [{notebook: tiny}]", "step 1 needs 'name' and 'notebook'"),
        ("just words", "expected entries such as"),
        ("a: [", "while parsing"),
    ],
)
def test_mistakes_are_told_with_the_file_before_any_work(folder, capsys, text, message):
    Path("notebooks/sweeps/trial.yaml").write_text(text)
    assert main(["sweep", "trial"]) == 2
    told = capsys.readouterr().err
    assert message in told and "trial.yaml" in told
    assert not (folder / "runs").exists()


def test_unknown_sweeps_and_rows_are_mistakes(folder, capsys):
    read("notebook: tiny\nseeds: 1")
    assert main(["sweep", "trail"]) == 2
    told = "no sweep 'trail', did you mean 'trial'?; in notebooks/sweeps there are: trial\n"
    assert capsys.readouterr().err.endswith(told)
    assert main(["sweep"]) == 2 and "name a sweep; in notebooks/sweeps there are: trial" in capsys.readouterr().err
    assert main(["row", "trial", "seed1"]) == 2 and "has no row 'seed1'" in capsys.readouterr().err
    assert main(["sweep", "trial", "-p", "k"]) == 2 and "unknown" not in capsys.readouterr().out


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_the_sweeps_of_the_book_fit_their_notebooks(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    sweep = read_sweep(path)
    assert len({row.name for row in sweep.rows}) == len(sweep.rows) >= 1


# --- rows as processes ------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    """Rows write their seed instead of starting a kernel; seed 1 fails while the file `broken` exists."""

    def execute(path, output, values):
        with open("seen.txt", "a") as file:
            print(values["seed"], file=file)
        if values["seed"] == 1 and Path("broken").exists():
            raise ChapterFailed("cell 2: KeyError: 'x'", error="KeyError", value="'x'")
        return 1.0

    monkeypatch.setattr(rows_of, "execute", execute)


def test_a_finished_row_is_not_run_again_and_a_failed_one_is(folder, quick, capsys):
    rows = read("notebook: tiny\nseeds: 2").rows
    Path("broken").touch()
    rows_of.run_row(rows[0])
    with pytest.raises(ChapterFailed):
        rows_of.run_row(rows[1])
    assert [row.is_finished() for row in rows] == [True, False]
    assert rows_of.failures(Path("runs")) == [(f"trial/{rows[1].name}", "cell 2: KeyError: 'x'")]
    assert main(["runs"]) == 0 and f"trial/{rows[1].name} failed: cell 2: KeyError: 'x'" in capsys.readouterr().out
    Path("broken").unlink()
    for row in rows:
        rows_of.run_row(row)
    assert Path("seen.txt").read_text().split() == ["0", "1", "1"]
    assert [attempt["state"] for attempt in rows_of.attempts(rows[1].folder)] == ["failed", "finished"]
    assert json.loads(rows[1].result.read_text())["attempts"] == 2
    assert rows_of.failures(Path("runs")) == []


def test_an_attempt_whose_process_vanished_counts_as_killed(folder, quick):
    (row,) = read("notebook: tiny\nseeds: 1").rows
    row.folder.mkdir(parents=True)
    (row.folder / "attempts.json").write_text('[{"started": "", "state": "running", "error": null}]')
    rows_of.run_row(row)
    assert [attempt["state"] for attempt in rows_of.attempts(row.folder)] == ["killed", "finished"]


# What a row does, without a kernel and quick to start: it writes its result, or fails, or waits.
WORKER = """
import json, signal, sys, time
from pathlib import Path
result, seed, text = json.loads(Path("rows.json").read_text())[sys.argv[1]]
if Path("nearly").exists():
    signal.signal(signal.SIGTERM, lambda *_: (Path(result).write_text(text), sys.exit()))
Path(f"begun{seed}").touch()
if seed == 1 and Path("broken").exists():
    sys.exit(1)
while Path("wait").exists():
    time.sleep(0.02)
Path(result).write_text(text)
"""
COMMAND = [sys.executable, "-S", "worker.py"]
STEPS = "steps:\n- {name: a, notebook: tiny, seeds: 3}\n- {name: b, notebook: other}"


@pytest.fixture
def rows(folder) -> tuple:
    Path("worker.py").write_text(WORKER)
    rows = read(STEPS).rows
    rows_told = {row.name: [str(row.result), row.values.get("seed"), json.dumps({"key": row.key})] for row in rows}
    Path("rows.json").write_text(json.dumps(rows_told))
    return rows


def run_all(rows):
    told = []
    return pool.run_all(rows, COMMAND, workers=2, tell=told.append), told


def test_all_rows_are_run_and_the_time_left_is_told(rows):
    failed, told = run_all(rows)
    assert failed == [] and all(row.is_finished() for row in rows)
    assert "1 of 4 done, about" in told[0] and told[-1].endswith("4 of 4 done")
    assert run_all(rows) == ([], [])


def test_a_failed_row_stops_only_those_that_need_it(rows):
    Path("broken").touch()
    failed, told = run_all(rows)
    assert [row.name for row in failed] == [rows[1].name, rows[3].name]
    assert f"{rows[3].name}: left out, since it needs a row that failed" in told
    assert rows[0].is_finished() and rows[2].is_finished()


DRIVER = """
from pathlib import Path
import sys
from nasnb.workflow import pool
from nasnb.workflow.sweep_file import read_sweep
rows = read_sweep(Path("notebooks/sweeps/trial.yaml")).rows
try:
    pool.run_all(rows, [sys.executable, "-S", "worker.py"], workers=2, tell=print)
except pool.Stopped as stop:
    sys.exit(128 + stop.number)
"""


def signalled(number: int) -> str:
    """What the driver told when a signal came while two rows were at work."""
    Path("wait").touch()
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    until = time.monotonic() + 60
    while not (Path("begun0").exists() and Path("begun1").exists()) and time.monotonic() < until:
        time.sleep(0.02)
    driver.send_signal(number)
    told, _ = driver.communicate(timeout=60)
    assert driver.returncode == 128 + number and "2 rows are saving" in told
    assert not Path("begun2").exists()
    Path("wait").unlink()
    return told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_workers_and_the_rest_is_done_later(rows, number):
    signalled(number)
    assert not any(row.is_finished() for row in rows)
    assert run_all(rows)[0] == [] and all(row.is_finished() for row in rows)


def test_rows_that_end_after_the_signal_count_and_the_others_do_not(rows):
    Path("nearly").touch()
    told = signalled(signal.SIGINT)
    assert [row.is_finished() for row in rows] == [True, True, False, False]
    assert "1 of 4 done\n" in told and "2 of 4 done\n" in told


def test_one_row_by_its_name_as_engines_call_it(folder, quick):
    rows = read("notebook: tiny\nseeds: 2").rows
    assert main(["row", "trial", rows[1].name]) == 0
    assert Path("seen.txt").read_text().split() == ["1"] and [row.is_finished() for row in rows] == [False, True]


@pytest.mark.slow
def test_the_command_runs_a_row_in_a_kernel_and_skips_it_afterwards(folder, capfd):
    write_notebook(folder / "notebooks" / "tiny.ipynb", "import os\nprint('threads', os.environ['OMP_NUM_THREADS'])")
    read("notebook: tiny\nseeds: 1")
    assert main(["sweep", "trial", "--preset", "smoke"]) == 0
    assert "1 of 1 done" in capfd.readouterr().out
    (executed,) = Path("runs/sweeps/trial").glob("*/executed.ipynb")
    assert f"threads {os.cpu_count()}" in executed.read_text()
    assert main(["sweep", "trial", "--preset", "smoke"]) == 0
    assert "1 rows, 1 of them finished" in capfd.readouterr().out


def test_a_plan_names_what_an_engine_needs(folder, capsys):
    read(STEPS)
    assert main(["sweep", "trial", "--plan"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [len(row["needs"]) for row in rows] == [0, 0, 0, 3]
    assert rows[0]["job"] == {"gpus": 0, "cpus": 1, "memory_gb": 4, "minutes": 30}


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "{seed}", "-x", "a b", "a.b", "", "x" * 81])
def test_names_that_lead_elsewhere_are_refused_with_their_line(folder, capsys, name):
    Path("notebooks/sweeps/trial.yaml").write_text(f"steps:\n- notebook: tiny\n  name: '{name}'")
    assert main(["sweep", "trial"]) == 2
    assert f"trial.yaml: line 3: the step's name {name!r} cannot name a file" in capsys.readouterr().err
    Path("notebooks/sweeps/a b.yaml").write_text("notebook: tiny\nseeds: 1")
    assert main(["sweep", "notebooks/sweeps/a b.yaml"]) == 2
    assert "the sweep's file name 'a b' cannot name a file" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "{}", "[", '{"key": "another"}'])
def test_a_result_that_is_not_whole_is_none(folder, content):
    (row,) = read("notebook: tiny\nseeds: 1").rows
    row.folder.mkdir(parents=True)
    row.result.write_text(content)
    assert not row.is_finished()


def test_settings_of_the_environment_that_mean_nothing_are_mistakes(folder, capsys, monkeypatch):
    monkeypatch.setenv("NASNB_PATIENCE", "abc")
    assert main(["run", "tiny", "--unpriced"]) == 2
    assert "NASNB_PATIENCE must be a number of seconds or inf, got 'abc'" in capsys.readouterr().err
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.delenv("RANK", raising=False)
    assert main(["run", "tiny", "--unpriced"]) == 2
    assert "LOCAL_RANK is set, as by torchrun, but RANK is ''" in capsys.readouterr().err


# --- what papermill may end in ----------------------------------------------------------------------------------------


@pytest.fixture
def ends_in(monkeypatch):
    """Let papermill do this instead of its work."""
    return lambda end: monkeypatch.setattr("papermill.execute_notebook", lambda *_, **__: end())


def failing(error: Exception):
    def fail():
        raise error

    return fail


def test_a_signal_while_the_kernel_starts_stops_a_row_and_fails_none(folder, ends_in):
    def told_and_dead():
        signal.raise_signal(signal.SIGTERM)
        raise RuntimeError("Kernel died before replying to kernel_info")

    ends_in(told_and_dead)
    (row,) = read("notebook: tiny\nseeds: 1").rows
    with pytest.raises(Stopped, match="stopped by SIGTERM"):
        run_row(row)
    assert [attempt["state"] for attempt in attempts(row.folder)] == ["stopped"]


def test_a_full_disk_is_told_with_its_cure(folder, ends_in, capsys):
    ends_in(failing(OSError(errno.ENOSPC, "No space left on device")))
    assert main(["run", "tiny", "--unpriced"]) == 1
    told = capsys.readouterr().err
    assert "cannot write" in told and "free some space and run again" in told and "Traceback" not in told


@pytest.mark.parametrize(
    ("error", "text", "helps"),
    [
        ("MemoryError", "", True),
        ("OutOfMemoryError", "CUDA out of memory", True),
        ("RuntimeError", "could not create a memory object", True),
        ("RuntimeError", "std::bad_alloc", True),
        ("MemoryError", "out of memory in epoch 1; batch_size=4 would fit", False),
        ("RuntimeError", "mat1 and mat2", False),
    ],
)
def test_out_of_memory_in_a_cell_is_told_with_what_helps(folder, ends_in, capsys, error, text, helps):
    ends_in(failing(papermill.PapermillExecutionError(1, 1, "x", error, text, [])))
    assert main(["run", "tiny", "--unpriced"]) == 1
    assert ("a smaller batch_size, fewer channels" in capsys.readouterr().err) == helps


def test_a_dead_kernel_is_told_with_what_helps(folder, ends_in, capsys):
    ends_in(failing(DeadKernelError("Kernel died")))
    assert main(["run", "tiny", "--unpriced"]) == 1
    assert "the kernel died (Kernel died); if the machine ran out of memory, a smaller batch" in capsys.readouterr().err
