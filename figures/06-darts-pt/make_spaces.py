"""Make `spaces` and `s2-fashion` of this folder: `python make_spaces.py [--runs-dir RUNS] [--seeds N] [--elsewhere M]`.

Supernets at a size at which they learn (the embedded Fashion images at 12 pixels), and from each the cell of alpha and
that of PT. S2: DARTS, fixed alpha, SDARTS-RS and SGAS, all cells trained; S1, S3 and S4: cells counted, nothing
trained (`nasnb.workflow.on_spaces`). SDARTS-RS, SGAS and the other spaces have M seeds, DARTS and fixed alpha on S2 N;
four minutes for a seed of all on a core. What figures 2, 3, 5 and 6 and proposition 1 say on the supernets of
S2 (`nasnb.workflow.on_s2`) is `s2-fashion`. Claims go to `claims.csv`. A run that was stopped goes on where it stood.
"""

import argparse
from dataclasses import asdict, replace

import matplotlib.pyplot as plt
import pandas as pd

from nasnb import plots, report
from nasnb.analysis.darts_pt import of_supernets
from nasnb.data import Data, load
from nasnb.experiment import run_search
from nasnb.plots.style import WIDTH
from nasnb.report.small_runs import keep_small
from nasnb.runs import Result
from nasnb.workflow import on_s2, on_spaces
from nasnb.workflow.on_spaces import SIZE, TRAINING, supernet_words

CHAPTER, IMAGES = "06-darts-pt", 1000  # test images of proposition 1
WHILE_SEARCHING = replace(SIZE, pace=SIZE.epochs / 50)  # SGAS decides all along, as in its paper's 50 epochs
RULES = on_s2.selection_rules(SIZE.lr / 10)
ARMS = {  # pair and rule: how the figure names it
    (on_spaces.S2, on_spaces.ALONE): "alpha",
    (on_spaces.S2, on_spaces.WITH_PT): "PT",
    (on_spaces.FIXED, on_spaces.WITH_PT): "PT, fixed alpha",
    ("SDARTS-RS", on_spaces.ALONE): "SDARTS-RS",
    ("SDARTS-RS", on_spaces.WITH_PT): "SDARTS-RS, PT",
    ("SGAS", on_spaces.ALONE): "SGAS",
    ("SGAS", on_spaces.WITH_PT): "SGAS, PT",
}
ALT = (
    f"Three panels with a point per seed: test error of trained cells on S2, of {'; '.join(ARMS.values())}; "
    "convolutions in both cells, of alpha and PT on S1, S3 and S4; noise in both cells on S4, of alpha and PT."
)
ALT_S2 = "Five panels with a point per seed: " + "; ".join(
    f"{title}, of {', '.join(of)}" for title, of in of_supernets.QUESTIONS.items()
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--elsewhere", type=int, default=6)
    given = parser.parse_args()
    data, cells, supernets = load("fashion-sample", image_size=12), [], []
    made: list[Result] = []  # all runs behind the cells
    looked_at: list[Result] = []  # and behind what is asked of supernets
    for seed in range(given.seeds):  # a seed after the other, so that some are whole if it is stopped
        base = {seed: run_search(on_s2.S2, data, replace(SIZE, seed=seed), runs_dir=given.runs_dir)}
        two = {name: RULES[name] for name in ("PT", "PT-Mag")}
        found = on_s2.selected_by_rules(base, two, data, SIZE, runs_dir=given.runs_dir)
        supernets.append(on_s2.asked(base, found, data, SIZE, images=IMAGES, runs_dir=given.runs_dir))
        looked_at += [run for of in found.values() for run in of.values()]
        cells.append(on_s2_by_alpha_and_pt(seed, found, data, given.runs_dir, made))
        if seed < given.elsewhere:
            cells.append(in_pairs(seed, data, given.runs_dir, made))
    keep_cells(pd.concat(cells), data, made)
    keep_supernets(pd.concat(supernets), data, looked_at)


def on_s2_by_alpha_and_pt(
    seed: int, found: dict[str, on_s2.Runs], data: Data, runs_dir: str, made: list[Result]
) -> pd.DataFrame:
    """Tables 3 and 4 on S2: rows of `on_spaces.cell_rows` for DARTS, and for PT on a supernet without alpha."""
    plain, with_pt = found[on_s2.ALPHA][seed], found["PT"][seed]
    never = on_spaces.searched(on_spaces.fixed_pair(RULES["PT"]), data, replace(SIZE, seed=seed), runs_dir=runs_dir)
    made += [plain, with_pt, *never.values()]
    both = {on_spaces.ALONE: plain, on_spaces.WITH_PT: with_pt}
    return on_spaces.cells_on_s2(both, never, seed, train=on_spaces.trainer(data, made, runs_dir=runs_dir))


def in_pairs(seed: int, data: Data, runs_dir: str, made: list[Result]) -> pd.DataFrame:
    """Tables 2 and 3: the other spaces, nothing trained, and the other methods."""
    rows = []
    for name, pair in on_spaces.pairs(RULES["PT"]).items():
        config = replace(SIZE if pair.with_pt.select else WHILE_SEARCHING, seed=seed)
        found = on_spaces.searched(pair, data, config, runs_dir=runs_dir)
        made += found.values()
        train = None if name in on_spaces.ELSEWHERE else on_spaces.trainer(data, made, runs_dir=runs_dir)
        how = {"space": pair.alone.space, "supernet": found[on_spaces.ALONE], "train": train}
        rows.append(on_spaces.cell_rows(name, found, seed, **how))
    return pd.concat(rows)


def keep_cells(table: pd.DataFrame, data: Data, made: list[Result]) -> None:
    """`spaces`: figure, numbers, record, and the claims on cells and their networks."""
    trained, elsewhere = table.dropna(subset="error"), table[table.pair.isin(on_spaces.ELSEWHERE)]
    n = trained.groupby("pair").seed.nunique()
    scale = (
        f"supernets: {supernet_words()}, at {table.supernet.min():.0f} to {table.supernet.max():.0f} % on held-out "
        f"images; networks: {TRAINING.epochs} epochs, {TRAINING.channels} channels, {TRAINING.cells} cells, "
        f"{TRAINING.train_images:,} images, at {100 - trained.error.max():.0f} to {100 - trained.error.min():.0f} % on "
        f"test images; n = {n[on_spaces.S2]} seeds of DARTS and fixed alpha on S2, {n['SGAS']} of the others"
    )
    config = asdict(SIZE) | {"training": asdict(TRAINING), "pace of SGAS": WHILE_SEARCHING.pace}
    networks = report.learned(*(100 - of.error for _, of in trained.groupby(["pair", "rule"])), classes=data.n_classes)
    supernets = report.learned(*(of.supernet for _, of in elsewhere.groupby("pair")), classes=data.n_classes)
    judged = [(on_spaces.effects_of_networks(table), networks), (on_spaces.effects_elsewhere(table), supernets)]
    told = {
        "data": data_words(data),
        "config": config,
        "seeds": sorted(table.seed.unique()),
        "scale": scale,
        "alt": ALT,
    }
    plots.use_style()
    print(keep_small(f"{CHAPTER}/spaces", drawn_cells(table), table, made, judged, **told))


def keep_supernets(table: pd.DataFrame, data: Data, looked_at: list[Result]) -> None:
    """`s2-fashion`: figure, numbers, record, and the claims on supernets."""
    reached = table.valid_accuracy
    scale = (
        f"S2, DARTS of first order, {supernet_words()}, n = {len(table)} seeds; supernets at {reached.min():.0f} to "
        f"{reached.max():.0f} % on held-out images"
    )
    judged = [(of_supernets.effects_on_s2(table), report.learned(reached, classes=data.n_classes))]
    told = {"data": data_words(data), "config": asdict(SIZE), "seeds": list(table.index), "scale": scale, "alt": ALT_S2}
    plots.use_style()
    figure = plots.plot_panels_of_points(table, of_supernets.QUESTIONS)
    print(keep_small(f"{CHAPTER}/s2-fashion", figure, table.reset_index(), looked_at, judged, **told))


def data_words(data: Data) -> str:
    return f"{data.name} ({data.image_size[1]} pixels)"


def drawn_cells(table: pd.DataFrame) -> plt.Figure:
    figure = plt.figure(figsize=(WIDTH, 6))
    grid = figure.add_gridspec(2, 5)
    errors = table.assign(arm=[ARMS.get((row.pair, row.rule), "") for row in table.itertuples()])
    points(
        errors, "arm", "error", "test error (%)", "S2: cells trained from scratch", ARMS.values(), figure, grid[0, :]
    )
    rules = {on_spaces.ALONE: "alpha", on_spaces.WITH_PT: "PT"}
    by_rule = table.assign(arm=table.pair + " " + table.rule.map(rules))
    places = [f"{name} {rule}" for name in on_spaces.ELSEWHERE for rule in rules.values()]
    points(by_rule, "arm", "convolutions", "operations", "convolutions, both cells", places, figure, grid[1, :3])
    points(by_rule, "arm", "noise", "operations", "S4: noise, both cells", places[-2:], figure, grid[1, 3:])
    return figure


def points(table, x, y, label, title, order, figure, place) -> None:
    ax = figure.add_subplot(place)
    plots.plot_points_with_spread(table, x=x, y=y, label=label, order=list(order), ax=ax)
    ax.set_title(title)


if __name__ == "__main__":
    main()
