"""The landing page's own parts, drawn up while the book is rendered: what was found, and a picture per chapter.

`{ten-findings}` and `{chapter-picture} 03-pc-darts` stand for them; `book/chapters.yml` names the pictures.
"""

import base64
import html
import re
from pathlib import Path

import nbformat
import yaml
from docutils import nodes
from docutils.parsers.rst import Directive

from nasnb.plots.forest import plot_forest
from nasnb.plots.style import figure_html, use_style
from nasnb.report.answers import Answer
from nasnb.report.highlights import forest_rows, highlights, how_many_hold, in_one_line
from nasnb.report.overview import all_answers
from nasnb.runs.kept import kept

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "figures"
CHAPTERS = ROOT / "book/chapters.yml"
FIGURE = re.compile(r'<figure class="nasnb.*?</figure>', re.DOTALL)
IMAGE = re.compile(r'<img[^>]*?alt="([^"]*)"[^>]*?src="(data:image/svg\+xml;base64,[^"]*)"', re.DOTALL)


def about(chapter: str) -> dict:
    """What chapters.yml says of a chapter."""
    return yaml.safe_load(CHAPTERS.read_text(encoding="utf-8"))[chapter]


# --- findings ---------------------------------------------------------------------------------------------------------


def line(answer: Answer) -> str:
    """One finding: the verdict, the sentence with its numbers, links to chapter and claim."""
    of = answer.claim
    words = html.escape(in_one_line(answer))
    chapter = f'<a href="chapters/{of.chapter}.html">{html.escape(of.paper)}</a>'
    return (
        f'<li><strong>{answer.verdict}</strong> · {chapter}: {words} <a href="claims.html#{of.anchor}">claim</a></li>'
    )


def findings() -> str:
    """How many claims hold, the ten lines, and the forest plot of the ten, folded."""
    answers = all_answers(figures_dir=FIGURES)
    best = highlights(answers)
    use_style()
    drawn = figure_html(
        plot_forest(forest_rows(best)),
        f"Forest plot of {len(best)} findings, each effect with its 95 percent interval in units of the smallest "
        "effect that would matter; right of zero is as the paper claims.",
        "Right of 0: as claimed. The band is what would be too small to matter; a dash is a seed.",
        narrow=plot_forest(forest_rows(best), narrow=True),
    )
    return (
        f"<p><strong>{how_many_hold(answers)}.</strong> The rest is open, with the number of seeds that would "
        'decide, or waits for its runs: <a href="claims.html">all claims</a>. The most telling, what speaks against a '
        "paper first:</p>"
        f'<ol class="ten-findings">{"".join(map(line, best))}</ol><details><summary>The same as a picture</summary>'
        f"{drawn}</details>"
    )


# --- pictures ---------------------------------------------------------------------------------------------------------


def picture(chapter: str) -> str:
    """The chapter's most telling figure: a kept result, else the first figure of its executed copy that fits."""
    said = about(chapter)
    result = kept(said["kept"], figures_dir=FIGURES) if "kept" in said else None
    if result is not None:
        source = f"data:image/svg+xml;base64,{base64.b64encode(result.svg.encode()).decode()}"
        return image(html.escape(result.record.get("alt", result.record["data"])), source)
    found = executed_figures(chapter)
    wanted = [(alt, source) for alt, source in found if re.search(said.get("figure", "."), alt)]
    usual = [(alt, source) for alt, source in found if not alt.startswith("Forest plot")]
    return image(*(wanted or usual or found)[0]) if found else ""


def executed_figures(chapter: str) -> list[tuple[str, str]]:
    """Alt text and source of every figure of the chapter's executed copy; empty if there is none."""
    path = ROOT / f"book/chapters/{chapter}.ipynb"
    if not path.exists():
        return []
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    shown = [output.data.get("text/html", "") for cell in cells for output in cell.outputs if "data" in output]
    figures = [figure for text in shown for figure in FIGURE.findall(str(text))]
    return [match.groups() for figure in figures if (match := IMAGE.search(figure))]


def image(alt: str, source: str) -> str:
    return f'<div class="card-picture"><img class="dark-light nasnb" alt="{alt}" src="{source}"></div>'


class Drawn(Directive):
    """What `make` returns for the directive's argument, as HTML. Drawn again when what it is made of changes."""

    optional_arguments = 1
    make = None

    def run(self) -> list[nodes.Node]:
        tables = [ROOT / f"nasnb/published/{name}.csv" for name in ("claims", "numbers", "retests")]
        executed = sorted(ROOT.glob("book/chapters/*.ipynb"))
        for path in (*tables, CHAPTERS, *executed, *sorted(FIGURES.glob("*/*.csv"))):
            self.state.document.settings.env.note_dependency(str(path))
        return [nodes.raw("", type(self).make(*self.arguments), format="html")]


def setup(app):
    for name, make in (("ten-findings", findings), ("chapter-picture", picture)):
        app.add_directive(name, type("Drawn", (Drawn,), {"make": staticmethod(make)}))
    return {"parallel_read_safe": True}
