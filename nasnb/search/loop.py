"""`for epoch in search(method, data, config)`: a generator of epochs; saving, drawing and stopping are the caller's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from nasnb.architecture import Genotype
from nasnb.config import SearchConfig
from nasnb.data import Data, n_batches
from nasnb.device.cuda_graph import captured, decided
from nasnb.device.precision import computing
from nasnb.evaluation import Score, evaluate, statistics
from nasnb.randomness import reseed, seeded
from nasnb.schedules import learning_rate
from nasnb.search.phase import Phase
from nasnb.search.state import Batch, SearchState, begin
from nasnb.search.steps import Step
from nasnb.supernet.memory import explained

CHECK_EVERY = 25  # steps between looks at the loss: a look waits for the device
OnStep = Callable[[SearchState], None] | None


@dataclass(frozen=True)
class Epoch:
    """A finished epoch. Accuracies are in percent; `weights` are the mixing weights {group: (edges, ops)} after it."""

    number: int  # from 1, through all phases
    train: Score
    valid: Score  # NaN where nothing is held out
    lr: float
    seconds: float
    weights: dict[str, np.ndarray]
    genotype: Genotype
    state: SearchState  # live: the next epoch changes it
    phase: str = "search"  # or "selection", or "stage 2"

    def row(self) -> dict[str, float | str]:
        """The epoch as a line of the history table."""
        return {
            "epoch": self.number,
            "phase": self.phase,
            "train_loss": self.train.loss,
            "train_accuracy": self.train.accuracy,
            "valid_loss": self.valid.loss,
            "valid_accuracy": self.valid.accuracy,
            "lr": self.lr,
            "seconds": self.seconds,
        }


def search(
    method, data: Data, config: SearchConfig, *, state: SearchState | None = None, on_step: OnStep = None
) -> Iterator[Epoch]:
    """Run `method` (a nasnb.methods.Method) and yield every epoch as it ends, those of a selection phase included.

    Pass a loaded `state` to go on where it stopped; the numbers are those of a search never stopped. A state that
    another method has searched goes on with this method's selection. `on_step` is called after every step, when the
    state is whole: a place to save, to show progress, to raise and stop.
    Raises FloatingPointError when the loss stops being a number, MemoryError when the device is too small.
    """
    state = begin(method, data, config) if state is None else state
    if not state.earlier:
        state.method = method
    while True:
        for phase in _phases(state):
            yield from run_phase(phase, state, on_step=on_step)
        if state.method.then is None:
            return
        scores = state.method.score(state)
        state.advance({group: rows.tolist() for group, rows in scores.items()})


def _phases(state: SearchState) -> list[Phase]:
    method, config, stage = state.method, state.config, len(state.earlier) + 1
    name = "search" if stage == 1 else f"stage {stage}"
    phases = [Phase(name, 0, config.epochs, method.step, lambda epoch: learning_rate(config, epoch), method.hook)]
    return phases if method.select is None else [*phases, method.select(method, config)]


def run_phase(phase: Phase, state: SearchState, *, on_step: OnStep = None) -> Iterator[Epoch]:
    """Train a state to the end of a phase, from wherever in it the state is."""
    if state.stage_epoch == phase.start and state.step == 0 and phase.hook is not None:
        with _randomness(state, "hook"):
            phase.hook(state)
    step = captured(_told(phase.step), state)
    while state.stage_epoch < phase.end:
        started = time.perf_counter()
        with _randomness(state, "search"), computing(state.config.precision), explained(state, state.weights):
            _train_epoch(phase, step, state, on_step)
            train, valid = state.tally.score(), validate(state)
        lr, state.epoch, state.step = float(state.lr), state.epoch + 1, 0
        state.tally.sums.zero_()
        if phase.hook is not None:
            with _randomness(state, "hook"):
                phase.hook(state)
        weights = {name: w.cpu().numpy().copy() for name, w in state.weights().items() if _is_of_group(name)}
        genotype, seconds = state.method.genotype(state), time.perf_counter() - started
        yield Epoch(state.epoch, train, valid, lr, seconds, weights, genotype, state, phase.name)


def _told(step: Step) -> Step:
    """The step, which tells what it finds decided: hooks may decide otherwise between epochs."""

    def run(state: SearchState, train: Batch, next_valid: Callable[[], Batch]) -> tuple[Tensor, Tensor]:
        for ask in (
            lambda: state.weight_optimizer,
            lambda: state.batch_size,
            lambda: state.relaxation.is_open(),
            lambda: state.extra.get("cell_weights"),
        ):
            decided(ask)
        return step(state, train, next_valid)

    return run


def _randomness(state: SearchState, purpose: str):
    return seeded(state.config.seed, purpose, state.epoch)


def _is_of_group(name: str) -> bool:
    return "/" not in name or name.endswith("/edges")


def _train_epoch(phase: Phase, step: Step, state: SearchState, on_step: OnStep) -> None:
    state.set_lr(phase.lr(state.stage_epoch))
    state.net.train()
    next_valid = _cycle(state)
    for train in state.batches(state.train, "train", state.epoch, start=state.step):
        reseed(state.config.seed, "step", state.epoch, state.step)
        loss, logits = step(state, train, next_valid)
        state.tally.add(loss, logits, train[1])
        state.step += 1
        if state.step % CHECK_EVERY == 0 or state.step == state.steps_per_epoch:
            state.tally.check(state.epoch, state.step, state.lr)
        if on_step is not None:
            on_step(state)


def _cycle(state: SearchState) -> Callable[[], Batch]:
    """Validation batches without end, in step with the training batches: a resumed epoch gets the same ones."""
    per_pass = max(1, n_batches(len(state.valid), state.batch_size))
    number, start = divmod(state.step, per_pass)

    def endless() -> Iterator[Batch]:
        for at in range(number, 10**9):
            yield from state.batches(
                state.valid,
                f"valid {at}",
                state.epoch,
                start=start if at == number else 0,
                augment=state.config.augment_validation,
            )

    stream = endless()
    return lambda: next(stream)


def validate(state: SearchState) -> Score:
    """Loss and accuracy of the supernet on the held-out part."""
    if len(state.valid) == 0:
        return Score(float("nan"), float("nan"))
    weights, how = state.weights(), state.config.validate_with
    # running statistics see no difference, and larger batches spare a GPU most of the launches
    size = state.config.batch_size if how == "batch" else max(256, state.config.batch_size)
    with statistics(state.net, how):
        return evaluate(
            lambda images: state.logits(images, weights),
            state.valid,
            state.data,
            batch_size=size,
            side=state.config.side,
        )
