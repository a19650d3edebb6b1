"""The house: imports point down, without circles; few names at the top, small modules; a name stands for one thing."""

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "nasnb"

# From the bottom up. A room may import from its own floor and from those below.
FLOORS = [
    {"architecture", "config", "limits", "randomness", "published"},
    {"device", "schedules", "data"},
    {"supernet"},
    {"spectral"},
    {"evaluation", "spaces"},
    {"search", "training", "transfer"},
    {"methods", "analysis"},
    {"experiment", "report"},
    {"workflow"},
    {"__main__", ""},
]
# On the side: who writes files and who draws see only the vocabulary, and anybody above may call them.
SIDE = {"runs": FLOORS[0] | {"device"}, "plots": FLOORS[0]}
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """`nasnb/search/__init__.py` is nasnb.search."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


NAMES = {name_of(path): path for path in MODULES}


def room_of(module: str) -> str:
    """`nasnb.search.steps` belongs to `search`."""
    return module.split(".")[1] if "." in module else ""


def imported(path: Path, *, types: bool = False) -> set[str]:
    """Modules of the package that a module imports, wherever the import stands (type checking only if `types`)."""
    tree = ast.parse(path.read_text())
    quiet = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative import"
        if node in quiet and not types:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nasnb":
            found |= {
                f"{node.module}.{a.name}" if f"{node.module}.{a.name}" in NAMES else node.module for a in node.names
            }
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.split(".")[0] == "nasnb"}
    return found


def height(room: str) -> int:
    return next(i for i, floor in enumerate(FLOORS) if room in floor)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    room = room_of(name_of(path))
    for other in {room_of(module) for module in imported(path)} - {room, ""}:
        if room in SIDE:
            assert other in SIDE[room], f"{room} may see only {sorted(SIDE[room])}, not {other}"
        elif other in SIDE:
            assert height(room) >= height("experiment"), f"{room} computes; drawing and files are not its business"
        else:
            assert height(other) <= height(room), f"{room} (floor {height(room)}) imports {other} from above"


def test_no_circles():
    # A face (an __init__.py that only hands names on) is seen through: who imports a name from it needs its home.
    graph = {name: imported(path, types=name != "nasnb") - {"nasnb", name} for name, path in NAMES.items()}
    faces = {name for name, path in NAMES.items() if path.name == "__init__.py"}
    try:
        TopologicalSorter({name: others - faces for name, others in graph.items() if name not in faces}).prepare()
    except CycleError as error:
        pytest.fail("modules in a circle: " + " -> ".join(error.args[1]))
    for name in faces - {"nasnb"}:
        own = {other for other in graph[name] if other.startswith(f"{name}.")}
        back = [other for other in own if name in graph.get(other, ())]
        assert not back, f"{name} is imported by its own {', '.join(back)}"


def test_rooms_of_the_same_floor_do_not_import_each_other():
    graph = defaultdict(set)
    for name, path in NAMES.items():
        room = room_of(name)
        graph[room] |= {room_of(other) for other in imported(path)} - {room, ""}
    TopologicalSorter({room: others for room, others in graph.items() if room}).prepare()  # raises if they do


def test_few_names_at_the_top():
    top = {p.name for p in PACKAGE.iterdir() if p.suffix == ".py" or (p.is_dir() and p.name != "__pycache__")}
    assert len(top) <= 24, f"{len(top)} names at the top of the package: {', '.join(sorted(top))}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_are_small(path):
    assert len(path.read_text().splitlines()) <= 300, f"{path.name} is over 300 lines: part it"


def public_names(path: Path) -> set[str]:
    """Functions, classes and type names that a module defines for others."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):  # `Batch = tuple[Tensor, Tensor]`; constants have names of their own
            found |= {t.id for t in node.targets if isinstance(t, ast.Name) and not t.id.isupper()}
    return {name for name in found if not name.startswith("_")}


def test_a_public_name_stands_for_one_thing():
    homes = defaultdict(list)
    for name, path in NAMES.items():
        for public in public_names(path) if path.name != "__init__.py" else ():
            homes[public].append(name)
    twice = {name: where for name, where in homes.items() if len(where) > 1}
    assert not twice, f"defined twice: {twice}"


def test_no_formatter_is_switched_off():
    for path in [*MODULES, *PACKAGE.parent.glob("tests/**/*.py"), *PACKAGE.parent.glob("benchmarks/*.py")]:
        assert "fmt: " + "skip" not in path.read_text(), f"{path.name}: write what the formatter keeps"


def test_drawing_needs_no_torch():
    for path in (PACKAGE / "plots").glob("*.py"):
        names = {
            a.name.split(".")[0]
            for n in ast.walk(ast.parse(path.read_text()))
            if isinstance(n, ast.Import)
            for a in n.names
        }
        assert "torch" not in names


def test_no_module_names_a_device():
    for path in MODULES:
        assert ".cuda(" not in path.read_text(), f"{path.name}: devices come from the inputs"
