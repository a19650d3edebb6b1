"""One line per run in a chapter: computed if missing, continued if interrupted, loaded if finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from nasnb.architecture import Genotype
from nasnb.config import SearchConfig, TrainConfig
from nasnb.data import Data
from nasnb.methods import Method
from nasnb.runs import Finished, Result, Run, Task
from nasnb.search import SearchState, begin, search
from nasnb.search import steps_per_epoch as search_steps
from nasnb.spaces import CellSpace
from nasnb.training import TrainState, prepare, train
from nasnb.training import steps_per_epoch as train_steps


def run_search(method: Method, data: Data, config: SearchConfig, *, runs_dir: str | Path) -> Result:
    """Search with `method`, in the folder of `runs_dir` that method, data and config name."""
    parts = {f.name: getattr(method, f.name) for f in fields(method) if f.name not in ("name", "config")}

    def epochs(state: SearchState, on_step: Callable[[SearchState], None]) -> Iterator[Finished]:
        for epoch in search(method, data, config, state=state, on_step=on_step):
            yield Finished(epoch.row(), epoch.weights, epoch.genotype)

    run = Run("search", method=method.name, config=config, data=data, runs_dir=runs_dir, facts=parts)
    return run.finish(Task(lambda: begin(method, data, config), epochs, search_steps))


def run_training(space: CellSpace, genotype: Genotype, data: Data, config: TrainConfig, *, runs_dir: str | Path,
                 **network: Any) -> Result:  # fmt: skip
    """Train the final network of `genotype`; `network` are further arguments of `space.network`, e.g. stem."""

    def epochs(state: TrainState, on_step: Callable[[TrainState], None]) -> Iterator[Finished]:
        for epoch in train(state, on_step=on_step):
            yield Finished(epoch.row())

    facts = {"space": space, "genotype": genotype, **network}
    run = Run("train", method=space.name, config=config, data=data, runs_dir=runs_dir, facts=facts)
    return run.finish(Task(lambda: prepare(space, genotype, data, config, **network), epochs, train_steps))
