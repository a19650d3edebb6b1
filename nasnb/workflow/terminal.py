"""Tables of runs as a terminal shows them."""

from __future__ import annotations

import pandas as pd

from nasnb.runs.progress import duration


def runs_shown(table: pd.DataFrame) -> pd.DataFrame:
    """What a terminal shows of the table that `find_runs` gives: name, state, progress, accuracy, time."""

    def text(column: str, write) -> list[str]:
        return ["" if value != value else write(value) for value in table[column]]

    return table[["name", "state"]].assign(
        epochs=[f"{e:.0f}/{of:.0f}" if of == of else "" for e, of in zip(table["epoch"], table["epochs"], strict=True)],
        left=text("seconds_left", duration),
        accuracy=text("accuracy", lambda value: f"{value:.2f} %"),
        time=text("seconds", duration),
    )


def shortened(value: object) -> str:
    """A value in at most some sixty letters; a dash for what is missing."""
    text = "-" if value is None or value != value else str(value)
    return text if len(text) <= 60 else f"{text[:60]} ..."
