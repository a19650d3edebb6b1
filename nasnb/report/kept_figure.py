"""A kept result on the page: figure, where it comes from, its numbers."""

from __future__ import annotations

from nasnb.plots.style import show
from nasnb.runs.kept import Kept, kept


def show_kept(name: str) -> Kept | None:
    """Display the kept result `name` with its record as caption and file; where there is none, say so and return None.

    The record's `alt` tells in words what there is to see, its `scale` ends the caption. Raises ValueError without an
    alt text.
    """
    found = kept(name)
    if found is None:
        print(f"The kept result figures/{name} is not here.")
        return None
    caption = f"{found} {found.record.get('scale', '')}".rstrip()
    show(found.svg, alt=found.record.get("alt", ""), caption=caption, data=found.table, record=found.record)
    return found
