"""Imports point down: the layers of the package, and a walk over every import statement in it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "nasnb"

# From the bottom up. A module may import from its own layer and from those below.
LAYERS = [
    {"architecture", "config", "randomness", "distributed", "genotypes", "published"},
    {"ops", "stacked", "kernels", "precision", "graph", "spectral", "data", "schedules"},
    {"relaxation", "fanout", "networks", "mixes", "measure", "memory"},
    {"spaces"},
    {"search", "training", "transfer"},
    {"analysis"},
    {"methods"},
    {"running"},
    {"chapter", "chapters", "stages", "sweeps", "workers", "batch", "book", "bench", "benchmarks", "__main__", ""},
]
# On the side: who writes files and who draws see only the vocabulary, and anybody above may call them.
SIDE = {"runs": LAYERS[0], "plots": LAYERS[0]}
MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(module: str) -> str:
    """`nasnb.search.steps` belongs to `search`."""
    return module.split(".")[1] if "." in module else ""


def imported(path: Path) -> set[str]:
    """Parts of the package that a module imports, wherever the import stands (type checking aside)."""
    tree = ast.parse(path.read_text())
    quiet = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if node in quiet:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nasnb":
            names = (
                [f"nasnb.{a.name}" for a in node.names if a.name != "__version__"]
                if node.module == "nasnb"
                else [node.module]
            )
            found |= {part_of(name) for name in names}
        elif isinstance(node, ast.Import):
            found |= {part_of(a.name) for a in node.names if a.name.split(".")[0] == "nasnb"}
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative import"
    return found


def height(part: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if part in layer)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    relative = path.relative_to(PACKAGE).with_suffix("")
    part = relative.parts[0] if relative.parts[0] != "__init__" else ""
    for other in imported(path) - {part}:
        if part in SIDE:
            assert other in SIDE[part], f"{part} may see only {sorted(SIDE[part])}, not {other}"
        elif other in SIDE:
            assert height(part) >= height("running"), f"{part} computes; drawing and files are not its business"
        else:
            assert height(other) <= height(part), f"{part} (layer {height(part)}) imports {other} from above"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_are_small(path):
    assert len(path.read_text().splitlines()) <= 300, f"{path.name} is over 300 lines: part it"


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
