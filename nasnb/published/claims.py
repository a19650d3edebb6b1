"""Every claim of every chapter, written down before its numbers are seen: `claims("03-pc-darts")`, `claim(id)`.

The data lie beside this file; `FIELDS` says what each column means.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import pandas as pd

from nasnb.config import nearest

FIELDS: Mapping[str, str] = {
    "id": "stable name, used in links: pc-darts/beta-steadies-edges",
    "chapter": "the notebook that judges it: 03-pc-darts",
    "paper": "who says so",
    "where": "in it: Table 3, section 3.3",
    "sentence": "what is claimed, in one sentence",
    "effect": "how the number is made; positive as claimed",
    "unit": "of the effect and of all that follows; empty for a truth",
    "design": "one of those of nasnb.report.judge",
    "margin": "the smallest effect that would matter; empty for exact claims",
    "published": "the paper's own effect, as far as it says",
    "published_spread": "what it gives after ±",
    "published_n": "the runs behind it",
    "control": "what the effect is measured against beside the rival: untrained, chance, random choice",
    "needs": "what must hold before anything is said",
    "primary": "True for at most one claim of a figure or table; Holm's correction is over these",
    "unjudged": "why no chapter judges it, such as `needs a GPU`; else empty",
}


@dataclass(frozen=True)
class Claim:
    """One line of the table. Numbers that are not given are nan."""

    id: str
    chapter: str
    paper: str
    where: str
    sentence: str
    effect: str
    unit: str
    design: str
    margin: float
    published: float
    published_spread: float
    published_n: float
    control: str
    needs: str
    primary: bool
    unjudged: str

    @property
    def anchor(self) -> str:
        """Its place on the page of all claims; a slash would make no selector of it, which the book's scripts need."""
        return self.id.replace("/", ".")

    def published_words(self) -> str:
        """`+0.18 points ± 0.07 (n = 5)` as far as the paper says; empty where it gives no number."""
        if math.isnan(self.published):
            return ""
        words = f"{self.published:g}{' ' * bool(self.unit)}{self.unit}"
        words += "" if math.isnan(self.published_spread) else f" ± {self.published_spread:g}"
        return words if math.isnan(self.published_n) else f"{words} (n = {self.published_n:g})"


def claims(chapter: str | None = None, *, paper: str | None = None) -> list[Claim]:
    """The claims of one chapter or paper, or all, in the order of the table.

    Raises ValueError naming the nearest chapter or paper that has claims.
    """
    found = list(_claims().values())
    for name, wanted in (("chapter", chapter), ("paper", paper)):
        known = {getattr(claim, name) for claim in found}
        if wanted is not None and wanted not in known:
            raise ValueError(
                f"no claim of {name} {wanted!r}{nearest(wanted, known)}; there are {', '.join(sorted(known))}"
            )
        found = [claim for claim in found if wanted in (None, getattr(claim, name))]
    return found


def claim(id: str) -> Claim:
    """Raises ValueError naming the nearest claim there is."""
    if id not in _claims():
        raise ValueError(f"no claim {id!r}{nearest(id, _claims())}; `nasnb claims` lists them all")
    return _claims()[id]


@functools.cache
def _claims() -> dict[str, Claim]:
    numbers = dict.fromkeys(("margin", "published", "published_spread", "published_n"), float)
    with (resources.files("nasnb.published") / "claims.csv").open(encoding="utf-8", newline="") as file:
        table = pd.read_csv(file, dtype=dict.fromkeys(FIELDS, str) | numbers | {"primary": bool})
    texts = {name: "" for name in FIELDS if name not in numbers}
    return {row["id"]: Claim(**row) for row in table.fillna(texts).to_dict("records")}
