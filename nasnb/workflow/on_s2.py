"""DARTS-PT on S2: several rules select from the same supernets, and each supernet is looked at from all sides.

Chapter 06 does so at the size of its preset, `figures/06-darts-pt/make_s2.py` at one at which supernets learn. What is
here is by seed: `Runs` are searches by seed, tables have a column `seed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from nasnb.analysis.darts.dominance import skip_dominance
from nasnb.analysis.darts_pt import handmade, of_supernets, proposition, selecting, shuffling, yardstick
from nasnb.analysis.darts_pt.of_supernets import ALPHA, BEFORE, SEARCHED
from nasnb.analysis.darts_pt.published_cells import op_counts
from nasnb.config import SearchConfig, TrainConfig
from nasnb.data import Data
from nasnb.experiment import run_search
from nasnb.methods import METHODS
from nasnb.report import accuracies
from nasnb.runs import Result, run_once
from nasnb.search import begin
from nasnb.search.perturbation import Select, perturbation
from nasnb.search.state import SearchState

Runs = Mapping[int, Result]
PT = METHODS["darts-pt"].on("s2")
S2 = replace(PT, name="darts-s2", select=None)
SUPERNET = "supernet (S2)"
SMALL_STACKS = {  # a ResNet and a VGG that learn in minutes
    "ResNet": partial(handmade.resnet, depth=20, channels=8),
    "VGG": partial(handmade.vgg16, channels=8),
}


def selection_rules(lr: float) -> dict[str, Select]:
    """PT, and two other choices of the operation with PT's order, tuning (at the rate `lr`) and edges."""
    criteria = {"PT": "accuracy", "PT-Mag": "magnitude", "random choice": "random"}
    return {name: perturbation(lr=lr, criterion=criterion) for name, criterion in criteria.items()}


def selected_by_rules(
    base: Runs, selects: Mapping[str, Select], data: Data, config: SearchConfig, *, runs_dir: str | Path
) -> dict[str, Runs]:
    """{rule: what it makes of each supernet}; first ALPHA, for which nothing more is done."""
    found: dict[str, Runs] = {ALPHA: base}
    for name, select in selects.items():
        find = partial(run_search, replace(S2, name=f"darts-{name.lower().replace(' ', '-')}-s2", select=select), data)
        found[name] = {s: find(replace(config, seed=s), after=run, runs_dir=runs_dir) for s, run in base.items()}
    return found


def edge_picks(base: Runs, *, runs_dir: str | Path) -> pd.DataFrame:
    """What each rule prefers on every edge of the normal cell, nothing decided yet (figure 2)."""
    look = {s: ({"run": r.name}, lambda r=r: {"picks": yardstick.preferences(r.state())}) for s, r in base.items()}
    return pd.concat(run_once("choices", *how, runs_dir=runs_dir)["picks"].assign(seed=s) for s, how in look.items())


def skip_gaps(base: Runs) -> pd.DataFrame:
    """`skip_dominance` of the normal cell, a row per epoch (figure 3)."""
    edges = S2.space.choices.groups["normal"]
    parts = {s: (r.weights["normal"], edges, r.genotypes, r.history.valid_accuracy) for s, r in base.items()}
    return pd.concat(skip_dominance(*part).assign(seed=s) for s, part in parts.items())


def proposition_checks(
    base: Runs,
    data: Data,
    config: SearchConfig,
    *,
    images: int,
    runs_dir: str | Path,
    others: Mapping[str, Callable[[int], SearchState]] = {},
) -> pd.DataFrame:
    """Proposition 1 on every supernet at the end of its search, before it, and on `others` of the same seed."""
    starts = {SEARCHED: lambda s: base[s].state(), **others, BEFORE: lambda s: begin(S2, data, replace(config, seed=s))}
    return pd.concat(
        run_once(
            "proposition",
            {"run": base[s].name, "start": name, "images": images},
            lambda start=start, s=s: {"table": proposition.check_supernet(start(s), images=images)},
            runs_dir=runs_dir,
        )["table"].assign(supernet=name, seed=s)
        for name, start in starts.items()
        for s in base
    )


def decision_prices(found: Mapping[str, Runs]) -> pd.DataFrame:
    """What each decision on an operation cost at once: `selecting.drops`, by `how` it was chosen (figure 6)."""
    tables = {
        (name, s): run.state().extra["decisions"] for name in found if name != ALPHA for s, run in found[name].items()
    }
    table = pd.concat(selecting.drops(trace).assign(how=name, seed=s) for (name, s), trace in tables.items())
    return table[table.kind == "op"]


def normal_convolutions(found: Mapping[str, Runs]) -> pd.DataFrame:
    """(seeds, rules): convolutions in the normal cell (figure 5)."""
    return pd.DataFrame(
        {name: {s: op_counts(r.genotype)["normal"] for s, r in of.items()} for name, of in found.items()}
    )


def asked(
    base: Runs, found: Mapping[str, Runs], data: Data, config: SearchConfig, *, images: int, runs_dir: str | Path
) -> pd.DataFrame:
    """`of_supernets.told_by_seed` of supernets and of what PT and PT-Mag made of them, with the held-out
    `valid_accuracy` (%) that each supernet reached; proposition 1 is checked on so many `images`."""
    told = of_supernets.told_by_seed(
        edge_picks(base, runs_dir=runs_dir),
        skip_gaps(base),
        proposition_checks(base, data, config, images=images, runs_dir=runs_dir),
        decision_prices(found),
        normal_convolutions(found),
    )
    return told.assign(valid_accuracy=accuracies(base.values()))


def swapped_networks(
    base: Runs,
    data: Data,
    config: TrainConfig,
    *,
    draws: int,
    runs_dir: str | Path,
    stacks: Mapping[str, Callable[..., handmade.Stack]] = SMALL_STACKS,
) -> pd.DataFrame:
    """Table 1: accuracies with two edges of the supernet swapped, and two layers of each of `stacks`, which is trained
    for it; columns network, seed, how, draw, accuracy."""
    rows, facts = [], {"swaps": draws, "data": data.checksum}
    for s, run in base.items():
        own = replace(config, seed=s)
        ways: dict[str, tuple[dict[str, Any], Callable[[], pd.DataFrame]]] = {
            SUPERNET: ({"run": run.name}, partial(shuffling.run_swaps, run, draws=draws))
        }
        for name, build in stacks.items():
            ways[name] = {"network": name, "config": own}, partial(shuffling.stack_swaps, build, data, own, draws=draws)
        for name, (more, compute) in ways.items():
            once = run_once("shuffling", facts | more, lambda compute=compute: {"table": compute()}, runs_dir=runs_dir)
            rows.append(once["table"].assign(network=name, seed=s))
    return pd.concat(rows, ignore_index=True)


def share_of_swaps(table: pd.DataFrame, *, classes: int) -> pd.DataFrame:
    """`swapped_networks`, a row per network, seed and way: `shuffling_summary`, and the accuracy `lost` (share, %)."""
    summed = shuffling.shuffling_summary(table, ["network", "seed", "how"])
    return summed.assign(lost=shuffling.share_lost(summed, classes=classes))
