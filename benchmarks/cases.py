"""What `benchmarks.bench` measures: units of work, each done plainly and our way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.steps import META, VARIANTS, Size, noise_data, plain_net, step_of
from nasnb.data import Augment, batches
from nasnb.evaluation import evaluate, statistics
from nasnb.methods import METHODS, Method
from nasnb.search.state import begin
from nasnb.search.strengths import operation_strengths

Work = Callable[[], Any]
STEP_VARIANTS = ("plain", "ours", "captured", "captured bf16")


@dataclass(frozen=True)
class Case:
    """`build(variant, device)` makes a function that does the work once; "plain" is one of the variants."""

    name: str
    text: str
    build: Callable[[str, torch.device], Work]
    on_gpu: Sequence[str] = ("plain", "ours")
    counted: bool = False  # whether launches can be counted on the meta device

    def variants(self, device: torch.device) -> Sequence[str]:
        """What this device can do."""
        return self.on_gpu if device.type == "cuda" else ("plain", "ours")


# --- search steps ---------------------------------------------------------------------------------------------------


def search_step(method: Method, sizes: dict[str, int], variant: str, device: torch.device) -> Work:
    """One step of a search: alpha on one batch, if the method learns alpha, then the weights on another.

    `sizes` are the batch sizes per kind of device; on the meta device nothing is computed.
    """
    config = method.config
    size = Size(batch=sizes[device.type], channels=config.channels, cells=config.cells)
    return step_of(method, size, VARIANTS[variant], device)


# --- masked evaluations ---------------------------------------------------------------------------------------------


def masked_evaluations(group: str, edge: int, variant: str, device: torch.device) -> Work:
    """DARTS-PT on one edge of a cell type: the supernet without each of its operations."""
    method = METHODS["darts-pt"]
    state = begin(method, noise_data(64, device), replace(method.config, batch_size=64))
    if variant == "ours":
        return lambda: operation_strengths(state, group, edge)
    net = plain_net(method, state.config).to(device)

    def one_by_one() -> None:
        for op in range(state.relaxation.alpha[group].shape[1]):
            weights = state.weights()
            weights[group][edge, op] = 0
            with statistics(net, "batch"):
                evaluate(partial(_logits, net, weights), state.valid, state.data, batch_size=64)

    return one_by_one


def _logits(net: nn.Module, weights: dict[str, Tensor], images: Tensor) -> Tensor:
    return net(images.contiguous(), weights)


# --- data -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """How images are changed: `ours` on whole batches, `theirs` the same by torchvision, one image after another."""

    images: int
    pixels: int
    ours: Augment
    theirs: Callable[[Any], list]


_CROP_AND_FLIP = Augment(crop_padding=4, flip=True)
RECIPES = {
    "data": Recipe(2560, 32, _CROP_AND_FLIP, lambda T: [T.RandomCrop(32, padding=4), T.RandomHorizontalFlip()]),
    "data-autoaugment": Recipe(
        2560,
        32,
        replace(_CROP_AND_FLIP, policy="autoaugment"),
        lambda T: [T.RandomCrop(32, padding=4), T.RandomHorizontalFlip(), T.AutoAugment(T.AutoAugmentPolicy.CIFAR10)],
    ),
    "data-imagenet": Recipe(
        128,
        256,
        Augment(flip=True, crop="resized", side=224, jitter=0.4),
        lambda T: [T.RandomResizedCrop(224), T.RandomHorizontalFlip(), T.ColorJitter(0.4, 0.4, 0.4, 0.2)],
    ),
}


def augmented_batches(name: str, variant: str, device: torch.device) -> Work:
    """An epoch of a recipe's images, changed and normalised, in batches of 64 on the device."""
    recipe = RECIPES[name]
    data = noise_data(recipe.images, device, recipe.pixels)
    if variant == "ours":
        settings = {"mean": data.mean, "std": data.std, "seed": 0, "purpose": "bench", "augment": recipe.ours}
        return lambda: [None for _ in batches(data.train, 64, epoch=0, **settings)]
    from torchvision import transforms as T

    change = T.Compose([T.ToPILImage(), *recipe.theirs(T), T.ToTensor(), T.Normalize(data.mean, data.std)])
    pairs = [(image, 0) for image in data.train.images.cpu()]
    loader = torch.utils.data.DataLoader(_Changed(pairs, change), 64, shuffle=True)
    return lambda: [batch.to(device) for batch, _ in loader]


@dataclass(frozen=True)
class _Changed(torch.utils.data.Dataset):
    pairs: list
    change: Callable

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, at: int) -> tuple[Tensor, int]:
        return self.change(self.pairs[at][0]), self.pairs[at][1]


# --- launches -------------------------------------------------------------------------------------------------------


class Launches(TorchDispatchMode):
    """Counts what a GPU would have to launch, and the bytes that it would read and write."""

    FREE = ("empty", "detach", "_unsafe_view", "record_function", "new_empty")

    def __init__(self) -> None:
        super().__init__()
        self.kernels, self.bytes = 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if not (function.is_view or any(name in str(function) for name in self.FREE)):
            tensors = [t for t in tree_leaves((args, kwargs, result)) if isinstance(t, Tensor)]
            self.kernels += 1
            self.bytes += sum(t.numel() * t.element_size() for t in tensors)
        return result


def launched(case: Case, variant: str) -> tuple[int | None, float | None]:
    """(kernels, gigabytes) of one unit of work at the batch size of a GPU; None where that cannot be counted.

    Without optimisers and clipping: few launches on a GPU, but one for every parameter on the meta device.
    """
    if not case.counted or variant not in ("plain", "ours"):
        return None, None
    work = case.build(variant, META)
    with ExitStack() as without:
        for owner, name in ((torch.optim.SGD, "step"), (torch.optim.Adam, "step"), (nn.utils, "clip_grad_norm_")):
            without.enter_context(mock.patch.object(owner, name))
        work()  # what is only done once
        with Launches() as counter:
            work()
    return counter.kernels, counter.bytes / 1e9


def _step(name: str, method: Method, cpu: int, gpu: int, *, counted: bool = True) -> Case:
    build = partial(search_step, method, {"cpu": cpu, "cuda": gpu, "meta": gpu})
    text = f"one search step of {method.name}, {method.config.cells} cells, {method.config.channels} channels"
    return Case(name, f"{text}, batch {cpu} (CPU) or {gpu} (GPU, counts)", build, STEP_VARIANTS, counted)


def _masked(group: str, edge: int) -> Case:
    text = f"DARTS-PT, all masked evaluations of edge {edge} of the {group} cells, on 32 images"
    return Case(f"pt-{group}", text, partial(masked_evaluations, group, edge))


_IN_BENCH201 = replace(METHODS["darts-1st"].on("bench201"), config=replace(METHODS["darts-1st"].config, cells=5))

CASES: dict[str, Case] = {
    case.name: case
    for case in (
        _step("darts", METHODS["darts-1st"], 16, 64),
        _step("pc-darts", METHODS["pc-darts"], 32, 256),
        _step("msr-darts", METHODS["msr-darts"], 16, 128, counted=False),
        _step("bench201", _IN_BENCH201, 16, 64),
        _masked("normal", 6),
        _masked("reduce", 2),
        *(
            Case(
                name,
                f"an epoch of {recipe.images:,} images of {recipe.pixels} pixels against a torchvision loader",
                partial(augmented_batches, name),
            )
            for name, recipe in RECIPES.items()
        ),
    )
}
