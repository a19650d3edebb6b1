"""Parameters: every one has a kind, a value that means nothing is refused, and no text or cell ends in a traceback."""

import ast
import os
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from papermill.inspection import inspect_notebook

from nasnb.config import PRESETS
from nasnb.workflow.meanings import MEANINGS, check_meaning, check_parameters
from nasnb.workflow.parameters import Parameter, parameters_of, parse_parameters

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted([*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "notebooks" / "stages").glob("*.ipynb")])
FREE = {"seed", "search_seed", "data_dir", "runs_dir", "flip"}  # any value of their kind means something


def write_cell(path: Path, source: str, **cell) -> Path:
    """A notebook with this parameters cell."""
    made = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]}, **cell)
    nbformat.write(nbformat.v4.new_notebook(cells=[made]), path)
    return path


# --- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("list[int] | None", "[1, 4]", [1, 4]),
        ("list[int] | None", "1,4", [1, 4]),
        ("list[int] | None", "4", [4]),
        ("list[int] | None", "None", None),
        ("list[float]", "1, 1.5", [1.0, 1.5]),
        ("list[str]", "a, b", ["a", "b"]),
        ("list[int]", "[]", []),
        ("int | None", "3", 3),
        ("float", "1e-3", 0.001),
        ("bool | None", "False", False),
        ("", "[1, 2]", [1, 2]),
        ("", "1", 1),
        ("str", "3", "3"),
        ("str | None", "None", None),
    ],
)
def test_text_becomes_the_kind(kind, text, value):
    assert Parameter("x" if "None" not in kind else None, kind).parse("p", text) == value


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("list[int]", "[1, x]", r"p must be a list such as \[0, 1\], got '\[1, x\]'"),
        ("list[int]", "[1.5]", "p must be a list"),
        ("list[float]", "nan", "no finite number"),
        ("float", "nan", "p must be a number, got 'nan', which is no finite number"),
        ("float", "inf", "no finite number"),
        ("float | None", "1e999", "no finite number"),
        ("int", "1e3", "an int"),
        ("str", "", "p must be a text, got '', which is empty"),
        ("str", "a\0b", "cannot be printed"),
    ],
)
def test_text_of_another_kind_is_refused(kind, text, message):
    with pytest.raises(ValueError, match=message):
        Parameter(None if "None" in kind else 0, kind).parse("p", text)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("str", 3, "p must be a text, got 3: put it in quotes"),
        ("str", True, "put it in quotes"),
        ("int", True, "p must be an int, got True"),
        ("bool", 1, "p must be True or False, got 1"),
        ("list[int]", 4, "p must be a list"),
        ("list[int]", [[1]], "p must be a list"),
        ("str", ["a"], "p must be a text"),
        ("int", None, "p must be an int, got None"),
        ("", {"a": 1}, "p must be a plain value"),
    ],
)
def test_values_of_a_sweep_file_are_of_the_kind(kind, value, message):
    with pytest.raises(ValueError, match=message):
        Parameter(0, kind).take("p", value)
    assert Parameter(0, "float").take("p", "1e-3") == 0.001  # which YAML reads as a text


def test_one_name_has_one_value():
    known = {"k": Parameter(1, "int")}
    assert parse_parameters(["k=2", "k=2"], known) == {"k": 2}
    with pytest.raises(ValueError, match="-p k is given twice: 2 and 3; keep one"):
        parse_parameters(["k=2", "k=3"], known)


# --- meanings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("order", 3, "unknown order 3; known: 1, 2"),
        ("epochs", 0, "epochs must be an int of at least 1, got 0"),
        ("searches", 0, "at least 1"),
        ("retrainings", -1, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("batch_size", "64", "batch_size must be an int of at least 1, got '64'"),
        ("image_size", 4, "at least 8"),
        ("channels", 1.5, "an int of at least 1"),
        ("epochs", True, "at least 1"),
        ("tau", 2, "a number from 0 to 1"),
        ("ks", [1, 0], "each of ks must be an int of at least 1, got 0"),
        ("ks", [2, 2], "without repetitions"),
        ("ks", 4, "ks must be a list"),
        ("subsets", [0.1, 0.95], "two shares that add up to at most 1"),
        ("recipe", "imagnet", "did you mean 'imagenet'"),
        ("cell", "DARTS_V3", "did you mean 'DARTS_V2'"),
        ("nodes", [0], "at least 1"),
        ("preset", "smokes", "unknown preset 'smokes', did you mean 'smoke'"),
        ("dataset", "cifar", "did you mean 'cifar10'"),
        ("device", "gpu", "device must be cpu, cuda, or a graphics card such as cuda:1, got 'gpu'"),
        ("device", "cuda:x", "device must be"),
        ("method", "dartz", "unknown method 'dartz'"),
        ("space", "s9", "unknown space"),
        ("protocol", "best", "unknown protocol 'best'"),
        ("score", "max", "unknown score"),
        ("regimen", "x", "unknown regimen"),
        ("export", "51/50", "export must be"),
        ("export", "best", "export must be"),
        ("memory_gigabytes", 0, "positive"),
        ("diagnostic_batches", 0, "at least 1"),
        ("cells_from", "both", "unknown cells_from 'both'"),
    ],
)
def test_a_value_without_a_meaning_is_refused_everywhere(name, value, message):
    with pytest.raises(ValueError, match=message):
        check_meaning(name, value)
    with pytest.raises(ValueError, match=message):
        check_parameters({name: value, "another": 0})  # as a notebook does in its first cell


def test_what_a_notebook_made_of_a_name_is_passed_over():
    check_parameters({"space": object(), "method": print, "order": 1, "ks": (1, 2), "epochs": None, "nodes": 4})


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_parameter_of_the_book_has_a_kind_and_a_meaning(path):
    for name, parameter in parameters_of(path).items():
        assert parameter.kind, (
            f"{name} of {path.stem}: say its kind, as `{name} = None  # type: int|None and what it is`"
        )
        is_path = name.endswith(("_dir", "_table", "_weights"))
        is_switch = parameter.kind.startswith("bool")
        assert name in MEANINGS or name in FREE or is_path or is_switch, f"{name} of {path.stem} needs a meaning"
        check_meaning(name, parameter.default)
    assert parameters_of(path).keys() == inspect_notebook(path).keys()  # else papermill calls them unknown


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem != "compare"], ids=lambda path: path.stem)
def test_every_notebook_checks_its_parameters_and_leaves_the_data_to_the_preset(path):
    code = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code")
    assert "check_parameters(globals())" in code and "flip" in code
    known = parameters_of(path)
    assert known["dataset"].default is None and known["image_size"].default is None


# --- cells ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a, b = 1, 2", r"'a, b = \(1, 2\)' is no name with a plain value|'\(a, b\) = \(1, 2\)' is no name"),
        ("a = b = 1", "is no name with a plain value"),
        ("a += 1", "is no name with a plain value"),
        ("'words'", "is no name with a plain value"),
        ("d['x'] = 1", "is no name with a plain value"),
        ("x: int", "is no name with a plain value"),
        ("x = [1", "it is no Python"),
        ("x = 1\nx = 2", "'x' is there twice"),
        ("x = y", "is no name with a plain value"),
        ("def f(): pass", "is no name with a plain value"),
        ("x = 1\n%matplotlib inline", "it is no Python"),
        ("x = {[]: 1}", "is no name with a plain value"),
    ],
)
def test_a_cell_that_holds_more_than_names_with_values_is_refused(tmp_path, source, message):
    with pytest.raises(ValueError, match=message):
        parameters_of(write_cell(tmp_path / "n.ipynb", source))


def test_two_parameters_cells_are_refused(tmp_path):
    path = write_cell(tmp_path / "n.ipynb", "x = 1")
    notebook = nbformat.read(path, 4)
    notebook.cells.append(nbformat.v4.new_code_cell("x = 2", metadata={"tags": ["parameters"]}))
    nbformat.write(notebook, path)
    with pytest.raises(ValueError, match="more than one code cell tagged 'parameters'"):
        parameters_of(path)


# --- anything at all --------------------------------------------------------------------------------------------------

PARAMETERS = parameters_of(ROOT / "notebooks" / "03-pc-darts.ipynb") | parameters_of(NOTEBOOKS[-2])
TEXT = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["None", "True", "nan", "-1", "[", "[1,", "1e999", "0", "9" * 5000]),
    st.from_regex(r"[\[\(]?[0-9a-z,. ]{0,8}[\]\)]?", fullmatch=True),
    st.sampled_from([*PRESETS]),
)


@settings(max_examples=int(os.environ.get("NASNB_EXAMPLES", 100)), deadline=None)
@given(name=st.sampled_from([*PARAMETERS]), text=TEXT)
def test_any_text_is_a_value_of_the_kind_or_a_mistake_that_names_the_parameter(name, text):
    try:
        value = parse_parameters([f"{name}={text}"], PARAMETERS)[name]
    except ValueError as error:
        assert name in str(error)
        return
    kind = PARAMETERS[name].kind.replace(" | None", "")
    is_kind = {"int": int, "float": float, "bool": bool, "str": str}.get(kind, list)
    assert isinstance(value, is_kind) or (value is None and PARAMETERS[name].is_optional)
    if not isinstance(value, list):
        assert PARAMETERS[name].parse(name, str(value)) == value  # nothing was lost


@settings(max_examples=int(os.environ.get("NASNB_EXAMPLES", 100)), deadline=None)
@given(
    source=st.one_of(st.text(max_size=40), st.from_regex(r"([a-c]\w? ?(: ?\w+)? ?=? ?[\[\(]?[0-9'\"N{-]{0,3}\n?){1,3}"))
)
def test_any_cell_gives_parameters_or_a_mistake_that_names_the_file(source, tmp_path_factory):
    path = write_cell(tmp_path_factory.getbasetemp() / "fuzz.ipynb", source)
    try:
        found = parameters_of(path)
    except ValueError as error:
        assert "fuzz.ipynb" in str(error)
        return
    assert len(found) == len(ast.parse(source).body)  # no statement was passed over
