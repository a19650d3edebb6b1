"""Learning rates and drop-path probabilities as functions of the epoch: closed forms, nothing to step or to save."""

from __future__ import annotations

import math

from nasnb.config import SearchConfig, TrainConfig


def cosine(step: float, total: float, lr_max: float, lr_min: float = 0.0) -> float:
    """Half a cosine from lr_max at step 0 to lr_min at `total` (SGDR without restarts)."""
    return lr_min + (lr_max - lr_min) * (1 + math.cos(math.pi * step / total)) / 2


def cosine_power(step: float, total: float, lr_max: float, lr_min: float = 0.0, power: float = 10.0) -> float:
    """Cosine power annealing, sharpDARTS equation 2; power 1 is the cosine itself.

    Raises ValueError for a power under 1, which would decay slower than the cosine.
    """
    if power < 1:
        raise ValueError(f"power={power}: cosine power annealing needs a power of at least 1 (1 is plain cosine)")
    c = (1 + math.cos(math.pi * step / total)) / 2
    # (p^c - 1) / (p - 1) is equation 2 divided by p; expm1 keeps it exact for powers near 1
    share = c if power == 1 else math.expm1(c * math.log(power)) / math.expm1(math.log(power))
    return lr_min + (lr_max - lr_min) * share


def search_lr(config: SearchConfig, epoch: int) -> float:
    """Learning rate of the weights in a search epoch, counted from 0."""
    return cosine(epoch, config.epochs, config.lr, config.lr_min)


def train_lr(config: TrainConfig, epoch: int) -> float:
    """Learning rate of a training epoch, counted from 0; `warmup_epochs` rise linearly to the peak first."""
    warm = config.warmup_epochs
    if epoch < warm:
        return config.lr * (epoch + 1) / warm
    if config.schedule == "cosine":
        return cosine(epoch - warm, config.epochs - warm, config.lr, config.lr_min)
    if config.schedule == "cosine_power":
        return cosine_power(epoch - warm, config.epochs - warm, config.lr, config.lr_min, config.power)
    if config.schedule == "linear":
        return config.lr_min + (config.lr - config.lr_min) * (config.epochs - epoch) / (config.epochs - warm)
    if config.schedule == "exponential":
        return config.lr * config.decay ** (epoch - warm)
    raise ValueError(f"unknown schedule {config.schedule!r}; schedules: cosine, cosine_power, linear, exponential")


def drop_path_probability(config: TrainConfig, epoch: int) -> float:
    """Grows linearly with the epoch from 0, as in the official code of DARTS."""
    return config.drop_path * epoch / config.epochs
