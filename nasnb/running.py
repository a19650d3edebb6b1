"""One line per run in a chapter: computed if missing, continued if interrupted, loaded if finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from nasnb.architecture import Genotype
from nasnb.config import SearchConfig, TrainConfig
from nasnb.data import Data
from nasnb.distributed import together
from nasnb.methods import Method
from nasnb.runs import Finished, Result, Run, Task
from nasnb.search import SearchState, begin, search
from nasnb.search import steps_per_epoch as search_steps
from nasnb.spaces import Space
from nasnb.training import TrainState, prepare, train
from nasnb.training import steps_per_epoch as train_steps

LABELS = ("name", "config", "training", "final", "export")  # what does not change a search


def run_search(method: Method, data: Data, config: SearchConfig, *, runs_dir: str | Path,
               after: Result | None = None) -> Result:  # fmt: skip
    """Search with `method`, in the folder of `runs_dir` that method, data and config name.

    `after` a finished search of the same config by another method, only what follows is done: the selection of
    `method`, on that supernet. Its history begins there.
    """
    facts = {f.name: getattr(method, f.name) for f in fields(method) if f.name not in LABELS}
    if after is not None:
        _check_fits(method, after)
        facts["after"] = after.name

    def epochs(state: SearchState, on_step: Callable[[SearchState], None]) -> Iterator[Finished]:
        for epoch in search(method, data, config, state=state, on_step=on_step):
            yield Finished(epoch.row(), epoch.weights, epoch.genotype)

    run = Run("search", method=method.name, config=config, data=data, runs_dir=runs_dir, facts=facts)
    n_epochs = _n_epochs(method, config) - (len(after.history) if after else 0)
    first = after.state if after else lambda: begin(method, data, config)
    with together():
        return run.finish(Task(first, epochs, n_epochs, search_steps))


def _check_fits(method: Method, after: Result) -> None:
    for group in method.space.choices.groups:
        had, has = after.weights[group].shape[1:], method.space.choices.shape(group)
        if had != has:
            raise ValueError(f"{group!r} of {after.name} has {had[0]} edges with {had[1]} candidates, that of "
                             f"{method.name} {has[0]} with {has[1]}: search in the same space")  # fmt: skip


def _n_epochs(method: Method, config: SearchConfig) -> int:
    stage = config.epochs if method.select is None else method.select(method, config).end
    return stage if method.then is None else 2 * stage


def run_training(space: Space, genotype: Genotype, data: Data, config: TrainConfig, *, runs_dir: str | Path,
                 **network: Any) -> Result:  # fmt: skip
    """Train the final network of `genotype`; `network` are further arguments of `space.network`, e.g. stem."""

    def epochs(state: TrainState, on_step: Callable[[TrainState], None]) -> Iterator[Finished]:
        for epoch in train(state, on_step=on_step):
            yield Finished(epoch.row())

    facts = {"space": space, "genotype": genotype, **network}
    run = Run("train", method=space.name, config=config, data=data, runs_dir=runs_dir, facts=facts)
    task = Task(lambda: prepare(space, genotype, data, config, **network), epochs, config.epochs, train_steps)
    with together():
        return run.finish(task)
