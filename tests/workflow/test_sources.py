"""A row of a sweep and an executed chapter are found again by the contents of what they read, not by its place."""

import re
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from nasnb.workflow.execute import key
from nasnb.workflow.parameters import parameters_of
from nasnb.workflow.sources import READ, deciding
from nasnb.workflow.sweep_file import read_sweep

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = """
preset = "smoke"
dataset = "fashion-sample"
data_dir = None
table_file = None
runs_dir = "runs"
device = None
seed = 0
"""


def photos(folder: Path, level: int) -> Path:
    for part in ("train", "test"):
        for name in ("ant", "bee"):
            (folder / part / name).mkdir(parents=True)
            Image.new("L", (8, 8), level).save(folder / part / name / "0.png")
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "notebooks/sweeps").mkdir(parents=True)
    cell = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "notebooks/tiny.ipynb")
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "first", 10)
    photos(tmp_path / "second", 90)
    photos(tmp_path / "copy", 10)
    return tmp_path


def rows(text: str):
    path = Path("notebooks/sweeps/trial.yaml")
    path.write_text(f"notebook: tiny\n{text}")
    return read_sweep(path, assignments=[]).rows


def test_two_image_folders_are_two_rows(folder):
    first, second = rows("parameters: {dataset: imagefolder}\ngrid: {data_dir: [first, second]}")
    assert first.key != second.key and first.folder != second.folder


def test_another_folder_is_not_called_finished(folder):
    (first,) = rows("parameters: {dataset: imagefolder, data_dir: first}")
    (second,) = rows("parameters: {dataset: imagefolder, data_dir: second}")
    (copy,) = rows("parameters: {dataset: imagefolder, data_dir: copy}")
    assert first.name != second.name and first.name == copy.name
    Image.new("L", (8, 8), 11).save("first/test/bee/0.png")
    (changed,) = rows("parameters: {dataset: imagefolder, data_dir: first}")
    assert changed.name != first.name


def test_a_folder_that_is_not_there_is_said_before_any_row(folder):
    with pytest.raises(ValueError, match=r"no image folder here: .*absent"):
        rows("parameters: {dataset: imagefolder, data_dir: absent}")


def test_the_place_of_a_set_that_is_known_by_name_does_not_count():
    assert deciding({"dataset": "cifar10", "data_dir": "a", "device": "cpu"}) == {
        "dataset": "cifar10",
        "data_dir": None,
    }


def test_files_count_by_their_contents(folder):
    chapter, table = folder / "notebooks/tiny.ipynb", folder / "table.csv"
    table.write_text("1")
    before = key(chapter, {"table_file": "table.csv"})
    (row,) = rows("parameters: {table_file: table.csv}")
    table.write_text("2")
    assert key(chapter, {"table_file": "table.csv"}) != before
    assert rows("parameters: {table_file: table.csv}")[0].key != row.key


def test_every_parameter_that_names_a_file_counts_by_its_content():
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        cell = next(c for c in nbformat.read(path, as_version=4).cells if "parameters" in c.metadata.get("tags", []))
        words = dict(line.split("=", 1) for line in cell.source.splitlines())
        for name, said in ((name.partition(":")[0].strip(), said) for name, said in words.items()):
            reads = re.search(r"\b(folder|file|state dict)\b", said.partition("#")[2])
            if reads and name in parameters_of(path) and name != "runs_dir":
                assert name.endswith(READ), f"{path.name}: {name} is found again by its path"
