"""Writes book/api.md, the reference page: one section per module, room by room. Run it when modules come or go.

python book/make_api.py
"""

from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "api.md"
ROOMS = {
    "Architectures, numbers, randomness": [
        *("nasnb", "nasnb.architecture", "nasnb.config", "nasnb.randomness", "nasnb.published*")
    ],
    "Data, schedules, devices": ["nasnb.data*", "nasnb.schedules", "nasnb.device*"],
    "The supernet": ["nasnb.supernet*"],
    "Spectral norms and stable ranks": ["nasnb.spectral*"],
    "Spaces and evaluation": ["nasnb.spaces*", "nasnb.evaluation"],
    "Search and training": ["nasnb.search*", "nasnb.training", "nasnb.transfer*"],
    "Methods and experiments": ["nasnb.methods", "nasnb.experiment"],
    "Analyses": ["nasnb.analysis*"],
    "Reports, runs, figures, workflow": ["nasnb.report*", "nasnb.runs*", "nasnb.plots*", "nasnb.*"],
}
HEAD = """---
myst:
  html_meta:
    description: "Every module of the package nasnb, from its docstrings."
---

# Reference of the package

Made from the docstrings, room by room: a module imports only from its own room and those above it on this page.
`nasnb.runs` and `nasnb.plots` stand aside and see only the first room. *[source]* beside a name leads to its code;
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
    for title, patterns in ROOMS.items():
        found = [name for pattern in patterns for name in left if fnmatch(name, pattern)]
        found = list(dict.fromkeys(found))
        left = [name for name in left if name not in found]
        parts += [f"\n## {title}\n", *(SECTION.format(name) for name in found)] if found else []
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
