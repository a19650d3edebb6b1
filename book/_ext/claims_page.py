"""The page of all claims, drawn up while the book is rendered; CSV and JSON are written beside it.

`{all-claims}` stands for the count and the table, `{claims-before}` for what became of earlier ones.
"""

import functools
import html
import json
from pathlib import Path

import pandas as pd
from docutils import nodes
from docutils.parsers.rst import Directive

from nasnb.published.claims import FIELDS, claim
from nasnb.report.answers import SAID, Answer, decided_first, exact_doubt, n_that_would_decide
from nasnb.report.claims import FALSE, TRUE
from nasnb.report.overview import all_answers, command, counted, effect_words, overview

ROOT = Path(__file__).resolve().parent.parent.parent
FIGURES = ROOT / "figures"
BEFORE = ROOT / "book/claims-before.csv"
FATES = ("kept", "changed", "dropped")
COLUMNS = (
    "claim",
    "paper",
    "verdict",
    "effect [95 %]",
    "n",
    "evidence",
    "scale",
    "published",
    "n that would decide",
    "commit",
    "measure it again",
)
NUMBERS = {
    "estimate": "the effect, positive as claimed",
    "low": "lower end of its 95 % interval",
    "high": "upper end of its 95 % interval",
    "n": "values behind it",
    "p": "of the test that belongs to the interval",
    "p_holm": "corrected over the chapter's primary claims",
    "p_robust": "of a test without its assumptions, where the design has one",
    "n_needed": "n that would decide an open claim",
}
ORIGIN = {
    "evidence": "the kind of the strongest evidence; empty if nothing was measured",
    "scale": "data and size of the runs",
    "run": "the kept result or run behind it",
    "commit": "of the code that measured it",
    "date": "when",
    "other_evidence": "weaker kinds and their verdicts",
    "command": "what measures it again",
}
CHOOSE = ("paper", "verdict", "evidence")  # columns with a menu of their values


def sources() -> list[Path]:
    """What the page is made of: drawn again when one changes."""
    tables = [ROOT / f"nasnb/published/{name}.csv" for name in ("claims", "numbers", "retests")]
    return [*tables, *sorted(FIGURES.glob("*/claims.csv"))]


def cells(answer: Answer) -> list[str]:
    """HTML of one row, in the order of COLUMNS."""
    of, best = answer.claim, answer.best
    finding = None if best is None else best.finding
    name = f'<a href="chapters/{of.chapter}.html">{html.escape(of.id)}</a>'
    where = f"<br><small>{name}, {html.escape(of.where)}; {html.escape(of.effect)}</small>"
    doubt = "" if finding is None else exact_doubt(finding)
    others = "".join(f"<br><small>{html.escape(f'{e.kind}: {e.finding.verdict}')}</small>" for e in answer.others)
    plain = [
        of.paper,
        answer.verdict,
        effect_words(answer) or missing(answer),
        "" if finding is None or finding.design == "exact" else f"{finding.n:,}",
        "" if best is None else best.kind,
        "" if best is None else best.scale,
        of.published_words(),
        "" if finding is None or not finding.n_needed else n_that_would_decide(finding).removeprefix("n = "),
        "" if best is None else best.commit,
    ]
    plain = [html.escape(text) for text in plain]
    plain[COLUMNS.index("evidence") - 1] += others
    plain[1] += f"<br><small>{doubt}</small>" * bool(doubt)
    return [f"{html.escape(answer.sentence)}{where}", *plain, f"<code>{html.escape(command(answer))}</code>"]


def missing(answer: Answer) -> str:
    """Why there is no number: not judged, or from networks that had not learnt."""
    if answer.best is None:
        return answer.claim.unjudged or "not measured yet"
    return "" if answer.verdict in (TRUE, FALSE) else f"no number yet: needs {answer.claim.needs or 'what was learnt'}"


def row(answer: Answer) -> str:
    """A row with the claim's name as its anchor; on a phone each value stands under the name of its column."""
    values = zip(COLUMNS, cells(answer), strict=True)
    tds = "".join(f'<td data-label="{name}">{value}</td>' for name, value in values)
    return f'<tr id="{answer.claim.anchor}">{tds}</tr>'


def page(answers: list[Answer]) -> str:
    """The count, the links to the files, the table."""
    choose = dict.fromkeys(CHOOSE, " data-choose")
    head = "".join(f'<th scope="col"{choose.get(name, "")}>{name}</th>' for name in COLUMNS)
    body = "".join(map(row, decided_first(answers)))
    count = html.escape(counted(answers))
    return (
        f'<p class="count"><strong>{count}</strong> As files: <a href="claims.csv">CSV</a>, '
        f'<a href="claims.json">JSON</a>.</p><div class="sortable tall" role="group" tabindex="0" '
        f'aria-label="all claims"><table class="table all-claims"><caption>{len(answers)} claims</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def before() -> str:
    """What became of the claims of the rule before: counted, and a table that is folded away."""
    table = pd.read_csv(BEFORE, dtype=str, keep_default_na=False)
    counts = table.fate.value_counts()
    told = ", ".join(f"{counts[fate]} {fate}" for fate in FATES)
    rows = "".join(
        f"<tr><td>{html.escape(line.claim_before)}<br><small>{line.chapter}</small></td><td>{line.fate}</td>"
        f"<td>{now(line.claim_now)}</td><td>{html.escape(line.why)}</td></tr>"
        for line in table.itertuples()
    )
    choose = {"fate": " data-choose"}
    names = ("claim before", "fate", "claim now", "why")
    head = "".join(f'<th scope="col"{choose.get(name, "")}>{name}</th>' for name in names)
    return (
        f"<details><summary>{len(table)} claims: {told}</summary>"
        '<div class="sortable" role="group" tabindex="0" aria-label="earlier claims"><table class="table prose">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def now(id: str) -> str:
    """A link to the row of a claim; nothing for a claim that was dropped."""
    return f'<a href="#{claim(id).anchor}">{id}</a>' if id else "–"


class ClaimsBefore(Directive):
    """`{claims-before}`."""

    def run(self) -> list[nodes.Node]:
        self.state.document.settings.env.note_dependency(str(BEFORE))
        return [nodes.raw("", before(), format="html")]


class AllClaims(Directive):
    """`{all-claims}`."""

    def run(self) -> list[nodes.Node]:
        for path in sources():
            self.state.document.settings.env.note_dependency(str(path))
        return [nodes.raw("", page(all_answers(figures_dir=FIGURES)), format="html")]


@functools.cache
def answers() -> dict[str, Answer]:
    """By the claim's name, once per build."""
    return {each.claim.id: each for each in all_answers(figures_dir=FIGURES)}


def claim_role(name, rawtext, text, lineno, inliner, options=None, content=None):
    """`{claim}` with a claim's name: its sentence, number and verdict, as known now, with a link to its row."""
    if text not in answers():
        return [], [inliner.reporter.error(f"no claim {text!r}", line=lineno)]
    answer = answers()[text]
    number = effect_words(answer) or missing(answer)
    n = f", n = {answer.best.finding.n:,}" if effect_words(answer) and answer.best.finding.design != "exact" else ""
    doubt = "" if answer.best is None else exact_doubt(answer.best.finding)
    doubt = f" ({doubt})" if doubt else ""
    words = html.escape(f"{answer.sentence}: {answer.verdict}{', ' if number else ''}{number}{n}{doubt}")
    link = f'<a class="known" href="claims.html#{answer.claim.anchor}">{words}</a>'
    return [nodes.raw("", link, format="html")], []


def write_files(app, error):
    """For Sphinx: the same table as CSV and JSON, beside the page."""
    folder = Path(app.outdir) / "book"
    if error is not None or not (folder / "claims.html").exists():
        return
    table = overview(all_answers(figures_dir=FIGURES))
    table.to_csv(folder / "claims.csv", index=False)
    lines = table.astype(object).where(table.notna(), None).to_dict("records")
    for name, content in (("claims.json", lines), ("claims.schema.json", schema())):
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def schema() -> dict:
    """JSON Schema of claims.json: a list of claims with their answers; what is not known is null or an empty text."""
    number, text = {"type": ["number", "null"]}, {"type": ["string", "null"]}
    fields = {name: {**text, "description": says} for name, says in FIELDS.items()}
    fields |= {name: {**number, "description": FIELDS[name]} for name in ("margin", "published")}
    fields |= {name: {**number, "description": FIELDS[name]} for name in ("published_spread", "published_n")}
    fields |= {name: {**number, "description": says} for name, says in NUMBERS.items()}
    fields |= {name: {**text, "description": says} for name, says in ORIGIN.items()}
    fields["primary"] = {"type": "boolean", "description": FIELDS["primary"]}
    fields["verdict"] = {"enum": list(SAID), "description": "what is said of the claim"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Claims of the papers and what is known of them",
        "type": "array",
        "items": {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False},
    }


def setup(app):
    app.add_directive("all-claims", AllClaims)
    app.add_directive("claims-before", ClaimsBefore)
    app.add_role("claim", claim_role)
    app.connect("build-finished", write_files)
    return {"parallel_read_safe": True}
