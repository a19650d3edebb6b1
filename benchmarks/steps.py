"""One search step, as the official codes take it and as ours do: recorded or not, in every precision and layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks import plain
from nasnb.config import SearchConfig
from nasnb.data import Data, Split
from nasnb.device.cuda_graph import Captured
from nasnb.device.precision import computing
from nasnb.methods import Method
from nasnb.search.state import Batch, SearchState, adam, begin, sgd
from nasnb.supernet.partial_channels import PartialMix
from nasnb.supernet.relaxation import Relaxation

META = torch.device("meta")


@dataclass(frozen=True)
class Size:
    """Of the batch and of the supernet."""

    batch: int
    channels: int
    cells: int
    pixels: int = 32


@dataclass(frozen=True)
class Variant:
    """How a step is taken. Not `ours`: one operation of one edge at a time."""

    ours: bool = True
    captured: bool = False
    precision: str = "float32"
    memory_format: torch.memory_format = torch.channels_last


VARIANTS = {
    "plain": Variant(ours=False, memory_format=torch.contiguous_format),
    "plain tf32": Variant(ours=False, precision="tf32", memory_format=torch.contiguous_format),
    "ours": Variant(),
    "captured": Variant(captured=True),
    "captured tf32": Variant(captured=True, precision="tf32"),
    "captured bf16": Variant(captured=True, precision="bf16"),
    "ours bf16": Variant(precision="bf16"),
    "contiguous": Variant(captured=True, memory_format=torch.contiguous_format),
    "contiguous bf16": Variant(captured=True, precision="bf16", memory_format=torch.contiguous_format),
}


def step_of(method: Method, size: Size, variant: Variant, device: torch.device) -> Callable[[], None]:
    """A function that takes one step, past every warm-up, on random images."""
    config = replace(
        method.config,
        batch_size=size.batch,
        channels=size.channels,
        cells=size.cells,
        precision=variant.precision,
        second_stage_cells=None,
        capture=variant.captured,
    )
    images = torch.randn(size.batch, 3, size.pixels, size.pixels, device=device)
    batch = images.contiguous(memory_format=variant.memory_format), torch.arange(size.batch, device=device) % 10
    if not variant.ours:
        return plain_step(method, config, batch)
    state = ready(method, config, device)
    state.net.to(memory_format=variant.memory_format)
    step = Captured(method.step) if variant.captured and device.type == "cuda" else method.step

    def take() -> None:
        with computing(variant.precision):
            step(state, batch, lambda: batch)

    return take


def noise_data(n: int, device: torch.device, pixels: int = 32) -> Data:
    """Random numbers, by default with the sizes of CIFAR-10: speed does not depend on what is in the images."""
    images = torch.randint(0, 256, (n, 3, pixels, pixels), dtype=torch.uint8).to(device)
    split = Split(images, (torch.arange(n) % 10).to(device))
    return Data("noise", split, split, tuple("0123456789"), (0.5,) * 3, (0.25,) * 3, "none")


def ready(method: Method, config: SearchConfig, device: torch.device) -> SearchState:
    """A state past every warm-up, so that alpha learns too."""
    state = begin(method, noise_data(2 * config.batch_size, torch.device("cpu") if device == META else device), config)
    state.epoch = config.epochs // 2
    state.net.train()
    state.relaxation.is_open()  # looked up once
    if device != META:
        return state
    net, relaxation = state.net.to(device), state.relaxation.to(device)
    return replace(
        state,
        net=net,
        relaxation=relaxation,
        weight_optimizer=sgd(net, config),
        alpha_optimizer=adam(relaxation, config),
        train=noise_data(4, torch.device("cpu")).train.to(device),
    )


def plain_step(method: Method, config: SearchConfig, batch: Batch) -> Callable[[], None]:
    """As the official codes do it: both gradients in both halves, of which one is thrown away."""
    device = batch[0].device
    net = plain_net(method, config).to(device)
    relaxation = Relaxation(method.space.choices, method.relax).to(device)
    optimizers = [sgd(net, config)]
    if method.relax.learns:
        optimizers.insert(0, torch.optim.Adam(relaxation.parameters(), config.alpha_lr, betas=config.alpha_betas))

    def work() -> None:
        with computing(config.precision):
            for optimizer in optimizers:
                optimizer.zero_grad()
                F.cross_entropy(net(batch[0], relaxation()), batch[1]).backward()
                if optimizer is optimizers[-1]:
                    nn.utils.clip_grad_norm_(net.parameters(), config.clip)
                optimizer.step()

    return work


def plain_net(method: Method, config: SearchConfig) -> nn.Module:
    """The supernet of benchmarks/plain.py for a method on the spaces darts, msr and bench201."""
    choices = method.space.choices
    if "cell" in choices.groups:
        from nasnb.spaces.bench201 import Residual

        return plain.PlainBench201(choices.groups["cell"], config.channels, config.cells, 10, Residual)
    k = method.mix.k if isinstance(method.mix, PartialMix) else 1
    net = plain.PlainSupernet(choices, config.channels, config.cells, 10, k=k)
    if method.space.name == "msr":
        plain.normalise(net)
    return net
