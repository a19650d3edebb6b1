"""Complete searches by others as a table of supernets: what a search says of itself, a line per setting and seed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from nasnb.analysis.across.clusters import pair
from nasnb.analysis.full_scale.searches import complete
from nasnb.analysis.full_scale.tables import read_table

END, START = "at the end", "after one epoch"
SAID = {  # what is measured, and its words
    "eigenvalue": "dominant eigenvalue in alpha",
    "gap": "gap of training and held-out accuracy",
    "valid_accuracy": "held-out accuracy",
    "train_accuracy": "training accuracy",
    "skips": "skips in the normal cell",
}
_SETTING = ["space", "dataset", "drop_path", "weight_decay"]


def complete_searches(*, figures_dir: str | Path, seeds: int = 3) -> pd.DataFrame:
    """RobustDARTS' searches with `SAID` at END and START; `method` is the setting, which has so many seeds.

    Second-order DARTS, 16 channels, 8 cells, 50 epochs, under drop path and weight decay. Searches near chance, and
    settings that then lack a seed, are left out; the eigenvalue is NaN where nobody looked.
    """
    read = {name: read_table(f"robustdarts_{name}", figures_dir=figures_dir) for name in ("runs", "epochs")}
    runs = complete(read["runs"])
    runs = runs[runs.learned].drop_duplicates([*_SETTING, "seed"])
    runs = runs[runs.groupby(_SETTING).seed.transform("size") == seeds]
    keys = [*_SETTING, "job", "seed"]
    epochs = read["epochs"].merge(runs[keys], on=keys).sort_values("epoch")
    epochs = epochs.assign(gap=epochs.train_accuracy - epochs.valid_accuracy, skips=epochs.skip_normal)
    looks = epochs.groupby(keys, sort=False)[list(SAID)]  # first and last pass over epochs in which nobody looked
    found = pd.concat([part.reset_index().assign(state=s) for part, s in ((looks.last(), END), (looks.first(), START))])
    words = [f"{r.space}, drop path {r.drop_path:g}, decay {r.weight_decay:g}" for r in found.itertuples()]
    return found.assign(method=words).reset_index(drop=True)


def doses_in_words(searches: pd.DataFrame, first: str, second: str) -> str:
    """Of `complete_searches` at their END: the rank correlation over doses, mean over seeds, and p of whole doses
    exchanged: `+0.50 (p = 0.03, 11 doses)`."""
    found = pair(searches[searches.state == END], first, second)
    return f"{found['correlation']:+.2f} (p = {found['p']:.2g}, {found['n_ranked']} doses)"
