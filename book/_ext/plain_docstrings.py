"""Docstrings of this project are plain prose with `names` in backticks; Sphinx expects reStructuredText.

This turns the one into the other: `names` become literals, and characters that would be markup become themselves.
"""

import re

_PIECE = re.compile(r"(:[\w:]+:`[^`]*`|``[^`]*``|`[^`]*`)")  # roles and literals stay, single backticks become literals


def literal(line: str) -> str:
    """One line of prose as reStructuredText."""
    pieces = _PIECE.split(line)
    for i, piece in enumerate(pieces):
        if i % 2 == 0:
            pieces[i] = re.sub(r"([*|]|(?<=\w)_(?!\w))", r"\\\1", piece)
        elif not piece.startswith((":", "``")):
            pieces[i] = f"`{piece}`"
    return "".join(pieces)


def process(app, what, name, obj, options, lines):
    """For Sphinx: change the lines of a docstring in place. A bullet keeps its star."""
    if lines and lines[0].startswith("Alias for field number"):  # Python's own words for a field of a named tuple
        lines.clear()
    for i, line in enumerate(lines):
        bullet = re.match(r"\s*[*-] ", line)
        start = bullet.end() if bullet else 0
        lines[i] = line[:start] + literal(line[start:])


def setup(app):
    """Run before napoleon, which writes markup of its own."""
    app.connect("autodoc-process-docstring", process, priority=100)
    return {"parallel_read_safe": True}
