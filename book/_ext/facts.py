"""Numbers in prose, computed from kept results while the book is rendered: `{fact}` with the name of one below.

What has not been measured yet says so in its place, so that a page never shows a number that nobody has.
"""

import html
import re
from pathlib import Path

import pandas as pd
from docutils import nodes

from nasnb.methods import METHODS
from nasnb.published import published
from nasnb.published.claims import claims
from nasnb.report.answers import known
from nasnb.report.claims import OPEN
from nasnb.report.overview import all_answers
from nasnb.runs.progress import duration

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "figures"
UNKNOWN = "not measured yet"


def read(name: str) -> pd.DataFrame:
    """A table of `figures`."""
    return pd.read_csv(FIGURES / name)


def span(low: float, high: float, unit: str = "") -> str:
    """`63 to 77 %`, or one number where both are the same."""
    low, high = f"{low:.0f}", f"{high:.0f}"
    return f"{low if low == high else f'{low} to {high}'}{unit}"


# --- searches ---------------------------------------------------------------------------------------------------------


def supernets() -> str:
    """How accurate supernets are whose search went well."""
    last = [pd.read_csv(path).iloc[-1] for path in sorted((FIGURES / "supernets").glob("*.csv"))]
    reached = [row.valid_accuracy for row in last]
    return (
        f"{len(last)} supernets that are kept here end at {span(min(reached), max(reached), ' %')} of held-out images "
        f"after {span(min(r.epoch for r in last), max(r.epoch for r in last))} epochs of Fashion-MNIST"
    )


def supernet_201() -> str:
    """When a supernet passes 30 %, and what it ends at."""
    table = read("nas-bench-201/collapse.csv")
    passed = table[table.valid_accuracy >= 30].groupby("seed").epoch.min()
    ends = table.sort_values("epoch").groupby("seed").valid_accuracy.last()
    return (
        f"that of DARTS on NAS-Bench-201 is past 30 % of CIFAR-10 after {span(passed.min(), passed.max())} of "
        f"{table.epoch.max()} epochs and ends at {span(ends.min(), ends.max(), ' %')} (n = {len(ends)} seeds)"
    )


def alpha_share() -> str:
    """How far alpha gets from where it began, in searches of full length."""
    table = read("08-full-scale/alpha_open.csv.gz")
    ops = [name for name in table.columns if name not in ("run", "epoch", "cell", "edge", "source", "target")]
    last = table[table.epoch == table.groupby("run").epoch.transform("max")]
    lead = last[ops].max(axis=1) * last[ops].notna().sum(axis=1)
    return (
        f"at the end of {last.run.nunique()} published searches of full length the largest weight of an edge is in the "
        f"median {lead.median():.1f} times an even share"
    )


def seeds() -> str:
    """How many seeds or other values open claims would need."""
    answers = [each for each in all_answers(figures_dir=FIGURES) if each.best is not None and each.verdict == OPEN]
    needed = pd.Series([each.best.finding.n_needed for each in answers if each.best.finding.n_needed])
    if not len(needed):
        return UNKNOWN
    return f"the median of {len(needed)} open claims of which it can be told would need {needed.median():.0f} values"


# --- costs ------------------------------------------------------------------------------------------------------------


def grown(size: str, low: float, high: float, column: str) -> float:
    """How many times more one value of a size costs than another."""
    table = read("bench/growth.csv")
    cost = table[table["size"] == size].set_index("value")[column]
    return cost[high] / cost[low]


def batch() -> str:
    return (
        f"a step with 128 images takes {grown('batch', 8, 128, 'seconds'):.1f} times as long as one with 8, on one "
        "processor thread"
    )


def memory_of_batch() -> str:
    return f"half the batch needs {grown('batch', 64, 32, 'megabytes'):.2f} of the memory"


def memory_of_k() -> str:
    return f"a quarter of the channels needs {grown('K of PC-DARTS', 1, 4, 'megabytes'):.2f} of the memory"


def price(chapter: str, preset: str) -> str:
    """What a chapter took at a preset."""
    table = read("bench/chapters.csv")
    found = table[(table.chapter == chapter) & (table.preset == preset)]
    return UNKNOWN if found.empty else f"{duration(found.processor_seconds.iloc[0])} of {found.device.iloc[0]}"


def prices(preset: str) -> str:
    """From the cheapest chapter to the dearest."""
    table = read("bench/chapters.csv")
    found = table[table.preset == preset].processor_seconds
    if found.empty:
        return UNKNOWN
    return f"{duration(found.min())} to {duration(found.max())} of one core ({len(found)} chapters)"


def sweeps() -> str:
    """What the sweeps at the papers' scale come to, by benchmarks.sweeps."""
    hours = read("bench/sweeps.csv").set_index("sweep")["GPU hours"]
    return (
        f"{len(hours)} sweeps come to {hours.sum():,.0f} hours of a GTX 1080 Ti, from {hours.min():,.0f} "
        f"({hours.idxmin()}) to {hours.max():,.0f} ({hours.idxmax()}); what two of them share is counted in both"
    )


def kills() -> str:
    row = read("faults/kills.csv").set_index("method").loc["all"]
    return f"after {row.kills} kills at random moments {row.bits} bits differed at {row.ends} ends"


def plan() -> str:
    table = read("bench/cluster-plan.csv").set_index("what").iloc[:, 0]
    searches, cards = table["searches, cards"].split(", ")
    return f"{searches} searches on {cards} cards are planned at {table['hours in all']} hours"


def faster(rival: str) -> str:
    """A step of the supernet beside a rival's checkout."""
    table = read("bench/rivals.csv")
    found = table[table.rival.str.contains(rival, case=False, regex=False)]
    if found.empty:
        return UNKNOWN
    row = found.iloc[0]
    return (
        f"{row.times_faster:.1f} times faster than that of {row.rival.partition(':')[0]} [{row.least:.1f}, "
        f"{row.most:.1f}] (n = {row.n} rounds, batch {row.batch}, {row.channels} channels, {row.cells} cells, "
        f"{row.pixels} pixels)"
    )


def methods() -> str:
    return f"{len(METHODS)} methods of this book are made of the same parts"


def logs() -> str:
    """Complete searches by others that chapter 08 shows."""
    return f"{read('08-full-scale/alpha_epochs.csv.gz').run.nunique()} complete searches whose alpha is known"


def commands() -> str:
    return f"each of the {len(claims())} claims has one"


# --- papers -----------------------------------------------------------------------------------------------------------


def orders() -> str:
    """The paper's own numbers of both orders of DARTS."""
    own = published(paper="DARTS", metric="error_percent")
    found = [own[own.row == row].iloc[0] for row in ("DARTS (1st order)", "DARTS (2nd order)")]
    first, second = (f"{row.value:.2f} ± {row.spread:.2f}" for row in found)
    return f"the paper prints {first} % for first and {second} % for second order"


def contradictions() -> str:
    table = pd.read_csv(ROOT / "nasnb/published/contradictions.csv")
    return f"{len(table)} places where a paper contradicts itself or another one"


def deviations() -> str:
    text = (ROOT / "book/deviations.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    heads = len(re.findall(r"^\|(?:\s*:?-+:?\s*\|)+$", text, re.MULTILINE))
    return f"{len(rows) - heads} differences between papers, codes and this book"


def exact(chapter: str) -> str:
    """How many claims of a chapter that need no seed hold."""
    found = [each for each in known(chapter, figures_dir=FIGURES) if each.verdict in ("true", "false")]
    return f"{sum(each.verdict == 'true' for each in found)} of {len(found)} exact claims of that chapter hold"


FACTS = {
    "supernets": supernets,
    "supernet-201": supernet_201,
    "alpha-share": alpha_share,
    "seeds": seeds,
    "batch": batch,
    "memory-batch": memory_of_batch,
    "memory-k": memory_of_k,
    "price": price,
    "prices": prices,
    "sweeps": sweeps,
    "kills": kills,
    "plan": plan,
    "faster": faster,
    "methods": methods,
    "logs": logs,
    "commands": commands,
    "orders": orders,
    "contradictions": contradictions,
    "deviations": deviations,
    "exact": exact,
}


def fact_role(name, rawtext, text, lineno, inliner, options=None, content=None):
    """`{fact}` with a name and its words: `prices laptop`."""
    which, *words = text.split()
    if which not in FACTS:
        return [], [inliner.reporter.error(f"no fact {which!r}; there are {', '.join(FACTS)}", line=lineno)]
    for path in sorted(FIGURES.glob("*/*.csv")):
        inliner.document.settings.env.note_dependency(str(path))
    return [nodes.raw("", f'<span class="fact">{html.escape(FACTS[which](*words))}</span>', format="html")], []


def setup(app):
    app.add_role("fact", fact_role)
    return {"parallel_read_safe": True}
