"""What the build adds to the pages and to README: computed findings, boxes, links of words, files for machines."""

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from docutils import nodes

from nasnb.published.claims import claims
from nasnb.report.answers import Answer
from nasnb.report.claims import judge
from nasnb.report.evidence import evidence
from nasnb.report.highlights import highlights, how_many_hold, in_one_line
from nasnb.report.overview import all_answers

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))


@pytest.fixture(scope="module", autouse=True)
def scripts_of_the_book():
    """The book's extensions and scripts can be imported."""
    sys.path[:0] = [str(ROOT / "book/_ext"), str(ROOT / "book")]
    yield
    del sys.path[:2]


def measured(claim, values) -> Answer:
    return Answer(claim, evidence(claim.id, judge(values, design="one sample", margin=1.0), kind="overnight"))


@pytest.fixture(scope="module")
def answers():
    """Six decided claims of one chapter, one of which is opposite, an open one, and one of another chapter."""
    of = [claim for claim in claims("03-pc-darts") if claim.design != "exact"]
    other = next(claim for claim in claims("04-stacnas") if claim.design != "exact")
    up, down, open_ = [2.0, 2.1, 1.9], [-2.0, -2.1, -1.9], [-9.0, 9.0, 0.0]
    found = [measured(claim, up) for claim in of[:5]]
    return [*found, measured(of[5], down), measured(of[6], open_), measured(other, up)]


def test_highlights_give_every_chapter_its_turn_and_leave_out_what_is_open(answers):
    chosen = highlights(answers, 3)
    assert sorted(each.claim.chapter for each in chosen) == ["03-pc-darts", "03-pc-darts", "04-stacnas"]
    assert chosen[0].verdict == "opposite", "what speaks against the paper comes first"
    assert len(highlights(answers)) == 7 and all(each.verdict != "open" for each in highlights(answers))


def test_a_finding_in_one_line_has_its_interval_and_kind(answers):
    line = in_one_line(answers[0])
    assert re.search(r": \+2\.\d+ .*\[1\.\d+, 2\.\d+\], n = 3 \(own runs overnight\)$", line)


def test_an_exact_number_says_what_it_is_and_test_images_are_no_seeds():
    found = {each.claim.id: in_one_line(each) for each in all_answers(figures_dir=ROOT / "figures") if each.best}
    assert "points (exact or enumerated: share of the kept" in found["pc-darts/similar-reduction-cells"]
    assert "], n = 10,000 test images (" in found["sharpdarts/max-w-beats-handmade"]


def test_how_many_claims_hold_is_said_in_one_sentence(answers):
    assert how_many_hold(answers) == (
        "Of 8 claims 7 are decided. Of 7 that were measured 6 hold there, 1 do not; of 0 counted 0 are true"
    )


def test_readme_has_the_blocks_and_no_other_words_are_touched():
    import make_front

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    renewed = make_front.readme(text, {"findings": "A\n", "address": "B\n", "prices": "C\n"})
    assert all(f"{made}\n<!-- end of" in renewed for made in "ABC")
    outside = make_front.BLOCK.sub("", text)
    assert make_front.BLOCK.sub("", renewed) == outside
    with pytest.raises(ValueError, match="marked blocks address"):
        make_front.readme(text, {"address": "B\n"})


def test_prices_in_readme_are_sums_of_what_was_measured():
    import make_front

    columns = ["chapter", "preset", "processor_seconds", "device"]
    table = pd.DataFrame([["01", "laptop", 90, "one core"], ["02", "laptop", 150, "one core"]], columns=columns)
    said = make_front.prices_block(table)
    assert (
        said
        == "At `laptop` 2 chapters take 4 minutes of one core, the longest 2.5; `make book` runs one on every core.\n"
    )
    assert make_front.prices_block(table[:0]) == ""


def test_facts_are_sentences_with_a_number_and_say_what_is_not_measured(tmp_path, monkeypatch):
    import facts

    words = {"price": ["01-darts", "smoke"], "prices": ["laptop"], "faster": ["quark0"], "exact": ["05-msr-darts"]}
    for name, fact in facts.FACTS.items():
        if name == "seeds":  # judges every claim, which takes seconds
            continue
        said = fact(*words.get(name, []))
        assert re.search(r"\d", said) or said == facts.UNKNOWN, name
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/chapters.csv").write_text(
        "chapter,preset,processor_seconds,device\n01-darts,smoke,45,one core\n"
    )
    monkeypatch.setattr(facts, "FIGURES", tmp_path)
    assert facts.price("01-darts", "smoke") == "45 s of one core"
    assert facts.price("01-darts", "paper") == facts.prices("laptop") == facts.UNKNOWN


def test_every_entry_of_the_bibliography_is_cited_somewhere():
    entries = set(re.findall(r"^@\w+\{([^,]+),", (ROOT / "book/references.bib").read_text(encoding="utf-8"), re.M))
    pages = [*ROOT.glob("book/*.md"), *ROOT.glob("notebooks/*.ipynb")]
    found = re.findall(r"\{cite:\w+\}`([^`]+)`", "".join(path.read_text(encoding="utf-8") for path in pages))
    assert {key.strip() for keys in found for key in keys.split(",")} == entries


def test_citation_and_codecheck_say_what_the_project_says():
    import make_front

    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == make_front.version()
    assert cited.get("repository-code", "") == make_front.address()
    text = make_front.codecheck()
    assert text.startswith("---\n")
    manifest = yaml.safe_load(text)["manifest"]
    assert manifest and all((ROOT / each["file"]).exists() and each["comment"] for each in manifest)


def test_every_chapter_has_its_words_and_its_sweeps_exist():
    from chapter_boxes import WORDS, about

    for chapter in CHAPTERS:
        said = about(chapter)
        assert set(WORDS) - {"code"} <= set(said), chapter
        assert all((ROOT / f"notebooks/sweeps/{name}.yaml").exists() for name in said["sweeps"]), chapter


def test_run_box_names_the_three_ways_and_every_preset():
    from chapter_boxes import run_box

    from nasnb.config import PRESETS

    box = run_box("03-pc-darts")
    assert all(
        way in box for way in ("make lab", "papermill notebooks/03-pc-darts.ipynb", "nasnb sweep pc-darts-ablation")
    )
    assert all(f"<code>{preset}</code></th>" in box for preset in PRESETS)


def test_a_term_is_linked_once_and_the_longest_wins():
    from words import glossary, link_first

    left = glossary()
    found = link_first("The edge normalisation of edges, then an edge and EDGE again.", left)
    linked = [node.astext() for node in found if not isinstance(node, nodes.Text)]
    assert linked == ["edge normalisation", "edges"] and "edge" not in left
    assert "".join(node.astext() for node in found) == "The edge normalisation of edges, then an edge and EDGE again."


def test_links_into_chapters_lead_to_their_headings():
    def headings(name):
        cells = json.loads((ROOT / f"notebooks/{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        found = re.findall(r"^#{1,3} (.+)$", text, re.MULTILINE)
        return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", title.strip().lower())) for title in found}

    known = {name: headings(name) | {"reproducibility"} for name in CHAPTERS}  # the build adds that one
    for page in (*(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("[0-9]*.ipynb")):
        text = page.read_text(encoding="utf-8")
        for chapter, heading in re.findall(r"\((?:chapters/)?(\d\d-[\w-]+)(?:\.ipynb)?#([\w-]+)\)", text):
            assert heading in known[chapter], f"{page.name} links to {chapter}#{heading}"


def test_symbols_are_listed_where_they_are_used():
    from words import belongs, heads, symbols, tokens

    found = dict(symbols())
    beta = next(symbol for symbol in found if symbol.startswith(r"$\beta"))
    assert heads(beta) & tokens(r"\frac{\exp \beta_{i,j}}{2}") and not heads(beta) & tokens(r"\alpha")
    assert belongs(found[beta], "03-pc-darts") and not belongs(found[beta], "01-darts")


def test_claims_have_a_schema_that_their_file_fits():
    import jsonschema
    from claims_page import schema

    from nasnb.report.overview import overview

    said = schema()
    jsonschema.Draft202012Validator.check_schema(said)
    of = claims("03-pc-darts")[0]
    table = overview([Answer(of, None)])
    lines = json.loads(json.dumps(table.astype(object).where(table.notna(), None).to_dict("records")))
    jsonschema.validate(lines, said)
    with pytest.raises(jsonschema.ValidationError, match="verdict"):
        jsonschema.validate([{k: v for k, v in lines[0].items() if k != "verdict"}], said)


def test_the_container_files_are_well_formed():
    lines = (ROOT / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    instructions = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert instructions[0] == "FROM" and instructions[-1] == "CMD"
    assert set(instructions) <= {"FROM", "RUN", "WORKDIR", "COPY", "USER", "EXPOSE", "CMD"}
    assert json.loads(next(line for line in lines if line.startswith("CMD")).removeprefix("CMD"))[0] == "make"
    told = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert (ROOT / ".devcontainer" / told["build"]["dockerfile"]).resolve() == ROOT / "Containerfile"
    assert (ROOT / ".dockerignore").read_text() == (ROOT / ".containerignore").read_text()
