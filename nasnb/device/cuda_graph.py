"""Training steps recorded once and replayed as a CUDA graph: one launch instead of some ten thousand small ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from nasnb.device.distributed import is_shared

Tensors = tuple[Tensor, ...]  # a batch, or what a step returns
NextTensors = Callable[[], Tensors]
Recordable = Callable[[Any, Tensors, NextTensors], Tensors]  # (state, batch, next validation batch) -> (loss, logits)


def captured(step: Recordable, state: Any) -> Recordable:
    """The step itself, or for the state of a search or a training on a GPU that wants it, a `Captured` of it."""
    wanted = state.config.capture and state.train.images.is_cuda and not is_shared()
    return Captured(step) if wanted else step


def run_beside(compute: Callable[[], Tensors]) -> Tensors:
    """On a stream of its own, as torch asks of what runs before a recording."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        result = compute()
    torch.cuda.current_stream().wait_stream(stream)
    return result


def record_graph(compute: Callable[[], Tensors]) -> tuple[Callable[[], None], Tensors]:
    """A function that repeats on the device whatever `compute` launches, and the tensors that it writes."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = compute()
    return graph.replay, result


Asked = list[tuple[Callable[[], Any], Any]]
_listening: list[Asked] = []  # of a `Captured` that takes a step now: what has been decided so far


def decided(ask: Callable[[], Any]) -> Any:
    """`ask()`, by which the host decides what a step does: a recording holds as long as asking gives the same."""
    value = ask()
    for asked in _listening:
        asked.append((ask, value))
    return value


def _same(now: Any, then: Any) -> bool:
    return now is then or (isinstance(now, bool | int | float) and now == then)


class Captured:
    """A step that is recorded as long as the host decides nothing anew, which it may do through `decided` alone.

    The first call runs the step as it is, which also makes what torch makes lazily. The second one records it, which
    computes nothing, and from then on it is replayed; when something is decided otherwise, all begins anew. A batch of
    another size, like the last one of an epoch, runs as it is. The step must not wait for the device; the tensors that
    it returns are overwritten by the next call.
    """

    def __init__(self, step: Recordable, *, warm_up: Callable = run_beside, record: Callable = record_graph):
        self.step, self.warm_up, self.record = step, warm_up, record
        self.inputs: list[Tensors] = []  # what the graph reads: a training batch, then validation batches
        self.replay: Callable[[], None] | None = None
        self.result: Tensors = ()
        self.asked: Asked = []

    def __call__(self, state: Any, train: Tensors, next_valid: NextTensors) -> Tensors:
        if not self.inputs or not all(_same(ask(), then) for ask, then in self.asked):
            self.replay, self.result = None, ()  # before anything is computed: a recording holds a step's memory
            return self._first(state, train, next_valid)
        batches = [train, *(next_valid() for _ in self.inputs[1:])]
        if _shapes(batches) != _shapes(self.inputs):
            return self._run(state, batches)
        for kept, batch in zip(self.inputs, batches, strict=True):
            for tensor, value in zip(kept, batch, strict=True):
                tensor.copy_(value)
        if self.replay is None:
            self.replay, self.result = self.record(lambda: self._run(state, self.inputs))
        self.replay()
        return self.result

    def _first(self, state: Any, train: Tensors, next_valid: NextTensors) -> Tensors:
        batches = [train]

        def fetch() -> Tensors:
            batches.append(next_valid())
            return batches[-1]

        self.asked = []
        _listening.append(self.asked)
        try:
            with warnings.catch_warnings():  # of an optimiser made for recording, that this step is not recorded
                warnings.filterwarnings("ignore", message=".*capturable=True")
                result = self.warm_up(lambda: self.step(state, train, fetch))
        finally:
            _listening.clear()
        self.inputs = [tuple(torch.clone(tensor) for tensor in batch) for batch in batches]
        return result

    def _run(self, state: Any, batches: Sequence[Tensors]) -> Tensors:
        valid = iter(batches[1:])
        return self.step(state, batches[0], lambda: next(valid))


def _shapes(batches: Sequence[Tensors]) -> list[list[torch.Size]]:
    return [[tensor.shape for tensor in batch] for batch in batches]
