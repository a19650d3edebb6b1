"""The page on images of one's own, followed to the letter: its commands are read out of it and run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book/own-data.md"
CLASSES = {"cat": (200, 60, 40), "dog": (40, 180, 80), "owl": (60, 80, 200)}


def blocks() -> list[tuple[str, str]]:
    """Language and text of the page's commands, in order."""
    return re.findall(r"^```(python|bash)\n(.*?)^```$", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    """As on the page: photographs of mixed sizes, and what the repository's folder holds that the commands name."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 24), ("test", 6)):
        for name, colour in CLASSES.items():
            inside = tmp_path / "photos" / part / name
            inside.mkdir(parents=True)
            for i in range(n):
                height, width = rng.integers(40, 90, 2)
                pixels = np.clip(rng.normal(colour, 40, (height, width, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(inside / f"photo {i}.{('jpg', 'png')[i % 2]}")
    for name in ("Thumbs.db", ".DS_Store", "train/cat/Thumbs.db", "train/._cat", "test/dog/notes.txt"):
        (tmp_path / "photos" / name).write_bytes(b"no image")  # what systems and people leave there
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks/01-darts.ipynb", tmp_path / "notebooks")
    (tmp_path / "figures").symlink_to(ROOT / "figures")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def run(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


def smallest(command: str) -> list[str]:
    """A command of the page at the smallest preset."""
    words = shlex.split(command)
    if words[1] == "run":
        words += ["--unpriced"] * ("--dry-run" not in words)
        words += ["-p", "preset=smoke", "-p", "searches=1", "-p", "retrainings=1"]
    return words


def test_the_page_works_from_start_to_end(folder):
    said = []
    for language, text in blocks():
        if language == "python":
            said.append(run([sys.executable, "-W", "error", "-c", text], folder))
        else:
            said += [run(smallest(line), folder) for line in text.splitlines()]
    assert "('cat', 'dog', 'owl') 72 18 (3, 32, 32)" in said[1]
    assert (folder / "mine-smoke.ipynb").exists() and (folder / "mine.ipynb").exists()
    assert "imagefolder" in said[-2], "the list of runs"
    assert "Genotype(normal=" in said[-1] and "parameters" in said[-1]
    searches = [path.name for path in (folder / "runs").glob("search-darts-1st-imagefolder-*")]
    assert len(searches) == 1, "the last block finds the search instead of repeating it"


def test_every_command_of_the_page_is_run():
    assert [language for language, _ in blocks()] == ["python", "python", "bash", "bash", "python"]
    fenced = len(re.findall(r"^```\w", PAGE.read_text(), flags=re.MULTILINE))
    assert fenced == len(blocks()) + 1, "all but the picture of the folder"
