"""Make the tables of this folder from numbers parsed from public repositories: `python make_tables.py FOLDER`.

FOLDER holds a CSV file per source. Of sources under Apache-2.0 or MIT the rows go on, fewer columns and digits; of all
others only what is computed here: counts, shares per epoch, quantiles, summaries, correlations.
"""

import argparse
import functools
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from nasnb.analysis.correlations import rank_correlation
from nasnb.analysis.full_scale import alphas, cells, networks
from nasnb.analysis.stacnas.alphas import go_together
from nasnb.architecture import Edge
from nasnb.report import relative
from nasnb.spaces.bench201 import BENCH201_GROUPS
from nasnb.spaces.stacnas import STACNAS_GROUPS

HERE = Path(__file__).resolve().parent
OPEN_RUNS = ("confopt-", "ptdarts-jkooy-")  # Apache-2.0 and MIT
CAUTION = {  # of the sources' readers
    "asq-s5-dartssam-seed2": "alpha never moves",
    "asq-nb201-dartssam-seed0": "alpha never moves",
    "ptdarts-innov-c10": "43 of 100 epochs, changed code",
    "tadarts-vis": "temperature of the run not logged",
    "pcdarts-hw-bs128": "epochs are missing",
    "pcdarts-hw-3nodes-6cells": "an epoch is missing",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for make in (
        alpha_tables,
        similar_alphas,
        robust_darts,
        one_shot,
        genotype_tables,
        beta_table,
        strengths,
        random_networks,
        eight_methods,
        noise,
        short_trainings,
        bench201,
        confopt,
    ):
        for name, table in make(folder).items():
            table.to_csv(
                HERE / f"{name}.csv.gz",
                index=False,
                float_format="%.6g",
                compression={"method": "gzip", "mtime": 1, "compresslevel": 9},
            )
            print(f"{name:24} {len(table):6} rows {(HERE / f'{name}.csv.gz').stat().st_size:8} bytes")


# --- searches ---------------------------------------------------------------------------------------------------------


@functools.cache
def alpha_tables(folder: Path) -> dict[str, pd.DataFrame]:
    long = pd.read_csv(folder / "alpha_trajectories.csv.gz")
    runs = pd.read_csv(folder / "alpha_runs.csv")[["run", "method", "space", "dataset", "seed", "repo"]]
    said = pd.read_csv(folder / "alpha_epochs.csv").drop(columns="genotype")
    said = said.rename(columns={said.columns[-1]: "surrogate_or_table_accuracy"})
    rows, draws = [], {}
    for (run, epoch, cell), part in long.groupby(["run", "epoch", "cell"], sort=False):
        edges, weights = [], []
        for (source, target), edge in part.sort_values("edge", kind="stable").groupby(["source", "target"], sort=False):
            edges.append(Edge(source, target, tuple(edge.op)))
            weights.append(edge.weight.to_numpy())
        rows.append({"run": run, "epoch": epoch, "cell": cell, **alphas.measures(weights, edges)})
        if epoch == 0:
            draws[run] = draws.get(run, ()) + tuple(int(np.argmax(w)) for w in weights)
    # runs of one space that begin with the same strongest operation on every edge began with one draw
    runs["draw"] = [f"draw-{abs(hash_of(draws[run])) % 10**6}" if run in draws else run for run in runs.run]
    runs["caution"] = runs.run.map(CAUTION).fillna("")
    wide = (
        long[long.run.str.startswith(OPEN_RUNS)]
        .pivot_table(index=["run", "epoch", "cell", "edge", "source", "target"], columns="op", values="weight")
        .reset_index()
    )
    table = pd.DataFrame(rows).merge(said, on=["run", "epoch"], how="left", validate="many_to_one")
    return {"alpha_runs": runs, "alpha_epochs": table, "alpha_open": wide.round(4)}


def similar_alphas(folder: Path) -> dict[str, pd.DataFrame]:
    runs, long = alpha_tables(folder)["alpha_runs"], pd.read_csv(folder / "alpha_trajectories.csv.gz")
    keys = ["run", "epoch", "cell", "edge", "source", "target"]
    wide = long.pivot_table(index=keys, columns="op", values="weight").reset_index()
    return {"similar_alphas": go_together(wide, runs, (*STACNAS_GROUPS, *BENCH201_GROUPS))}


def hash_of(values: tuple[int, ...]) -> int:
    return int("".join(map(str, values)) or "0")


def robust_darts(folder: Path) -> dict[str, pd.DataFrame]:
    key = ["space", "dataset", "drop_path", "weight_decay", "job", "seed"]
    runs = pd.read_csv(folder / "robustdarts_runs.csv").drop(columns=["hessian_records", "hessian_size"])
    epochs = pd.read_csv(folder / "robustdarts_epochs.csv.gz")
    epochs["shared"] = shared_with_final(epochs, key)
    eigen = pd.read_csv(folder / "robustdarts_eigenvalues.csv")[[*key, "epoch", "eigenvalue"]]
    kept = epochs[[*key, "epoch", "train_accuracy", "valid_accuracy", "skip_normal", "shared"]]
    kept = kept.merge(eigen, on=[*key, "epoch"], how="left", validate="one_to_one")
    return {"robustdarts_runs": runs, "robustdarts_epochs": kept}


def shared_with_final(epochs: pd.DataFrame, key: list[str] | str) -> pd.Series:
    found = pd.Series(np.nan, index=epochs.index)
    for _, part in epochs.groupby(key):
        part = part.dropna(subset=["normal", "reduce"]).sort_values("epoch")
        if len(part):
            each = [cells.picks(row.normal, row.reduce) for row in part.itertuples()]
            found.loc[part.index] = cells.shared(each, each[-1])
    return found


def one_shot(folder: Path) -> dict[str, pd.DataFrame]:
    return {"one_shot": pd.read_csv(folder / "robustdarts_randomnas_samples.csv.gz").drop(columns=["seed", "sample"])}


LEFT_OUT = {"KunlinY/": "a parallel variant that ends at 68.8 %", "abhibha1807/": "X-ray images"}
NOTES = {"asdfvg123/": "fewer operations", "gen0x39/": "fewer operations", "daggertye/": "replaced images"}


def genotype_tables(folder: Path) -> dict[str, pd.DataFrame]:
    epochs = pd.read_csv(folder / "search_genotypes_epochs.csv.gz")
    runs = pd.read_csv(folder / "search_genotypes_runs.csv")
    epochs["shared"] = shared_with_final(epochs, "run")
    first, last = (
        epochs.sort_values("epoch").groupby("run")[["normal", "reduce"]].agg(how) for how in ("first", "last")
    )
    names = {text: f"draw-{i}" for i, text in enumerate(dict.fromkeys(first.normal + first.reduce))}
    runs["draw"] = [names[first.normal[run] + first.reduce[run]] for run in runs.run]
    runs["left_out"] = [why_left_out(row) for row in runs.itertuples()]
    runs["note"] = [note_on(row) for row in runs.itertuples()]
    runs["method"] = np.where(
        runs.batch_size == 256, "PC-DARTS", np.where(runs.unrolled == "False", "DARTS, 1st", "DARTS")
    )
    whole = [row.run for row in runs.itertuples() if not row.left_out and not row.note]
    final = {run: cells.picks(last.normal[run], last.reduce[run]) for run in whole}
    pairs = [
        {"first": a, "second": b, "shared": len(final[a] & final[b]) / 16}
        for i, a in enumerate(whole)
        for b in whole[i + 1 :]
    ]
    kept = ["run", "repo", "seed", "method", "epochs_found", "draw", "left_out", "note", "last_valid_accuracy"]
    return {
        "genotype_runs": runs[kept],
        "genotype_epochs": epochs[["run", "epoch", "shared", "skip_normal"]],
        "genotype_pairs": pd.DataFrame(pairs),
    }


def why_left_out(run) -> str:
    if run.epochs_found < 50 or not run.consecutive:
        return "not complete"
    return next((why for start, why in LEFT_OUT.items() if run.run.startswith(start)), "")


def note_on(run) -> str:
    if run.run.startswith("daggertye/") and not isinstance(run.image_path, str):
        return ""
    return next((what for start, what in NOTES.items() if run.run.startswith(start)), "")


def beta_table(folder: Path) -> dict[str, pd.DataFrame]:
    """Nodes with a choice of edges (not the first, which has two): is the pair chosen that alpha alone would choose?"""
    long = pd.read_csv(folder / "alpha_trajectories.csv.gz")
    said = pd.read_csv(folder / "alpha_epochs.csv").set_index(["run", "epoch"]).genotype
    rows = []
    for (run, epoch, cell), part in long[long.run.str.startswith("pcdarts-")].groupby(["run", "epoch", "cell"]):
        chosen = edges_of(said[run, epoch], cell)
        for target, node in part[(part.op != "none") & (part.target > 2)].groupby("target"):
            best = node.groupby("source").weight.max().sort_values(ascending=False)
            second = best.iloc[1]  # printed to four digits: what lies within one is a tie
            surely, perhaps = set(best[best > second + 1e-4].index), set(best[best >= second - 1e-4].index)
            rows.append(
                {
                    "run": run,
                    "epoch": epoch,
                    "cell": cell,
                    "target": target,
                    "raw": set(best.index[:2]) != chosen[target],
                    "changed": not surely <= chosen[target] <= perhaps,
                }
            )
    return {"beta": pd.DataFrame(rows)}


def edges_of(notation: str, cell: str) -> dict[int, set[int]]:
    from nasnb.architecture import Genotype

    found: dict[int, set[int]] = {}
    for pick in Genotype.from_notation(notation).picks[cell]:
        found.setdefault(pick.target, set()).add(pick.source)
    return found


def strengths(folder: Path) -> dict[str, pd.DataFrame]:
    masked = pd.read_csv(folder / "dartspt_projection.csv")
    alpha = pd.read_csv(folder / "alpha_trajectories.csv.gz").query("run == 'asq-s5-darts-seed2' and epoch == 49")
    weight = alpha.set_index(["cell", "edge", "op"]).weight
    rows = []
    for (run, cell, edge), part in masked[~masked.run.str.contains("sam")].groupby(["run", "cell", "edge"]):
        part = part.set_index("op")
        loss = -part.valid_accuracy_without_op
        mine = weight[cell, edge].reindex(loss.index)
        rows.append(
            {
                "run": run,
                "cell": cell,
                "edge": edge,
                "step": part.step.iloc[0],
                "n_ops": len(part),
                "strongest": loss.idxmax(),
                "favourite": mine.idxmax(),
                "rho": stats.spearmanr(mine, loss).statistic,
                "range": np.ptp(loss),
            }
        )
    return {"strength_edges": pd.DataFrame(rows)}


# --- trained networks -------------------------------------------------------------------------------------------------


def random_networks(folder: Path) -> dict[str, pd.DataFrame]:
    ours = pd.read_csv(folder / "darts_random_214.csv")
    theirs = pd.read_csv(folder / "darts_random_100_mac.csv")
    sets = {"214 networks": (ours, "best_accuracy"), "100 networks": (theirs, "test_accuracy")}
    quantiles = pd.DataFrame({"percent": range(101)})
    for name, (table, column) in {**sets, "214 networks, last epoch": (ours, "curve_last")}.items():
        quantiles[name] = np.percentile(table[column], quantiles.percent)
    model = networks.ByCounts.fit(ours, "best_accuracy")
    quantiles["expected by counts"] = np.percentile(model.expect(ours), quantiles.percent)
    lines = [{"what": "intercept", "value": model.intercept}]
    lines += [{"what": name, "value": slope} for name, slope in zip(networks.COUNTED, model.slopes, strict=True)]
    # a line says nothing of cells beyond those it was fitted to: the most that ten of them have of a family
    lines += [{"what": f"{name}, most", "value": ours[name].nlargest(10).min()} for name in networks.COUNTED]
    lines += [{"what": "explained, left out", "value": networks.explained_left_out(ours, "best_accuracy")}]
    gained = ours.curve_best - ours.curve_last
    lines += [
        {"what": "best epoch less last, mean", "value": gained.mean()},
        {"what": "best epoch less last, most", "value": gained.max()},
    ]
    tell = [
        {"of": name, "by": by, **rank_correlation(table[by], table[column])}
        for name, (table, column) in sets.items()
        for by in [*networks.COUNTED, "dil_normal", "dil_reduce"]
    ]
    tell.append(
        {
            "of": "100 networks",
            "by": "counts, fitted to the 214",
            **rank_correlation(model.expect(theirs), theirs.test_accuracy),
        }
    )
    skips = [
        {"of": name, "skip_normal": k, "n": len(part), "mean": part[column].mean(), "sd": part[column].std(ddof=1)}
        for name, (table, column) in sets.items()
        for k, part in table.groupby("skip_normal")
    ]
    return {
        "random_quantiles": quantiles,
        "random_model": pd.DataFrame(lines),
        "random_correlations": pd.DataFrame([*tell, *epochs_tell(folder)]),
        "random_skips": pd.DataFrame(skips),
    }


def epochs_tell(folder: Path) -> list[dict]:
    """How the accuracy of an epoch ranks networks against the mean of their last ten."""
    curves = pd.read_csv(folder / "darts_random_curves.csv.gz")
    curves = curves[curves.set == "random214"]
    each = curves[[f"e{epoch}" for epoch in range(600)]].to_numpy(float)
    end = each[:, -10:].mean(axis=1)
    return [
        {"of": "214 networks, by epoch", "by": str(epoch), **rank_correlation(each[:, epoch - 1], end)}
        for epoch in (10, 25, 50, 100, 150, 200, 250, 300, 350, 400, 450, 500, 550)
    ]


def eight_methods(folder: Path) -> dict[str, pd.DataFrame]:
    table = pd.read_csv(folder / "nas_evaluation_8_methods.csv")
    of = table.groupby(["dataset", "method", "kind"], sort=False).test_accuracy
    runs = table.pivot_table("test_accuracy", ["dataset", "method", "run"], "kind", sort=False)
    runs = runs[["random", "searched"]].dropna()
    gain = pd.Series(relative(100 - runs.random, 100 - runs.searched), runs.index, name="gain_percent")
    return {
        "eight_methods": of.agg(n="size", mean="mean", sd="std", low="min", high="max").reset_index(),
        "against_random": gain.reset_index(),  # of the error; runs are paired by their numbers, which say nothing else
    }


def noise(folder: Path) -> dict[str, pd.DataFrame]:
    pairs = pd.read_csv(folder / "darts_seed_pairs.csv")
    same = pairs[pairs.set.str.startswith("two")]
    depth = pairs[~pairs.set.str.startswith("two")]
    rows = [
        {"what": "two seeds, one cell", **networks.repeat_noise(same)},
        {"what": "8 cells and 20 cells", "reliability": networks.repeat_noise(depth)["reliability"], "n": len(depth)},
    ]
    repeated = pd.read_csv(folder / "final_training_runs.csv")
    plain = repeated[repeated.repo == "Neonkraft/darts"].last_test_accuracy
    gaea = pd.read_csv(folder / "gaea_pcdarts_5_seeds.csv").groupby("what").best_error
    inherited = pd.read_csv(folder / "pcdarts_50_seeds_inherited.csv").drop_duplicates("seed").clean_accuracy
    rows += [
        {"what": "DARTS_V2 five times, no cutout, no drop path", "sd": plain.std(ddof=1), "n": len(plain)},
        {"what": "PC-DARTS searches, inherited weights", "sd": inherited.std(ddof=1), "n": len(inherited)},
        {"what": "GAEA PC-DARTS, five searches", "sd": gaea.get_group("eval_bi_level").std(ddof=1), "n": 5},
    ]
    return {"noise": pd.DataFrame(rows)}


def short_trainings(folder: Path) -> dict[str, pd.DataFrame]:
    settings = pd.read_csv(folder / "darts_random_100_mac_short_settings.csv")
    short = pd.read_csv(folder / "darts_random_100_mac_short_trainings.csv").set_index("arch")
    final = pd.read_csv(folder / "darts_random_100_mac.csv").set_index("arch").test_accuracy.reindex(short.index)
    found = [rank_correlation(short[name], final) | {"accuracy": short[name].mean()} for name in settings.setting]
    return {"short_trainings": pd.concat([settings.drop(columns="fp"), pd.DataFrame(found)], axis=1)}


# --- tables -----------------------------------------------------------------------------------------------------------


def bench201(folder: Path) -> dict[str, pd.DataFrame]:
    searches = pd.read_csv(folder / "nb201_search_naslib.csv.gz")
    kept = ["optimizer", "seed", "epoch", "valid_accuracy", "arch", "table_cifar10_test", "n_skip", "n_none"]
    scores = pd.read_csv(folder / "nb201_zero_cost.csv.gz").drop(columns=["valid_accuracy"])
    scores = scores.set_index("arch").map(lambda value: float(f"{value:.4g}")).reset_index()
    return {"bench201_searches": searches[kept], "zero_cost": scores}


def confopt(folder: Path) -> dict[str, pd.DataFrame]:
    return {"confopt": pd.read_csv(folder / "confopt_benchsuite_test_accuracy.csv")}


if __name__ == "__main__":
    main()
