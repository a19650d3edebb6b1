"""The supernets of eight methods, trained alike: every diagnostic, every rule, and how good the chosen cells are.

    python -m nasnb.workflow.eight_supernets CIFAR10-16.npz --seeds 8

searches them on NAS-Bench-201, seed by seed, where the cells' accuracies are looked up, and keeps the table under
`figures/07-across`; whatever was stopped goes on where it stood. The images are a file of `nasnb.data.packed`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from nasnb.analysis import across
from nasnb.architecture import Genotype
from nasnb.config import SearchConfig
from nasnb.data import Data
from nasnb.data.bench201 import Bench201Table
from nasnb.data.packed import unpack
from nasnb.experiment import run_search
from nasnb.methods import METHODS, Method
from nasnb.plots.across import plot_measures
from nasnb.plots.style import svg, use_style
from nasnb.runs import Result, run_once
from nasnb.runs.kept import keep
from nasnb.runs.record import environment
from nasnb.search import begin
from nasnb.search.decisions import greedy, most_missed
from nasnb.search.perturbation import perturbation
from nasnb.search.selection import magnitude
from nasnb.search.state import SearchState
from nasnb.spaces import random_genotype
from nasnb.spaces.bench201 import bench201_groups
from nasnb.supernet.partial_channels import PartialMix
from nasnb.workflow.kept_supernets import METHOD_OF, supernet_method

KEPT = "07-across/bench201"
# few steps, larger ones: minutes for the eight methods of a seed on one core
SIZE = SearchConfig(epochs=15, cells=1, channels=8, batch_size=64, train_images=2000, lr=0.05, alpha_lr=0.01, pace=0.25)
EIGHT: Mapping[str, str] = {  # as chapter 07 calls them: their names among the kept supernets
    "DARTS": "darts-1st",
    "sharpDARTS": "sharpdarts",
    "PC-DARTS": "pc-darts",
    "StacNAS": "stacnas",
    "MSR-DARTS": "msr-darts",
    "SDARTS-RS": "sdarts-rs",
    "SGAS": "sgas",
    "fixed alpha": "fixed-alpha",
}
TRAINED, CONTROL = "trained", "untrained"  # the control: the same supernet before its first step
RULES = ("magnitude", "perturbation", "stable rank")
OWN = {"MSR-DARTS": "stable rank", "fixed alpha": "perturbation"}  # the others read alpha
# SGAS decides while it searches: at its end nothing is open, and another rule is another search
GREEDY = {"perturbation": greedy(choose=most_missed()), "stable rank": greedy(choose=across.lowest_rank)}
Rate = Callable[[Method, int, Genotype], float]  # how good a cell is, for a seed


def on_table(name: str) -> Method:
    """One of EIGHT on NAS-Bench-201; of StacNAS the first stage, of MSR-DARTS the rule without spectral norms."""
    moved = METHODS[METHOD_OF[EIGHT[name]]]
    if name == "StacNAS":
        return replace(moved, name="stacnas-201", space=bench201_groups, then=None)
    moved = replace(moved.on("bench201"), select=None, name=f"{EIGHT[name]}-201")
    return replace(moved, score=across.convolution_ranks) if name == "MSR-DARTS" else moved


def in_own_space(name: str) -> Method:
    """One of EIGHT in the space of its paper."""
    return supernet_method(EIGHT[name])


def look_up(method: Method, seed: int, genotype: Genotype) -> float:
    """CIFAR-10 test accuracy of a cell of NAS-Bench-201, in percent."""
    return Bench201Table.load().accuracy(genotype)["cifar10"]


def observed(
    methods: Mapping[str, Method], data: Data, config: SearchConfig, *, seeds: Iterable[int], rate: Rate, **how: Any
) -> Iterator[dict[str, Any]]:
    """A row per seed, method and state (TRAINED, CONTROL): diagnostics, accuracies (%), seconds of the clock.

    `by RULE` is how good the cell is that a rule chooses, `own` that of the method's own rule, `random` of a cell drawn
    at random; what has no meaning says why. `how` has `runs_dir`, and `n_batches` and `batch_size` of the diagnostics.
    """
    for seed in seeds:
        for i, (name, method) in enumerate(methods.items()):
            k = method.mix.k if isinstance(method.mix, PartialMix) else 1  # candidates see 1/k of the channels
            at = replace(config, seed=seed, channels=config.channels * k)
            drawn = random_genotype(method.space, seed=len(methods) * seed + i)
            yield from _of_one(name, method, data, at, rate=partial(rate, method, seed), drawn=drawn, **how)


def _of_one(
    name: str,
    method: Method,
    data: Data,
    config: SearchConfig,
    *,
    rate: Callable[[Genotype], float],
    drawn: Genotype,
    runs_dir: str | Path,
    **sizes: int,
) -> Iterator[dict[str, Any]]:
    find = partial(run_search, data=data, config=config, runs_dir=runs_dir)
    found = find(method)
    chosen = {rule: across.or_reason(partial(_choose, rule, name, method, found, find)) for rule in RULES}
    cells = {rule: each[0] for rule, each in chosen.items() if not isinstance(each, str)}
    own = cells[OWN.get(name, "magnitude")]
    ends = {
        key: found.history.get(key, pd.Series([float("nan")])).iloc[-1] for key in ("train_accuracy", "valid_accuracy")
    }
    rated = {f"by {rule}": rate(cells[rule]) if rule in cells else chosen[rule] for rule in RULES}
    rated |= {f"seconds by {rule}": each[1] for rule, each in chosen.items() if rule in cells}
    rated |= {"own": rate(own), "random": rate(drawn), "cell": own.notation()}
    for state, start in ((TRAINED, found.state), (CONTROL, partial(begin, method, data, config))):
        facts = {"run": found.name, "genotype": own, "state": state, **sizes}
        seen = run_once("across", facts, partial(_seen, start, own, sizes), runs_dir=runs_dir)
        yield {"method": name, "seed": config.seed, "state": state} | seen | (ends | rated if state == TRAINED else {})


def _seen(start: Callable[[], SearchState], genotype: Genotype, sizes: Mapping[str, int]) -> dict[str, Any]:
    return across.diagnostics(start(), genotype, **sizes)


def _choose(rule: str, name: str, method: Method, found: Result, find: Callable[..., Result]) -> tuple[Genotype, float]:
    """What a rule chooses and the seconds until then. Raises NotDefined where it has nothing to read."""
    seconds = found.record["seconds"]
    if rule == "magnitude":
        if not method.relax.learns:
            raise across.NotDefined("alpha is not learnt")
        return found.genotype, seconds
    if name == "SGAS":
        other = find(replace(method, name=f"{method.name}-{rule.replace(' ', '-')}", hook=GREEDY[rule]))
        return other.genotype, other.record["seconds"]
    if rule == "stable rank":
        return method.space.discretise(across.convolution_ranks(found.state())), seconds
    other = find(replace(method, name=f"{method.name}-pt", select=PT, score=magnitude), after=found)
    return other.genotype, seconds + other.record["seconds"]


PT = perturbation(criterion="loss")  # which has no ties on few images


# --- keeping them -----------------------------------------------------------------------------------------------------


def keep_table(table: pd.DataFrame, data: Data, *, figures_dir: str | Path = "figures") -> None:
    """Write the table, the matrix of its means, and where both come from."""
    trained = table[table.state == "trained"]
    n, made = trained.seed.nunique(), environment(data.train.images.device)
    use_style()
    ax = plot_measures(
        across.means(trained, across.DIAGNOSTICS),
        across.half_widths(trained, across.DIAGNOSTICS),
        titles=across.DIAGNOSTICS,
    )
    record = {
        "data": f"{data.name}, {SIZE.train_images:,} images",
        "config": asdict(SIZE),
        "seed": sorted(map(int, trained.seed.unique())),
        "device": made["device"],
        "commit": made["commit"] or "",
        "seconds": float(table.filter(like="seconds by").max(axis=1).sum()),
        "scale": scale_words(data.image_size[1], n),
        "alt": "All diagnostics on the supernets of eight methods on NAS-Bench-201, a row per method.",
    }
    keep(KEPT, svg(ax.figure), table, record, figures_dir=figures_dir)
    plt.close(ax.figure)


def scale_words(side: int, n: int) -> str:
    """The scale of the searches, in a line."""
    return (
        f"NAS-Bench-201, {side} px, {SIZE.channels} channels, {SIZE.cells} cell per stage, "
        f"{SIZE.train_images:,} images, {SIZE.epochs} epochs, n = {n} seeds of each method"
    )


def make_table(arguments: Sequence[str] | None = None) -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m nasnb.workflow.eight_supernets", description=__doc__.splitlines()[0]
    )
    parser.add_argument("images", type=Path, help="of CIFAR-10 at 16 px, packed")
    parser.add_argument("--seeds", type=int, default=8, metavar="N")
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--figures-dir", default="figures")
    a = parser.parse_args(arguments)
    data, methods, lines = unpack(a.images), {name: on_table(name) for name in EIGHT}, []
    for seed in range(a.seeds):
        how = {"runs_dir": a.runs_dir, "n_batches": 8, "batch_size": 64}
        lines += observed(methods, data, SIZE, seeds=[seed], rate=look_up, **how)
        keep_table(pd.DataFrame(lines), data, figures_dir=a.figures_dir)  # after every seed: it may be stopped


if __name__ == "__main__":
    make_table()
