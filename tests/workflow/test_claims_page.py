"""The page of all claims: every claim with its anchor, what its columns say, links that lead somewhere."""

import importlib.util
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from nasnb.published.claims import claims
from nasnb.report import Findings
from nasnb.report.answers import DECIDED
from nasnb.report.evidence import write_evidence
from nasnb.report.overview import all_answers

ROOT = Path(__file__).resolve().parents[2]
PAIRED = "pc-darts/partial-lowers-error"


@pytest.fixture(scope="module")
def extension():
    spec = importlib.util.spec_from_file_location("claims_page", ROOT / "book/_ext/claims_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    found = Findings("03-pc-darts", preset="overnight", scale="CIFAR-10 <at> 16 px")
    found.add(PAIRED, [4.0, 5.5, 3.0, 6.0, 4.5, 5.0])
    write_evidence("03-pc-darts", found.found, figures_dir=folder)
    return folder


def test_every_claim_has_its_anchor_and_leads_to_its_chapter(extension, folder):
    html = extension.page(all_answers(figures_dir=folder))
    assert sorted(re.findall(r'<tr id="([^"]+)"', html)) == sorted(of.anchor for of in claims())
    for of in claims():
        assert f'<a href="chapters/{of.chapter}.html">{of.id}</a>' in html


def test_a_row_says_what_its_columns_promise(extension, folder):
    (answer,) = [each for each in all_answers(figures_dir=folder) if each.claim.id == PAIRED]
    cells = dict(zip(extension.COLUMNS, extension.cells(answer), strict=True))
    assert cells["verdict"] == "supported" and cells["n"] == "6" and cells["evidence"] == "overnight"
    assert cells["effect [95 %]"] == "+4.7 % of the error [3.5, 5.8]"
    assert cells["scale"] == "CIFAR-10 &lt;at&gt; 16 px"
    assert "-p preset overnight -p keep True" in cells["measure it again"]
    assert set(extension.CHOOSE) <= set(extension.COLUMNS)


def test_what_is_decided_comes_first(extension, folder):
    answers = all_answers(figures_dir=folder)
    html, verdict = extension.page(answers), {each.claim.anchor: each.verdict for each in answers}
    told = [verdict[anchor] in DECIDED for anchor in re.findall(r'<tr id="([^"]+)"', html)]
    assert any(told) and told == sorted(told, reverse=True)


def test_every_earlier_claim_is_kept_changed_or_dropped_and_says_why(extension):
    lines = pd.read_csv(extension.BEFORE, dtype=str, keep_default_na=False)
    assert set(lines.fate) == set(extension.FATES) and lines.why.str.len().min() > 5
    assert not lines.duplicated(["chapter", "claim_before"]).any()
    chapter = {of.id: of.chapter for of in claims()}
    for line in lines.itertuples():
        assert (line.fate == "dropped") == (line.claim_now == ""), line
        assert line.claim_now == "" or chapter[line.claim_now] == line.chapter, line
    html = extension.before()
    assert html.count("<tr>") == len(lines) + 1
    counts = map(int, re.findall(r"(\d+) [a-z]+[,<]", html.partition(":")[2].partition("/summary")[0]))
    assert sum(counts) == len(lines)
    assert set(re.findall(r'href="#([^"]+)"', html)) <= {of.anchor for of in claims()}


def test_csv_and_json_stand_beside_the_page(extension, tmp_path):
    class App:
        outdir = tmp_path

    extension.write_files(App, None)
    assert not list(tmp_path.iterdir()), "a build without the page writes nothing"
    (tmp_path / "book").mkdir()
    (tmp_path / "book/claims.html").touch()
    extension.write_files(App, None)
    ids = [of.id for of in claims()]
    assert [line["id"] for line in json.loads((tmp_path / "book/claims.json").read_text())] == ids
    assert pd.read_csv(tmp_path / "book/claims.csv").id.tolist() == ids
