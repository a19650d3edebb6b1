"""What a search costs beside another: processor seconds of an epoch on equal images (Table 1, section 4.2)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

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
