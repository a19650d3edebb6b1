"""Where the book's results come from and how they changed, drawn up while the book is rendered.

`{chapter-status}`: every executed chapter; `{result-changes}`: claims whose answer changed, from git's history of
`figures/*/claims.csv`; `{reporting-counts}`: what the page on reporting standards says in numbers.
"""

import html
import io
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pandas as pd
from docutils import nodes
from docutils.parsers.rst import Directive

from nasnb.published.claims import claims
from nasnb.report.answers import DECIDED
from nasnb.report.overview import all_answers, effect_words
from nasnb.runs.files import read_json

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "figures"
NOTHING = "not measured"


def git(*arguments: str) -> str:
    """What git says; empty where there is no history, as in an archive."""
    said = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return said.stdout if said.returncode == 0 else ""


def table(frame: pd.DataFrame, caption: str) -> str:
    """Sortable by tables.js; cells are HTML already."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in frame.columns)
    rows = "".join(
        "<tr>"
        + "".join(f'<td data-label="{html.escape(n)}">{v}</td>' for n, v in zip(frame.columns, row, strict=True))
        + "</tr>"
        for row in frame.itertuples(index=False)
    )
    words = html.escape(caption)
    return (
        f'<div class="sortable tall" role="group" tabindex="0" aria-label="{words}"><table class="table cards">'
        f"<caption>{words}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


# --- status -----------------------------------------------------------------------------------------------------------


def status() -> str:
    """A line per chapter: its executed copy, the commit of the book, its kept results with their age."""
    commit = git("rev-parse", "--short=10", "HEAD").strip() or "no git history"
    lines = []
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        copy = ROOT / f"book/chapters/{path.name}"
        meta = nbformat.read(copy, 4).metadata if copy.exists() else {}
        run, made = meta.get("papermill", {}), meta.get("nasnb", {})
        lines.append(
            {
                "chapter": f'<a href="chapters/{path.stem}.html">{path.stem}</a>',
                "preset": run.get("parameters", {}).get("preset", "laptop") if run else "not executed",
                "seconds": f"{made['seconds']:.0f}" if "seconds" in made else "",
                "executed (UTC)": run.get("start_time", "")[:16].replace("T", " "),
                "book's commit": commit,
                "kept results, days old": kept_with_age(path.stem),
            }
        )
    return table(pd.DataFrame(lines), f"{len(lines)} chapters")


def kept_with_age(chapter: str) -> str:
    """Names of the chapter's kept results with the days since git has them, each a link to its record."""
    found = [path for path in sorted((FIGURES / chapter).glob("*")) if path.suffix in (".json", ".csv", ".gz")]
    found = [path for path in found if path.suffix == ".json" or not path.with_suffix(".json").exists()]
    when = {path.name: git("log", "-1", "--format=%ct", "--", str(path)).strip() for path in found}
    days = {name: (datetime.now(UTC).timestamp() - int(at)) / 86400 for name, at in when.items() if at}
    named = [_linked(chapter, name) + (f" ({days[name]:.0f})" if name in days else "") for name in when]
    if len(named) > 6:
        named = [*named[:5], f"and {len(named) - 5} more"]
    return ", ".join(named) or "none"


def _linked(chapter: str, name: str) -> str:
    stem, _, kind = name.partition(".")
    link = f'<a href="evidence.html#kept-{chapter}-{stem}">{stem}</a>'
    return link if kind == "json" else html.escape(stem)


# --- changes ----------------------------------------------------------------------------------------------------------


def changes() -> str:
    """Under every commit, the newest first, the claims whose answer became another one; judged by the present rule."""
    commits = git("log", "--reverse", "--format=%h%x09%cs%x09%s", "--", "figures/*/claims.csv").splitlines()
    if not commits:
        return "<p>The history of the results needs git: this copy has none.</p>"
    before, told = {}, []
    for commit, day, subject in (line.split("\t") for line in commits):
        after = answers_at(commit)
        found = {id: (before.get(id, NOTHING), new) for id, new in after.items() if before.get(id, NOTHING) != new}
        if found:
            told.append(changed(found, f"{day}, {commit}: {subject}"))
        before = after
    return f"<p>{len(told)} commits changed answers.</p>" + "".join(told[::-1])


def changed(found: dict[str, tuple[str, str]], why: str) -> str:
    """One commit's claims, folded: first those that had an answer before."""
    lines = sorted(found.items(), key=lambda item: item[1][0] == NOTHING)
    rows = "".join(
        f'<tr><td><a href="claims.html#{id.replace("/", ".")}">{id}</a></td>'
        f'<td data-label="before">{html.escape(old)}</td><td data-label="after">{html.escape(new)}</td></tr>'
        for id, (old, new) in lines
    )
    n = f"{len(found)} claim{'s' if len(found) > 1 else ''}"
    again = sum(old != NOTHING for old, _ in found.values())
    return (
        f'<details class="change"><summary>{html.escape(why)} ({n}, {again} answered before)</summary>'
        '<table class="table cards"><thead><tr><th scope="col">claim</th><th scope="col">before</th>'
        f'<th scope="col">after</th></tr></thead><tbody>{rows}</tbody></table></details>'
    )


def answers_at(commit: str) -> dict[str, str]:
    """Verdict and effect of every claim that had kept evidence then, from the files of that commit."""
    known = {claim.id for claim in claims()}
    with tempfile.TemporaryDirectory() as folder:
        for name in git("ls-tree", "-r", "--name-only", commit, "figures").splitlines():
            if name.endswith("/claims.csv"):
                rows = pd.read_csv(io.StringIO(git("show", f"{commit}:{name}")), dtype=str, keep_default_na=False)
                target = Path(folder) / name
                target.parent.mkdir(parents=True)
                rows[rows.claim.isin(known)].to_csv(target, index=False)
        answers = all_answers(figures_dir=Path(folder) / "figures")
    seen = [each for each in answers if each.best is not None and each.best.kind != "published"]
    return {each.claim.id: f"{each.verdict}: {effect_words(each)}, n = {each.best.finding.n:,}" for each in seen}


# --- reporting --------------------------------------------------------------------------------------------------------


def counts() -> str:
    """What the book has of the things that the checklist asks for."""
    answers = all_answers(figures_dir=FIGURES)
    measured = [each for each in answers if each.best is not None and each.best.finding.design != "exact"]
    several = sum(each.best.finding.n >= 3 for each in measured)
    controls = sum(bool(each.claim.control) for each in answers)
    records = [read_json(path) for path in sorted(FIGURES.glob("*/*.json"))]
    hours = sum(record.get("seconds") or 0 for record in records) / 3600
    facts = {
        "claims": f"{len(answers)}, {sum(e.verdict in DECIDED for e in answers)} decided",
        "claims with a control": f"{controls} of {len(answers)}",
        "measured claims with three values or more": f"{several} of {len(measured)}",
        "kept results with a complete record": f"{len(records)}, {hours:.1f} device-hours",
        "searches whose outcome is looked up in NAS-Bench-201": looked_up(),
    }
    rows = "".join(f"<tr><th scope='row'>{k}</th><td>{html.escape(v)}</td></tr>" for k, v in facts.items())
    return f'<table class="table"><tbody>{rows}</tbody></table>'


def looked_up() -> str:
    path = FIGURES / "nas-bench-201/trajectories.csv"
    rows = pd.read_csv(path) if path.exists() else pd.DataFrame({"arm": [], "seed": []})
    return f"{len(rows[['arm', 'seed']].drop_duplicates())}, by {rows.arm.nunique()} arms"


class Drawn(Directive):
    """What `make` returns, as HTML. The page is drawn again at every build: git's history is no file of it."""

    make = None

    def run(self) -> list[nodes.Node]:
        self.state.document.settings.env.note_reread()
        return [nodes.raw("", type(self).make(), format="html")]


def setup(app):
    for name, make in (("chapter-status", status), ("result-changes", changes), ("reporting-counts", counts)):
        app.add_directive(name, type("Drawn", (Drawn,), {"make": staticmethod(make)}))
    return {"parallel_read_safe": True}
