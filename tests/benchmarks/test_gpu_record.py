"""The record of a graphics card, at toy size on a processor: every part runs, and what is done is not done again."""

import csv
import json
import sys

import pytest
import torch

from benchmarks import gpu_record
from benchmarks.gpu_layers import Row
from benchmarks.gpu_parts import EQUAL, Part, parts

CPU = torch.device("cpu")


def test_rows_of_a_part_are_numbers_of_a_case():
    rows = list(parts(None)["equal bench201"].rows(CPU, True))
    values = {(row.variant, row.quantity): row.value for row in rows}
    assert values["captured", "kernels apart, relative"] == values["again", "weights apart"] == 0


def test_what_is_done_is_kept_and_what_failed_is_tried_again(tmp_path, monkeypatch, capsys):
    outcomes = {"good": 'print(\'["c", "v", "seconds", 1.5]\')', "bad": "raise SystemExit('no such kernel')"}
    listed = {name: Part(name, lambda device, toy: iter(()), 60) for name in outcomes}
    monkeypatch.setattr(gpu_record, "parts", lambda data: listed)
    monkeypatch.setattr(gpu_record, "_command", lambda part, _: [sys.executable, "-c", outcomes[part.name]])
    call = ["--device", "cpu", "--toy", "--output", str(tmp_path)]
    gpu_record.main(call)
    (file,), (table,) = tmp_path.glob("*.json"), tmp_path.glob("*.csv")
    kept = json.loads(file.read_text())["parts"]
    assert [kept[name]["state"] for name in outcomes] == ["done", "failed"]
    assert "no such kernel" in kept["bad"]["errors"] and "no such kernel" in capsys.readouterr().out
    assert list(csv.DictReader(table.read_text().splitlines())) == [
        {"part": "good", "case": "c", "variant": "v", "quantity": "seconds", "value": "1.5"}
    ]
    outcomes |= {"good": "raise SystemExit('done twice')", "bad": "pass"}
    gpu_record.main(call)
    again = json.loads(file.read_text())["parts"]
    assert [again[name]["state"] for name in outcomes] == ["done", "done"] and again["good"] == kept["good"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in parts(None) if name not in ("tests", "search pc-darts")])
def test_every_part_runs_at_toy_size(name):
    rows = list(parts(None)[name].rows(CPU, True))
    assert rows and all(isinstance(row, Row) for row in rows)
    assert not [row for row in rows if row.quantity == "error"]


def test_every_step_that_graphs_are_claimed_for_is_compared():
    assert {"darts-1st", "darts-2nd", "pc-darts", "stacnas", "sdarts-rs", "msr-darts", "sgas"} <= set(EQUAL)
