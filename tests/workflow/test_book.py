"""What can be checked of chapters and pages without running or rendering them."""

import ast
import importlib.util
import io
import re
import tokenize
from pathlib import Path

import matplotlib
import nbformat
import pytest
import yaml

from nasnb.architecture import SHORT_NAMES
from nasnb.published.numbers import published

matplotlib.use("Agg")
ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = sorted((ROOT / "book").glob("*.md"))
COMMON_PARAMETERS = [
    *("preset", "dataset", "data_dir", "device", "image_size", "seed"),
    *("epochs", "channels", "cells", "batch_size", "flip", "runs_dir"),
]
MAX_CELL_LINES = 15
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def toc_files() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    entries = [entry for part in toc["parts"] for entry in part["chapters"]]
    return [toc["root"], *(each["file"] for entry in entries for each in (entry, *entry.get("sections", [])))]


def cells(path: Path, kind: str, tag: str | None = None) -> list:
    notebook = nbformat.read(path, as_version=4)
    found = [cell for cell in notebook.cells if cell.cell_type == kind]
    return [cell for cell in found if tag is None or tag in cell.metadata.get("tags", [])]


def parameters(source: str) -> dict[str, object]:
    """Name and value of each parameter. Raises ValueError for anything but a commented literal assigned to a name."""
    rows = {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    values = {}
    for statement in ast.parse(source).body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if not isinstance(target, ast.Name):
            raise ValueError(f"{ast.unparse(statement)!r} is not a plain assignment")
        if statement.end_lineno not in rows:
            raise ValueError(f"parameter {target.id!r} has no comment on its line")
        values[target.id] = ast.literal_eval(statement.value)
    return values


def test_toc_lists_every_chapter_once_and_in_order():
    chapters = [name for name in toc_files() if name.startswith("book/chapters/")]
    assert chapters == [f"book/chapters/{path.stem}" for path in NOTEBOOKS]


def test_toc_lists_every_page():
    pages = [name for name in toc_files() if not name.startswith("book/chapters/")]
    assert sorted(pages) == sorted(f"book/{path.stem}" for path in PAGES)


def test_landing_page_and_readme_link_every_chapter():
    landing, readme = (ROOT / "book/index.md").read_text(), (ROOT / "README.md").read_text()
    for path in NOTEBOOKS:
        assert f":link: chapters/{path.stem}\n" in landing
        assert f"notebooks/{path.name}" in readme


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_page_has_a_description_and_one_title(path):
    text = path.read_text()
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front)["myst"]["html_meta"]["description"]
    body = re.sub(r"^(```|~~~).*?^\1$", "", body, flags=re.DOTALL | re.MULTILINE)
    assert len(re.findall(r"^# ", body, flags=re.MULTILINE)) == 1


def script(name: str):
    """A script of the book's folder, as a module."""
    spec = importlib.util.spec_from_file_location(Path(name).stem, ROOT / "book" / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_is_as_its_script_makes_it():
    def without_chapters(text):  # chapters may change what they import
        return re.sub(r"^Used in .*$", "", text, flags=re.MULTILINE)

    for name, text in script("make_api.py").pages().items():
        there = (ROOT / "book" / name).read_text()
        assert without_chapters(there) == without_chapters(text), "modules came or went: run python book/make_api.py"


def test_examples_of_the_reference_run(capsys):
    for code in script("make_api.py").EXAMPLES.values():
        exec(code, {})
    assert "+1.1" in capsys.readouterr().out, "the last one prints the mean of its six values"


def test_page_of_published_numbers_has_every_paper():
    listed = re.findall(
        r"^```\{published-numbers\} (.+)$", (ROOT / "book/published.md").read_text(), flags=re.MULTILINE
    )
    assert listed == published().paper.unique().tolist()


def test_page_of_published_numbers_can_be_drawn():
    numbers = script("_ext/published_numbers.py")
    listed = re.findall(r"^```\{published-plot\} (.+)$", (ROOT / "book/published.md").read_text(), flags=re.MULTILINE)
    assert sorted(listed) == sorted(numbers.PLOTS)
    with matplotlib.rc_context():
        assert all(numbers.plot(name).count("<img") == 1 for name in listed)
    assert "<td>3.00 ± 0.14 (n = 10)</td>" in numbers.paper_html("DARTS"), "as printed, not 3"
    n_numbers = sum(len(numbers.others(numbers.as_printed(paper))) for paper in published().paper.unique())
    assert n_numbers == (~published().metric.isin(numbers.COMMON)).sum()


def test_glossary_has_every_operation_with_its_short_name():
    lines = (ROOT / "book/glossary.md").read_text().splitlines()
    for long, short in SHORT_NAMES.items():
        assert any(f"`{long}`" in line and f"`{short}`" in line for line in lines), long


def test_a_citation_names_an_entry_of_the_bibliography():
    keys = set(re.findall(r"^@\w+\{([^,\s]+),", (ROOT / "book/references.bib").read_text(), flags=re.MULTILINE))
    for path in PAGES:
        for group in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", path.read_text()):
            assert set(re.split(r",\s*", group)) <= keys, f"{path.name} cites {group}"


@every_notebook
def test_notebook_is_stripped(path):
    notebook = nbformat.read(path, as_version=4)
    for cell in cells(path, "code"):
        assert cell.outputs == [] and cell.execution_count is None, cell.source[:80]
        assert "execution" not in cell.metadata and "papermill" not in cell.metadata
    assert "papermill" not in notebook.metadata and "widgets" not in notebook.metadata


@every_notebook
def test_notebook_has_one_parameters_cell_of_commented_literals(path):
    (cell,) = cells(path, "code", "parameters")
    assert list(parameters(cell.source))[: len(COMMON_PARAMETERS)] == COMMON_PARAMETERS


@every_notebook
def test_cells_are_short_and_hold_no_class(path):
    for cell in cells(path, "code"):
        is_parameters = "parameters" in cell.metadata.get("tags", [])  # one line each, however many there are
        assert is_parameters or len(cell.source.splitlines()) <= MAX_CELL_LINES, cell.source[:80]
        assert not any(isinstance(node, ast.ClassDef) for node in ast.walk(ast.parse(cell.source))), cell.source[:80]


@every_notebook
def test_chapter_opens_with_its_claims(path):
    notebook = nbformat.read(path, as_version=4)
    assert "**The question:**" in notebook.cells[0].source
    assert notebook.cells[1].source.startswith("## In short\n")
    assert "```{glue:} findings\n```" in notebook.cells[1].source
    assert any("findings.show()" in cell.source for cell in cells(path, "code")), "what the block shows"


@pytest.mark.parametrize(
    "source, complaint",
    [
        ("seed = 0", "no comment"),
        ("seed = int('0')  # seed", "malformed"),
        ("import os  # why not", "not a plain assignment"),
        ("seed, epochs = 0, 1  # two at once", "not a plain assignment"),
    ],
)
def test_parameters_refuses_what_papermill_could_not_show(source, complaint):
    with pytest.raises(ValueError, match=complaint):
        parameters(source)


def test_parameters_reads_literals_and_annotations():
    assert parameters("seed = 0  # the seed\nlr: float = -0.1  # rate\n") == {"seed": 0, "lr": -0.1}
