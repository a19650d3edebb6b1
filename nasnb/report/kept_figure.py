"""A kept result on the page: figure, where it comes from, its numbers."""

from __future__ import annotations

from nasnb.plots.style import show
from nasnb.runs.kept import Kept, kept


def show_kept(name: str, *, alt: str) -> Kept | None:
    """Display the kept result `name` with its record as caption; where there is none, say so and return None."""
    found = kept(name)
    if found is None:
        print(f"The kept result figures/{name} is not here.")
        return None
    show(found.svg, alt=alt, caption=f"{found} {found.record['scale']}", data=found.table)
    return found
