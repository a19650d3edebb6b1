"""The page on what was run, drawn up while the book is rendered, from the records beside the kept results.

`{kept-figure} NAME` shows one with its caption and numbers, `{kept-runs}` lists them all, `{not-run}` what nobody has,
`{sweeps}` the sweep files.
"""

import html
import re
from pathlib import Path

import pandas as pd
from docutils import nodes
from docutils.parsers.rst import Directive

from nasnb.plots.style import figure_html
from nasnb.runs.files import read_json
from nasnb.runs.kept import kept
from nasnb.workflow.arms import arms
from nasnb.workflow.sweep_file import read_sweep

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "figures"
SWEEPS = ROOT / "notebooks" / "sweeps"


def figure(name: str) -> str:
    """A kept figure; a sentence where it has not been made yet."""
    result = kept(name, figures_dir=FIGURES)
    if result is None:
        return f"<p>The kept result <code>{html.escape(name)}</code> has not been made yet.</p>"
    record = result.record
    return figure_html(result.svg, record["alt"], f"{record['scale']} {result}", result.table, record=record)


def boxed(table: pd.DataFrame) -> str:
    """A table that scrolls in its box, and on a phone is a card per row."""
    return f'<div class="pst-scrollable-table-container">{table.to_html(index=False, classes="table", border=0)}</div>'


def runs() -> str:
    """A line per kept result."""
    lines = []
    for path in sorted(FIGURES.glob("*/*.json")):
        record = read_json(path)
        seeds = record["seed"] if isinstance(record["seed"], list) else [record["seed"]]
        lines.append(
            {
                "result": f"{path.parent.name}/{path.stem}",
                "data": record["data"],
                "seeds": len(seeds),
                "device": record["device"],
                "hours": "not told" if record["seconds"] is None else f"{record['seconds'] / 3600:.2f}",
                "commit": ", ".join(each[:10] for each in re.split(", *", record["commit"] or "not told")),
                "made by": maker(path.parent.name, path.stem),
            }
        )
    return boxed(pd.DataFrame(lines))


def maker(folder: str, name: str) -> str:
    """The command that makes a kept result again, in short."""
    modules = {"supernets": f"kept_supernets {name}", "nas-bench-201": "kept_bench201 out/rows.csv.gz"}
    if folder in modules:
        return f"python -m nasnb.workflow.{modules[folder]}"
    script = FIGURES / folder / f"make_{name}.py"
    if script.exists():
        return f"python {script.relative_to(ROOT)}"
    return "make bench" if folder == "bench" else f"papermill notebooks/{folder}.ipynb out.ipynb -p keep True"


def not_run() -> str:
    """The arms on NAS-Bench-201 that no kept result has, with the command that runs them."""
    result = kept("nas-bench-201/trajectories", figures_dir=FIGURES)
    diagram = kept("nas-bench-201/phases", figures_dir=FIGURES)
    done = {arm for each in (result, diagram) if each is not None for arm in each.table.arm}
    left = [arm.name for arm in arms() if arm.name not in done]
    if not left:
        return "<p>Every arm has been run.</p>"
    command = f"python -m nasnb.workflow.crowd runs/bench201 --data cifar10-16.npz --plan {','.join(left)}@0-7"
    return f"<p>{len(left)} arms:</p><pre>{html.escape(command)}</pre>"


def sweeps() -> str:
    """A line per sweep file: what it is for, how many rows at which scale, the command that runs them."""
    lines = []
    for path in sorted(SWEEPS.glob("*.yaml")):
        sweep = read_sweep(path, notebooks=SWEEPS.parent)
        about = " ".join(line[1:].strip() for line in path.read_text().splitlines() if line.startswith("#"))
        presets = sorted({row.values.get("preset", "laptop") for row in sweep.rows})
        lines.append(
            {"command": f"nasnb sweep {path.stem}", "rows": len(sweep.rows), "scale": ", ".join(presets), "what": about}
        )
    with pd.option_context("display.max_colwidth", None):
        return boxed(pd.DataFrame(lines))


class Drawn(Directive):
    """What `make` returns for the directive's argument, as HTML. The page is drawn again when a kept result changes."""

    optional_arguments = 1
    final_argument_whitespace = True
    make = None

    def run(self) -> list[nodes.Node]:
        for path in sorted(FIGURES.rglob("*.json")):
            self.state.document.settings.env.note_dependency(str(path))
        return [nodes.raw("", type(self).make(*self.arguments), format="html")]


def setup(app):
    for name, make in (("kept-figure", figure), ("kept-runs", runs), ("not-run", not_run), ("sweeps", sweeps)):
        app.add_directive(name, type("Drawn", (Drawn,), {"make": staticmethod(make)}))
    return {"parallel_read_safe": True}
