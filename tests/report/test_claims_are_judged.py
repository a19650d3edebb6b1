"""Chapters and the table of claims agree, and nothing speaks in the words of the rule that was given up."""

import ast
import json
import re
from pathlib import Path

import pytest

from nasnb.published import retests
from nasnb.published.claims import claims

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted({of.chapter for of in claims()})
OLD_WORDS = re.compile(r"does not show|cannot be told|\*shows\*|verdict here|claims_table|SHOWS_NOT|UNTOLD")
ANY = "[a-z0-9-]+"


def code_of(chapter: str) -> list[str]:
    cells = json.loads((ROOT / f"notebooks/{chapter}.ipynb").read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def judged_in(chapter: str) -> list[str]:
    """Patterns of the names of claims in a chapter and in what it shares with scripts; an f-string's parts may be any
    word."""
    name = chapter.partition("-")[2]
    start, found = f"{name}/", []
    folder = ROOT / "nasnb/analysis" / name.replace("-", "_")
    shared = [*sorted(folder.glob("*.py")), *sorted((ROOT / "nasnb/workflow").glob("on_*.py"))]
    code = [*code_of(chapter), *(path.read_text("utf-8") for path in shared)]
    for node in (node for text in code for node in ast.walk(ast.parse(text))):
        inner = node.values if isinstance(node, ast.JoinedStr) else [node]
        parts = [part.value if isinstance(part, ast.Constant) else None for part in inner]
        if str(parts[0]).startswith(start) and parts != [start]:  # the beginning of an f-string is a string, too
            found.append("".join(ANY if part is None else re.escape(str(part)) for part in parts))
    beginnings = tuple(pattern.partition(ANY)[0] for pattern in found if ANY in pattern)
    return [pattern for pattern in found if pattern not in beginnings]


def is_one_of(patterns: list[str], name: str) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in patterns)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_claim_is_judged_or_says_why_not(chapter):
    judged = [*judged_in(chapter), *map(re.escape, retests().claim)]
    silent = [of.id for of in claims(chapter) if not of.unjudged and not is_one_of(judged, of.id)]
    assert silent == [], "judge these in the chapter, or say in the column `unjudged` why not"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_judges_only_claims_of_the_table(chapter):
    strange = [each for each in judged_in(chapter) if not any(is_one_of([each], of.id) for of in claims(chapter))]
    assert strange == [], "write these into published/claims.csv before they are measured"


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_opens_with_its_findings(chapter):
    cells = json.loads((ROOT / f"notebooks/{chapter}.ipynb").read_text("utf-8"))["cells"]
    heads = ["".join(cell["source"]) for cell in cells[:3]]
    assert any("```{glue:} findings\n```" in text for text in heads)
    assert any("findings.show()" in code for code in code_of(chapter))


def test_the_old_words_are_gone():
    places = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")]
    for pattern in (
        "book/*.md",
        "book/*.csv",
        "book/_ext/*.py",
        "notebooks/*.ipynb",
        "nasnb/**/*.py",
        "figures/**/*.json",
    ):
        places += sorted(ROOT.glob(pattern))
    assert len(places) > 100
    found = {str(path.relative_to(ROOT)): OLD_WORDS.findall(path.read_text("utf-8")) for path in places}
    assert {name: words for name, words in found.items() if words} == {}
