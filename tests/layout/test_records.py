"""Whoever reads a record can check out the code that made it."""

import csv
import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "figures"


def git(*words: str) -> str:
    """What git says; nothing where it cannot answer."""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def history() -> list[str]:
    if git("rev-parse", "--is-shallow-repository") != "false" or git("rev-parse", "--show-toplevel") != str(ROOT):
        pytest.skip("without its history the repository cannot tell what belongs to it")
    return git("rev-list", "HEAD").split()


def named(path: Path) -> set[str]:
    """The commits of a record, or of the lines of evidence; what others' files name is theirs."""
    if path.suffix == ".json":
        words = [json.loads(path.read_text()).get("commit") or ""]
    else:
        with path.open(newline="") as file:
            words = [line["commit"] for line in csv.DictReader(file)]
    return {commit for word in words for commit in re.findall(r"[0-9a-f]{7,40}", word)}


def test_records_name_commits_of_this_history(history):
    records = [path for path in FIGURES.glob("*/*.json") if isinstance(json.loads(path.read_text()), dict)]
    found = {str(path.relative_to(ROOT)): named(path) for path in [*records, *FIGURES.glob("*/claims.csv")]}
    assert sum(map(len, found.values())) > 40
    lost = {path: {c for c in commits if not any(h.startswith(c) for h in history)} for path, commits in found.items()}
    assert not {path: commits for path, commits in lost.items() if commits}, "made from a branch that was rebased?"
