"""Writes the reference: book/api.md and a page per room, book/api-ROOM.md. Run it when modules come or go.

python book/make_api.py
"""

import json
import re
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
ROOMS = {  # the page's name: its title, what it is for, its modules
    "core": (
        "Architectures, numbers, randomness",
        "What everything else is written in: cells as data, configs and presets, seeds by purpose, published numbers.",
        ("nasnb", "nasnb.architecture", "nasnb.config", "nasnb.randomness", "nasnb.published*"),
    ),
    "data": (
        "Data, schedules, devices",
        "Images as one array on the device, learning rates as closed forms, graphs, precision, several processes.",
        ("nasnb.data*", "nasnb.schedules", "nasnb.device*"),
    ),
    "supernet": ("The supernet", "`net(images, weights)`: the network that is told its weights.", ("nasnb.supernet*",)),
    "spectral": ("Spectral norms and stable ranks", "Of kernels and of the maps they are.", ("nasnb.spectral*",)),
    "spaces": (
        "Spaces and evaluation",
        "What may be chosen, and what is legal.",
        ("nasnb.spaces*", "nasnb.evaluation"),
    ),
    "search": (
        "Search and training",
        "Steps, hooks, scores; final networks; detection.",
        ("nasnb.search*", "nasnb.training", "nasnb.transfer*"),
    ),
    "methods": ("Methods and experiments", "A paper as a composition.", ("nasnb.methods", "nasnb.experiment")),
    "analysis": (
        "Analyses",
        "What several chapters look at.",
        (
            "nasnb.analysis",
            *(f"nasnb.analysis.{name}" for name in ("collapse", "correlations", "fans", "hessian", "log*", "shapes")),
        ),
    ),
    "chapters": (
        "Analyses of single chapters",
        "What a paper looks at; a folder per paper.",
        (
            "nasnb.analysis.darts",
            "nasnb.analysis.darts.*",
            *(f"nasnb.analysis.{name}*" for name in ("sharpdarts", "pc_darts", "stacnas", "msr_darts")),
        ),
    ),
    "comparing": (
        "Analyses across papers",
        "DARTS-PT's yardsticks, diagnostics on many supernets, full-scale runs of others.",
        ("nasnb.analysis*",),
    ),
    "report": ("Reports", "Claims, verdicts, tables: what may be said.", ("nasnb.report*",)),
    "plots": ("Figures", "A figure is a function of data.", ("nasnb.plots*",)),
    "workflow": ("Runs and workflow", "Files, records, commands, sweeps.", ("nasnb.runs*", "nasnb.*")),
}
EXAMPLES = {  # short enough to be run by a test
    "core": """from nasnb.published.genotypes import GENOTYPES

print(GENOTYPES["DARTS_V2"].notation())""",
    "data": """from nasnb.data import load

data = load("fashion-sample")
print(len(data.train), data.classes[:3], data.image_size)""",
    "spaces": """from nasnb.methods import METHODS

print(METHODS["pc-darts"].space.choices)""",
    "methods": """from nasnb.methods import METHODS

print(METHODS["pc-darts"].at("smoke", seed=0))""",
    "report": """from nasnb.report import judge

print(judge([1.2, 0.8, 1.5, 0.9, 1.1, 1.3], design="one sample", margin=0.5).words("points"))""",
}
FRONT = """---
myst:
  html_meta:
    description: "{description}"
---

# {title}
"""
HEAD = """
Made from the docstrings, a page per room: a module imports only from its own room and those above it in this list.
`nasnb.runs` and `nasnb.plots` stand aside and see only the first room. *[source]* beside a name leads to its code; most
modules are short enough to be read whole.

| Room | What it holds |
|---|---|
"""
SECTION = "\n## {0}\n\n```{{eval-rst}}\n.. automodule:: {0}\n   :members:\n   :ignore-module-all:\n```\n"


def modules() -> list[str]:
    """All modules that have something in them, by name."""
    paths = [p for p in (ROOT / "nasnb").rglob("*.py") if p.name != "__main__.py" and p.read_text().strip()]
    return sorted(".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in paths)


def rooms() -> dict[str, list[str]]:
    """The modules of every room, each in the first that asks for it."""
    left, found = modules(), {}
    for room, (_, _, patterns) in ROOMS.items():
        found[room] = list(dict.fromkeys(name for pattern in patterns for name in left if fnmatch(name, pattern)))
        left = [name for name in left if name not in found[room]]
    return found


def chapters_that_use(names: list[str]) -> list[str]:
    """Chapters whose cells import one of these modules."""
    used = []
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "".join("".join(cell["source"]) + "\n" for cell in cells if cell["cell_type"] == "code")
        parents = "|".join(sorted({re.escape(name.rpartition(".")[0]) for name in names if "." in name}))
        whole = re.findall(r"^from (nasnb[\w.]*) import|^import (nasnb[\w.]*)", code, re.MULTILINE)
        several = re.findall(rf"^from ({parents}) import \(?([\w,\s]+)", code, re.MULTILINE) if parents else []
        seen = {a or b for a, b in whole}
        seen |= {f"{parent}.{name.strip()}" for parent, these in several for name in these.split(",")}
        if seen & set(names):
            used.append(path.stem)
    return used


def page(room: str, names: list[str]) -> str:
    """The text of a room's page."""
    title, purpose, _ = ROOMS[room]
    chapters = ", ".join(f"[{name}](chapters/{name})" for name in chapters_that_use(names))
    parts = [FRONT.format(title=title, description=f"Reference of nasnb: {purpose}".replace("`", "")), f"\n{purpose}\n"]
    parts += [f"\nUsed in {chapters}. All rooms: [Reference of the package](api.md).\n"] if chapters else []
    parts += [f"\n```python\n{EXAMPLES[room]}\n```\n"] if room in EXAMPLES else []
    return "".join([*parts, *map(SECTION.format, names)])


def pages() -> dict[str, str]:
    """File name and text of every page of the reference."""
    lines = [f"| [{title}](api-{room}.md) | {purpose} |" for room, (title, purpose, _) in ROOMS.items()]
    first = FRONT.format(title="Reference of the package", description="Every module of the package nasnb, by room.")
    return {"api.md": first + HEAD + "\n".join(lines) + "\n"} | {
        f"api-{room}.md": page(room, names) for room, names in rooms().items()
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (BOOK / name).write_text(text, encoding="utf-8")
