"""Other suites that compare search methods: how far theirs part methods, whether settings agree, and the methods that
several have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from nasnb.analysis.full_scale.rivals import concordance
from nasnb.analysis.full_scale.tables import read_table

# what each suite calls the methods that this book has
SHARED = {
    "DARTS": {"ConfOpt": "darts", "NAS-evaluation": "DARTS", "NASLib": "DARTS"},
    "PC-DARTS": {"ConfOpt": "pcdarts", "NASLib": "PCDARTS"},
    "StacNAS": {"NAS-evaluation": "StacNAS"},
    "SDARTS": {"ConfOpt": "sdarts", "NASLib": "SDARTSDARTS"},
    "GDAS": {"ConfOpt": "gdas", "NASLib": "GDAS"},
    "DrNAS": {"ConfOpt": "drnas"},
}


def suites(*, figures_dir: str | Path) -> dict[str, pd.DataFrame]:
    """{suite: columns method, setting, value (percent)}: what each has measured, one value per method and setting.

    Of NAS-evaluation the lead over random cells of the same space, since its methods differ in space; of the others
    test accuracies. A setting is a space and its hyperparameters, a data set, or a seed.
    """
    confopt, evaluation, naslib = (
        read_table(name, figures_dir=figures_dir) for name in ("confopt", "eight_methods", "bench201_searches")
    )
    place = confopt.subspace + " " + confopt.opset
    mine = confopt.assign(setting=place, method=confopt.optimizer, value=confopt.test_accuracy)
    means = evaluation[evaluation.kind != "ablation"].pivot_table("mean", ["dataset", "method"], "kind").dropna()
    lead = (means.searched - means.random).rename("value").reset_index().rename(columns={"dataset": "setting"})
    last = naslib.loc[naslib.groupby(["optimizer", "seed"]).epoch.idxmax()]
    looked = last.assign(setting=last.seed.astype(str), method=last.optimizer, value=last.table_cifar10_test)
    found = {
        "ConfOpt": mine.groupby(["setting", "method"], as_index=False).value.mean(),
        "NAS-evaluation": lead,
        "NASLib": looked,
    }
    return {name: table[["method", "setting", "value"]].reset_index(drop=True) for name, table in found.items()}


def suite_rows(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Per suite: methods, settings, `apart` (points between the best and the worst method's mean), `noise` (points: the
    standard deviation of a method over settings, each setting's level taken off, mean over methods), and whether its
    settings rank the methods alike: Kendall's W (0: not at all, 1: the same) over methods that all have, with p."""
    lines = []
    for name, table in tables.items():
        grid = table.pivot_table(index="setting", columns="method", values="value")
        means = table.groupby("method").value.mean()
        level = grid.sub(grid.mean(axis=1), axis=0)
        whole = grid.dropna(axis=1)
        line = {"suite": name, "methods": grid.shape[1], "settings": len(grid)}
        line |= {"apart": means.max() - means.min(), "noise": level.std().mean()}
        agreed = {"W": np.nan, "p": np.nan}
        if min(whole.shape) > 2:
            long = whole.stack().rename("value").reset_index()
            agreed = concordance(long, spaces=["setting"], method="method", value="value")
            agreed = {"W": agreed["w"], "p": agreed["p"]}
        lines.append(line | agreed)
    return pd.DataFrame(lines)


def shared_methods(tables: dict[str, pd.DataFrame], ours: pd.Series) -> pd.DataFrame:
    """The methods of `SHARED`: each suite's mean of them, and ours."""
    lines = []
    for method, names in SHARED.items():
        values = {name: tables[name].groupby("method").value.mean().get(theirs) for name, theirs in names.items()}
        lines.append({"method": method, "here": ours.get(method, np.nan), **values})
    return pd.DataFrame(lines, columns=["method", "here", *tables])
