"""What helps while reading: a word on what comes before and after, where a page's source is, what a download needs."""

import html
import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "book/chapters/"


def source_of(docname: str) -> str:
    """The file that a page is made from: an executed chapter's is its notebook."""
    if docname.startswith(FOLDER):
        return f"notebooks/{docname.removeprefix(FOLDER)}.ipynb"
    return f"{docname}.md"


def word_on(docname: str) -> str:
    """What awaits the reader there: a chapter's question, else the description of the page."""
    path = ROOT / source_of(docname)
    if not path.exists():
        return ""
    if path.suffix == ".ipynb":
        asked = re.search(r"\*\*The question:\*\*(.+?)(?:\n\n|\Z)", nbformat.read(path, 4).cells[0].source, re.DOTALL)
        return " ".join(asked[1].split()) if asked else ""
    found = re.search(r'^ +description: "(.*)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def add_words(app, pagename, templatename, context, doctree) -> None:
    """For Sphinx: the titles of the previous and the next page with a word of what comes."""
    for side, docname in zip(("prev", "next"), neighbours(app, pagename), strict=True):
        if context.get(side) and docname and (word := word_on(docname)):
            word = re.sub(r"[`*$]", "", word)
            title = f'{context[side]["title"]}<span class="prev-next-word">{html.escape(word)}</span>'
            context[side] = {**context[side], "title": title}


def neighbours(app, pagename: str) -> tuple[str | None, str | None]:
    related = app.builder.relations.get(pagename) if hasattr(app.builder, "relations") else None
    return (related[1], related[2]) if related else (None, None)


def add_source(app, pagename, templatename, context, doctree) -> None:
    """For Sphinx: under every page the file that it is made from, as a link if the repository has an address."""
    if doctree is None or "body" not in context:
        return
    name = source_of(pagename)
    url = app.config.html_theme_options.get("repository_url") or ""
    branch = app.config.html_theme_options.get("repository_branch") or "main"
    where = (
        f'<a href="{html.escape(url)}/edit/{branch}/{name}"><code>{name}</code></a>' if url else f"<code>{name}</code>"
    )
    context["body"] += f'<p class="source-of-page">Made from {where}.</p>'


def name_downloads(app, pagename, templatename, context, doctree) -> None:
    """For Sphinx: the menu of downloads says that a notebook needs the package."""
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []) if isinstance(group, dict) else []:
            if str(button.get("text", "")).startswith(".ipynb"):
                button.update(
                    text="Notebook, needs the package nasnb", tooltip="Executed notebook; running it needs nasnb"
                )


def setup(app):
    app.connect("html-page-context", add_words)
    app.connect("html-page-context", add_source)
    app.connect("html-page-context", name_downloads, priority=950)
    return {"parallel_read_safe": True}
