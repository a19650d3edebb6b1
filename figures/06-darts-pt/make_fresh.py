"""Make `s2-fresh` of this folder: `python make_fresh.py [--runs-dir RUNS] [--seeds N] [--trained M]`, on S2.

Three claims that `spaces` and `s2-fashion` left open, asked again of as many seeds as their spread said would decide,
all of them new: do the cells of PT, from alpha's supernet and from one without alpha, beat those of alpha (M seeds, a
minute each on a core), and does the learnt gap follow that of proposition 1 (N seeds, a quarter of a minute)? Sizes
and images are those of `make_spaces.py`. A run that was stopped goes on where it stood.
"""

import argparse
from dataclasses import asdict, replace

import pandas as pd

from nasnb import plots, report
from nasnb.analysis.darts_pt import of_supernets
from nasnb.data import Data, load
from nasnb.experiment import run_search
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result
from nasnb.workflow import on_s2, on_spaces

FIRST, IMAGES = 8, 1000  # seed: `spaces` has those before it; test images of proposition 1
SEEDS, TRAINED = 18, 14  # fixed before the first of them was searched
SIZE, TRAINING = on_spaces.SIZE, on_spaces.TRAINING
RULES = on_s2.selection_rules(SIZE.lr / 10)
COLUMNS = {(on_spaces.S2, on_spaces.ALONE): "alpha", (on_spaces.S2, on_spaces.WITH_PT): "pt"} | {
    (on_spaces.FIXED, on_spaces.WITH_PT): "fixed"
}
PANELS = {
    "test error of the cell (%)": {"alpha": "alpha", "PT": "pt", "PT, fixed alpha": "fixed"},
    "correlation within a search": {"optimal, learnt gap": "optimal_with_learnt"},
}
ALT = "Two panels with a point per seed: " + "; ".join(f"{title}, of {', '.join(of)}" for title, of in PANELS.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--trained", type=int, default=TRAINED)
    given = parser.parse_args()
    data = load("fashion-sample", image_size=12)
    made: list[Result] = []
    cells, gaps, reached = [], [], {}
    for seed in range(FIRST, FIRST + given.seeds):  # a seed after the other, so that some are whole if it is stopped
        base = {seed: run_search(on_s2.S2, data, replace(SIZE, seed=seed), runs_dir=given.runs_dir)}
        made.append(base[seed])
        reached[seed] = float(report.accuracies(base.values())[0])
        gaps.append(on_s2.proposition_checks(base, data, SIZE, images=IMAGES, runs_dir=given.runs_dir))
        if seed < FIRST + given.trained:
            cells.append(cells_of(base, data, given.runs_dir, made))
    told = {"optimal_with_learnt": of_supernets.optimal_with_learnt(pd.concat(gaps)), "supernet": pd.Series(reached)}
    keep_them(pd.concat(cells), pd.DataFrame(told).rename_axis("seed"), data, made)


def cells_of(base: on_s2.Runs, data: Data, runs_dir: str, made: list[Result]) -> pd.DataFrame:
    """Rows of `on_spaces.cell_rows`: of both rules from the supernet of one seed, and of PT on one without alpha."""
    ((seed, alone),) = base.items()
    with_pt = on_s2.selected_by_rules(base, {"PT": RULES["PT"]}, data, SIZE, runs_dir=runs_dir)["PT"][seed]
    pair = on_spaces.fixed_pair(RULES["PT"])
    never = on_spaces.searched(pair, data, replace(SIZE, seed=seed), runs_dir=runs_dir)
    made += [with_pt, *never.values()]
    both = {on_spaces.ALONE: alone, on_spaces.WITH_PT: with_pt}
    return on_spaces.cells_on_s2(both, never, seed, train=on_spaces.trainer(data, made, runs_dir=runs_dir))


def keep_them(cells: pd.DataFrame, table: pd.DataFrame, data: Data, made: list[Result]) -> None:
    """Figure, numbers, record, and the claims."""
    error = cells.pivot(index="seed", columns=["pair", "rule"], values="error")
    whole = table.join(error.set_axis([COLUMNS[of] for of in error], axis=1))
    scale = (
        f"S2, {on_spaces.supernet_words()}, supernets at {table.supernet.min():.0f} to {table.supernet.max():.0f} % on "
        f"held-out images, n = {len(table)} seeds; networks: {TRAINING.epochs} epochs, {TRAINING.channels} channels, "
        f"{TRAINING.cells} cells, {TRAINING.train_images:,} images, at {100 - cells.error.max():.0f} to "
        f"{100 - cells.error.min():.0f} % on test images, n = {len(error)} seeds"
    )
    networks = report.learned(*(100 - of.error for _, of in cells.groupby(["pair", "rule"])), classes=data.n_classes)
    supernets = report.learned(table.supernet, classes=data.n_classes)
    judged = [
        (on_spaces.effects_of_networks(cells), networks),
        ({"darts-pt/learnt-gap-follows": table.optimal_with_learnt}, supernets),
    ]
    told = {
        "data": f"{data.name} ({data.image_size[1]} pixels)",
        "config": asdict(SIZE) | {"training": asdict(TRAINING)},
        "seeds": list(table.index),
        "scale": scale,
        "alt": f"{ALT}.",
        "told": f"Seeds that the older results have not seen. {cut_words(len(table), len(error))}".rstrip(),
    }
    plots.use_style()
    figure = plots.plot_panels_of_points(whole, PANELS)
    print(keep_small("06-darts-pt/s2-fresh", figure, whole.reset_index(), made, judged, **told))


def cut_words(seeds: int, trained: int) -> str:
    if (seeds, trained) == (SEEDS, TRAINED):
        return ""
    return f"Planned were {SEEDS} searches and the cells of {TRAINED}: cut by the clock, before any effect was seen."


if __name__ == "__main__":
    main()
