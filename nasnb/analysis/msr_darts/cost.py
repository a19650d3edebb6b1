"""What a search costs beside another: processor seconds of an epoch on equal images (Table 1, section 4.2)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from nasnb.config import SearchConfig
from nasnb.data import Data
from nasnb.methods import Method
from nasnb.search import search


def seconds_of_an_epoch(
    methods: Mapping[str, Method], data: Data, config: SearchConfig, *, batches: int = 4, repeats: int = 3
) -> pd.DataFrame:
    """Columns method, repeat, seconds: an epoch of each in turn, on as many images as fill so many batches.

    Seconds are the processor's, so that whatever else the machine does hardly counts; on a graphics card they say what
    the host did. Each method splits the images as its own config says, between weights and alpha, or validation.
    """
    rows = []
    for repeat in range(-1, repeats):  # the first round warms up
        for name, method in methods.items():
            share = method.config.train_fraction
            small = replace(config, epochs=1, train_images=batches * config.batch_size, train_fraction=share)
            before = time.process_time()
            for _ in search(method, data, replace(small, seed=config.seed + max(repeat, 0))):
                pass
            rows.append((name, repeat, time.process_time() - before))
    table = pd.DataFrame(rows, columns=["method", "repeat", "seconds"])
    return table[table.repeat >= 0].reset_index(drop=True)


def rivals(methods: Mapping[str, Method]) -> dict[str, Method]:
    """MSR-DARTS of METHODS and what it is compared with on its four operations: no rescaling, and DARTS."""
    msr = methods["msr-darts"]
    four = replace(msr.space, name="msr-plain", search_ops=None, before_forward=None)  # nothing is rescaled
    of_order = {"second": methods["darts-2nd"], "first": methods["darts-1st"]}
    return {
        "MSR-DARTS": msr,
        "not rescaled": replace(msr, name="msr-not-rescaled", space=four),
        **{f"DARTS, {order} order": replace(m, name=f"{m.name}-msr-ops", space=four) for order, m in of_order.items()},
    }


def doublings(seconds: pd.DataFrame) -> np.ndarray:
    """(repeats,): how often the price of MSR-DARTS doubles up to that of DARTS of second order, of rows as above."""
    of = seconds.pivot(index="repeat", columns="method", values="seconds")
    return np.log2(of["DARTS, second order"] / of["MSR-DARTS"]).to_numpy()
