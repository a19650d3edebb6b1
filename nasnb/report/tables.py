"""What every chapter says in the same way: its setting, its claims, published against measured, cost and record."""

from __future__ import annotations

import html
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pandas as pd

from nasnb.config import SearchConfig, TrainConfig
from nasnb.data import Data
from nasnb.methods import Method
from nasnb.published.numbers import published
from nasnb.runs import Result


def glue(**values: Any) -> None:
    """Keep numbers for the prose of the book, where {glue:text}`name` stands for them, and tables, for {glue:}.

    The same output that `myst_nb.glue(..., display=False)` makes, without needing it where a chapter runs.
    """
    from IPython.display import display

    for name, value in values.items():
        plain = value.item() if isinstance(value, np.generic) else value
        text = repr(plain) if isinstance(plain, str) else str(plain)  # as IPython: "3,714" bare would be a tuple
        prefix = "application/papermill.record/"
        note = {"scrapbook": {"name": name, "mime_prefix": prefix}}
        shown = {f"{prefix}text/plain": text}
        if hasattr(value, "_repr_html_"):
            shown[f"{prefix}text/html"] = value._repr_html_()
        display(shown, raw=True, metadata=note)


def setting(data: Data, config: SearchConfig | TrainConfig, *, n: int | None = None) -> str:
    """One line for captions: data set, scale, device, number of seeds."""
    images = len(data.train) if config.train_images is None else min(config.train_images, len(data.train))
    side = "×".join(map(str, data.image_size[1:]))
    seeds = f"seed {config.seed}" if n is None else f"n = {n} seeds"
    return (
        f"{data.name} ({side} pixels, {images:,} training images), {config.epochs} epochs, {config.channels} channels, "
        f"{config.cells} cells, {seeds}, {data.train.images.device.type.upper()}."
    )


def mean_sd(values: Iterable[float], unit: str = "") -> str:
    """`12.3 ± 0.4 % (n = 3)`; a single value has no spread and says n = 1."""
    array = np.asarray([v for v in values if np.isfinite(v)], dtype=float)
    if len(array) == 0:
        return "none measured"
    unit = f" {unit}" if unit else ""
    if len(array) == 1:
        return f"{array[0]:.2f}{unit} (n = 1)"
    return f"{array.mean():.2f} ± {array.std(ddof=1):.2f}{unit} (n = {len(array)})"


def glue_means(**groups: Iterable[float]) -> None:
    """`glue`, with the mean and sd of each group in words."""
    glue(**{name: mean_sd(values) for name, values in groups.items()})


def against_published(paper: str, measured: Sequence[tuple[str, str, str, str]], *, setting: str) -> Table:
    """Published and measured numbers side by side, never mixed.

    `measured` holds (table, row, metric, our value as text); the first three are those of published.csv.
    Raises ValueError if the paper has no such number.
    """
    lines = []
    for place, row, metric, value in measured:
        found = published(paper=paper, table=place, metric=metric)
        found = found[found["row"] == row]
        if found.empty:
            raise ValueError(f"{paper}, {place} has no row {row!r} with {metric!r}")
        line = found.iloc[0]
        lines.append([row, place, metric.replace("_", " "), published_text(line), line["dataset"], value])
    columns = ["what", "where in the paper", "metric", "published", "published on", "measured here"]
    return Table(pd.DataFrame(lines, columns=columns), caption=f"Measured here: {setting}")


def published_text(row: pd.Series) -> str:
    """`2.76 ± 0.09 (n = 4)` as far as the paper says."""
    text = f"{row['value']:g}"
    text += f" ± {row['spread']:g}" if pd.notna(row.get("spread")) else ""
    return text + (f" (n = {row['n']:g})" if pd.notna(row.get("n")) else "")


def costs(*results: Result) -> Table:
    """What the chapter's runs took: seconds, device-hours and memory, run by run."""
    lines = []
    for result in results:
        record = result.record
        lines.append(
            [
                result.name,
                record["device"],
                record["seconds"],
                record["device_hours"],
                (record.get("peak_memory_bytes") or float("nan")) / 2**20,
            ]
        )
    table = pd.DataFrame(lines, columns=["run", "device", "seconds", "device-hours", "peak memory, MiB"])
    total = f"{len(table)} runs, {table.seconds.sum():,.0f} seconds in all"
    return Table(table.round({"seconds": 1, "device-hours": 4, "peak memory, MiB": 0}), caption=total)


def cost_totals(groups: Mapping[str, Iterable[Result]]) -> Table:
    """What kinds of runs took together; a run in two groups counts in the first."""
    rows, counted = [], set()
    for what, of in groups.items():
        runs = list({run.name: run for run in of if run.name not in counted}.values())
        counted |= {run.name for run in runs}
        rows.append((what, len(runs), *(sum(run.record[part] for run in runs) for part in ("seconds", "device_hours"))))
    table = pd.DataFrame(rows, columns=["runs", "number", "seconds", "device-hours"])
    return Table(table.round({"seconds": 1, "device-hours": 4}))


def composition(method: Method) -> Table:
    """The parts that make a method; those that it leaves out are not listed."""
    parts = {
        f.name: getattr(method, f.name) for f in fields(method) if f.name not in ("config", "training", "imagenet")
    }
    return Table(pd.DataFrame([(n, part_text(p)) for n, p in parts.items() if p is not None], columns=["part", "is"]))


def part_text(part: Any) -> str:
    """`bilevel(order=1, warmup=0)` for what such a call returned, the name of a function, space or rule."""
    if not callable(part) or hasattr(part, "name"):
        return str(getattr(part, "name", part))
    maker, _, inner = part.__qualname__.partition(".<locals>")
    if not inner:
        return maker
    closed = inspect.getclosurevars(part).nonlocals
    known = {k: v for k, v in closed.items() if isinstance(v, bool | int | float | str | tuple)}
    return f"{maker}({', '.join(f'{k}={v!r}' for k, v in known.items())})"


def hyperparameters(paper: SearchConfig | TrainConfig, here: SearchConfig | TrainConfig) -> Table:
    """Every number of the paper's own run beside the one used here; changed ones are marked."""
    theirs, ours = asdict(paper), asdict(here)
    lines = [[name, theirs[name], ours[name], "←" if theirs[name] != ours[name] else ""] for name in theirs]
    return Table(pd.DataFrame(lines, columns=["parameter", "paper", "here", "changed"]))


def record_of(result: Result) -> Table:
    """Where the numbers come from: commit, versions, data, seed, device; the run's folder holds them all."""
    flat = pd.json_normalize({k: v for k, v in result.record.items() if k not in ("config", "metrics")}).iloc[0]
    return Table(
        pd.DataFrame(
            [[name.replace(".", ": ").replace("_", " "), v] for name, v in flat.items()], columns=["what", "value"]
        )
    )


class Table:
    """A table as notebooks and the book show it: plain HTML without an index, scrolling inside its own box.

    `style` is a further class for the book's style sheet, which makes a card of every row of `claims` on a phone. A
    table with a caption and many rows is folded under it.
    """

    LONG = 12  # rows

    def __init__(self, frame: pd.DataFrame, *, style: str = "", caption: str = ""):
        self.frame, self.style, self.caption = frame, style, caption

    def __repr__(self) -> str:
        return self.frame.to_string(index=False)

    def _repr_html_(self) -> str:
        names = [html.escape(str(name)) for name in self.frame.columns]
        head = "".join(f'<th scope="col">{name}</th>' for name in names)
        rows = "".join(
            "<tr>"
            + "".join(f'<td data-label="{n}">{html.escape(_text(v))}</td>' for n, v in zip(names, row, strict=True))
            + "</tr>"
            for row in self.frame.itertuples(index=False)
        )
        look = f"dataframe table {self.style}".strip()
        words, folded = html.escape(self.caption), bool(self.caption) and len(self.frame) > self.LONG
        caption = f'<caption style="caption-side:top">{words}</caption>' if words and not folded else ""
        table = f'<table class="{look}">{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        box = f'<div tabindex="0" role="group" aria-label="{words or "table"}" style="overflow-x:auto">{table}</div>'
        return f"<details><summary>{words}</summary>{box}</details>" if folded else box


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)
