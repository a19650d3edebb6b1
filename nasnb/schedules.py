"""Learning rates and drop-path probabilities as functions of the epoch: closed forms, nothing to step or to save."""

from __future__ import annotations

import math

from nasnb.config import SearchConfig, TrainConfig
from nasnb.limits import SCHEDULES, nearest

LAST_EPOCHS = 5  # of the linear schedule of PC-DARTS on ImageNet


def cosine(step: float, total: float, lr_max: float, lr_min: float = 0.0) -> float:
    """Half a cosine from lr_max at step 0 to lr_min at `total` (SGDR without restarts)."""
    return lr_min + (lr_max - lr_min) * (1 + math.cos(math.pi * step / total)) / 2


def cosine_power(step: float, total: float, lr_max: float, lr_min: float = 0.0, power: float = 10.0) -> float:
    """Cosine power annealing, sharpDARTS equation 2; power 1 is the cosine itself.

    Raises ValueError for a power under 1, which would decay slower than the cosine, and for an infinite one.
    """
    if not 1 <= power < math.inf:
        raise ValueError(
            f"power={power}: cosine power annealing needs a power of at least 1 (1 is plain cosine) and below infinity"
        )
    c = (1 + math.cos(math.pi * step / total)) / 2
    # (p^c - 1) / (p - 1) is equation 2 divided by p; expm1 keeps it exact for powers near 1
    share = c if power == 1 else math.expm1(c * math.log(power)) / math.expm1(math.log(power))
    return lr_min + (lr_max - lr_min) * share


def cosine_power_code(epoch: int, config: SearchConfig | TrainConfig) -> float:
    """Cosine power annealing as the code of sharpDARTS counts: its first epoch is 1, not 0.

    The curve is stretched to meet both ends exactly. Of W warm-up epochs, the first W + 1 rise linearly to the peak and
    the curve, which has begun meanwhile, goes on from its second step.
    """
    number, warm = epoch + 1, config.warmup_epochs
    if warm and number <= warm + 1:
        share = number / (warm + 1)
    else:
        total = config.epochs - warm
        values = [cosine_power(t, total, 1.0, 0.0, config.power) for t in range(1 - warm, total + 1)]
        low, high = min(values), max(values)
        share = (values[epoch] - low) / (high - low) if high > low else 1.0  # a single epoch
    return config.lr_min + (config.lr - config.lr_min) * share


def linear(epoch: int, config: SearchConfig | TrainConfig) -> float:
    """PC-DARTS on ImageNet: straight down, aiming at 0 five epochs before the end, then a last small slope to 0.

    Counted from epoch 0, also where a warm-up replaces the first epochs.
    """
    left, span = config.epochs - epoch, config.epochs - LAST_EPOCHS
    share = (left - LAST_EPOCHS) / span if left > LAST_EPOCHS else left / (LAST_EPOCHS * max(1, span))
    return config.lr_min + (config.lr - config.lr_min) * share


def learning_rate(config: SearchConfig | TrainConfig, epoch: int) -> float:
    """Of the weights in an epoch, counted from 0; `warmup_epochs` rise linearly to the peak first."""
    warm, total = config.warmup_epochs, config.epochs - config.warmup_epochs
    match config.schedule:
        case "cosine_power_code":
            return cosine_power_code(epoch, config)
        case _ if epoch < warm:
            return config.lr * (epoch + 1) / warm
        case "cosine":
            return cosine(epoch - warm, total, config.lr, config.lr_min)
        case "cosine_power":
            return cosine_power(epoch - warm, total, config.lr, config.lr_min, config.power)
        case "linear":
            return linear(epoch, config)
        case "exponential":
            return config.lr * config.decay ** (epoch - warm)
    known = f"{nearest(config.schedule, SCHEDULES)}; schedules: {', '.join(SCHEDULES)}"
    raise ValueError(f"unknown schedule {config.schedule!r}{known}")


def drop_path_probability(config: TrainConfig, epoch: int) -> float:
    """Grows linearly with the epoch from 0, as in the official code of DARTS."""
    return config.drop_path * epoch / config.epochs
