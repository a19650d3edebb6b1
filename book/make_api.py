"""Writes book/api.md, the reference page: one section per module, layer by layer. Run it when modules come or go.

python book/make_api.py
"""

from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "api.md"
LAYERS = {
    "Architectures, numbers, randomness": [
        *("nasnb", "nasnb.architecture", "nasnb.genotypes", "nasnb.published"),
        *("nasnb.config", "nasnb.randomness"),
    ],
    "Operations, data, schedules": [
        *("nasnb.ops", "nasnb.stacked", "nasnb.kernels", "nasnb.spectral*", "nasnb.data*", "nasnb.schedules"),
    ],
    "Networks and relaxation": [
        *("nasnb.relaxation", "nasnb.fanout", "nasnb.mixes", "nasnb.networks", "nasnb.measure", "nasnb.memory"),
    ],
    "Spaces": ["nasnb.spaces*"],
    "Search and training": ["nasnb.search*", "nasnb.training", "nasnb.transfer*"],
    "Analysis and methods": ["nasnb.analysis*", "nasnb.methods"],
    "Runs, plots and tools": ["nasnb.runs*", "nasnb.plots*", "nasnb.*"],
}
HEAD = """---
myst:
  html_meta:
    description: "Every module of the package nasnb, from its docstrings."
---

# Reference of the package

Made from the docstrings, layer by layer: a module imports only from its own layer and those above it on this page.
`nasnb.runs` and `nasnb.plots` stand aside and see only the first layer. *[source]* beside a name leads to its code;
most modules are short enough to be read whole.
"""
SECTION = "\n### {0}\n\n```{{eval-rst}}\n.. automodule:: {0}\n   :members:\n   :ignore-module-all:\n```\n"


def modules() -> list[str]:
    """All modules that have something in them, by name."""
    paths = [p for p in (ROOT / "nasnb").rglob("*.py") if p.name != "__main__.py" and p.read_text().strip()]
    return sorted(".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in paths)


def page() -> str:
    """The text of the page."""
    left, parts = modules(), [HEAD]
    for title, patterns in LAYERS.items():
        found = [name for pattern in patterns for name in left if fnmatch(name, pattern)]
        found = list(dict.fromkeys(found))
        left = [name for name in left if name not in found]
        parts += [f"\n## {title}\n", *(SECTION.format(name) for name in found)] if found else []
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
