"""Make `pools` of this folder: `python make_pools.py [--runs-dir RUNS] [--seeds N]`, a minute a seed; and `variant`,
with `--fresh`: the space of three convolutions alone, on seeds that `pools` has not, as many as it turned out to need.

What is left of max pooling's share of the normal cell beyond what counting candidates gives: with a second, equal or
larger convolution, and in the space with three separable convolutions, of DARTS and of StacNAS
(`nasnb.analysis.stacnas.multicollinearity`). The numbers go to `pools.csv`, the claims to `claims.csv`. A run that was
stopped goes on where it stood.
"""

import argparse
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from nasnb import plots, report
from nasnb.analysis.stacnas import multicollinearity
from nasnb.data import Data, load
from nasnb.experiment import run_search
from nasnb.methods import METHODS, best_groups
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result
from nasnb.search.steps import bilevel
from nasnb.spaces import SPACES

NAME, FRESH = "04-stacnas/pools", "04-stacnas/variant"
ALT = (
    "Share of max pooling beyond what counting makes of it, a point per seed: with a second copy of the convolution, "
    "with a second kernel size, and in the space of three separable convolutions, of DARTS and of StacNAS."
)
ALT_FRESH = (
    "Share of max pooling beyond what counting makes of it in the space of three separable convolutions, a point per "
    "seed, of DARTS and of StacNAS."
)
SEEDS = {NAME: range(6), FRESH: range(6, 26)}
TWO_LEVEL = replace(METHODS["stacnas"], then=None, step=bilevel(order=1))
VARIANTS = {"DARTS": SPACES["stacnas-v1-ungrouped"], "StacNAS": SPACES["stacnas-v1"]}
SPACES_OF = multicollinearity.contest_spaces() | VARIANTS
WORDS = {
    multicollinearity.TWICE: "a copy of the\nconvolution",
    multicollinearity.UNEQUAL: "a second\nkernel size",
    "DARTS": "three convolutions,\nDARTS",
    "StacNAS": "three convolutions,\nStacNAS",
}
IMAGES = {"train_images": 1000, "batch_size": 32, "validate_with": "batch"}
# so few steps need a large rate for alpha to move at all
SIZE = TWO_LEVEL.at("laptop", epochs=3, cells=3, channels=4, lr=0.1, alpha_lr=0.05, **IMAGES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, help="the first so many")
    parser.add_argument("--fresh", action="store_true")
    given = parser.parse_args()
    result, spaces = (FRESH, VARIANTS) if given.fresh else (NAME, SPACES_OF)
    data, found = load("fashion-sample", image_size=12), {name: [] for name in spaces}
    for seed in SEEDS[result][: given.seeds]:  # a seed after the other, so that some are whole if it is stopped
        for name, runs in found.items():
            runs.append(searched(name, seed, data, given.runs_dir))
    keep_them(result, found, data)


def searched(name: str, seed: int, data: Data, runs_dir: str) -> Result:
    """On two levels, half of the images for alpha; StacNAS in two stages on one level, with all of them for both."""
    whole = name == "StacNAS"
    base = replace(METHODS["stacnas"], then=best_groups()) if whole else TWO_LEVEL
    method = replace(base, name=f"pools-{SPACES_OF[name].name}", space=SPACES_OF[name])
    config = replace(SIZE, seed=seed, train_fraction=1.0 if whole else 0.5)
    return run_search(method, data, config, runs_dir=runs_dir)


def measured(result: str, found: dict[str, list[Result]]) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """What is left beyond counting, and what the claims ask for."""
    variant = multicollinearity.variant_table({name: found[name] for name in VARIANTS}, SPACES_OF)
    if result == FRESH:
        return variant, multicollinearity.variant_effects(variant)
    contests = {name: runs for name, runs in found.items() if name not in VARIANTS}
    contest = multicollinearity.contest_table(contests, SPACES_OF)
    left = multicollinearity.beyond_count(contest, multicollinearity.SINGLE)
    table = pd.concat([left, variant], ignore_index=True)
    return table, multicollinearity.pool_effects(table)


def keep_them(result: str, found: dict[str, list[Result]], data: Data) -> None:
    """Figure, numbers, record, and the claims."""
    table, effects = measured(result, found)
    seeds = sorted(table.seed.unique())
    runs = [run for each in found.values() for run in each]
    halves = [report.reached(run) for name, each in found.items() if name != "StacNAS" for run in each]
    alls = list(map(report.reached, found["StacNAS"]))
    scale = (
        f"{report.setting(data, SIZE, n=len(seeds)).rstrip('.')}, alpha's rate {SIZE.alpha_lr:g}; "
        f"supernets at {min(halves):.0f} to {max(halves):.0f} % on held-out images, of StacNAS, which holds none out, "
        f"at {min(alls):.0f} to {max(alls):.0f} % on its own"
    )
    plots.use_style()
    figure = plots.plot_points_with_spread(
        table.assign(of=table.candidates.map(WORDS)),
        x="of",
        y="left",
        label="share of max pooling\nbeyond the count (points)",
    )
    judged = [(effects, report.runs_learned(*found.values(), classes=data.n_classes))]
    told = {
        "data": f"{data.name}, embedded sample",
        "config": asdict(SIZE),
        "seeds": seeds,
        "scale": scale,
        "told": "A point per search, mean ± sd; 0: counting alone.",
        "alt": ALT_FRESH if result == FRESH else ALT,
    }
    print(keep_small(result, figure, table, runs, judged, **told))


if __name__ == "__main__":
    main()
