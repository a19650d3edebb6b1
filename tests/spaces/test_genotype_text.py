"""Genotypes as text: all of it is understood, or it is refused by name; the order of writing makes no other network."""

import ast
import gzip
import json
import os
import re
import string
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nasnb.architecture import SHORT_NAMES, Genotype, Pick
from nasnb.data import Bench201Table, bench201
from nasnb.published.genotypes import GENOTYPES
from nasnb.spaces import SPACES

EXAMPLES = settings(max_examples=int(os.environ.get("NASNB_EXAMPLES", 60)), deadline=None)
V2 = GENOTYPES["DARTS_V2"]
CELL = "[('sep_conv_3x3', 0), ('skip_connect', 1)]"
WHOLE = f"Genotype(normal={CELL}, normal_concat=[2], reduce={CELL}, reduce_concat=[2])"


def cells(**changed: str) -> str:
    fields = {"normal": CELL, "normal_concat": "[2]", "reduce": CELL, "reduce_concat": "[2]"} | changed
    return f"Genotype({', '.join(f'{name}={value}' for name, value in fields.items())})"


# --- what is understood -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        f"  {WHOLE}\n",
        f"DARTS_X = {WHOLE}",
        cells(normal_concat="range(2, 3)", reduce_concat="(2,)"),
        cells(normal="[['sep_conv_3x3', 0], [\"skip_connect\", 1]]"),
        cells(layout="'cell'"),
        WHOLE.replace(", ", ",\n    ").replace("(normal", "(  # as searched\n normal"),
    ],
)
def test_ways_of_writing_one_cell(text):
    assert Genotype.from_notation(text) == Genotype.from_notation(WHOLE)


# --- what is refused, and the words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WHOLE[:-1], "cannot be read"),
        (f"{WHOLE} and more", r"expected Genotype\(normal="),
        (f"{WHOLE} more", "cannot be read"),
        (WHOLE + WHOLE, "cannot be read"),
        (f"{WHOLE}; {WHOLE}", "cannot be read"),
        ("print('x')", r"expected Genotype\(normal="),
        ("Genotype()", "every cell needs its _concat"),
        (f"Genotype({CELL})", r"expected Genotype\(normal="),
        (cells(other="3"), "every cell needs its _concat, as normal and normal_concat; .*other"),
        (cells(reduce_concat="[2], extra_concat=[2]"), "every cell needs its _concat"),
        (WHOLE.replace("reduce_concat", "normal_concat"), "'normal_concat' is there twice"),
        (cells(normal="[('sep_conv_3x3', 0)]"), r"normal needs two \(operation, state\) pairs per node"),
        (cells(normal="[]"), "normal needs two"),
        (cells(normal="[('sep_conv_3x3', 0, 2), ('skip_connect', 1)]"), "normal needs two"),
        (cells(normal="[('sep_conv_3x3', 2), ('skip_connect', 1)]"), "sep_conv_3x3 into state 2 cannot come from"),
        (cells(normal="[('sep_conv_3x3', -1), ('skip_connect', 1)]"), "is not an operation's name and two whole"),
        (cells(normal="[('sep_conv_3x3', 0.5), ('skip_connect', 1)]"), "is not an operation's name and two whole"),
        (cells(normal="[('sep_conv_3x3', True), ('skip_connect', 0)]"), "is not an operation's name and two whole"),
        (cells(normal="[(3, 0), ('skip_connect', 1)]"), "is not an operation's name and two whole"),
        (cells(normal="[('', 0), ('skip_connect', 1)]"), "is not an operation's name and two whole"),
        (cells(normal="[('sep_conv_3x3', f()), ('skip_connect', 1)]"), r"f\(\).* is not a list of"),
        (cells(normal_concat="[2, 3]"), r"the output \[2, 3\] must name nodes among \[2\]"),
        (cells(normal_concat="[2, 2]"), r"must name nodes among \[2\], each once"),
        (cells(normal_concat="[0, 2]"), r"must name nodes among \[2\]"),
        (cells(normal_concat="[]"), "must name nodes"),
        (cells(normal_concat="7"), "normal_concat must list states"),
        (cells(normal_concat="range(2, 10**9)"), "is not a list"),
        (cells(normal_concat="range(2, 1000000000)"), "normal_concat must list states"),
        ("(" * 5000, "cannot be read"),
        ("|nor_conv_3x3~0|", None),
        (
            "|nor_conv_3x3~0|+|none~0|",
            "node 2 needs one operation from each of the states 0 to 1; in .* they come from 0",
        ),
        ("|nor_conv_3x3~0|+|none~0|none~0|", "they come from 0, 0"),
        ("|nor_conv_3x3~0|+|none~0|none~1|none~1|", "they come from 0, 1, 1"),
        ("|nor_conv_3x3~1|", "they come from 1"),
        ("|nor_conv_3x3~0| and", r"expected \|op~source\|"),
        ("||nor_conv_3x3~0|", r"expected \|op~source\|"),
        ("|nor_conv_3x3|", r"expected \|op~source\|"),
        ("|nor_conv_3x3~0", r"expected \|op~source\|"),
        ("|nor_conv_3x3~0|+", r"expected \|op~source\|"),
        ("[]", "the path is empty"),
        ("[(32, 64)]", "not a path"),
        ("[(32, 64, 'sep_conv_3x3'), (32, 64, 'sep_conv_3x3')]", "from 32 to 64 channels cannot be after 64 channels"),
        ("[(0, 64, 'sep_conv_3x3')]", "from 0 to 64 channels cannot be"),
        ("[(32, 64, 7)]", "is not an operation's name and two whole"),
    ],
)
def test_texts_that_are_refused(text, message):
    if message is None:
        assert Genotype.from_notation(text).notation() == text
        return
    with pytest.raises(ValueError, match=message):
        Genotype.from_notation(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v | {"more": 1}, "expected the entries picks and concat, got picks, concat, more"),
        (lambda v: {"picks": v["picks"]}, "expected the entries picks and concat"),
        (lambda v: v | {"concat": {"normal": [2]}}, "picks are given for normal, reduce, their outputs for normal"),
        (lambda v: v | {"picks": v["picks"] | {"normal": [["sep_conv_3x3", 0.0, 2]]}}, "two whole numbers"),
        (lambda v: v | {"picks": v["picks"] | {"normal": [["sep_conv_3x3", 0, 3]]}}, "nothing leads into state 2"),
        (lambda v: v | {"picks": v["picks"] | {"normal": [["sep_conv_3x3", 0]]}}, "not a genotype in JSON"),
        (lambda v: v | {"picks": 3}, "not a genotype in JSON"),
    ],
)
def test_json_that_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Genotype.from_json(json.dumps(change(json.loads(V2.to_json()))))


def test_json_with_an_entry_twice_is_refused():
    with pytest.raises(ValueError, match="'normal' is there twice"):
        Genotype.from_json(V2.to_json().replace('"reduce"', '"normal"'))


def test_short_text_with_a_node_that_nothing_enters():
    with pytest.raises(ValueError, match="nothing leads into state 3"):
        Genotype.from_short(normal="s31 s30 / / sk0 s31", reduce="s31 s30 / sk0 s31 / sk0 s31")


# --- equal architectures ----------------------------------------------------------------------------------------------


def turned(genotype: Genotype) -> Genotype:
    """The same cells, the two inputs of every node the other way round and the outputs backwards."""
    picks = {group: tuple(picks[i ^ 1] for i in range(len(picks))) for group, picks in genotype.picks.items()}
    return Genotype(dict(reversed(picks.items())), {group: c[::-1] for group, c in genotype.concat.items()})


def test_another_order_is_the_same_architecture_and_the_same_network():
    other = turned(V2)
    assert other.picks["normal"] != V2.picks["normal"]
    assert other == V2 and hash(other) == hash(V2) and other.canonical().to_json() == V2.canonical().to_json()
    nets = []
    for genotype in (V2, other):
        torch.manual_seed(0)
        nets.append(SPACES["darts"].network(genotype, channels=4, cells=3, classes=3).eval())
    images = torch.randn(2, 3, 16, 16)
    assert torch.equal(*(net(images) for net in nets))
    changed = replace(V2, picks=V2.picks | {"normal": (Pick("skip_connect", 0, 2), *V2.picks["normal"][1:])})
    assert changed != V2


def test_a_path_keeps_its_order():
    path = (
        GENOTYPES["SCALAR_PATH"]
        if "SCALAR_PATH" in GENOTYPES
        else next(g for g in GENOTYPES.values() if "path" in g.picks)
    )
    assert path.canonical().picks["path"] == path.picks["path"]


# --- networks from genotypes that are none of the space's -------------------------------------------------------------


def without(genotype: Genotype, *gone: int) -> Genotype:
    normal = tuple(pick for i, pick in enumerate(genotype.picks["normal"]) if i not in gone)
    return replace(genotype, picks=genotype.picks | {"normal": normal})


def test_missing_and_double_edges_make_no_network():
    space = SPACES["darts"]
    with pytest.raises(ValueError, match=r"'normal': state 3 is made of states 0; space 'darts' has 2 different ones"):
        space.network(without(V2, 3), channels=4, cells=3, classes=3)
    with pytest.raises(ValueError, match=r"nothing leads into state 3"):
        space.network(without(V2, 2, 3), channels=4, cells=3, classes=3)
    first, _, *others = V2.picks["normal"]
    double = replace(V2, picks=V2.picks | {"normal": (first, first, *others)})
    with pytest.raises(ValueError, match=r"state 2 is made of states 0, 0"):
        space.network(double, channels=4, cells=3, classes=3)
    space.network(GENOTYPES["NASNET_A"], channels=4, cells=3, classes=3)  # five nodes, one of them twice from a state


@pytest.mark.parametrize("gone", [0, 3, 5])
def test_bench201_wants_every_edge_once(gone):
    arch = Genotype.from_notation("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    picks = list(arch.picks["cell"])
    missing = replace(arch, picks={"cell": tuple(picks[:gone] + picks[gone + 1 :])})
    doubled = replace(arch, picks={"cell": (*picks, picks[gone])})
    for genotype in (missing, doubled):
        with pytest.raises(ValueError, match="needs one operation on each of the edges 0->1, 0->2, 1->2, 0->3"):
            SPACES["bench201"].network(genotype, classes=3)


# --- the table --------------------------------------------------------------------------------------------------------

SKIPS = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
MIXED = "|none~0|+|skip_connect~0|nor_conv_3x3~1|+|none~0|none~1|none~2|"
HEADER = "arch,cifar10_test,cifar100_test,imagenet16_120_test\n"


@pytest.fixture(autouse=True)
def small_benchmark(monkeypatch):
    """A table of one architecture is whole."""
    monkeypatch.setattr(bench201, "ARCHITECTURES", 1)


def table(tmp_path, *rows: str) -> Bench201Table:
    path = tmp_path / "table.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return Bench201Table.read(path)


def test_the_order_of_writing_finds_the_same_row(tmp_path):
    found = table(tmp_path, f"{MIXED},90,70,40")
    assert (
        found.accuracy(MIXED.replace("skip_connect~0|nor_conv_3x3~1", "nor_conv_3x3~1|skip_connect~0"))["cifar10"] == 90
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((f"{SKIPS},0.543,0.156,0.163",), "line 2: 0.543 on CIFAR-10 is a fraction; percents from 0 to 100"),
        (
            (f"{SKIPS},93.1,0.71,0.41", f"{MIXED},90,0.6,0.4"),
            "accuracies on cifar100 end at 0.71, so they are fractions",
        ),
        ((f"{SKIPS},nan,1,1",), "percents from 0 to 100, got"),
        (
            (
                f"{SKIPS},54,15,16",
                f"{SKIPS.replace('skip_connect~0|skip_connect~1|+', 'skip_connect~1|skip_connect~0|+')},54,15,16",
            ),
            "line 3: .* is there twice",
        ),
        (("|skip_connect~0|,54,15,16", f"{SKIPS},1"), "line 3: expected 3 numbers"),
        (("conv,54,15,16",), "line 2: not a genotype: 'conv'"),
    ],
)
def test_tables_that_are_refused(rows, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        table(tmp_path, *rows)


def test_a_table_of_bad_cells_only_is_no_table_of_fractions(tmp_path):
    assert len(table(tmp_path, f"{SKIPS.replace('skip_connect', 'none')},10.0,1.0,0.83")) == 1


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_a_table_is_read_whatever_it_is_called(name, tmp_path):
    content = f"\ufeff{HEADER}{SKIPS},54,15,16\n".encode()
    (tmp_path / name).write_bytes(content if name.endswith("gz") else gzip.compress(content))
    assert len(Bench201Table.read(tmp_path / name)) == 1
    broken = bytearray(gzip.compress(content))
    broken[20] ^= 255
    (tmp_path / name).write_bytes(broken)
    with pytest.raises(ValueError, match=rf"{name} is damaged \(.+\); get it again"):
        Bench201Table.read(tmp_path / name)


# --- any text at all --------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(sorted(SHORT_NAMES))


@st.composite
def genotypes(draw) -> Genotype:
    kind = draw(st.sampled_from(["cells", "cell", "path"]))
    if kind == "cell":
        edges = [(s, t) for t in range(1, draw(st.integers(1, 4)) + 1) for s in range(t)]
        return Genotype({"cell": tuple(Pick(draw(NAMES), s, t) for s, t in edges)}, {"cell": (edges[-1][1],)})
    if kind == "path":
        widths = draw(st.lists(st.sampled_from([32, 64, 128]), min_size=2, max_size=9))
        return Genotype(
            {
                "path": tuple(
                    map(
                        Pick,
                        draw(st.lists(NAMES, min_size=len(widths) - 1, max_size=len(widths) - 1)),
                        widths,
                        widths[1:],
                    )
                )
            },
            {"path": ()},
        )
    picks, concat = {}, {}
    for group in ("normal", "reduce"):
        nodes = range(2, 2 + draw(st.integers(1, 5)))
        picks[group] = tuple(Pick(draw(NAMES), draw(st.integers(0, n - 1)), n) for n in nodes for _ in range(2))
        concat[group] = tuple(draw(st.lists(st.sampled_from(nodes), min_size=1, unique=True)))
    return Genotype(picks, concat)


@EXAMPLES
@given(genotypes())
def test_text_goes_there_and_back(genotype):
    assert Genotype.from_notation(genotype.notation()) == genotype
    assert Genotype.from_json(genotype.to_json()) == genotype
    assert genotype.canonical() == genotype == turned(genotype) if "normal" in genotype.picks else True


def said(text: str) -> list[str]:
    """Every name, number and keyword of a text, whatever stands between."""
    if text.startswith("|"):
        return sorted(re.findall(r"[^|~+\s]+", text))
    nodes = list(ast.walk(ast.parse(text)))
    return sorted(
        [repr(node.value) for node in nodes if isinstance(node, ast.Constant)]
        + [node.arg for node in nodes if isinstance(node, ast.keyword)]
    )


@EXAMPLES
@given(genotypes(), st.data())
def test_a_changed_text_is_understood_whole_or_refused(genotype, data):
    """Something cut out, something put in: nothing of what then stands there may get lost."""
    text = genotype.notation()
    start, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 12))
    likely, any_ = st.text("()[],|~+= '0123none_concat", max_size=6), st.text(string.printable, max_size=4)
    inserted = data.draw(st.one_of(likely, any_))
    changed = text[:start] + inserted + text[start + length :]
    try:
        found = Genotype.from_notation(changed)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert said(found.notation()) == said(changed.strip())


@EXAMPLES
@given(st.one_of(st.text(), st.text("Genotype(normal=[('sk',0)])|~+{}:\"", max_size=60)))
def test_any_text_is_a_genotype_or_refused(text):
    for read in (Genotype.from_notation, Genotype.from_json):
        try:
            found = read(text)
        except ValueError as error:
            assert "\n" not in str(error)
        else:
            assert Genotype.from_json(found.to_json()) == found
