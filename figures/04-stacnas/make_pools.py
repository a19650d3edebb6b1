"""Make `pools` of this folder: `python make_pools.py [--runs-dir RUNS] [--seeds N]`, a minute a seed.

What is left of max pooling's share of the normal cell beyond what counting candidates gives: with a second, equal or
larger convolution, and in the space with three separable convolutions, of DARTS and of StacNAS
(`nasnb.analysis.stacnas.multicollinearity`). The numbers go to `pools.csv`, the claims to `claims.csv`. A run that was
stopped goes on where it stood.
"""

import argparse
from dataclasses import asdict, replace

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

NAME = "04-stacnas/pools"
ALT = (
    "Share of max pooling beyond what counting makes of it, a point per seed: with a second copy of the convolution, "
    "with a second kernel size, and in the space of three separable convolutions, of DARTS and of StacNAS."
)
TWO_LEVEL = replace(METHODS["stacnas"], then=None, step=bilevel(order=1))
SPACES_OF = multicollinearity.contest_spaces() | {
    "DARTS": SPACES["stacnas-v1-ungrouped"],
    "StacNAS": SPACES["stacnas-v1"],
}
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
    parser.add_argument("--seeds", type=int, default=6)
    given = parser.parse_args()
    data, found = load("fashion-sample", image_size=12), {name: [] for name in SPACES_OF}
    for seed in range(given.seeds):  # a seed after the other, so that some are whole if it is stopped
        for name, runs in found.items():
            runs.append(searched(name, seed, data, given.runs_dir))
    keep_them(found, data)


def searched(name: str, seed: int, data: Data, runs_dir: str) -> Result:
    """On two levels, half of the images for alpha; StacNAS in two stages on one level, with all of them for both."""
    whole = name == "StacNAS"
    base = replace(METHODS["stacnas"], then=best_groups()) if whole else TWO_LEVEL
    method = replace(base, name=f"pools-{SPACES_OF[name].name}", space=SPACES_OF[name])
    config = replace(SIZE, seed=seed, train_fraction=1.0 if whole else 0.5)
    return run_search(method, data, config, runs_dir=runs_dir)


def keep_them(found: dict[str, list[Result]], data: Data) -> None:
    """Figure, numbers, record, and the claims."""
    contests = {name: runs for name, runs in found.items() if name not in ("DARTS", "StacNAS")}
    variants = {name: runs for name, runs in found.items() if name not in contests}
    contest = multicollinearity.contest_table(contests, SPACES_OF)
    left = multicollinearity.beyond_count(contest, multicollinearity.SINGLE)
    table = pd.concat([left, multicollinearity.variant_table(variants, SPACES_OF)], ignore_index=True)
    runs = [run for each in found.values() for run in each]
    halves = [report.reached(run) for name, each in found.items() if name != "StacNAS" for run in each]
    alls = list(map(report.reached, found["StacNAS"]))
    scale = (
        f"{report.setting(data, SIZE, n=len(contest.seed.unique())).rstrip('.')}, alpha's rate {SIZE.alpha_lr:g}; "
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
    judged = [(multicollinearity.pool_effects(table), report.runs_learned(*found.values(), classes=data.n_classes))]
    told = {
        "data": f"{data.name}, embedded sample",
        "config": asdict(SIZE),
        "seeds": sorted(contest.seed.unique()),
        "scale": scale,
        "told": "A point per search, mean ± sd; 0: counting alone.",
        "alt": ALT,
    }
    print(keep_small(NAME, figure, table, runs, judged, **told))


if __name__ == "__main__":
    main()
