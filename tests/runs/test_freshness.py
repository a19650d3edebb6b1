"""`nasnb keep --check`: a kept result is as fresh as the statements that made it."""

import json

import pandas as pd
import pytest

from nasnb.runs import freshness
from nasnb.runs.kept import keep, kept
from nasnb.workflow.cli import main

RECORD = {"data": "x", "config": {}, "seed": 0, "device": "y", "commit": "z", "seconds": 1.0}


@pytest.fixture
def figures(tmp_path, monkeypatch):
    monkeypatch.setattr(freshness, "_loaded", lambda: ["nasnb.runs.kept", "nasnb.runs.files"])
    (tmp_path / "notebooks").mkdir()
    _write(tmp_path, "a = 1  # one")
    keep("01-chapter/result", "<svg/>", pd.DataFrame({"a": [1]}), RECORD, figures_dir=tmp_path / "figures")
    return tmp_path / "figures"


def _write(root, code):
    cells = [{"cell_type": "code", "source": [code]}, {"cell_type": "markdown", "source": ["words"]}]
    (root / "notebooks" / "01-chapter.ipynb").write_text(json.dumps({"cells": cells}))


def test_fresh_until_a_statement_changes(figures, capsys):
    assert main(["keep", "--check", "--figures", str(figures)]) == 0
    assert capsys.readouterr().out == "01-chapter/result: as its code makes it\n"
    _write(figures.parent, "a = 1  # another comment")
    assert main(["keep", "--check", "--figures", str(figures)]) == 0
    _write(figures.parent, "a = 2")
    assert main(["keep", "--check", "--figures", str(figures)]) == 1
    assert "01-chapter/result: older than 01-chapter.ipynb\n" in capsys.readouterr().out


def test_a_changed_or_missing_module_is_named(figures, capsys):
    path = figures / "01-chapter" / "result.json"
    record = json.loads(path.read_text())
    assert record["code"]["nasnb.runs.kept"]
    record["code"] |= {"nasnb.runs.kept": "00000000", "nasnb.gone": "00000000"}
    path.write_text(json.dumps(record))
    assert main(["keep", "--check", "--figures", str(figures)]) == 1
    assert "older than nasnb.runs.kept, nasnb.gone" in capsys.readouterr().out
    del record["code"]
    path.write_text(json.dumps(record))
    assert main(["keep", "--check", "--figures", str(figures)]) == 0
    assert "kept without digests of its code" in capsys.readouterr().out


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


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("def f():\n    'words'\n    return 1", "def f():\n    return 1  # one", True),
        ("def f():\n    return 1", "def f():\n    return 2", False),
        ("%magic", "%magic 2", False),
    ],
)
def test_digests_tell_statements_apart(one, other, same):
    assert (freshness._of_code(one) == freshness._of_code(other)) is same
