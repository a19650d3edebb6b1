"""The page on what was run, drawn up while the book is rendered, from the records beside the kept results.

`{kept-figure} NAME` shows one with its caption and numbers, `{kept-table} NAME` a table of numbers, `{kept-runs}` lists
them all, `{settled}` what they say of claims, `{not-run}` what nobody has run, `{sweeps}` sweep files and their prices.
"""

import base64
import html
import math
import re
from collections import Counter
from pathlib import Path

import pandas as pd
from docutils import nodes
from docutils.parsers.rst import Directive
from provenance import git

from nasnb.config import PRESETS
from nasnb.plots.style import figure_html
from nasnb.report.answers import DECIDED, Answer
from nasnb.report.evidence import KIND_WORDS, KINDS, Evidence
from nasnb.report.overview import all_answers
from nasnb.runs.files import read_json
from nasnb.runs.kept import kept
from nasnb.workflow.arms import arms
from nasnb.workflow.sweep_file import read_sweep

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "figures"
SWEEPS = ROOT / "notebooks" / "sweeps"
PRICES = FIGURES / "bench" / "sweeps.csv"
PLAIN = sorted(FIGURES.glob("[bf]*/*.csv"))  # of benchmarks and of faults


def figure(name: str) -> str:
    """A kept figure; a sentence where it has not been made yet."""
    result = kept(name, figures_dir=FIGURES)
    if result is None:
        return f"<p>The kept result <code>{html.escape(name)}</code> has not been made yet.</p>"
    record = result.record
    return figure_html(result.svg, record["alt"], f"{record['scale']} {result}", result.table, record=record)


def boxed(table: pd.DataFrame, *, escape: bool = True) -> str:
    """A table that scrolls in its box, and on a phone is a card per row."""
    with pd.option_context("display.max_colwidth", None):
        shown = table.to_html(index=False, classes="table records", border=0, escape=escape, justify="left")
    return f'<div class="pst-scrollable-table-container">{shown}</div>'


def plain_table(name: str) -> str:
    """A kept table of numbers, rounded as far as they are worth reading."""
    table = pd.read_csv(FIGURES / f"{name}.csv").rename(columns=lambda column: column.replace("_", " "))
    return boxed(table.map(rounded))


def rounded(value: object) -> object:
    """`28,633` and `0.0323`; nothing for what is missing, and words as they are."""
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def runs() -> str:
    """A line per kept result; its name downloads the record."""
    lines = []
    for path in sorted(FIGURES.glob("*/*.json")):
        record = read_json(path)
        seeds = [record["seed"]] if not isinstance(record["seed"], list) else record["seed"]
        hours = "not told" if record["seconds"] is None else f"{record['seconds'] / 3600:.2f} h"
        commits = ", ".join(each[:10] for each in re.split(", *", record["commit"] or "not told"))
        name, encoded = f"{path.parent.name}/{path.stem}", base64.b64encode(path.read_bytes()).decode()
        file = f'download="{path.stem}.json" href="data:application/json;base64,{encoded}"'
        lines.append(
            {
                "result, made by": f'<a id="kept-{path.parent.name}-{path.stem}" {file}>{name}</a><br><code>'
                f"{html.escape(maker(path.parent.name, path.stem))}</code>",
                "data and scale": html.escape(" · ".join(filter(None, [record["data"], record.get("scale")]))),
                "seeds": "none" if seeds == [None] else ", ".join(map(str, seeds)),
                "took, on": html.escape(f"{hours}, {record['device']}"),
                "commit, kept": f"{commits}, {git('log', '-1', '--format=%cs', '--', str(path)).strip()}".rstrip(", "),
            }
        )
    return boxed(pd.DataFrame(lines), escape=False)


def settled() -> str:
    """A line per kind of kept evidence: claims, their verdicts, n, date, and which it decides."""
    groups: dict[str, list[tuple[Answer, Evidence]]] = {}
    for answer in all_answers(figures_dir=FIGURES):
        strongest: dict[str, Evidence] = {}  # of several results of one kind
        for each in filter(None, (answer.best, *answer.others)):
            strongest.setdefault(each.kind, each)
        for kind, each in strongest.items():
            if each.date:
                groups.setdefault(kind, []).append((answer, each))
    return boxed(pd.DataFrame([_settled(kind, groups[kind]) for kind in KINDS if kind in groups]), escape=False)


def _settled(kind: str, found: list[tuple[Answer, Evidence]]) -> dict[str, str]:
    verdicts = Counter(each.finding.verdict for _, each in found)
    n = sorted({each.finding.n for _, each in found if each.finding.design != "exact"})
    return {
        "evidence": html.escape(KIND_WORDS[kind]),
        "claims": str(len(found)),
        "of which": ", ".join(f"{number} {verdict}" for verdict, number in verdicts.most_common()),
        "n": f"{n[0]} to {n[-1]}" if n else "",
        "decided": ", ".join(_link(answer) for answer, each in found if each.finding.verdict in DECIDED) or "none",
        "latest": max(each.date for _, each in found),
    }


def _link(answer: Answer) -> str:
    return f'<a href="claims.html#{answer.claim.anchor}">{html.escape(answer.claim.id)}</a>'


def maker(folder: str, name: str) -> str:
    """The command that makes a kept result again, in short."""
    modules = {"supernets": f"kept_supernets {name}", "nas-bench-201": "kept_bench201 out/rows.csv.gz"}
    small = " --size small" if name.startswith("small-") else ""
    if folder in modules:
        return f"python -m nasnb.workflow.{modules[folder]}{small}"
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
    """A line per sweep file: the command that runs it, at which scale, what for, its rows and its price."""
    lines = []
    for path in SWEEPS.glob("*.yaml"):
        sweep = read_sweep(path, notebooks=SWEEPS.parent)
        comment = " ".join(line[1:].strip() for line in path.read_text().splitlines() if line.startswith("#"))
        about, _, estimate = comment.partition(" Estimated at ")
        (preset,) = {row.values.get("preset", "laptop") for row in sweep.rows}
        lines.append(
            {
                "command": f"nasnb sweep {path.stem}",
                "scale": preset,
                "what": about,
                "rows": len(sweep.rows),
                "price": priced(path.stem) or estimate.rstrip(".") or aim(preset, len(sweep.rows)),
            }
        )
    table = pd.DataFrame(lines)
    place = table.scale.map(list(PRESETS).index)
    return boxed(table.assign(place=place).sort_values(["place", "command"]).drop(columns="place"))


def priced(sweep: str) -> str:
    """What a sweep at the papers' scale would take, of benchmarks.sweeps; empty for others."""
    table = pd.read_csv(PRICES).set_index("sweep")
    if sweep not in table.index:
        return ""
    row = table.loc[sweep]
    parts = [
        f"{row[kind]:.0f} {kind if row[kind] > 1 else kind[:-1]} {row[f'{kind} (GPU hours)']:,.0f}"
        for kind in ("searches", "trainings")
        if row[kind]
    ]
    return f"{row['GPU hours']:,.0f} GPU-hours ({', '.join(parts)})"


def aim(preset: str, rows: int) -> str:
    """What is aimed at where nothing was counted: whole chapters on one card, and the smallest scale."""
    return f"aim: at most {rows} GPU-hours, one a row" if preset == "gpu" else "seconds a row"


class Drawn(Directive):
    """What `make` returns for the directive's argument, as HTML. The page is drawn again when a kept result changes."""

    optional_arguments = 1
    final_argument_whitespace = True
    make = None

    def run(self) -> list[nodes.Node]:
        for path in (*sorted(FIGURES.rglob("*.json")), *sorted(FIGURES.glob("*/claims.csv")), *PLAIN):
            self.state.document.settings.env.note_dependency(str(path))
        return [nodes.raw("", type(self).make(*self.arguments), format="html")]


def setup(app):
    for name, make in (
        ("kept-figure", figure),
        ("kept-table", plain_table),
        ("kept-runs", runs),
        ("settled", settled),
        ("not-run", not_run),
        ("sweeps", sweeps),
    ):
        app.add_directive(name, type("Drawn", (Drawn,), {"make": staticmethod(make)}))
    return {"parallel_read_safe": True}
