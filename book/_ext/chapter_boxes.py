"""What the build adds to every chapter: how to run it and what that costs, and a section on its reproducibility.

Chapters need nothing for it; `book/chapters.yml` and the executed copy say what is special to each.
"""

import html
import re
from collections import Counter
from pathlib import Path

import nbformat
import pandas as pd
import yaml
from docutils import nodes
from sphinx.transforms import SphinxTransform

from nasnb.report.answers import DECIDED, known
from nasnb.report.claims import OPEN
from nasnb.runs.progress import duration

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "figures"
CHAPTERS = ROOT / "book/chapters.yml"
PRICES = FIGURES / "bench/chapters.csv"
FOLDER = "book/chapters/"
WORDS = {  # of the section on reproducibility
    "scope": "Scope",
    "easy": "What was easy",
    "hard": "What was hard",
    "not_done": "What could not be done here",
    "code": "Code of the authors",
    "code_lacks": "What that code lacks",
}
AIMS = {  # where nothing was measured
    "smoke": "seconds",
    "laptop": "aim: at most 4 minutes on 2 processor cores that do nothing else",
    "overnight": "hours on 2 processor cores, resumable",
    "gpu": "aim: under an hour on one graphics card with 16 GB",
    "paper": "the paper's hyperparameters: hours to days per run, on a cluster",
}


def about(chapter: str) -> dict:
    """What chapters.yml says of a chapter."""
    return yaml.safe_load(CHAPTERS.read_text(encoding="utf-8"))[chapter]


# --- what a run costs -------------------------------------------------------------------------------------------------


def executed(chapter: str) -> dict:
    """Preset and seconds of the copy that this page shows; empty if it was not made by `nasnb`."""
    path = ROOT / f"{FOLDER}{chapter}.ipynb"
    meta = nbformat.read(path, 4).metadata if path.exists() else {}
    if "nasnb" not in meta or "papermill" not in meta:
        return {}
    return {
        "preset": meta["papermill"].get("parameters", {}).get("preset", "laptop"),
        "seconds": meta["nasnb"]["seconds"],
        "when": meta["papermill"]["start_time"][:16].replace("T", " "),
    }


def prices(chapter: str) -> list[tuple[str, str]]:
    """A line per preset: what was measured, else what chapters.yml says of the chapter, else the aim."""
    table, own = pd.read_csv(PRICES), about(chapter).get("cost")
    measured = {line.preset: line for line in table[table.chapter == chapter].itertuples()}
    return [(preset, priced(measured[preset]) if preset in measured else own or aim) for preset, aim in AIMS.items()]


def priced(line) -> str:
    return f"{duration(line.processor_seconds)} of {line.device}, measured ({line.date}, commit {line.commit})"


# --- run this page ----------------------------------------------------------------------------------------------------


def run_box(chapter: str) -> str:
    """Three ways with their commands, and what each preset costs."""
    notebook, sweeps = f"notebooks/{chapter}.ipynb", about(chapter)["sweeps"]
    ways = [
        ("JupyterLab", "make lab", f"then open <code>{notebook}</code>, change the parameters cell, run all"),
        (
            "papermill",
            f".venv/bin/papermill {notebook} out.ipynb -p preset laptop -p seed 1",
            "one run, without anyone watching",
        ),
        (
            "Sweep",
            "\n".join(f".venv/bin/nasnb sweep {name} --dry-run" for name in sweeps),
            "what it costs; then without --dry-run",
        ),
    ]
    shown = "".join(
        f"<dt>{name}</dt><dd><pre>{html.escape(command)}</pre><p>{note}</p></dd>"
        for name, command, note in ways
        if command
    )
    rows = "".join(
        f"<tr><th scope='row'><code>{p}</code></th><td>{html.escape(t)}</td></tr>" for p, t in prices(chapter)
    )
    copy = executed(chapter)
    made = (
        f"This page: <code>{copy['preset']}</code>, {duration(copy['seconds'])}, {copy['when']} UTC. " if copy else ""
    )
    return (
        '<details class="run-box"><summary>Run this page</summary>'
        f'<p>{made}The notebook needs the package: <a href="../how-to-run.html#set-up">set up</a> once. '
        "Commands are for the repository's folder.</p>"
        f"<dl>{shown}</dl>"
        f"<table><caption>What it costs</caption><tbody>{rows}</tbody></table></details>"
    )


# --- reproducibility --------------------------------------------------------------------------------------------------


def reproducibility(chapter: str) -> str:
    """The box: words of chapters.yml, and the claims in numbers."""
    said, answers = about(chapter), known(chapter, figures_dir=FIGURES)
    decided = sum(each.verdict in DECIDED for each in answers)
    left = sum(each.verdict == OPEN for each in answers)
    reasons = Counter(each.claim.unjudged or "not measured yet" for each in answers if each.best is None)
    rest = [(n, why) for why, n in reasons.items()]
    counts = f"{len(answers)} in the table: {decided} decided by kept evidence, {left} open"
    counts += "".join(f", {n} {why}" for n, why in rest) + ". Exact ones are decided by this page itself."
    lines = [(words, said[name]) for name, words in WORDS.items() if name in said]
    lines.insert(4 if "code" in said else len(lines), ("Claims", counts))
    return (
        "<dl class='reproducibility'>" + "".join(f"<dt>{k}</dt><dd>{html.escape(v)}</dd>" for k, v in lines) + "</dl>"
    )


class ChapterBoxes(SphinxTransform):
    """Both boxes at their places: before the first section, and as the last one."""

    default_priority = 500

    def apply(self, **kwargs) -> None:
        if not self.env.docname.startswith(FOLDER):
            return
        chapter = self.env.docname.removeprefix(FOLDER)
        for path in (CHAPTERS, PRICES, FIGURES / chapter / "claims.csv"):
            self.env.note_dependency(str(path))
        top = next(self.document.findall(nodes.section), None)
        first = next((child for child in top.children if isinstance(child, nodes.section)), None)
        top.insert(top.index(first) if first else len(top), nodes.raw("", run_box(chapter), format="html"))
        section = nodes.section(
            "", nodes.title("", "Reproducibility"), ids=["reproducibility"], names=["reproducibility"]
        )
        section += nodes.raw("", reproducibility(chapter), format="html")
        top += section


# --- outputs ----------------------------------------------------------------------------------------------------------

PROGRESS = re.compile(r"^[a-z][\w.+-]*-[0-9a-f]{6,}: ")


def fold_progress(app, doctree, docname) -> None:
    """For Sphinx: the lines of finished runs under a cell become one folded list."""
    for output in list(doctree.findall(lambda n: isinstance(n, nodes.container) and "cell_output" in n["classes"])):
        lines = [n for n in output.findall(nodes.literal_block) if PROGRESS.match(n.astext())]
        if not lines:
            continue
        text = html.escape("\n".join(" ".join(line.astext().split()) for line in lines))
        what = f"{len(lines)} runs" if len(lines) > 1 else "1 run"
        loaded = sum("nothing computed" in line.astext() for line in lines)
        what += f", {loaded} of them loaded" if loaded else ""
        folded = f'<details class="runs"><summary>{what}</summary><pre tabindex="0">{text}</pre></details>'
        lines[0].parent.replace(lines[0], nodes.raw("", folded, format="html"))
        for line in lines[1:]:
            line.parent.remove(line)


def setup(app):
    app.add_transform(ChapterBoxes)
    app.connect("doctree-resolved", fold_progress)
    return {"parallel_read_safe": True}
