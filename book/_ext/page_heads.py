"""What every page has in its head: a description, also for chapters, and no script that the book does not use."""

import html

from docutils import nodes

QUESTION = "The question:"
UNUSED = ("THEBE_JS_URL", "sphinx-thebe")  # the theme declares it twice, which every browser reports as an error


def describe(app, pagename, templatename, context, doctree):
    """For Sphinx: a chapter is described by the question that it asks."""
    if doctree is None or 'name="description"' in context.get("metatags", ""):
        return
    asked = [text for node in doctree.findall(nodes.paragraph) if (text := node.astext()).startswith(QUESTION)]
    if asked:
        words = html.escape(" ".join(asked[0].removeprefix(QUESTION).split()))
        context["metatags"] = context.get("metatags", "") + f'\n<meta name="description" content="{words}" />\n'


def leave_out(app, pagename, templatename, context, doctree):
    """For Sphinx: drop scripts that name what is unused."""
    for script in list(context["script_files"]):
        if any(word in f"{script} {getattr(script, 'attributes', '')}" for word in UNUSED):
            context["script_files"].remove(script)


def setup(app):
    """Late, when the theme and its companions have added theirs."""
    app.connect("html-page-context", describe)
    app.connect("html-page-context", leave_out, priority=900)
    return {"parallel_read_safe": True}
