"""Give claims of other chapters what these tables say of them: `python tell_chapters.py` renews their claims.csv.

Only where the claim's own effect can be computed, one value per draw.
"""

import subprocess
from datetime import date

import numpy as np
import pandas as pd

from nasnb.analysis.correlations import correlation_with_interval
from nasnb.analysis.full_scale import searches
from nasnb.analysis.full_scale.tables import read_table
from nasnb.report.evidence import evidence, write_evidence
from nasnb.runs.files import runs_folder

FIGURES = runs_folder("figures")


def main() -> None:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout[:10]
    origin = {"kind": "full scale", "run": "08-full-scale", "commit": commit, "date": date.today().isoformat()}
    for chapter, told in {"01-darts": darts(), "04-stacnas": stacnas(), "06-darts-pt": darts_pt()}.items():
        made = [evidence(id, values, scale=scale, **origin) for id, (values, scale) in told.items()]
        write_evidence(chapter, made, figures_dir=FIGURES)
        for each in made:
            print(each.claim.id, each.finding.words(each.claim.unit), each.finding.verdict)


def alphas() -> pd.DataFrame:
    """Searches of DARTS in its own space, of both orders, without those that need a caution."""
    runs = read_table("alpha_runs", figures_dir=FIGURES)
    runs = runs[runs.caution.isna() & runs.space.str.startswith("DARTS") & runs.method.str.startswith("DARTS (")]
    table = read_table("alpha_epochs", figures_dir=FIGURES).merge(runs, on="run")
    return table[table.cell == "normal"]


def darts() -> dict[str, tuple]:
    gaps = searches.per_draw(searches.last_epochs(alphas()), "gap")
    gains = read_table("against_random", figures_dir=FIGURES).query("dataset == 'CIFAR10' and method == 'DARTS'")
    how = f"{len(gains)} searched and as many random cells, trained alike by others, in pairs by run"
    return {
        "darts/skip-outweighs": (gaps, f"the space of DARTS, 50 epochs, {len(gaps)} draws of others' searches"),
        "darts/searched-beats-random": (gains.gain_percent, how),
    }


def stacnas() -> dict[str, tuple]:
    runs = read_table("similar_alphas", figures_dir=FIGURES)
    apart = searches.per_draw(runs.assign(apart=runs.across - runs.within), "apart")
    scale = f"spaces of DARTS and NAS-Bench-201, {len(apart)} draws of others' searches"
    return {"stacnas/similar-alphas-trade-off": (apart, scale)}


def darts_pt() -> dict[str, tuple]:
    table = alphas().dropna(subset=["gap", "valid_accuracy"]).sort_values(["run", "epoch"])
    follows = [
        {"draw": draw, "r": correlation_with_interval(part.gap, part.valid_accuracy, "pearson").value}
        for (draw, _), part in table.groupby(["draw", "run"])
    ]
    r = np.tanh(searches.per_draw(pd.DataFrame(follows).assign(r=lambda t: np.arctanh(t.r)), "r"))
    return {
        "darts-pt/gap-grows-with-accuracy": (r, f"the space of DARTS, 50 epochs, {len(r)} draws of others' searches")
    }


if __name__ == "__main__":
    main()
