"""Words and symbols: a glossary term is linked where it first stands on a page, and carries its text for hovering.

Chapters also get a folded list of the symbols that their formulas use. Authors need to mark nothing.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

GLOSSARY = Path(__file__).resolve().parents[1] / "glossary.md"
PAPERS = {  # a symbol that names its paper in brackets is listed in that chapter alone
    "sharpDARTS": "02-sharpdarts",
    "Max-W": "02-sharpdarts",
    "PC-DARTS": "03-pc-darts",
    "StacNAS": "04-stacnas",
    "MSR-DARTS": "05-msr-darts",
    "DARTS-PT": "06-darts-pt",
}
WITHOUT = ("book/glossary", "book/api", "book/claims", "book/published", "book/bibliography")  # pages left alone
CLOSED = (nodes.reference, nodes.title, nodes.literal, nodes.table, nodes.caption, nodes.raw, addnodes.pending_xref)


def glossary() -> dict[str, str]:
    """Term and text, as the page has them."""
    block = re.search(r"^```\{glossary\}\n(.*?)^```", GLOSSARY.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)[1]
    entries = re.findall(r"^(\S.*)\n((?:  .+\n)+)", block, re.MULTILINE)
    return {term: " ".join(text.split()) for term, text in entries}


def symbols() -> list[tuple[str, str]]:
    """Symbol and meaning, as markdown with mathematics."""
    text = GLOSSARY.read_text(encoding="utf-8").partition("## Symbols")[2].partition("\n## ")[0]
    return re.findall(r"^\| (\$.*?) \| (.*?) \|$", text, re.MULTILINE)


def tokens(formula: str) -> set[str]:
    """The letters and commands of a formula: `\\bar o_e` has `\\bar o` and `e`."""
    return set(re.findall(r"\\(?:bar|mathrm|text)\s*\{?[A-Za-z]+|\\[A-Za-z]+|[A-Za-z]", formula))


def heads(symbol: str) -> set[str]:
    """The first letter or command of every formula in a cell: what a page must use for the symbol to be listed."""
    found = [re.match(r"\\(?:bar|mathrm|text)\s*\{?[A-Za-z]+|\\[A-Za-z]+|[A-Za-z]", f) for f in formulas(symbol)]
    return {match[0] for match in found if match} - {r"\lVert", r"\lvert"}


def formulas(text: str) -> list[str]:
    return re.findall(r"\$(.+?)\$", text)


def inline(text: str) -> list[nodes.Node]:
    """Text with $mathematics$ and `code` as nodes."""
    parts = re.split(r"(\$.+?\$|`.+?`)", text)
    kinds = {"$": lambda s: nodes.math("", s), "`": lambda s: nodes.literal("", s)}
    return [kinds[p[0]](p[1:-1]) if p[:1] in kinds and len(p) > 1 else nodes.Text(p) for p in parts if p]


class Words(SphinxTransform):
    """After the boxes of chapters, so that nothing in them counts as a first use."""

    default_priority = 510

    def apply(self, **kwargs) -> None:
        if self.env.docname in WITHOUT or self.env.docname.startswith("book/api-"):
            return
        self.env.note_dependency(str(GLOSSARY))
        left = dict(glossary())
        for text in [node for node in self.document.findall(nodes.Text) if is_open(node)]:
            if found := link_first(str(text), left):
                text.parent.replace(text, found)
        if self.env.docname.startswith("book/chapters/"):
            self.list_symbols(self.env.docname.rpartition("/")[2])

    def list_symbols(self, chapter: str) -> None:
        written = [node.astext() for kind in (nodes.math, nodes.math_block) for node in self.document.findall(kind)]
        used = set().union(*map(tokens, written)) if written else set()
        listed = [(s, m) for s, m in symbols() if heads(s) & used and belongs(m, chapter)]
        top = next(self.document.findall(nodes.section), None)
        first = next((child for child in top.children if isinstance(child, nodes.section)), None)
        if not listed or first is None:
            return
        rows = nodes.definition_list()
        for symbol, meaning in listed:
            term = nodes.term("", "", *inline(symbol))
            rows += nodes.definition_list_item(
                "", term, nodes.definition("", nodes.paragraph("", "", *inline(meaning)))
            )
        opening = '<details class="symbols"><summary>Symbols on this page</summary>'
        found = [nodes.raw("", opening, format="html"), rows, nodes.raw("", "</details>", format="html")]
        top[top.index(first) : top.index(first)] = found


def belongs(meaning: str, chapter: str) -> bool:
    """Whether the symbol is everybody's, or this chapter's."""
    papers = {PAPERS[word] for word in re.findall(r"[\w-]+", meaning) if word in PAPERS}
    return not papers or chapter in papers


def is_open(text: nodes.Text) -> bool:
    """Whether this text is prose in which a link does no harm."""
    node, in_paragraph = text.parent, False
    while node is not None:
        if isinstance(node, CLOSED) or "sd-card" in node.get("classes", []):
            return False
        in_paragraph |= isinstance(node, nodes.paragraph)
        node = node.parent
    return in_paragraph


def link_first(text: str, left: dict[str, str]) -> list[nodes.Node]:
    """The text as nodes with links at terms that are still in `left`, which are taken out; empty if there is none."""
    terms = "|".join(re.escape(term) for term in sorted(left, key=len, reverse=True))
    found = re.search(rf"(?<![\w-])({terms})(s?)(?![\w-])", text, re.IGNORECASE) if terms else None
    if found is None:
        return []
    name = next(term for term in left if term.lower() == found[1].lower())
    tip = left.pop(name)
    rest = text[found.end() :]
    reference = addnodes.pending_xref(
        "", refdomain="std", reftype="term", reftarget=name, refexplicit=True, refwarn=True
    )
    reference += nodes.inline("", found[0], classes=["xref", "std", "std-term"], tip=tip)
    after = link_first(rest, left) or ([nodes.Text(rest)] if rest else [])
    before = [nodes.Text(text[: found.start()])] if found.start() else []
    return [*before, reference, *after]


def give_tips(app, doctree, docname) -> None:
    """For Sphinx: the text of a term as the title of its link; access.js makes a box of it."""
    for reference in doctree.findall(nodes.reference):
        child = reference.children[0] if reference.children else None
        if isinstance(child, nodes.inline) and "tip" in child:
            reference["reftitle"] = re.sub(r"[$`\\]", "", child["tip"])
            reference["classes"].append("term")


def setup(app):
    app.add_transform(Words)
    app.connect("doctree-resolved", give_tips)
    return {"parallel_read_safe": True}
