"""The kept figures of the NAS-Bench-201 experiment, from the rows of `nasnb.workflow.crowd`.

python -m nasnb.workflow.kept_bench201 OUT/rows.csv.gz --seconds 1620
python -m nasnb.workflow.kept_bench201 OUT/rows.csv.gz --seconds 9000 --size small
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from nasnb.analysis import collapse
from nasnb.data.bench201 import Bench201Table
from nasnb.plots.collapse import RANDOM, plot_arms, plot_collapse, plot_panels
from nasnb.plots.style import svg, use_style
from nasnb.report.evidence import Evidence, evidence, write_evidence
from nasnb.report.kept_figure import PREFIXES
from nasnb.runs.kept import keep
from nasnb.runs.record import now
from nasnb.workflow.arms import ALPHA_RATES, IMAGES, SIZES

FOLDER = "nas-bench-201"
COLUMNS = [
    "arm",
    "seed",
    "finished",
    "epoch",
    "phase",
    "train_loss",
    "train_accuracy",
    "valid_loss",
    "valid_accuracy",
    "largest",
    "eigenvalue",
    "cell",
    "cifar10",
    "cifar100",
    "imagenet16-120",
    "percentile",
    "skips",
]


def phases(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the phase diagram, with `images` and `rate` of their arm."""
    part = rows[rows.arm.str.startswith("phase-")]
    named = part.arm.str.extract(r"phase-(?P<images>\d+)-(?P<rate>.+)")
    return part.assign(images=named.images.astype(int), rate=named.rate.astype(float))


@dataclass(frozen=True)
class Experiment:
    """What all its rows share: how the images are named, seconds of the whole, one of SIZES, where it is kept."""

    data: str
    seconds: float
    size: str = "whole"
    figures_dir: str | Path = "figures"

    @property
    def prefix(self) -> str:
        """Of the names of its results: those of the whole size have none."""
        return PREFIXES[self.size]

    @property
    def scale(self) -> str:
        """In words."""
        size = SIZES[self.size]
        return (
            f"Cells looked up in NAS-Bench-201; search: 16 px, {size.channels} channels, {size.cells} cell per stage, "
            f"{size.train_images:,} images, {size.epochs} epochs, alpha's rate {size.alpha_lr:g}"
        )

    def record(self, rows: pd.DataFrame) -> dict:
        """Where the numbers come from: what all arms share, seeds, device, commit, seconds of the whole."""
        return {
            "data": self.data,
            "config": asdict(SIZES[self.size]) | {"arms": sorted(rows.arm.unique())},
            "seed": sorted(map(int, rows.seed.unique())),
            "device": ", ".join(sorted(rows.device.astype(str).unique())),
            "commit": ", ".join(sorted(rows.commit.astype(str).unique())),
            "seconds": self.seconds,
            "makers": ["nasnb.workflow.kept_bench201", "nasnb.workflow.crowd"],  # who searched, too
        }


def keep_all(rows: pd.DataFrame, of: Experiment) -> None:
    """Write what there is enough of: the collapse, the phase diagram, the arms with random cells as their floor."""
    rows = collapse.looked_up(rows.assign(finished=rows.get("finished", True)))
    table = Bench201Table.load()
    accuracies = np.array([line[0] for line in table.rows.values()])
    median = float(np.median(accuracies))
    use_style()

    def write(name: str, figure: plt.Figure, shown: pd.DataFrame, words: tuple[str, str]) -> None:
        columns = [column for column in ("images", "rate", *COLUMNS) if column in shown]
        record = of.record(shown) | dict(zip(("alt", "scale"), words, strict=True))
        keep(f"{FOLDER}/{of.prefix}{name}", svg(figure), shown[columns], record, figures_dir=of.figures_dir)
        plt.close(figure)

    whole = rows[rows.finished]
    darts, diagram, arms = whole[whole.arm == "darts-1st"], phases(rows), rows[~rows.arm.str.startswith("phase-")]
    if len(darts):
        write("collapse", plot_collapse(darts, median=median), darts, collapse_words(darts, of.scale))
    if len(diagram):
        panels = {
            f"{n:,} images, alpha's rate {rate:g}": diagram[(diagram.images == n) & np.isclose(diagram.rate, rate)]
            for n in IMAGES
            for rate in ALPHA_RATES
        }
        write("phases", plot_panels(panels, columns=3, median=median), diagram, phase_words(diagram, of.scale))
    if len(arms):
        arms, left_out = collapse.worth_showing(arms)
        panels = {collapse.label(arm): part for arm, part in arms.groupby("arm", sort=False)}
        words = trajectory_words(arms, left_out, of.scale)
        write("trajectories", plot_panels(panels, columns=3, median=median), arms, words)
        shown = collapse.at_the_end(arms)
        marks = {RANDOM: median, "best cell": float(accuracies.max())}
        write("arms", arms_figure(shown, marks), shown, arm_words(arms, left_out, of.scale))


def arms_figure(ends: pd.DataFrame, marks: dict[str, float]) -> plt.Figure:
    """Arms and random cells, the best mean on top, by accuracy and by percentile."""
    both = pd.concat([ends, collapse.looked_up(collapse.random_cells(range(1000)))])
    both["arm"] = both.arm.map(collapse.label)
    means = {column: collapse.summary(both, column) for column in ("cifar10", "percentile")}
    means["cifar10"] = means["cifar10"].sort_values("mean", ascending=False)
    return plot_arms(both[both.arm != "random cell"], means, marks=marks)


def collapse_words(darts: pd.DataFrame, scale: str) -> tuple[str, str]:
    """Alt text and caption, from the numbers."""
    mean = darts.groupby("epoch")[["cifar10", "valid_accuracy"]].mean()
    top, end = mean.cifar10.idxmax(), mean.index.max()
    before, after = mean.loc[top], mean.loc[end]
    fall = (
        f"the cell falls from {before.cifar10:.1f} % after epoch {top} to {after.cifar10:.1f} % at the end while the "
        f"supernet goes from {before.valid_accuracy:.1f} to {after.valid_accuracy:.1f} % on held-out images"
    )
    alt = f"DARTS over {end} epochs, n = {darts.seed.nunique()}: {fall}."
    return alt, f"Thin: seeds, thick: their mean, n = {darts.seed.nunique()}. Dotted: {RANDOM}. {scale}."


def phase_words(diagram: pd.DataFrame, scale: str) -> tuple[str, str]:
    """Alt text and caption, from the numbers."""
    down, lines = _line_words(diagram)
    alt = f"Accuracy of DARTS' cell over the epochs by number of images and alpha's learning rate: {down}."
    return alt, f"{lines} Dotted: {RANDOM}. {scale}, unless a panel says so."


def trajectory_words(arms: pd.DataFrame, left_out: Sequence[str], scale: str) -> tuple[str, str]:
    """Alt text and caption, from the numbers."""
    down, lines = _line_words(arms)
    alt = f"Accuracy of the chosen cell over the epochs, a panel for each of {arms.arm.nunique()} ways: {down}."
    return alt, f"{lines} Dotted: {RANDOM}.{_gone(left_out)} {scale}."


def _line_words(rows: pd.DataFrame) -> tuple[str, str]:
    """How many searches end low, and what the lines of a panel per arm are."""
    ends = collapse.at_the_end(rows)
    counts = ends.groupby("arm").seed.nunique().reindex(rows.arm.unique(), fill_value=0)
    low = (ends.cifar10 < collapse.COLLAPSED).sum()
    down = f"{low} of {len(ends)} finished searches end below {collapse.COLLAPSED:.0f} %"
    cut = rows.groupby(["arm", "seed"]).ngroups - len(ends)
    crosses = f" A cross: where one of {cut} searches that were not finished stands." if cut else ""
    return down, f"A line per seed, n = {_range(counts)} finished seeds in {len(counts)} panels; {down}.{crosses}"


def _gone(left_out: Sequence[str]) -> str:
    names = ", ".join(map(collapse.label, left_out))
    return f" Left out, since its supernet ends near chance: {names}." if names else ""


def _range(counts: pd.Series) -> str:
    return f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"


def arm_words(arms: pd.DataFrame, left_out: Sequence[str], scale: str) -> tuple[str, str]:
    """Alt text and caption, from the numbers."""
    means = collapse.summary(arms).sort_values("mean")
    worst, best = means.iloc[0], means.iloc[-1]
    alt = (
        f"{len(means)} ways to search NAS-Bench-201, from {collapse.label(worst.arm)} with a mean of "
        f"{worst['mean']:.1f} % to {collapse.label(best.arm)} with {best['mean']:.1f} %."
    )
    bars = "Bars: 95 % t interval of the mean, from 3 seeds on."
    return alt, f"n = {_range(means.n)} per arm. {bars} Dotted: {RANDOM}.{_gone(left_out)} {scale}."


def keep_claims(rows: pd.DataFrame, of: Experiment) -> list[Evidence]:
    """Write the effects of every claim that the rows can answer, seed by seed, to its chapter's `claims.csv`."""
    rows = collapse.looked_up(rows)
    commit = ", ".join(sorted({str(commit)[:10] for commit in rows.commit.unique()}))
    found = [
        replace(
            evidence(
                id,
                values.to_numpy(),
                kind="NAS-Bench-201",
                learned=collapse.has_learned(rows, id),
                scale=f"{of.data}; {of.scale}",
                run=f"{FOLDER}/{of.prefix}arms" if of.prefix else FOLDER,
                commit=commit,
                date=now()[:10],
            ),
            seeds=tuple(map(int, values.index)),
        )
        for id, values in collapse.effects(rows).items()
    ]
    for chapter in {each.claim.chapter for each in found}:
        write_evidence(chapter, [each for each in found if each.claim.chapter == chapter], figures_dir=of.figures_dir)
    return found


def from_arguments(arguments: Sequence[str] | None = None) -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m nasnb.workflow.kept_bench201", description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path, help="rows.csv.gz")
    parser.add_argument("--data", default="CIFAR-10 (JPEG copy), 16 px", help="how the image set is named")
    parser.add_argument("--seconds", type=float, required=True, help="that the experiment took")
    parser.add_argument("--size", default="whole", choices=SIZES, help="channels and images that the searches had")
    parser.add_argument("--commit", help="of the code, where the machine had a copy of it without its history")
    parser.add_argument("--figures-dir", default="figures")
    a = parser.parse_args(arguments)
    rows = pd.read_csv(a.rows, dtype={"cell": str, "commit": str})
    rows["arm"] = rows.arm.str.replace(r"/.*\+pt$", "/pt", regex=True)
    if a.commit:
        rows["commit"] = a.commit
    of = Experiment(a.data, a.seconds, a.size, a.figures_dir)
    keep_all(rows, of)
    for each in keep_claims(rows, of):
        print(f"{each.claim.id}: {each.finding.verdict}, {each.finding.words(each.claim.unit)}")


if __name__ == "__main__":
    from_arguments()
