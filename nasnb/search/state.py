"""Everything that a search changes, in one place: what a step sees and what a checkpoint holds."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from nasnb.config import SearchConfig
from nasnb.data import Augment, Data, Split, batches, n_batches, split
from nasnb.device.allocator import keep_freed_memory
from nasnb.device.distributed import check_shares, share
from nasnb.device.precision import autocast
from nasnb.device.sgd import ReplayedSGD
from nasnb.evaluation import Tally
from nasnb.randomness import seeded
from nasnb.supernet.network import Weights
from nasnb.supernet.relaxation import Relaxation
from nasnb.supernet.shapes import Images, Logits, Scalar

Batch = tuple[Tensor, Tensor]


@dataclass
class SearchState:
    """A search in progress: epoch and step say what comes next, both counted from 0."""

    method: Any  # a nasnb.methods.Method
    net: nn.Module
    relaxation: Relaxation
    weight_optimizer: torch.optim.Optimizer
    alpha_optimizer: torch.optim.Optimizer | None
    config: SearchConfig
    data: Data
    train: Split
    valid: Split
    epoch: int = 0
    step: int = 0
    tally: Tally = field(default_factory=Tally)  # training loss and accuracy of this epoch so far
    extra: dict[str, Any] = field(default_factory=dict)  # what decisions and selection remember (plain data, tensors)

    @property
    def earlier(self) -> list[dict[str, list]]:
        """The scores that earlier stages ended with, for methods of several stages (StacNAS)."""
        return self.extra.get("earlier", [])

    @property
    def stage_epoch(self) -> int:
        """Epochs since the current stage began; the same as `epoch` in the first."""
        return self.epoch - self.extra.get("begun", 0)

    @property
    def batch_size(self) -> int:
        """That of the config, unless something made it grow (SGAS)."""
        return self.extra.get("batch_size", self.config.batch_size)

    @property
    def steps_per_epoch(self) -> int:
        """Training batches of one pass, the last one possibly smaller."""
        return n_batches(len(self.train), self.batch_size)

    @property
    def lr(self) -> float | Tensor:
        """The current learning rate of the weights; on a GPU that replays steps a tensor, which replays read."""
        return self.weight_optimizer.param_groups[0]["lr"]

    def set_lr(self, value: float) -> None:
        """For the steps to come, replayed ones included."""
        for group in self.weight_optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(value)
            else:
                group["lr"] = value

    def autocast(self) -> AbstractContextManager:
        """The config's precision, for a `with`."""
        return autocast(self.train.images.device, self.config.precision)

    def logits(self, images: Images, weights: Weights) -> Logits:
        """float32 logits under the config's precision; closed candidates cost nothing."""
        with self.autocast():
            return _at_least_float32(self.net(images, weights, open=self.relaxation.is_open()))

    def loss(self, batch: Batch, weights: Weights) -> Scalar:
        """Mean cross entropy of a batch."""
        return F.cross_entropy(self.logits(batch[0], weights), batch[1])

    def loss_at(self, params: dict[str, Tensor], batch: Batch) -> Scalar:
        """The loss at other weights, by name; differentiable in them and in alpha.

        Buffers are copies: statistics of weights that are never taken stay out of the network.
        """
        buffers = {name: buffer.clone() for name, buffer in self.net.named_buffers()}
        with self.autocast():
            closed = {"open": self.relaxation.is_open()}
            logits = functional_call(self.net, (params, buffers), (batch[0], self.relaxation()), closed)
        return F.cross_entropy(_at_least_float32(logits), batch[1])

    def weights(self) -> dict[str, Tensor]:
        """The mixing weights as constants, for whoever does not learn alpha; single cells may have their own."""
        with torch.no_grad():
            return self.relaxation() | self.extra.get("cell_weights", {})

    def batches(self, part: Split, purpose: str, epoch: int, *, start: int = 0, augment: bool = True):
        """Shuffled, augmented batches of one pass, from batch `start` on."""
        c = self.config
        how = Augment(crop_padding=0, flip=False, side=c.side)
        if augment:
            how = Augment(c.crop_padding, c.flip, c.cutout, c.policy, crop=c.crop, side=c.side)
        check_shares(len(part), self.batch_size)
        whole = batches(
            part,
            self.batch_size,
            mean=self.data.mean,
            std=self.data.std,
            seed=c.seed,
            purpose=purpose,
            epoch=epoch,
            augment=how,
            start=start,
        )
        return map(share, whole)

    def state_dict(self) -> dict[str, Any]:
        """Plain containers and tensors: loads with weights_only=True.

        Raises FloatingPointError if the loss has stopped being a number: such a state is not worth keeping.
        """
        self.tally.check(self.epoch, self.step, self.lr)
        return {
            "net": self.net.state_dict(),
            "relaxation": self.relaxation.state_dict(),
            "weight_optimizer": self.weight_optimizer.state_dict(),
            "alpha_optimizer": self.alpha_optimizer and self.alpha_optimizer.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "tally": self.tally.sums,
            "extra": self.extra,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken. Raises RuntimeError naming the keys if the networks differ."""
        for scores in saved["extra"].get("earlier", [])[len(self.earlier) :]:
            self.advance(scores)
        self.net.load_state_dict(saved["net"])
        self.relaxation.load_state_dict(saved["relaxation"])
        self.weight_optimizer.load_state_dict(_for_graphs(saved["weight_optimizer"], self.weight_optimizer))
        if self.alpha_optimizer is not None:
            self.alpha_optimizer.load_state_dict(_for_graphs(saved["alpha_optimizer"], self.alpha_optimizer))
        self.epoch, self.step = int(saved["epoch"]), int(saved["step"])
        self.tally.sums.copy_(saved["tally"])
        self.extra = dict(saved["extra"])

    def copied(self) -> SearchState:
        """An independent state at the same point; only the images are shared."""
        fresh = begin(self.method, self.data, self.config)
        saved = copy.deepcopy(self.state_dict())
        fresh.extra = saved["extra"]
        fresh.load_state_dict(saved)
        return fresh

    def advance(self, scores: dict[str, list]) -> None:
        """Become the fresh state of the method's next stage, which is chosen by the scores of this one."""
        extra = {"earlier": [*self.earlier, scores], "begun": self.epoch}
        cells = self.config.second_stage_cells or self.config.cells
        fresh = begin(self.method.then(self.method, scores), self.data, replace(self.config, cells=cells))
        for name in (f.name for f in fields(self) if f.name not in ("epoch", "extra")):
            setattr(self, name, getattr(fresh, name))
        self.extra = extra


def _for_graphs(saved: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """A saved optimiser with the settings of this one, which may keep rate and step count on the device."""
    pairs = zip(saved["param_groups"], optimizer.param_groups, strict=True)
    return saved | {"param_groups": [own | {"params": group["params"]} for group, own in pairs]}


def _at_least_float32(logits: Logits) -> Logits:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def begin(method, data: Data, config: SearchConfig) -> SearchState:
    """A fresh state of `method` (see nasnb.methods) on the device of `data`."""
    data.check()
    keep_freed_memory()
    train, valid = parts(data.train, config)
    device = data.train.images.device
    stem = {} if config.stem == "cifar" else {"stem": config.stem}
    with seeded(config.seed, "weights"):
        net = method.space.supernet(
            channels=config.channels,
            cells=config.cells,
            classes=data.n_classes,
            mix=method.mix,
            image_channels=data.image_size[0],
            **stem,
        )
    net = net.to(device, memory_format=torch.channels_last)
    relaxation = Relaxation(method.space.choices, method.relax, std=config.alpha_init_std, seed=config.seed).to(device)
    return SearchState(
        method,
        net,
        relaxation,
        sgd(net, config),
        adam(relaxation, config),
        config,
        data,
        train,
        valid,
        tally=Tally(device),
    )


def parts(images: Split, config: SearchConfig) -> tuple[Split, Split]:
    """What trains the weights, and what trains alpha or validates."""
    if config.train_images is not None:
        images = images.take(torch.arange(min(config.train_images, len(images))))
    if config.train_fraction == 1:
        return images, images.take(slice(0, 0))
    train, valid = split(images, config.train_fraction, shuffled=config.shuffled_split, seed=config.seed)
    if min(len(train), len(valid)) < 2:
        raise ValueError(
            f"train_fraction={config.train_fraction} of {len(images)} images leaves {len(train)} to train on and "
            f"{len(valid)} to validate on: take more images, or another fraction, so that both have two"
        )
    return train, valid


def sgd(net: nn.Module, config: SearchConfig) -> torch.optim.Optimizer:
    """The weights' optimiser. Where steps are replayed, its learning rate is on the device, for replays to read."""
    like = next(net.parameters())
    how = {"momentum": config.momentum, "weight_decay": config.weight_decay}
    if config.capture and like.is_cuda:
        return ReplayedSGD(net.parameters(), like.new_tensor(config.lr), **how)
    return torch.optim.SGD(net.parameters(), config.lr, **how)


def adam(relaxation: Relaxation, config: SearchConfig) -> torch.optim.Optimizer | None:
    """Alpha's and beta's optimiser (weight decay is added to the gradient); None where nothing is learnt."""
    if not relaxation.rule.learns:
        return None
    on_gpu = next(relaxation.parameters()).is_cuda
    return torch.optim.Adam(
        relaxation.parameters(),
        config.alpha_lr,
        betas=config.alpha_betas,
        weight_decay=config.alpha_weight_decay,
        capturable=config.capture and on_gpu,
    )
