"""The page on what was run: every kept result is on it, and what is missing says so."""

import re
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.sweeps import at_paper_scale

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
    assert ">4 hours on two cores<" in found and "Estimated" not in found


def test_every_sweep_at_the_papers_scale_has_its_price(page):
    prices = pd.read_csv(ROOT / "figures/bench/sweeps.csv").set_index("sweep")
    assert list(prices.index) == [sweep.name for sweep in at_paper_scale()]
    for name, row in prices.iterrows():
        assert page.priced(name).startswith(f"{row['GPU hours']:,.0f} GPU-hours (")
    assert page.priced("pc-darts-spread").endswith("(15 trainings 540)") and page.priced("smoke") == ""


def test_tables_of_numbers_are_rounded_and_say_nothing_where_nothing_is_known(page):
    found = page.plain_table("bench/cpu-amd-epyc")
    assert "<td>28,633</td>" in found and "<td>20.6</td>" in found and "times faster" in found
    assert page.rounded(float("nan")) == "" and page.rounded(0.03234) == "0.0323" and page.rounded("1.5 MB") == "1.5 MB"


def test_what_was_settled_counts_every_piece_of_kept_evidence_once(page):
    found = page.settled()
    kept = pd.concat(pd.read_csv(path) for path in ROOT.glob("figures/*/claims.csv"))
    told = [int(n) for n in re.findall(r"<td>(\d+)</td>\s*<td>\d+ [a-z]", found)]
    assert sum(told) == len(kept[["claim", "evidence"]].drop_duplicates())
    assert 'href="claims.html#stacnas.similar-alphas-trade-off"' in found
