"""Training of a final network: `for epoch in train(net, data, config)`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from scipy.stats import beta
from torch import Tensor

from nasnb.architecture import Genotype
from nasnb.config import TrainConfig
from nasnb.data import Augment, Data, Split, batches, n_batches
from nasnb.device.allocator import keep_freed_memory
from nasnb.device.cuda_graph import captured
from nasnb.device.distributed import average_gradients, check_shares, share
from nasnb.device.precision import autocast, computing
from nasnb.evaluation import Score, Tally, evaluate, statistics
from nasnb.limits import decisive
from nasnb.randomness import reseed, seeded
from nasnb.schedules import drop_path_probability, learning_rate
from nasnb.supernet.memory import explained
from nasnb.supernet.network import Network


@dataclass
class TrainState:
    """A training in progress; epoch and step say what comes next, both counted from 0."""

    net: Network
    optimizer: torch.optim.Optimizer
    config: TrainConfig
    data: Data
    train: Split
    epoch: int = 0
    step: int = 0
    tally: Tally = field(default_factory=Tally)

    @property
    def steps_per_epoch(self) -> int:
        """Training batches of one pass, the last one possibly smaller."""
        return n_batches(len(self.train), self.config.batch_size)

    def logits(self, images: Tensor) -> Tensor:
        """float32 logits of the main head under the config's precision."""
        with autocast(images.device, self.config.precision):
            return self.net(images).float()

    def state_dict(self) -> dict[str, Any]:
        """Plain containers and tensors: loads with weights_only=True.

        Raises FloatingPointError if the loss has stopped being a number: such a state is not worth keeping.
        """
        self.tally.check(self.epoch, self.step, learning_rate(self.config, self.epoch))
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "tally": self.tally.sums,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.net.load_state_dict(saved["net"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.epoch, self.step = int(saved["epoch"]), int(saved["step"])
        self.tally.sums.copy_(saved["tally"])


@dataclass(frozen=True)
class TrainEpoch:
    """A finished epoch: scores on the training batches (augmented, before each step) and on the test set."""

    number: int  # from 1
    train: Score
    test: Score
    lr: float
    seconds: float
    state: TrainState

    def row(self) -> dict[str, float]:
        """The epoch as a line of the history table."""
        return {
            "epoch": self.number,
            "train_loss": self.train.loss,
            "train_accuracy": self.train.accuracy,
            "valid_loss": self.test.loss,
            "valid_accuracy": self.test.accuracy,
            "lr": self.lr,
            "seconds": self.seconds,
        }


def prepare(space, genotype: Genotype, data: Data, config: TrainConfig, **network: Any) -> TrainState:
    """A fresh final network of `genotype` on the device of `data`, ready to train.

    Raises ValueError for images that are smaller than what the config wants the network to see.
    """
    data.check()
    Augment(side=config.side).seen(*data.image_size[1:])
    keep_freed_memory()
    if config.stem != "cifar":  # which every space has
        network = {"stem": config.stem, **network}
    with seeded(config.seed, "weights"):
        net = space.network(
            genotype,
            channels=config.channels,
            cells=config.cells,
            classes=data.n_classes,
            auxiliary=config.auxiliary_weight > 0,
            image_channels=data.image_size[0],
            **network,
        )
    device = data.train.images.device
    net = net.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        net.parameters(),
        config.lr,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
    )
    images = data.train
    if config.train_images is not None:
        images = images.take(torch.arange(min(config.train_images, len(images))))
    return TrainState(net, optimizer, config, data, images, tally=Tally(device))


def train(state: TrainState, *, on_step: Callable[[TrainState], None] | None = None) -> Iterator[TrainEpoch]:
    """Train to the last epoch of the config, yielding each; a loaded state goes on where it stopped.

    The reported number of DARTS is the test error of the last epoch; no best epoch is picked here, see `reported`.
    Raises FloatingPointError when the loss stops being a number, MemoryError when the device is too small.

    >>> from nasnb import GENOTYPES, METHODS, SPACES, train
    >>> from nasnb.config import scaled
    >>> from nasnb.data import load
    >>> from nasnb.training import prepare
    >>> config = scaled(METHODS["darts-1st"].training, "smoke", epochs=1, train_images=64)
    >>> state = prepare(SPACES["darts"], GENOTYPES["DARTS_V2"], load("fashion-sample").resized(16), config)
    >>> [0 <= epoch.test.accuracy <= 100 for epoch in train(state)]
    [True]
    """
    while state.epoch < state.config.epochs:
        started = time.perf_counter()
        precision = computing(state.config.precision)
        with seeded(state.config.seed, "train", state.epoch), precision, explained(state):
            _train_epoch(state, on_step)
        scores = state.tally.score()
        with statistics(state.net, "running"):
            test = evaluate(state.logits, state.data.test, state.data, batch_size=256, side=state.config.side)
        lr, state.epoch, state.step = state.optimizer.param_groups[0]["lr"], state.epoch + 1, 0
        state.tally.sums.zero_()
        yield TrainEpoch(state.epoch, scores, test, lr, time.perf_counter() - started, state)


class Reported(NamedTuple):
    """The two numbers that papers call test error, in percent; the best epoch is chosen by the test set itself."""

    last: float
    best: float
    best_epoch: int


def reported(history: Sequence[Mapping[str, float]]) -> Reported:
    """Of the rows of a training's history. DARTS reports the last epoch, sharpDARTS and StacNAS the best."""
    best = max(history, key=lambda row: decisive(row["valid_accuracy"], f"the accuracy of epoch {row['epoch']}"))
    return Reported(100 - history[-1]["valid_accuracy"], 100 - best["valid_accuracy"], int(best["epoch"]))


class Proportion(NamedTuple):
    """Accuracy on a test set, in percent, with the ends of its Clopper-Pearson interval."""

    accuracy: float
    low: float
    high: float
    n: int

    def error(self) -> str:
        """The error in words: `10.0 % [8.7, 11.4]`."""
        return f"{100 - self.accuracy:.1f} % [{100 - self.high:.1f}, {100 - self.low:.1f}]"


def clopper_pearson(correct: int, n: int, *, level: float = 0.95) -> Proportion:
    """The exact interval of a proportion: it holds the true one with at least the probability `level`."""
    if not 0 <= correct <= n or n == 0:
        raise ValueError(f"{correct} of {n}: correct answers must lie between 0 and a positive number of images")
    tail = (1 - level) / 2
    low = beta.ppf(tail, correct, n - correct + 1) if correct else 0.0
    high = beta.ppf(1 - tail, correct + 1, n - correct) if correct < n else 1.0
    return Proportion(100 * correct / n, 100 * float(low), 100 * float(high), n)


def accuracy_on(state: TrainState, split: Split | None = None) -> Proportion:
    """Of the trained network on the test images, or on another split of the same classes, such as CIFAR-10.1."""
    split = state.data.test if split is None else split
    with statistics(state.net, "running"):
        score = evaluate(state.logits, split, state.data, side=state.config.side)
    return clopper_pearson(round(score.accuracy * len(split) / 100), len(split))


def _train_epoch(state: TrainState, on_step: Callable[[TrainState], None] | None) -> None:
    c = state.config
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(c, state.epoch)
    augment = Augment(c.crop_padding, c.flip, c.cutout, c.policy, crop=c.crop, side=c.side, jitter=c.jitter)
    state.net.train()
    update = captured(lambda state, batch, _: _update(state, *batch), state)
    check_shares(len(state.train), c.batch_size)
    for whole in batches(
        state.train,
        c.batch_size,
        mean=state.data.mean,
        std=state.data.std,
        seed=c.seed,
        purpose="train",
        epoch=state.epoch,
        augment=augment,
        start=state.step,
    ):
        reseed(c.seed, "step", state.epoch, state.step)
        images, labels = share(whole)
        loss, logits = update(state, (images, labels), None)
        state.tally.add(loss, logits, labels)
        state.step += 1
        if on_step is not None:
            on_step(state)
    state.tally.check(state.epoch, state.step, learning_rate(c, state.epoch))


def _update(state: TrainState, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    c, net = state.config, state.net
    drop_path = drop_path_probability(c, state.epoch)
    with autocast(images.device, c.precision):
        if net.auxiliary is None:
            logits, auxiliary = net(images, drop_path=drop_path), None
        else:
            logits, auxiliary = net.with_auxiliary(images, drop_path=drop_path)
    loss = F.cross_entropy(logits.float(), labels, label_smoothing=c.label_smoothing)
    if auxiliary is not None:
        extra = F.cross_entropy(auxiliary.float(), labels, label_smoothing=c.label_smoothing)
        loss = loss + c.auxiliary_weight * extra
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    average_gradients(net)
    if c.clip is not None:
        torch.nn.utils.clip_grad_norm_(net.parameters(), c.clip)
    state.optimizer.step()
    return loss.detach(), logits.detach()
