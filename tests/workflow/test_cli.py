"""The command line, on tiny notebooks written here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from nasnb.workflow import execute
from nasnb.workflow.cli import main
from nasnb.workflow.notebook import find_chapter
from nasnb.workflow.parameters import Parameter, parameters_of, parse_parameters

PARAMETERS = """preset = "smoke"  # scale
seed = 0  # from which everything random follows
epochs = None  # of the search; None: the preset's
device = None
lr = 0.1
flip: bool = True
seeds = [0, 1]
runs_dir = "runs"
"""


def write_notebook(path: Path, *cells: str, parameters: str | None = PARAMETERS) -> Path:
    """A notebook of code cells after its parameters cell."""
    v4 = nbformat.v4
    first = [] if parameters is None else [v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(v4.new_notebook(cells=first + [v4.new_code_cell(cell) for cell in cells]), path)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working directory with one chapter that writes down what it was given."""
    write_notebook(
        tmp_path / "notebooks" / "01-tiny.ipynb", "open('seen.txt', 'a').write(f'{preset} {seed}\\n')", "seed * 2"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def papermill_is_silent(monkeypatch):
    """Where what papermill does is not the question, nothing is executed."""
    monkeypatch.setattr(execute, "_papermill", lambda *_: pytest.fail("executed"))


# --- parameters -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("seed=3", 3),
        ("seed=-1", -1),
        ("epochs=2", 2),
        ("epochs=None", None),
        ("lr=1", 1.0),
        ("lr=1e-3", 1e-3),
        ("flip=False", False),
        ("device=cuda:1", "cuda:1"),
        ("runs_dir=3", "3"),
        ("runs_dir=a=b", "a=b"),
        ("seeds=[3]", [3]),
        ("seeds=1,2", [1, 2]),
        ("seeds=4", [4]),
        ("preset=paper", "paper"),
    ],
)
def test_values_are_read_as_the_parameters_kind(folder, text, value):
    known = parameters_of(folder / "notebooks" / "01-tiny.ipynb")
    (parsed,) = parse_parameters([text], known).values()
    assert parsed == value and type(parsed) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sed=3", "unknown parameter 'sed', did you mean 'seed'?; parameters: preset, seed, epochs"),
        ("seed=x", "seed must be an int, got 'x'"),
        ("seed=1.5", "seed must be an int, got '1.5'"),
        ("seed=True", "seed must be an int, got 'True'"),
        ("seed=None", "seed must be an int, got 'None'"),
        ("epochs=many", "epochs must be an int or None, got 'many'"),
        ("lr=fast", "lr must be a number, got 'fast'"),
        ("flip=1", "flip must be True or False, got '1'"),
        ("preset=smokes", "unknown preset 'smokes', did you mean 'smoke'?; known: smoke, laptop"),
        ("seed", "-p seed: expected name=value"),
    ],
)
def test_mistakes_are_told_before_any_work(folder, papermill_is_silent, capsys, text, message):
    assert main(["run", "01-tiny", "-p", text]) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "build").exists()


def test_annotations_say_the_kind_too():
    assert Parameter(None, "int | None").parse("n", "None") is None
    assert Parameter(1, "int | None").parse("n", "None") is None
    with pytest.raises(ValueError, match="n must be an int or None"):
        Parameter(None, "int | None").parse("n", "x")


def test_a_cell_with_more_than_values_is_refused(tmp_path):
    for source in ("x = 1 + 2", "import os", "print(1)"):
        path = write_notebook(tmp_path / "a.ipynb", parameters=source)
        with pytest.raises(ValueError, match="is no name with a plain value"):
            parameters_of(path)
    with pytest.raises(ValueError, match="no code cell tagged 'parameters'"):
        parameters_of(write_notebook(tmp_path / "a.ipynb", parameters=None))


def test_chapters_are_found_by_path_name_or_beginning(folder):
    path = folder / "notebooks" / "01-tiny.ipynb"
    for name in (str(path), "01-tiny", "01"):
        assert find_chapter(name, folder / "notebooks") == path
    with pytest.raises(ValueError, match="no chapter '01-tyni', did you mean '01-tiny'"):
        find_chapter("01-tyni", folder / "notebooks")
    with pytest.raises(ValueError, match="holds no notebooks"):
        find_chapter("01-tiny", folder)


def test_what_a_newcomer_forgets_is_told_with_its_cure(folder, capsys):
    assert main(["run"]) == 2 and "name a chapter; chapters: 01-tiny" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["run", "01-tiny", "seed=3"])
    assert "a parameter is given with -p seed=3" in capsys.readouterr().err


def test_a_file_that_is_no_notebook_is_a_mistake(folder, capsys):
    (folder / "x.ipynb").write_text("{")
    assert main(["run", "x.ipynb"]) == 2
    assert "x.ipynb is no notebook" in capsys.readouterr().err


# --- executing ------------------------------------------------------------------------------------------------


def test_run_executes_with_the_values_and_the_copy_appears_whole(folder, capsys):
    assert main(["run", "01-tiny", "-p", "seed=21", "--output", "out/copy.ipynb"]) == 0
    assert (folder / "seen.txt").read_text() == "smoke 21\n"
    copy = nbformat.read(folder / "out" / "copy.ipynb", 4)
    assert copy.cells[-1].outputs[0].data["text/plain"] == "42"
    assert copy.metadata["nasnb"]["processor_seconds"] > 0  # those of the kernel
    assert [path.name for path in (folder / "out").iterdir()] == ["copy.ipynb"]
    assert "out/copy.ipynb: executed in" in capsys.readouterr().out


def test_a_failing_cell_keeps_what_was_executed_beside_the_old_copy(folder, capsys):
    write_notebook(folder / "notebooks" / "02-fails.ipynb", "raise KeyError('what')", "1")
    (folder / "build").mkdir()
    nbformat.write(nbformat.v4.new_notebook(metadata={"nasnb": {"key": "old"}}), folder / "build" / "02-fails.ipynb")
    old = (folder / "build" / "02-fails.ipynb").read_bytes()
    assert main(["run", "02"]) == 1
    assert "02-fails.ipynb, cell 2: KeyError: 'what'; kept: build/02-fails.failed.ipynb" in capsys.readouterr().err
    assert (folder / "build" / "02-fails.ipynb").read_bytes() == old
    assert sorted(path.name for path in (folder / "build").iterdir()) == ["02-fails.failed.ipynb", "02-fails.ipynb"]


def test_book_executes_only_what_is_out_of_date(folder, capsys):
    write_notebook(folder / "notebooks" / "02-fails.ipynb", "1 / 0", parameters="preset = 'smoke'")
    write_notebook(folder / "notebooks" / "draft.ipynb", "raise KeyError")
    assert main(["book", "--preset", "laptop"]) == 1
    assert main(["book", "--preset", "laptop"]) == 1
    told = capsys.readouterr()
    assert told.out.count("01-tiny: finished") == 1 and told.out.count("01-tiny: up to date") == 1
    assert told.err.count("ZeroDivisionError") == 2 and "KeyError" not in told.err
    assert (folder / "seen.txt").read_text() == "laptop 0\n"


def test_a_copy_is_out_of_date_when_chapter_values_or_package_changed(folder, monkeypatch):
    path, copy = folder / "notebooks" / "01-tiny.ipynb", folder / "copy.ipynb"
    notebook = nbformat.read(path, 4)
    notebook.metadata["nasnb"] = {"key": execute.key(path, {"seed": 1})}
    nbformat.write(notebook, copy)
    assert execute.is_current(path, copy, {"seed": 1})
    assert not execute.is_current(path, copy, {"seed": 2})
    assert not execute.is_current(path, folder / "none.ipynb", {"seed": 1})
    with monkeypatch.context() as patch:
        patch.setattr(execute, "PACKAGE", folder)
        assert not execute.is_current(path, copy, {"seed": 1})
    write_notebook(path, "other")
    assert not execute.is_current(path, copy, {"seed": 1})


def test_book_takes_over_changed_prose_and_executes_nothing(folder, capsys):
    path = folder / "notebooks" / "01-tiny.ipynb"
    assert main(["book", "--preset", "laptop"]) == 0
    notebook = nbformat.read(path, 4)
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell("New words."))
    nbformat.write(notebook, path)
    assert main(["book", "--preset", "laptop"]) == 0
    assert "01-tiny: prose renewed" in capsys.readouterr().out
    assert (folder / "seen.txt").read_text() == "laptop 0\n"
    cells = nbformat.read(folder / "book" / "chapters" / "01-tiny.ipynb", 4).cells
    assert [cell.source.splitlines()[-1] for cell in cells][1:] == [
        'preset = "laptop"',
        "New words.",
        "open('seen.txt', 'a').write(f'{preset} {seed}\\n')",
        "seed * 2",
    ]
    assert cells[4].outputs[0].data["text/plain"] == "0"
    assert main(["book", "--preset", "laptop"]) == 0
    assert "01-tiny: up to date" in capsys.readouterr().out


def test_book_executes_chapters_side_by_side_and_they_share_runs(folder, capsys):
    slow = (
        "import time\nfrom nasnb.runs import run_once\n"
        "def compute():\n    time.sleep(1)\n    open('computed.txt', 'a').write('x')\n    return {'a': 1.0}",
        "run_once('test', {'what': 'slow'}, compute, runs_dir='runs')['a']",
    )
    for name in ("02-one", "03-other"):
        write_notebook(folder / "notebooks" / f"{name}.ipynb", *slow)
    assert main(["book", "--workers", "3"]) == 0
    assert capsys.readouterr().out.count(": finished in") == 3
    assert (folder / "computed.txt").read_text() == "x"


def test_book_without_workers_is_a_mistake(folder, capsys):
    assert main(["book", "--workers", "0"]) == 2
    assert "--workers must be at least 1, got 0" in capsys.readouterr().err


def test_book_without_chapters_is_a_mistake(tmp_path, capsys):
    assert main(["book", "--notebooks", str(tmp_path)]) == 2
    assert "no chapters in" in capsys.readouterr().err


def test_a_signal_reaches_the_kernel_and_stops_the_chapter(folder):
    source = "open(f'begun{seed}', 'w').close()\ntry: time.sleep(60)\nfinally: open(f'told{seed}', 'w').close()"
    write_notebook(folder / "notebooks" / "04-slow.ipynb", "import time", source, "open('went on', 'w')")
    numbers = (signal.SIGINT, signal.SIGTERM)
    run = [sys.executable, "-m", "nasnb", "run", "04", "--output"]
    commands = [
        subprocess.Popen([*run, f"out/{number:d}.ipynb", "-p", f"seed={number:d}"], stderr=subprocess.PIPE, text=True)
        for number in numbers
    ]
    for number, command in zip(numbers, commands, strict=True):
        wait_for(folder / f"begun{number:d}")
        command.send_signal(number)
    for number, command in zip(numbers, commands, strict=True):
        _, told = command.communicate(timeout=30)
        assert command.returncode == 128 + number
        assert f"stopped by {number.name}; run again to go on" in told and "Traceback" not in told
        assert (folder / f"told{number:d}").exists()
    assert not (folder / "went on").exists() and not list((folder / "out").iterdir())


def wait_for(path: Path) -> None:
    """Until a file is there, for at most a minute."""
    until = time.monotonic() + 60
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)


# --- runs -----------------------------------------------------------------------------------------------------


def test_runs_and_compare(folder, capsys):
    from nasnb.runs import run_once

    for n in (1, 2):
        run_once("skip", {"n": n, "list": [n] * 100}, lambda: {"value": 1}, runs_dir="runs")
    with pytest.raises(ZeroDivisionError):
        run_once("broken", {}, lambda: 1 / 0, runs_dir="runs")
    (folder / "runs" / "foreign").mkdir()
    assert main(["runs"]) == 0
    told = capsys.readouterr()
    assert "foreign is skipped" in told.err
    assert told.out.count("finished") == 2 and "failed: ZeroDivisionError: division by zero" in told.out
    one, two = sorted(path.name for path in (folder / "runs").glob("skip-*"))
    assert main(["compare", one, two]) == 0
    told = capsys.readouterr()
    assert "facts.n" in told.out and max(map(len, told.out.splitlines())) < 120
    assert main(["compare", one, one]) == 0
    assert capsys.readouterr().out == "nothing differs\n"
    assert main(["compare", one, "other"]) == 2
    assert "no run 'other'" in capsys.readouterr().err


def test_no_runs(folder, capsys):
    assert main(["runs", "--runs-dir", "nowhere"]) == 0
    assert "no runs in nowhere" in capsys.readouterr().out


def test_help_needs_no_torch():
    source = (
        "import sys\nfrom nasnb.__main__ import main\ntry: main(['--help'])\nfinally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0 and "compare" in done.stdout
