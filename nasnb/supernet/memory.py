"""What a step needs of the device's memory, for whoever ran out of it."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nasnb.supernet.operations import StackedConv

# what torch's allocators, oneDNN and the C++ library say
OUT_OF_MEMORY = (
    "can't allocate memory",
    "could not create a memory object",
    "out of memory",
    "bad_alloc",
    "out_of_memory",
)
MARGIN = 0.85  # the part of a device that a suggestion fills: workspaces and fragments need the rest


class Need(NamedTuple):
    """Bytes of a training step: whatever the batch (weights, gradients, momentum), and per image (activations)."""

    fixed: int
    per_image: int

    def of(self, batch_size: int) -> int:
        """Bytes with this batch size."""
        return self.fixed + batch_size * self.per_image


def need(net: nn.Module, image_size: tuple[int, int, int], weights: Mapping[str, Tensor] | None = None) -> Need:
    """Estimated on the meta device, where nothing is computed: what the backward pass would find saved."""
    ghost = copy.deepcopy(net).to("meta").train()
    for conv in [module for module in ghost.modules() if isinstance(module, StackedConv)]:
        conv.reparametrise = None  # small beside the activations, and not for the meta device
    arguments = [] if weights is None else [{name: w.detach().to("meta") for name, w in weights.items()}]
    sizes = [_saved_bytes(ghost, (n, *image_size), arguments) for n in (2, 4)]
    parameters = sum(p.numel() * p.element_size() for p in net.parameters())
    return Need(3 * parameters, (sizes[1] - sizes[0]) // 2)


def _saved_bytes(net: nn.Module, shape: tuple[int, ...], arguments: list) -> int:
    saved: dict[int, Tensor] = {}  # by storage; holding the tensors keeps their storages apart

    def keep(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        net(torch.empty(shape, device="meta"), *arguments)
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values())


@contextmanager
def explained(state: Any, weights: Callable[[], Mapping[str, Tensor]] | None = None) -> Iterator[None]:
    """Within the block, running out of memory becomes a MemoryError that says what would fit.

    `state` is that of a search or a training: net, config and data tell the sizes. `weights` are a supernet's.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        capacity = _capacity(state.data.train.images.device)
        raise MemoryError(advice(state, weights and weights(), capacity)) from error


def advice(state: Any, weights: Mapping[str, Tensor] | None, capacity: int) -> str:
    """The estimate, and the batch size and channels that would fit into `capacity` bytes."""
    c = state.config
    needed = need(state.net, state.data.image_size, weights)
    usable = capacity * MARGIN
    batch_size = max(0, int((usable - needed.fixed) // max(1, needed.per_image)))
    # activations grow with the channels, weights with their square: linear is on the safe side
    channels = int(c.channels * min(1.0, usable / needed.of(c.batch_size))) // 2 * 2
    fits = [f"batch_size={min(batch_size, c.batch_size - 1)}"] if batch_size else []
    fits += [f"channels={min(channels, c.channels - 2)}"] if min(channels, c.channels - 2) > 0 else []
    return (
        f"out of memory in epoch {state.epoch + 1}, step {state.step}: batch_size={c.batch_size} with "
        f"channels={c.channels} needs about {_gib(needed.of(c.batch_size))}, the device has {_gib(capacity)}; "
        f"{' or '.join(fits) or 'a network of fewer cells'} would fit"
        + ("" if c.precision == "bf16" else ", and precision='bf16' needs about half")
    )


def _gib(size: float) -> str:
    return f"{size / 2**30:.3g} GiB"


def _is_out_of_memory(error: Exception) -> bool:
    said = isinstance(error, RuntimeError) and any(word in str(error).lower() for word in OUT_OF_MEMORY)
    return said or isinstance(error, torch.OutOfMemoryError | MemoryError)


def _capacity(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
