"""What a sweep file, a notebook's file and a command may be: read whole, or refused with the culprit's name."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasnb.workflow import execute
from nasnb.workflow.cli import main
from nasnb.workflow.copies import copy_name, output_of
from nasnb.workflow.job import JOBS, TABLE
from nasnb.workflow.notebook import find_chapter, kernel_of, read_notebook
from nasnb.workflow.sweep_file import read_sweep

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = """\
preset = "smoke"
dataset: str | None = None
data_dir: str | None = None
device: str | None = None
seed = 0
k: int | None = None
ks: list[int] | None = None
rate = 0.1
runs_dir = "runs"
"""


def notebook(*cells: str, parameters: str = PARAMETERS, **metadata) -> nbformat.NotebookNode:
    v4 = nbformat.v4
    first = v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    return v4.new_notebook(cells=[first, *map(v4.new_code_cell, cells)], metadata=metadata)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "notebooks" / "sweeps").mkdir(parents=True)
    nbformat.write(notebook("print(seed)"), tmp_path / "notebooks" / "tiny.ipynb")
    nbformat.write(notebook("1", parameters='runs_dir = "runs"'), tmp_path / "notebooks" / "table.ipynb")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sweep(text: str, *assignments: str):
    Path("notebooks/sweeps/trial.yaml").write_text(text)
    return read_sweep(Path("notebooks/sweeps/trial.yaml"), assignments=assignments)


# --- sweep files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("notebook: tiny\nrows: [1, 2]", "rows: each must be a mapping such as {seed: 1}, got 1"),
        ("notebook: tiny\nrows: []", "rows is empty"),
        ("notebook: 1", "notebook must be a text, got 1"),
        ("notebook: tiny\ntitle: [a]", "title must be a text, got ['a']"),
        ("notebook: tiny\nseeds: true", "seeds must be a number of at least 1 (4: seeds 0 to 3) or a list, got True"),
        ("notebook: tiny\nseeds: 0", "seeds must be a number of at least 1"),
        ("notebook: tiny\nseeds: -2", "seeds must be a number of at least 1"),
        ("notebook: tiny\nseeds: [1, 1]", "seeds has 1 twice"),
        ("notebook: tiny\nseeds: [a]", "seed must be an int, got 'a'"),
        ("notebook: tiny\ngrid: {k: [1, 1]}", "grid: k has 1 twice"),
        ("notebook: tiny\ngrid: {seed: [1]}\nseeds: 2", "seed is in both the grid and the seeds"),
        ("notebook: tiny\nparameters: null", "parameters must be a mapping, got None"),
        ("notebook: tiny\nparameters: {1: 2}", "line 2: 1 is no name; put it in quotes"),
        ("notebook: tiny\nparameters: {k: 1, k: 2}", "'k' is there twice in one place (lines 2 and 2): keep one"),
        ("notebook: tiny\nseeds: 2\nseeds: 3", "'seeds' is there twice in one place (lines 2 and 3): keep one"),
        ("notebook: tiny\nparameters: {data_dir: 3}", "data_dir must be a text or None, got 3: put it in quotes"),
        ("notebook: tiny\nparameters: {rate: .nan}", "rate must be a number, got nan, which is no finite number"),
        ("notebook: tiny\nparameters: {ks: 4}", "ks must be a list such as [0, 1] or None, got 4"),
        ("notebook: tiny\nparameters: {k: [1]}", "k must be an int or None, got [1]"),
        ("notebook: tiny\njob: {gpus: true}", "job: gpus must be a positive int, got True"),
        ("steps: []", "steps is empty"),
        ("steps: [1]", "step 1: expected entries"),
        ("steps: [{name: a, notebook: tiny}, {name: a, notebook: tiny}]", "step 2: there is another step 'a'"),
        ("&a [*a]", "expected entries such as"),
        ("[" * 2000, "is nested too deeply"),
        ("notebook: a/../tiny\nseeds: 1", "no chapter 'a/../tiny'"),
        ('notebook: "x\\0y"', "a notebook is named by a text such as 01-darts"),
        ("!!python/object/apply:os.system [exit]", "could not determine a constructor"),
    ],
)
def test_a_sweep_file_of_a_wrong_shape_is_refused_with_the_entry(folder, capsys, text, message):
    Path("notebooks/sweeps/trial.yaml").write_text(text)
    assert main(["sweep", "trial", "--dry-run"]) == 2
    told = capsys.readouterr().err
    assert message in told and "trial.yaml" in told and "Traceback" not in told


def test_lists_reach_the_notebook_as_lists(folder):
    assert [row.values["ks"] for row in sweep("notebook: tiny\ngrid: {ks: [[1], [1, 4]]}").rows] == [[1], [1, 4]]
    (row,) = sweep("notebook: tiny\nparameters: {ks: [1, 2]}", "ks=4,8").rows
    assert row.values["ks"] == [4, 8]


def test_rows_that_an_assignment_makes_equal_are_told(folder, capsys):
    sweep("notebook: tiny\ngrid: {k: [1, 2]}\nseeds: 2")
    assert main(["sweep", "trial", "-p", "k=1", "--dry-run"]) == 0
    assert "2 rows, 0 of them finished (2 more became equal to one of these by -p)" in capsys.readouterr().out


LEAF = st.one_of(st.none(), st.booleans(), st.integers(-3, 9), st.floats(), st.text(max_size=6), st.just("tiny"))
VALUE = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
NAMES = st.sampled_from(["k", "ks", "seed", "rate", "preset", "data_dir", "x"])
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "title": LEAF,
        "notebook": st.one_of(st.just("tiny"), VALUE),
        "parameters": st.one_of(st.dictionaries(NAMES, VALUE, max_size=2), LEAF),
        "grid": st.one_of(st.dictionaries(NAMES, st.lists(LEAF, max_size=3) | LEAF, max_size=2), LEAF),
        "rows": st.one_of(st.lists(st.dictionaries(NAMES, LEAF, max_size=2) | LEAF, max_size=3), LEAF),
        "seeds": VALUE,
        "job": VALUE,
        "steps": VALUE,
    },
)


@settings(max_examples=int(os.environ.get("NASNB_EXAMPLES", 150)), deadline=None)
@given(content=st.one_of(ENTRIES, VALUE))
def test_any_sweep_file_gives_all_its_rows_or_a_mistake_that_names_it(content, tmp_path_factory):
    base = tmp_path_factory.getbasetemp() / "fuzz"
    path = base / "notebooks" / "fuzz.yaml"
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
        nbformat.write(notebook("1"), path.parent / "tiny.ipynb")
    path.write_text(json.dumps(content))  # JSON is YAML
    try:
        rows = read_sweep(path, notebooks=path.parent).rows
    except ValueError as error:
        assert "fuzz.yaml" in str(error)
        return
    expected = len(content.get("rows", [0]))
    for values in content.get("grid", {}).values():
        expected *= len(values)
    seeds = content.get("seeds", 1)
    expected *= seeds if isinstance(seeds, int) else len(seeds)
    assert len(rows) == len({row.name for row in rows}) == expected


@settings(max_examples=int(os.environ.get("NASNB_EXAMPLES", 100)), deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_as_a_sweep_file_is_a_mistake_that_names_it(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "text.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    with pytest.raises(ValueError, match=r"text\.yaml: "):
        read_sweep(path, notebooks=path.parent)


# --- jobs -------------------------------------------------------------------------------------------------------------


def test_jobs_are_those_of_what_a_step_does():
    rows = {}
    for row in read_sweep(ROOT / "notebooks/sweeps/darts.yaml", notebooks=ROOT / "notebooks").rows:
        rows.setdefault(row.step, row.job)
    paper = JOBS["paper"]
    assert rows == {
        "search": paper["search"],
        "select": paper["training"],
        "retrain": paper["training"],
        "compare": TABLE,
    }
    assert rows["compare"].gpus == 0 and rows["compare"].minutes < 60 < rows["retrain"].minutes


def test_a_row_on_the_processor_asks_for_no_card_and_the_file_has_the_last_word(folder):
    text = "notebook: tiny\nparameters: {preset: paper}\njob: {memory_gb: 7}"
    assert (sweep(text).rows[0].job.gpus, sweep(text, "device=cpu").rows[0].job.gpus) == (1, 0)
    assert sweep(text).rows[0].job.memory_gb == 7
    assert sweep("notebook: table").rows[0].job == TABLE


# --- notebooks --------------------------------------------------------------------------------------------------------

WHOLE = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
CODE = {"id": "a", "cell_type": "code", "metadata": {}, "source": "1", "outputs": [], "execution_count": None}


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        3,
        "words",
        None,
        {**WHOLE, "nbformat": 9},
        {**WHOLE, "nbformat": "4"},
        {**WHOLE, "metadata": []},
        {**WHOLE, "metadata": {"kernelspec": "x"}},
        {**WHOLE, "cells": [1]},
        {**WHOLE, "cells": 3},
        {**WHOLE, "cells": [{**CODE, "source": 7}]},
        {**WHOLE, "cells": [{**CODE, "metadata": {"tags": 3}}]},
        {name: value for name, value in WHOLE.items() if name != "cells"},
    ],
)
def test_what_is_no_whole_notebook_is_refused_by_name(folder, capsys, content):
    Path("odd.ipynb").write_text(json.dumps(content))
    assert main(["run", "odd.ipynb"]) == 2
    assert "odd.ipynb is no notebook: " in (told := capsys.readouterr().err) and "Traceback" not in told


def test_bytes_and_endless_brackets_are_no_notebook(folder):
    for content in (b"\xff\xfe\0", b"[" * 100_000, b""):
        Path("odd.ipynb").write_bytes(content)
        with pytest.raises(ValueError, match=r"odd\.ipynb is no notebook"):
            read_notebook(Path("odd.ipynb"))


def test_an_older_notebook_is_read(folder):
    Path("old.ipynb").write_text(
        json.dumps(
            {**WHOLE, "nbformat_minor": 2, "cells": [{name: value for name, value in CODE.items() if name != "id"}]}
        )
    )
    assert [cell.source for cell in read_notebook(Path("old.ipynb")).cells] == ["1"]


def test_a_kernel_that_is_not_installed_gives_way_to_this_python(folder):
    path = Path("other.ipynb")
    nbformat.write(notebook("1", kernelspec={"name": "conda-env-x-py", "display_name": "x"}), path)
    with pytest.warns(UserWarning, match="its kernel 'conda-env-x-py' is not installed here; python3 runs it"):
        assert kernel_of(path) == "python3"
    nbformat.write(notebook("1", kernelspec={"name": "ir", "display_name": "R", "language": "R"}), path)
    with pytest.raises(ValueError, match=r"other\.ipynb is in R; chapters are in Python"):
        kernel_of(path)


@pytest.mark.parametrize("name", ["", "a\0b", "no/such", "~nobody-at-all/x", "a" * 300])
def test_names_that_name_no_chapter(folder, name):
    with pytest.raises(ValueError, match=r"no chapter|name a chapter|named by a text|Could not determine home"):
        find_chapter(name, Path("notebooks"))


# --- executed copies --------------------------------------------------------------------------------------------------


@pytest.fixture
def nothing_runs(monkeypatch):
    monkeypatch.setattr(execute, "_papermill", lambda *_: pytest.fail("executed"))


def test_a_copy_never_overwrites_a_notebook(folder, nothing_runs, capsys):
    source = Path("notebooks/tiny.ipynb").read_bytes()
    Path("link.ipynb").symlink_to("notebooks/tiny.ipynb")
    Path("hard.ipynb").hardlink_to("notebooks/tiny.ipynb")
    for output in ("notebooks/tiny.ipynb", "link.ipynb", "hard.ipynb", str(folder / "notebooks" / "tiny.ipynb")):
        assert main(["run", "tiny", "--output", output]) == 2
        assert f"--output {output} is the notebook itself" in capsys.readouterr().err
    assert main(["run", "tiny", "--output", "notebooks/table.ipynb"]) == 2
    assert "is there and is no executed copy: give another name" in capsys.readouterr().err
    assert main(["run", "tiny", "--output", "out.html"]) == 2
    assert "give a name that ends in .ipynb" in capsys.readouterr().err
    assert Path("notebooks/tiny.ipynb").read_bytes() == source


def test_book_does_not_write_into_the_notebooks(folder, nothing_runs, capsys):
    nbformat.write(notebook("1"), Path("notebooks/01-a.ipynb"))
    assert main(["book", "--output", "notebooks"]) == 2
    assert "is the notebook itself" in capsys.readouterr().err


def test_other_values_are_another_copy(folder):
    path = Path("notebooks/tiny.ipynb")
    names = [
        copy_name(path, values)
        for values in (
            {},
            {"seed": 3},
            {"seed": 4},
            {"data_dir": "a/b"},
            {"data_dir": "a_b"},
            {"ks": [1, 2]},
            {"ks": [12]},
            {"k": 1, "seed": 2},
            {"data_dir": "x" * 200},
            {"data_dir": "x" * 201},
        )
    ]
    assert names[:2] == ["tiny.ipynb", "tiny-seed3.ipynb"] and len(set(names)) == len(names)
    assert copy_name(path, {"runs_dir": "/x", "device": "cuda"}) == "tiny.ipynb"  # where is no part of what
    assert max(map(len, names)) < 120
    assert output_of(path, {"seed": 3}, None) == Path("build/tiny-seed3.ipynb")
    assert output_of(path, {"seed": 3}, Path("notebooks/sweeps")) == Path("notebooks/sweeps/tiny-seed3.ipynb")


@pytest.mark.slow
def test_a_run_that_another_process_computes_is_waited_for(folder):
    source = (
        "import time\nfrom nasnb.runs import run_once\n"
        "def compute():\n    time.sleep(3)\n    open('computed.txt', 'a').write('x')\n    return {'a': 1.0}"
    )
    cells = source, "run_once('test', {'what': 'slow'}, compute, runs_dir='runs')"
    nbformat.write(notebook(*cells), Path("notebooks/tiny.ipynb"))
    command = [sys.executable, "-m", "nasnb", "run", "tiny", "--unpriced", "-p"]
    tasks = [subprocess.Popen([*command, f"seed={seed}"]) for seed in (0, 1)]  # as two tasks of an array
    assert [task.wait(120) for task in tasks] == [0, 0]
    assert Path("computed.txt").read_text() == "x"


def test_the_table_of_inputs_names_tests_that_exist():
    tests = ROOT / "tests"
    there = {
        name for path in tests.rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", path.read_text(), re.M)
    }
    named = set(re.findall(r"`(test_\w+)`", (tests / "INPUTS.md").read_text()))
    assert len(named) > 40 and not named - there
