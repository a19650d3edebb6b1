"""`nasnb keep --check`: a kept result is as fresh as the statements that made it."""

import json
from pathlib import Path

import pandas as pd
import pytest

from nasnb.runs.freshness import reached_code
from nasnb.runs.kept import keep, kept
from nasnb.runs.reach import CodeBase
from nasnb.workflow.cli import main

RECORD = {"data": "x", "config": {}, "seed": 0, "device": "y", "commit": "z", "seconds": 1.0}


@pytest.fixture
def figures(tmp_path):
    _write(tmp_path, "a = 1  # one")
    keep("01-chapter/result", "<svg/>", pd.DataFrame({"a": [1]}), RECORD, figures_dir=tmp_path / "figures")
    return tmp_path / "figures"


def _write(root, code):
    cells = [{"cell_type": "code", "source": [code]}, {"cell_type": "markdown", "source": ["words"]}]
    (root / "notebooks").mkdir(exist_ok=True)
    (root / "notebooks" / "01-chapter.ipynb").write_text(json.dumps({"cells": cells}))


def test_fresh_until_a_statement_changes(figures, capsys):
    assert main(["keep", "--check", "--figures", str(figures)]) == 0
    assert capsys.readouterr().out == "01-chapter/result: as its code makes it\n"
    _write(figures.parent, "%matplotlib inline\na = 1  # another comment")
    assert main(["keep", "--check", "--figures", str(figures)]) == 0
    _write(figures.parent, "a = 2")
    assert main(["keep", "--check", "--figures", str(figures)]) == 1
    assert "01-chapter/result: older than notebooks/01-chapter.ipynb\n" in capsys.readouterr().out


def test_results_without_digests_say_so(figures, capsys):
    path = figures / "01-chapter" / "result.json"
    record = json.loads(path.read_text())
    del record["code"]
    path.write_text(json.dumps(record))
    assert main(["keep", "--check", "--figures", str(figures)]) == 0
    assert "kept without digests of its code" in capsys.readouterr().out


# --- what a file reaches ----------------------------------------------------------------------------------------------

FILES = {
    "make.py": "from pack import used\nfrom pack.deep import other as another\nimport pack.whole as w\n"
    "print(used(1), another.x, w.part())",
    "pack/__init__.py": "_HOMES = {'used': 'home', 'unused': 'home'}\ndef __getattr__(name): ...",
    "pack/home.py": "import os\nSIZE = 3\nOTHER = 4\ndef used(n):\n    'Words.'\n    return _inner(n) * SIZE\n"
    "def _inner(n):\n    from pack.late import f\n    return f(n)\ndef unused(): return OTHER",
    "pack/late.py": "def f(n): return n\ndef g(n): return n",
    "pack/deep.py": "class other:\n    x = 1",
    "pack/whole.py": "def part(): return 1\ndef rest(): return 2\nif True:\n    AT_ONCE = part()",
}


def _reached(root, **changed):
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        for old, new in changed.get(name.rpartition("/")[2].removesuffix(".py"), {}).items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
    return CodeBase(root).reached(["make.py"])


def test_what_is_named_is_reached_across_files(tmp_path):
    assert set(_reached(tmp_path)) == {"make.py", "pack.home", "pack.late", "pack.deep", "pack.whole"}


@pytest.mark.parametrize(
    ("changed", "seen"),
    [
        ({"home": {"SIZE = 3": "SIZE = 30"}}, {"pack.home"}),
        ({"home": {"OTHER = 4": "OTHER = 40", "return OTHER": "return -OTHER"}}, set()),  # nothing reads them
        ({"home": {"'Words.'": "'Other words.'"}}, set()),
        ({"late": {"def f(n): return n": "def f(n): return -n"}}, {"pack.late"}),
        ({"late": {"def g(n): return n": "def g(n): return -n"}}, set()),
        ({"deep": {"x = 1": "x = 2"}}, {"pack.deep"}),
        ({"whole": {"return 2": "return 3"}}, set()),
        ({"whole": {"AT_ONCE = part()": "AT_ONCE = rest()"}}, {"pack.whole"}),  # runs at import
        ({"make": {"used(1)": "used(2)"}}, {"make.py"}),
    ],
)
def test_a_change_counts_where_it_is_reached(tmp_path, changed, seen):
    before, after = _reached(tmp_path), _reached(tmp_path, **changed)
    assert {name for name in before | after if before.get(name) != after.get(name)} == seen


def test_a_search_reaches_its_method_and_no_drawing():
    found = reached_code(["nasnb.workflow.crowd"], CodeBase(Path(__file__).parents[2]))
    assert {"nasnb.search.loop", "nasnb.supernet.relaxation", "nasnb.spaces.bench201", "nasnb.workflow.arms"} <= set(
        found
    )
    assert not [name for name in found if name.startswith(("nasnb.plots", "nasnb.report", "nasnb.runs"))]
    assert "nasnb.transfer" not in found and "nasnb.analysis.msr_darts.ranks" not in found


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_what_is_read_again_is_what_was_kept(figures):
    assert kept("01-chapter/result", figures_dir=figures).record == RECORD


def test_digits_that_are_text_stay_text(tmp_path):
    table = pd.DataFrame({"cell": ["011111", "222222"], "n": [1, 2], "fine": [True, False], "gone": [None, "7"]})
    keep("01-chapter/cells", "<svg/>", table, RECORD, figures_dir=tmp_path)
    found = kept("01-chapter/cells", figures_dir=tmp_path).table
    assert found.cell.tolist() == ["011111", "222222"] and found.gone[1] == "7" and pd.isna(found.gone[0])
    assert found.n.dtype == int and found.fine.dtype == bool
    assert found[found.fine].n.tolist() == [1]


def test_an_empty_folder_is_a_mistake(tmp_path, capsys):
    assert main(["keep", "--check", "--figures", str(tmp_path)]) == 2
    assert "no kept results in" in capsys.readouterr().err
