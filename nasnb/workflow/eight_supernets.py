"""The supernets of eight methods, trained alike: every diagnostic, every rule, and how good the chosen cells are.

    python -m nasnb.workflow.eight_supernets CIFAR10-16.npz --seeds 8
    python -m nasnb.workflow.eight_supernets

The first searches them on NAS-Bench-201, seed by seed, where the cells' accuracies are looked up; the second looks at
the kept ones. Each keeps a table under `figures/07-across`; whatever was stopped goes on where it stood. The images are
a file of `nasnb.data.packed`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import torch

from nasnb.analysis import across
from nasnb.architecture import Genotype
from nasnb.config import SearchConfig, TrainConfig
from nasnb.data import Data
from nasnb.data.bench201 import Bench201Table
from nasnb.data.packed import unpack
from nasnb.experiment import run_search, run_training
from nasnb.methods import METHODS, Method
from nasnb.plots.across import plot_measures
from nasnb.plots.style import svg, use_style
from nasnb.runs import Result, run_once
from nasnb.runs.kept import keep, kept
from nasnb.runs.record import environment
from nasnb.search import begin
from nasnb.search.perturbation import perturbation
from nasnb.search.selection import magnitude
from nasnb.search.state import SearchState
from nasnb.spaces import random_genotype
from nasnb.spaces.bench201 import bench201_groups
from nasnb.supernet.partial_channels import PartialMix
from nasnb.workflow.kept_supernets import FOLDER, METHOD_OF, kept_supernet, kept_words, supernet_method

SEARCHES, LOOKS = "07-across/bench201", "07-across/kept-supernets"  # the tables that are kept
# few steps, larger ones: minutes for the eight methods of a seed on a core
SIZE = SearchConfig(epochs=20, cells=1, channels=8, batch_size=64, train_images=2000, lr=0.05, alpha_lr=0.01, pace=0.25)
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
COSTLY = ("agreement", "eigenvalue", "cost")  # hundreds of passes, or a clock that parts of the images do not change
RULES = ("magnitude", "perturbation", "stable rank")
OWN = {"MSR-DARTS": "stable rank", "fixed alpha": "perturbation"}  # the others read alpha
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


def retrained(data: Data, config: TrainConfig, *, runs_dir: str | Path) -> Rate:
    """Rates a cell by training it: test accuracy after the last epoch, in percent."""

    def rate(method: Method, seed: int, genotype: Genotype) -> float:
        run = run_training(method.space, genotype, data, replace(config, seed=seed), runs_dir=runs_dir)
        return float(run.history.valid_accuracy.iloc[-1])

    return rate


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
        raise across.NotDefined("decides while it searches")
    if rule == "stable rank":
        return method.space.discretise(across.convolution_ranks(found.state())), seconds
    other = find(replace(method, name=f"{method.name}-pt", select=PT, score=magnitude), after=found)
    return other.genotype, seconds + other.record["seconds"]


PT = perturbation(criterion="loss")  # which has no ties on few images


# --- the kept supernets -----------------------------------------------------------------------------------------------


def looks(
    name: str,
    *,
    parts: int = 3,
    of: int = 8,
    n_batches: int = 5,
    without: Sequence[str] = (),
    runs_dir: str | Path,
    figures_dir: str | Path = "figures",
) -> Iterator[dict[str, Any]]:
    """A row for each of `parts` shares of the images of the kept supernet `name` of EIGHT, one `of` so many each, and
    one for its CONTROL on the first.

    Beside the diagnostics one-shot accuracies (%) of the cells that alpha and stable rank choose, and the mean of ten
    random ones. COSTLY ones are of the first part alone. Raises FileNotFoundError where the supernet is not kept.
    """
    start = kept_supernet(EIGHT[name], figures_dir=figures_dir)
    states = {TRAINED: lambda: start, CONTROL: partial(begin, start.method, start.data, start.config)}
    words = kept_words(EIGHT[name], figures_dir=figures_dir)
    for state, i in [*((TRAINED, i) for i in range(parts)), (CONTROL, 0)]:
        how = {"n_batches": n_batches, "without": [*without, *(COSTLY if (state, i) != (TRAINED, 0) else ())]}
        facts = {"supernet": name, "weights": words, "state": state, "part": i, "of": of, **how}
        see = partial(_look, states[state], i, of, **how)
        yield {"method": name, "state": state, "part": i} | run_once("look", facts, see, runs_dir=runs_dir)


def _look(make: Callable[[], SearchState], i: int, of: int, **how: Any) -> dict[str, Any]:
    state = make()
    part = across.in_parts(state, of)[i]
    part.config = replace(part.config, batch_size=min(256, len(part.valid)))  # of masked passes: few large ones
    ranked = part.method.space.discretise(across.convolution_ranks(part))
    cells = {"stable rank": ranked}
    cells |= {"magnitude": part.method.genotype(part)} if part.relaxation.rule.learns else {}
    own = cells.get("magnitude", ranked)
    drawn = [random_genotype(part.method.space, seed=seed) for seed in range(10)]
    scores = [across.one_shot_accuracy(part, cell) for cell in drawn]
    shot = {f"one-shot by {rule}": across.one_shot_accuracy(part, cell) for rule, cell in cells.items()}
    seen = across.diagnostics(part, own, batch_size=64, **how | {"without": (*how["without"], "cost")})
    cost = (
        {} if "cost" in how["without"] else {"cost": across.cost(state)}
    )  # of a step of the search, whatever the part
    return seen | cost | shot | {"one-shot random": sum(scores) / len(scores)}


# --- keeping them -----------------------------------------------------------------------------------------------------


def keep_table(
    name: str, table: pd.DataFrame, facts: Mapping[str, Any], *, figures_dir: str | Path = "figures"
) -> None:
    """Write the table under `name`, the matrix of its means, and where both come from."""
    trained, made = table[table.state == TRAINED], environment(torch.device("cpu"))
    columns = [column for column in across.DIAGNOSTICS if column in table]
    use_style()
    ax = plot_measures(across.means(trained, columns), across.half_widths(trained, columns), titles=across.DIAGNOSTICS)
    record = {"device": made["device"], "commit": made["commit"] or "", **facts}
    record |= {"alt": f"All diagnostics on the supernets of {trained.method.nunique()} methods, a row per method."}
    keep(name, svg(ax.figure), table, record, figures_dir=figures_dir)
    plt.close(ax.figure)


def keep_searches(lines: Sequence[Mapping[str, Any]], data: Data, *, figures_dir: str | Path = "figures") -> None:
    """The table of searches on NAS-Bench-201."""
    table = pd.DataFrame(lines)
    seeds, side = sorted(map(int, table.seed.unique())), data.image_size[1]
    scale = (
        f"NAS-Bench-201, {side} px, {SIZE.channels} channels, {SIZE.cells} cell per stage, "
        f"{SIZE.train_images:,} images, {SIZE.epochs} epochs, n = {len(seeds)} seeds of each method"
    )
    facts = {"data": data.name, "config": asdict(SIZE), "seed": seeds, "scale": scale}
    facts |= {"seconds": float(table.filter(like="seconds by").max(axis=1).sum())}
    keep_table(SEARCHES, table, facts, figures_dir=figures_dir)


def keep_looks(lines: Sequence[Mapping[str, Any]], *, seconds: float, figures_dir: str | Path = "figures") -> None:
    """The table of the kept supernets."""
    words = kept_words(next(iter(EIGHT.values())), figures_dir=figures_dir)
    facts = {
        "data": "the embedded images of Fashion-MNIST",
        "config": {},
        "seed": 0,
        "scale": words,
        "seconds": seconds,
    }
    keep_table(LOOKS, pd.DataFrame(lines), facts, figures_dir=figures_dir)


def make_tables(arguments: Sequence[str] | None = None) -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m nasnb.workflow.eight_supernets", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "images", nargs="?", type=Path, help="of CIFAR-10 at 16 px, packed (default: the kept supernets)"
    )
    parser.add_argument("--seeds", type=int, default=8, metavar="N")
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--figures-dir", default="figures")
    a = parser.parse_args(arguments)
    lines, began = [], time.process_time()
    if a.images is None:
        for name in EIGHT:
            if kept(f"{FOLDER}/{EIGHT[name]}", figures_dir=a.figures_dir) is not None:
                lines += looks(name, runs_dir=a.runs_dir, figures_dir=a.figures_dir)
                keep_looks(lines, seconds=time.process_time() - began, figures_dir=a.figures_dir)  # it may be stopped
        return
    data, methods = unpack(a.images), {name: on_table(name) for name in EIGHT}
    for seed in range(a.seeds):
        how = {"runs_dir": a.runs_dir, "n_batches": 6, "batch_size": 64}
        lines += observed(methods, data, SIZE, seeds=[seed], rate=look_up, **how)
        keep_searches(lines, data, figures_dir=a.figures_dir)  # after every seed: it may be stopped


if __name__ == "__main__":
    make_tables()
