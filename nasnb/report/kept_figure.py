"""A kept result on the page: figure, where it comes from, its numbers."""

from __future__ import annotations

from collections.abc import Mapping

from nasnb.plots.style import show
from nasnb.runs.kept import Kept, kept

PREFIXES = {"whole": "", "small": "small-"}  # of the names of kept results: searches on NAS-Bench-201 of both sizes


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


def kept_sizes(name: str) -> dict[str, Kept]:
    """{"whole": ..., "small": ...}: a kept result of searches on NAS-Bench-201 at every size at which it is kept."""
    folder, _, last = name.rpartition("/")
    found = {size: kept(f"{folder}/{prefix}{last}") for size, prefix in PREFIXES.items()}
    return {size: each for size, each in found.items() if each}


def show_sizes(name: str) -> dict[str, Kept]:
    """`show_kept` for every size of `kept_sizes`, one after the other."""
    folder, _, last = name.rpartition("/")
    found = kept_sizes(name)
    for size in found or ["whole"]:
        show_kept(f"{folder}/{PREFIXES[size]}{last}")
    return found


def size_words(found: Mapping[str, Kept]) -> dict[str, str]:
    """What sets the sizes of `kept_sizes` apart, for titles: `16 channels, 5,000 images, n = 1 to 6`, of its arms."""
    return {
        size: f"{each.record['config']['channels']} channels, {each.record['config']['train_images']:,} images, "
        f"n = {_fewest_to_most(each)}"
        for size, each in found.items()
    }


def _fewest_to_most(found: Kept) -> str:
    n = found.table.groupby("arm").seed.nunique()
    return f"{n.max()}" if n.min() == n.max() else f"{n.min()} to {n.max()}"
