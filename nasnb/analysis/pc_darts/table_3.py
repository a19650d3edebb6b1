"""Table 3 and figure 3 in small: searches with and without each part, and a training of every cell that they find.

Arms as `mixing.table_3_arms` names them, K = 8 with edge normalisation, and cells drawn at random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nasnb.analysis.differences import relative
from nasnb.analysis.pc_darts.mixing import MASKS, table_3_arms, variant

NEITHER, ONLY_BETA, ONLY_PARTIAL, BOTH = "PC no, EN no", "PC no, EN yes", "PC yes, EN no", "PC yes, EN yes"
K8, RANDOM = "K = 8, EN yes", "random cells"
# of the kept ones: the paper's channels, so that K = 8 leaves as many of them; alpha's rate times its steps is about 2,
# as in the paper's search
SEARCH: Mapping[str, Any] = {"epochs": 4, "cells": 3, "channels": 16, "train_images": 640, "lr": 0.03}
SEARCH |= {"alpha_lr": 0.05, "batch_size": 16, "crop_padding": 1, "validate_with": "batch"}
TRAINING: Mapping[str, Any] = {"epochs": 5, "channels": 8, "train_images": 1024, "batch_size": 32, "lr": 0.05}
TRAINING |= {"crop_padding": 1, "cutout": 0, "drop_path": 0.0}
LONGER: Mapping[str, Any] = TRAINING | {"epochs": 15}  # where the accuracy of one network had levelled
WORSE_AND_BETTER: Mapping[str, tuple[str, str]] = {  # by claim, in the order in which it has them
    "pc-darts/partial-lowers-error": (ONLY_BETA, BOTH),
    "pc-darts/beta-alone-lowers-error": (NEITHER, ONLY_BETA),
    "pc-darts/beta-lowers-error": (ONLY_PARTIAL, BOTH),
    "pc-darts/beats-random": (RANDOM, BOTH),
    "pc-darts/k8-much-worse": (K8, BOTH),
}


def arms_with_k8(method: Any) -> dict[str, Any]:
    """The four of Table 3 and K = 8 of figure 3, of a nasnb.methods.Method with K = 4 and edge normalisation."""
    four = {name: arm for name, arm in table_3_arms(method).items() if name not in MASKS}
    return four | {K8: variant(method, k=8)}


def table_3_effects(table: pd.DataFrame) -> dict[str, Any]:
    """What the claims ask for, of rows of variant, seed and error_percent, as `by_seed` makes them.

    Differences in percent of the mean of both, seed by seed; of a claim only where both its variants are there.
    """
    error = table.pivot(index="seed", columns="variant", values="error_percent")
    there = {id: two for id, two in WORSE_AND_BETTER.items() if set(two) <= set(error)}
    effects = {id: relative(error[worse], error[better]) for id, (worse, better) in there.items()}
    return effects | {"pc-darts/beta-narrows-spread": (error[ONLY_PARTIAL].to_numpy(), error[BOTH].to_numpy())}


def accuracies_of(table: pd.DataFrame) -> Sequence[np.ndarray]:
    """Of rows with error_percent and valid_accuracy: per variant those of its networks, then of its supernets."""
    by_variant = [rows for _, rows in table.groupby("variant", sort=False)]
    supernets = [rows.valid_accuracy.dropna().to_numpy() for rows in by_variant]  # a random cell has none
    return [(100 - rows.error_percent).to_numpy() for rows in by_variant] + [each for each in supernets if len(each)]


def gained_at_the_end(accuracy: pd.Series) -> float:
    """Points that the accuracy of a training, by epoch, rose over the last fifth of its epochs: 0 where it levelled."""
    return float(accuracy.iloc[-1] - accuracy.iloc[-1 - len(accuracy) // 5])


def arms_by_error(table: pd.DataFrame) -> pd.Series:
    """Mean error of each variant, the best first, of rows of variant and error_percent."""
    return table.groupby("variant").error_percent.mean().sort_values()


def compared_orders(longer: pd.DataFrame, shorter: pd.DataFrame) -> dict[str, str]:
    """The order of the arms of `longer` after long and after short trainings, in words, and their rank correlation."""
    by_longer = arms_by_error(longer)
    by_shorter = arms_by_error(shorter[shorter.variant.isin(by_longer.index)])
    return {
        "order_longer": "; ".join(by_longer.index),
        "order_shorter": "; ".join(by_shorter.index),
        "order_stays": "stays" if [*by_longer.index] == [*by_shorter.index] else "does not stay",
        "order_correlation": f"{by_longer.corr(by_shorter, method='spearman'):.2f}",
    }
