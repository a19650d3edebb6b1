"""The page on what was run: every kept result is on it, and what is missing says so."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    import kept_runs

    yield kept_runs
    sys.modules.pop("kept_runs", None)


def test_every_kept_result_is_listed(page):
    found = page.runs()
    for path in ROOT.glob("figures/*/*.json"):
        assert f"{path.parent.name}/{path.stem}" in found


def test_figures_that_are_not_there_yet_and_arms_that_nobody_has_run(page, monkeypatch, tmp_path):
    monkeypatch.setattr(page, "FIGURES", tmp_path)
    assert "<code>nas-bench-201/nothing</code> has not been made yet" in page.figure("nas-bench-201/nothing")
    assert "--plan phase-2500-0.0003," in page.not_run() and "darts-2nd" in page.not_run()


def test_every_sweep_is_listed_with_its_command(page):
    found = page.sweeps()
    for path in ROOT.glob("notebooks/sweeps/*.yaml"):
        assert f"nasnb sweep {path.stem}<" in found
    assert "Estimated at 4 hours on two cores." in found
