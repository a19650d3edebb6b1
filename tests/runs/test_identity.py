"""A result is found again by all that decides it: contents of files, code beside the notebook, tables, weights."""

import importlib
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest
import torch

from nasnb.config import SearchConfig, TrainConfig, to_dict
from nasnb.runs import run_once
from nasnb.runs.identity import describe


def test_a_file_counts_by_its_content_not_by_its_place(tmp_path):
    first, copy = tmp_path / "weights.pt", tmp_path / "elsewhere"
    first.write_bytes(b"old")
    copy.write_bytes(b"old")
    before = describe({"file": first})
    assert describe({"file": copy}) == before
    first.write_bytes(b"new")
    assert describe({"file": first}) != before
    with pytest.raises(FileNotFoundError, match=r"nothing to read at .*absent"):
        describe(tmp_path / "absent")


def test_a_folder_counts_by_names_and_contents(tmp_path):
    inside = tmp_path / "logs"
    (inside / "deeper").mkdir(parents=True)
    (inside / "deeper/log.txt").write_text("epoch 0")
    before = describe(inside)
    (inside / ".ipynb_checkpoints").mkdir()
    (inside / ".ipynb_checkpoints/log.txt").write_text("epoch 7")
    assert describe(inside) == before
    (inside / "deeper/log.txt").rename(inside / "deeper/other.txt")
    assert describe(inside) != before


def test_a_file_that_was_replaced_is_computed_anew(tmp_path):
    table = tmp_path / "table.csv"

    def number() -> int:
        return run_once("sum", {"table": table}, lambda: {"n": int(table.read_text())}, runs_dir=tmp_path)["n"]

    table.write_text("1")
    assert number() == 1
    table.write_text("2")
    assert number() == 2
    table.write_text("1")
    assert number() == 1


def filled(value: float) -> torch.nn.Module:
    net = torch.nn.Linear(2, 2)
    for weights in net.parameters():
        torch.nn.init.constant_(weights, value)
    return net


@pytest.mark.parametrize(
    ("make", "other"),
    [
        (lambda: pd.DataFrame({"x": [1.0, 2.0]}), lambda: pd.DataFrame({"x": [1.0, 3.0]})),
        (lambda: pd.DataFrame({"x": [1]}, index=["a"]), lambda: pd.DataFrame({"x": [1]}, index=["b"])),
        (lambda: pd.Series([1, 2]), lambda: pd.Series([1.0, 2.0])),
        (lambda: filled(1.0), lambda: filled(2.0)),
    ],
    ids=["table", "index", "kind", "weights"],
)
def test_tables_and_networks_count_by_what_they_hold(make, other):
    assert describe(make()) == describe(make())
    assert describe(make()) != describe(other())


MODULE = """
    SCALE = {scale}
    TABLE = ({scale}, 2)


    class Op:
        width = 3

        def forward(self, x):
            return {body}


    def factor(x):
        return SCALE * x


    def build(channels):
        return Op()


    def through(x):
        return factor(x) + len(TABLE)
"""


def module_of(tmp_path, name: str = "my_ops", *, body: str = "x", scale: int = 1):
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(MODULE.format(body=body, scale=scale)))
    sys.modules.pop(name, None)
    importlib.invalidate_caches()
    return importlib.import_module(name)


@pytest.fixture
def beside(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    sys.modules.pop("my_ops", None)


@pytest.mark.parametrize("name", ["build", "Op"])
def test_the_code_of_a_class_beside_the_notebook_counts(name, beside):
    first = describe(getattr(module_of(beside), name))
    assert describe(getattr(module_of(beside), name)) == first
    assert describe(getattr(module_of(beside, body="x + 1"), name)) != first


@pytest.mark.parametrize("name", ["factor", "through"])
def test_what_a_function_beside_the_notebook_uses_counts(name, beside):
    first = describe(getattr(module_of(beside), name))
    assert describe(getattr(module_of(beside, scale=2), name)) != first


def test_functions_of_packages_count_by_name():
    assert describe(np.mean) == describe(np.mean)
    assert describe(torch.nn.functional.relu) == {"is": "torch.nn.functional.relu", "default 0": False}


def test_what_holds_itself_is_refused():
    round_ = []
    round_.append(round_)
    with pytest.raises(TypeError, match="cannot tell what determines 'list': it holds itself"):
        describe(round_)


def test_a_number_that_was_added_later_names_a_run_only_where_it_is_used():
    plain = describe(TrainConfig())
    assert not {"stem", "crop", "side", "jitter"} & plain.keys() and "cutout" in plain
    assert describe(TrainConfig(crop="resized", side=64))["side"] == 64
    assert to_dict(SearchConfig()).keys() == describe(SearchConfig()).keys() - {"is"}
