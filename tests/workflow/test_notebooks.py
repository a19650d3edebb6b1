"""Every chapter, run whole at the smoke preset as a user would run it."""

import re
from pathlib import Path

import nbformat
import pytest

from nasnb.runs import find_runs
from nasnb.workflow.cli import main

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))


def outputs(path: Path, mime: str) -> list[str]:
    notebook = nbformat.read(path, as_version=4)
    found = [
        output.data[mime]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "data" in output and mime in output.data
    ]
    return ["".join(each) for each in found]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_chapter_runs_at_the_smoke_preset(path, tmp_path):
    executed = tmp_path / path.name
    runs = tmp_path / "runs"
    assert (
        main(
            ["run", str(path), "--unpriced", "-p", "preset=smoke", "-p", f"runs_dir={runs}", "--output", str(executed)]
        )
        == 0
    )
    figures = [each for each in outputs(executed, "text/html") if "<figure" in each]
    assert len(figures) >= 3
    for figure in figures:
        assert len(re.search(r'(?: alt|role="img" aria-label)="([^"]*)"', figure)[1]) > 20
        assert "<figcaption" in figure
    tables = [each for each in outputs(executed, "text/html") if "<table" in each]
    assert any("published" in each for each in tables), "the closing table, published against measured"
    assert any('class="findings"' in each for each in outputs(executed, "text/html")), "the claims"
    assert (find_runs(runs).state == "finished").all()
