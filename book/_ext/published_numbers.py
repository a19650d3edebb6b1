"""The page of published numbers, drawn up while the book is rendered: tables, plots, and where papers contradict.

`{published-numbers} PAPER`, `{published-plot} NAME` (a key of `PLOTS`) and `{contradictions}` stand for them.
"""

import functools
import html
from pathlib import Path

import pandas as pd
from docutils import nodes
from docutils.parsers.rst import Directive

from nasnb import plots
from nasnb.analysis import collapse
from nasnb.plots.style import figure_html
from nasnb.published.numbers import contradictions, published
from nasnb.runs.kept import kept

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = [
    ROOT / "nasnb/published/numbers.csv",
    ROOT / "nasnb/published/contradictions.csv",
    *sorted((ROOT / "figures").rglob("*.csv")),
]
COMMON = {  # columns of a paper's first table; every other metric is a line of its second
    "error_percent": "error, %",
    "best_error_percent": "best error, %",
    "top1_error_percent": "top-1 error, %",
    "top5_error_percent": "top-5 error, %",
    "parameters_millions": "parameters, millions",
    "multiply_adds_millions": "multiply-adds, millions",
    "gpu_days": "search, GPU-days",
}
KEYS = ["table", "row", "dataset"]
# published cells whose size is counted here: the method whose space they are from, the paper's row
COUNTED = {
    "DARTS_V1": ("darts-1st", "DARTS", "DARTS (1st order)"),
    "DARTS_V2": ("darts-2nd", "DARTS", "DARTS (2nd order)"),
    "PC_DARTS_cifar": ("pc-darts", "PC-DARTS", "PC-DARTS"),
    "STACNAS_CIFAR10": ("darts-1st", "StacNAS", "StacNAS (base)"),
    "MSRDARTS": ("darts-1st", "MSR-DARTS", "MSR-DARTS"),
}
BENCH201 = {  # arms of the kept result, and the paper's rows
    "darts-1st": "DARTS, NAS-Bench-201",
    "darts-1st/pt": "DARTS+PT, NAS-Bench-201",
    "fixed-alpha/pt": "DARTS+PT (fix alpha), NAS-Bench-201",
}
QUOTED, SIZED = "quoted from elsewhere", "size counted here"


# --- tables -----------------------------------------------------------------------------------------------------------


def as_printed(paper: str) -> pd.DataFrame:
    """The rows of one paper with value, spread and n as text: 3.00 stays 3.00."""
    rows = pd.read_csv(SOURCES[0], dtype=str, keep_default_na=False)
    return rows[rows.paper == paper].assign(quoted=lambda r: r.quoted == "True")


def number(row: pd.Series) -> str:
    """`2.76 ± 0.09 (n = 10)` as far as the paper says."""
    text = row["value"] + (f" ± {row['spread']}" if row["spread"] else "")
    return text + (f" (n = {row['n']})" if row["n"] else "")


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """A line per network and data set, a column per common metric; empty columns are left out."""
    rows = rows[rows.metric.isin(COMMON)].assign(text=rows.apply(number, axis=1))
    lines = []
    for key, group in rows.groupby(KEYS, sort=False):
        values = group.set_index("metric").text
        notes = "; ".join(dict.fromkeys(note for note in group.note if note))
        origin = "quoted" if group.quoted.all() else "own"
        lines.append([*key, *(values.get(metric, "") for metric in COMMON), origin, notes])
    table = pd.DataFrame(lines, columns=["where", "what", "data", *COMMON.values(), "numbers", "note"])
    return table.loc[:, (table != "").any()]


def others(rows: pd.DataFrame) -> pd.DataFrame:
    """What has no column among the common ones, a line per number."""
    rows = rows[~rows.metric.isin(COMMON)]
    lines = [
        [r.table, r.row, r.dataset, r.metric.replace("_", " "), number(r), "quoted" if r.quoted else "own", r.note]
        for _, r in rows.iterrows()
    ]
    return pd.DataFrame(lines, columns=["where", "what", "data", "metric", "value", "numbers", "note"])


def table_html(table: pd.DataFrame, caption: str, style: str = "numbers") -> str:
    """A table that tables.js makes sortable and filterable; without it, a plain one in a box that scrolls."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
        for row in table.itertuples(index=False)
    )
    words = html.escape(caption)
    return (
        f'<div class="sortable" role="group" tabindex="0" aria-label="{words}"><table class="table {style}">'
        f"<caption>{words}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def paper_html(paper: str) -> str:
    """All numbers of one paper: one table of networks, one of everything else."""
    rows = as_printed(paper)
    first = compared(rows)
    found = [table_html(first, f"{paper}: {len(first)} networks and runs as its tables and text report them")]
    if len(rest := others(rows)):
        found.append(table_html(rest, f"{paper}: its {len(rest)} other numbers"))
    return "\n".join(found)


def contradictions_html() -> str:
    """Every place where a paper contradicts itself, another or its code."""
    table = contradictions()[["paper", "place", "says", "but", "comment"]]
    return table_html(table, f"{len(table)} contradictions", "prose")


# --- plots ------------------------------------------------------------------------------------------------------------


def points(dataset: str, error: str, cost: str) -> pd.DataFrame:
    """Networks with both numbers, each once: its paper, or that it was only quoted."""
    rows = published()[lambda r: (r.dataset == dataset) & r.metric.isin([error, cost])]
    wide = rows.pivot(index=["paper", "quoted", *KEYS], columns="metric", values="value").dropna().reset_index()
    wide["origin"] = wide.paper.where(~wide.quoted, QUOTED)
    order = published().paper.unique().tolist()
    wide = wide.sort_values("paper", key=lambda papers: papers.map(order.index), kind="stable")
    wide = wide.sort_values("quoted", kind="stable").drop_duplicates(["row", error, cost])
    return wide[["paper", "row", error, cost, "origin"]]


def counted() -> pd.DataFrame:
    """The published cells with their exact number of parameters and the error that their paper gives."""
    from nasnb.methods import METHODS
    from nasnb.published.genotypes import GENOTYPES

    lines = []
    for name, (method, paper, row) in COUNTED.items():
        net = METHODS[method].space.network(GENOTYPES[name], channels=36, cells=20, classes=10)
        millions = sum(weights.numel() for weights in net.parameters()) / 1e6
        found = published(paper=paper, metric="error_percent")
        lines.append([paper, name, found[found.row == row].value.iloc[0], millions, SIZED])
    return pd.DataFrame(lines, columns=["paper", "row", "error_percent", "parameters_millions", "origin"])


def scatter(dataset: str, error: str, cost: str, *, alt: str, sizes: bool = False) -> str:
    """Error against what a network costs, on a logarithmic axis."""
    table = points(dataset, error, cost)
    table = pd.concat([table, counted()], ignore_index=True) if sizes else table
    labels = {"xlabel": COMMON[cost], "ylabel": f"{dataset}: {COMMON[error]}"}
    style = {"origin": "origin", "order": [*published().paper.unique(), SIZED], "background": QUOTED}
    figure = plots.plot_landscape(table, x=cost, y=error, **style, **labels).figure
    words = f"{dataset}, as published. n = {len(table)} points; a network that several papers quote stands once."
    return figure_html(figure, alt, words, table)


def bench201() -> str:
    """Searches in NAS-Bench-201 as published, and those of this book that were kept."""
    mine = kept("nas-bench-201/small-arms", figures_dir=ROOT / "figures")
    last = collapse.at_the_end(mine.table[mine.table.arm.isin(BENCH201)])
    last = last.assign(how=last.arm.map(collapse.label), error=100 - last.cifar10)
    rows = published(paper="DARTS-PT", metric="error_percent").set_index("row").value
    theirs = {collapse.label(arm): rows[row] for arm, row in BENCH201.items()}
    figure = plots.plot_points_with_spread(last, x="how", y="error", label="CIFAR-10: error, %", published=theirs)
    alt = (
        "CIFAR-10 error of the cells found in NAS-Bench-201, by DARTS and by DARTS with perturbation-based selection: "
    )
    alt += (
        "this book's small searches as points, the published averages as diamonds, that of DARTS far above all others."
    )
    scale = mine.record["scale"].partition("search: ")[2]
    words = f"Points: a search of ours and its cell, looked up ({scale}); diamonds: published. {mine}"
    return figure_html(figure, alt, words, last, record=mine.record)


PLOTS = {
    "cifar10-parameters": functools.partial(
        scatter,
        "CIFAR-10",
        "error_percent",
        "parameters_millions",
        sizes=True,
        alt="CIFAR-10 error against millions of parameters for the networks of the six papers and those they quote; "
        "most lie between 2 and 3 percent at 3 to 5 millions.",
    ),
    "cifar10-cost": functools.partial(
        scatter,
        "CIFAR-10",
        "error_percent",
        "gpu_days",
        alt="CIFAR-10 error against GPU-days of search: the cost spans four orders of magnitude, the error hardly "
        "falls with it.",
    ),
    "imagenet-parameters": functools.partial(
        scatter,
        "ImageNet",
        "top1_error_percent",
        "parameters_millions",
        alt="ImageNet top-1 error against millions of parameters; nearly all networks have between 4 and 6 millions.",
    ),
    "imagenet-cost": functools.partial(
        scatter,
        "ImageNet",
        "top1_error_percent",
        "gpu_days",
        alt="ImageNet top-1 error against GPU-days of search; a tenth of a day stands beside years.",
    ),
    "bench201": bench201,
}


# --- directives -------------------------------------------------------------------------------------------------------


class Drawn(Directive):
    """What `make` returns for the directive's argument, as HTML. The page is drawn again when a source changes."""

    optional_arguments = 1
    final_argument_whitespace = True
    make = None

    def run(self) -> list[nodes.Node]:
        for path in SOURCES:
            self.state.document.settings.env.note_dependency(str(path))
        return [nodes.raw("", type(self).make(*self.arguments), format="html")]


def directive(make) -> type[Drawn]:
    return type("Drawn", (Drawn,), {"make": staticmethod(make)})


def plot(name: str) -> str:
    plots.use_style()
    return PLOTS[name]()


def setup(app):
    app.add_directive("published-numbers", directive(paper_html))
    app.add_directive("published-plot", directive(plot))
    app.add_directive("contradictions", directive(contradictions_html))
    return {"parallel_read_safe": True}
