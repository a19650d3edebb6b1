"""An experiment in a line per run: computed if missing, continued if interrupted, loaded if finished.

And what the notebooks in notebooks/stages choose between: a method with other parts, the search that goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nasnb.analysis.pc_darts.mixing import variant
from nasnb.architecture import Genotype
from nasnb.config import SearchConfig, TrainConfig, nearest
from nasnb.data import Data
from nasnb.device.distributed import together
from nasnb.limits import decisive
from nasnb.methods import METHODS, Method
from nasnb.published.genotypes import GENOTYPES
from nasnb.runs import Finished, Result, Run, Task
from nasnb.runs.estimate import NotComputed, foresight
from nasnb.runs.identity import digest
from nasnb.runs.record import new_record
from nasnb.search import Epoch, SearchState, begin, search
from nasnb.search.ranks import maximum_stable_rank, minimum_stable_rank
from nasnb.search.selection import ScoreRule, magnitude
from nasnb.search.steps import bilevel, one_level
from nasnb.spaces import Space, random_genotype, with_nodes
from nasnb.supernet.partial_channels import PartialMix
from nasnb.training import TrainState, prepare, train

Observe = Callable[[Epoch], dict[str, float]]  # looks at the live state, and leaves it as it is

LABELS = ("name", "config", "training", "imagenet", "final", "export")  # what does not change a search


def run_search(
    method: Method,
    data: Data,
    config: SearchConfig,
    *,
    runs_dir: str | Path,
    after: Result | None = None,
    observe: Observe | None = None,
) -> Result:
    """Search with `method`, in the folder of `runs_dir` that method, data and config name.

    `after` a finished search of the same config by another method, only what follows is done: the selection of
    `method`, on that supernet. Its history begins there. What `observe` returns of an epoch joins its row.
    """
    facts = {f.name: getattr(method, f.name) for f in fields(method) if f.name not in LABELS}
    if after is not None:
        _check_fits(method, after)
        facts["after"] = after.name
    facts |= _told(data)

    def epochs(state: SearchState, on_step: Callable[[SearchState], None]) -> Iterator[Finished]:
        for epoch in search(method, data, config, state=state, on_step=on_step):
            seen = {} if observe is None else observe(epoch)
            yield Finished({**epoch.row(), **seen}, epoch.weights, epoch.genotype)

    run = Run("search", method=method.name, config=config, data=data, runs_dir=runs_dir, facts=facts)
    n_epochs = _n_epochs(method, config) - (len(after.history) if after else 0)
    fresh = after is None or after.is_stand_in
    beginning = partial(begin, method, data, config) if fresh else after.state
    task = Task(beginning, epochs, n_epochs, _steps, _fewer_held_out)
    return _result(run, data, task, lambda: stand_in(run, n_epochs, method.space))


def _told(data: Data) -> dict[str, Any]:
    """What name and checksum of the images leave out."""
    return {"data": data.peculiar} if data.peculiar else {}


def _steps(state: SearchState | TrainState) -> int:
    return state.steps_per_epoch


def _fewer_held_out(state: SearchState, images: int) -> float:
    whole = len(state.valid)
    state.epoch = state.epoch or state.config.epochs // 2  # past every warm-up
    state.valid = state.valid.take(slice(max(images, state.batch_size)))
    return whole / max(len(state.valid), 1)


def _fewer_tested(state: TrainState, images: int) -> float:
    whole = state.data.test
    state.data = replace(state.data, test=whole.take(slice(images)))
    return len(whole) / len(state.data.test)


def _check_fits(method: Method, after: Result) -> None:
    for group in method.space.choices.groups:
        had, has = after.weights[group].shape[1:], method.space.choices.shape(group)
        if had != has:
            raise ValueError(
                f"{group!r} of {after.name} has {had[0]} edges with {had[1]} candidates, that of "
                f"{method.name} {has[0]} with {has[1]}: search in the same space"
            )


def _n_epochs(method: Method, config: SearchConfig) -> int:
    stage = config.epochs if method.select is None else method.select(method, config).end
    return stage if method.then is None else 2 * stage


def run_training(
    space: Space, genotype: Genotype, data: Data, config: TrainConfig, *, runs_dir: str | Path, **network: Any
) -> Result:
    """Train the final network of `genotype`; `network` are further arguments of `space.network`, e.g. stem."""

    def epochs(state: TrainState, on_step: Callable[[TrainState], None]) -> Iterator[Finished]:
        for epoch in train(state, on_step=on_step):
            yield Finished(epoch.row())

    facts = {"space": space, "genotype": genotype.canonical(), **network, **_told(data)}
    run = Run("train", method=space.name, config=config, data=data, runs_dir=runs_dir, facts=facts)
    begin_training = partial(prepare, space, genotype, data, config, **network)
    task = Task(begin_training, epochs, config.epochs, _steps, _fewer_tested)
    return _result(run, data, task, lambda: stand_in(run, config.epochs))


def _result(run: Run, data: Data, task: Task, instead: Callable[[], Result]) -> Result:
    """Computed as far as it is missing; or only noted, with something of its shape `instead` (see runs.estimate)."""
    noted = foresight()
    if noted is not None:
        is_finished = run.is_finished()
        noted.add(run, task, data, is_finished=is_finished)
        if not is_finished:
            return instead()
    with together():
        return run.finish(task)


def stand_in(run: Run, epochs: int, space: Space | None = None) -> Result:
    """What a run that is only foreseen would give, in shape: a cell drawn by chance, and numbers that say nothing."""

    def state() -> Any:
        raise NotComputed(f"{run.name} is not computed yet")

    numbers = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "lr", "seconds")
    record = {**new_record(run.name, run.identity, run.device), "seconds": 0.0, "device_hours": 0.0}
    history = pd.DataFrame({"epoch": range(1, epochs + 1), "phase": "search", **dict.fromkeys(numbers, 0.0)})
    if space is None:
        return Result(history, {}, [], record, run.folder, state, is_stand_in=True)
    # another cell for every search, so that the trainings of each are counted
    genotype, choices = random_genotype(space, seed=int(digest(run.identity), 16) % 2**31), space.choices
    shapes = {group: choices.shape(group) for group in choices.groups}
    weights = {group: np.full((epochs, *shape), 1 / shape[-1], np.float32) for group, shape in shapes.items()}
    history["genotype"] = genotype.notation()
    return Result(history, weights, [genotype] * epochs, record, run.folder, state, is_stand_in=True)


# --- stages ---

SCORES: Mapping[str, Callable[[], ScoreRule]] = {
    "magnitude": lambda: magnitude,
    "minimum_stable_rank": minimum_stable_rank,
    "maximum_stable_rank": maximum_stable_rank,
}
PROTOCOLS = ("first", "supernet", "short_training")


def method_like(
    name: str,
    *,
    space: str | None = None,
    k: int | None = None,
    edge_normalisation: bool | None = None,
    nodes: int | None = None,
    score: str | None = None,
    levels: int | None = None,
) -> Method:
    """A method of METHODS with some of its parts replaced; None keeps a part. Raises ValueError for unknown names.

    `levels`: 1 trains alpha on the images of the weights, 2 on the other half, by the second-order gradient.
    """
    for what, wanted, known in (("method", name, METHODS), ("score", score, SCORES)):
        if wanted is not None and wanted not in known:
            raise ValueError(f"unknown {what} {wanted!r}{nearest(wanted, known)}; known: {', '.join(known)}")
    method = METHODS[name] if space is None else METHODS[name].on(space)
    if k is not None or edge_normalisation is not None:
        own_k = method.mix.k if isinstance(method.mix, PartialMix) else 1
        beta = method.relax.edges if edge_normalisation is None else edge_normalisation
        method = variant(method, k=own_k if k is None else k, beta=beta)
    if nodes is not None:
        method = replace(method, name=f"{method.name}-{nodes}-nodes", space=with_nodes(method.space, nodes))
    if score is not None:
        method = replace(method, name=f"{method.name}-by-{score.replace('_', '-')}", score=SCORES[score]())
    return method if levels is None else _with_levels(method, levels)


def _with_levels(method: Method, levels: int) -> Method:
    if levels not in (1, 2):
        raise ValueError(f"levels={levels!r}: a search has 1 or 2")
    step, share = (one_level(), 1.0) if levels == 1 else (bilevel(order=2), 0.5)
    config = replace(method.config, train_fraction=share)
    return replace(method, name=f"{method.name}-{levels}-level", step=step, config=config)


RECIPES = ("own", "imagenet")


def recipe_of(method: Method, name: str) -> TrainConfig:
    """How its paper trains a final network: "own", on the data of the search; "imagenet", at the mobile setting.

    Raises ValueError for an unknown name, and for a method whose networks do not exist there.
    """
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}{nearest(name, RECIPES)}; known: {', '.join(RECIPES)}")
    recipe = method.training if name == "own" else method.imagenet
    if recipe is None:
        raise ValueError(f"{method.name} has no network for ImageNet: take recipe='own'")
    return recipe


def given_cell(text: str) -> Genotype:
    """A published genotype by its name, or one in the notation of its paper or as JSON.

    Raises ValueError for neither.
    """
    if text.isidentifier():
        if text not in GENOTYPES:
            raise ValueError(f"unknown cell {text!r}{nearest(text, GENOTYPES)}; known: {', '.join(GENOTYPES)}")
        return GENOTYPES[text]
    return Genotype.from_json(text) if text.lstrip().startswith("{") else Genotype.from_notation(text)


def picked(searches: Sequence[Result], protocol: str, *, short: Sequence[Result] = ()) -> int:
    """Which of several searches goes on: the first; the most accurate supernet; or the best of short trainings.

    The last is how DARTS picks among four (section 3.2): it looks at the test images, so its errors flatter.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"unknown protocol {protocol!r}{nearest(protocol, PROTOCOLS)}; known: {', '.join(PROTOCOLS)}")
    if protocol == "first":
        return 0
    judged = searches if protocol == "supernet" else short
    reached = [decisive(result.history.valid_accuracy.iloc[-1], f"the accuracy of {result.name}") for result in judged]
    return int(np.argmax(reached))
