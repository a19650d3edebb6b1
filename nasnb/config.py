"""Every number of a run, by name. Methods hold their paper's values; presets scale them down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from nasnb.limits import check_fields, nearest


def _later(default: Any) -> Any:
    """A number that was added when runs had been kept: at its default it does not name a run, so they keep theirs."""
    return field(default=default, metadata={"later": True})


@dataclass(frozen=True)
class SearchConfig:
    """A search. The defaults are DARTS on CIFAR-10 (paper, section 3.1; where it is silent, its code)."""

    epochs: int = 50
    batch_size: int = 64
    channels: int = 16
    cells: int = 8
    seed: int = 0
    train_images: int | None = None  # use only so many training images; None: all of them
    train_fraction: float = 0.5  # of those, the part that trains weights; the rest trains alpha or validates
    shuffled_split: bool = False  # False: first part, second part, as the official code
    lr: float = 0.025
    lr_min: float = 0.001  # the paper anneals to 0; every official code to 0.001
    schedule: str = "cosine"  # or "cosine_power", "cosine_power_code"
    power: float = 2.0  # of cosine_power (sharpDARTS, equation 2)
    warmup_epochs: int = 0  # in which the learning rate rises
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0  # global gradient norm of the weights
    # factor on the epochs that parts of a method count in (warm-up, decisions, tuning); `scaled` sets it
    pace: float = 1.0
    second_stage_cells: int | None = None  # of methods with two stages; None: as many as in the first
    alpha_lr: float = 3e-4
    alpha_betas: tuple[float, float] = (0.5, 0.999)
    alpha_weight_decay: float = 1e-3
    alpha_clip: float | None = None
    alpha_init_std: float = 1e-3  # the paper starts at exactly 0, its code at 1e-3 * N(0, 1)
    crop_padding: int = 4
    flip: bool = True
    cutout: int = 0  # side of the erased square; 0: none
    policy: str | None = None  # "autoaugment" (the CIFAR-10 policy), "autoaugment-imagenet"
    augment_validation: bool = True  # the official code augments both halves
    validate_with: str = "running"  # BatchNorm statistics for the logged accuracy: "running" or "batch"
    stem: str = "cifar"  # or "imagenet", which reduces images to an eighth first
    precision: str = "float32"  # or "tf32", "bf16"
    capture: bool = False  # on a GPU, record a training step as a CUDA graph and replay it; seen on one kind of card
    crop: str = _later("padded")  # or "resized": a random part of the image, scaled to `side`
    side: int | None = _later(None)  # of what the network sees; None: that of the images

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class TrainConfig:
    """The training of a final network. The defaults are DARTS on CIFAR-10 (paper, section 3.2)."""

    epochs: int = 600
    batch_size: int = 96
    channels: int = 36
    cells: int = 20
    seed: int = 0
    train_images: int | None = None
    lr: float = 0.025
    lr_min: float = 0.0
    schedule: str = "cosine"  # "cosine", "cosine_power", "cosine_power_code", "linear" or "exponential"
    power: float = 10.0  # of cosine_power (sharpDARTS, equation 2)
    decay: float = 0.97  # of exponential, per epoch (the ImageNet recipe of DARTS)
    warmup_epochs: int = 0
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 3e-4
    clip: float | None = 5.0
    drop_path: float = 0.2  # final probability; it grows linearly from 0
    auxiliary_weight: float = 0.4  # 0: no auxiliary head
    label_smoothing: float = 0.0
    crop_padding: int = 4
    flip: bool = True
    cutout: int = 16
    policy: str | None = None  # "autoaugment" (the CIFAR-10 policy), "autoaugment-imagenet"
    precision: str = "float32"
    capture: bool = False
    stem: str = _later("cifar")  # or "imagenet", which reduces images to an eighth first
    crop: str = _later("padded")  # or "resized": a random part of the image, scaled to `side`
    side: int | None = _later(None)  # of what the network sees; None: that of the images
    jitter: float = _later(0.0)  # of brightness, contrast and saturation; half as much of the hue

    def __post_init__(self) -> None:
        check_fields(self)


Config = TypeVar("Config", SearchConfig, TrainConfig)

_SHARP = TrainConfig(epochs=2000, batch_size=64, lr_min=1e-8, schedule="cosine_power", power=2.0, policy="autoaugment")

# The papers' final trainings on CIFAR-10. Their methods point here; plain ones are the ablations without AutoAugment.
TRAINING: Mapping[str, TrainConfig] = {
    "darts": TrainConfig(),
    "pc-darts": TrainConfig(batch_size=128, drop_path=0.3),  # its code: 96
    "msr-darts": TrainConfig(drop_path=0.3),  # its code: 0.2
    "sharpdarts": _SHARP,
    "sharpdarts-plain": replace(_SHARP, epochs=1000, policy=None),
    "hypercuboid": replace(_SHARP, batch_size=512, channels=32, lr=0.1, drop_path=0.0, auxiliary_weight=0.0),
    "stacnas": TrainConfig(),
    "stacnas-autoaugment": TrainConfig(epochs=1200, policy="autoaugment"),
    "bench201": TrainConfig(
        epochs=200,
        batch_size=256,
        channels=16,
        cells=5,
        lr=0.1,
        nesterov=True,
        weight_decay=5e-4,
        clip=None,
        drop_path=0.0,
        auxiliary_weight=0.0,
        cutout=0,
    ),
}

_IMAGENET = TrainConfig(
    epochs=250,
    batch_size=128,
    channels=48,
    cells=14,
    lr=0.1,
    schedule="exponential",
    weight_decay=3e-5,
    drop_path=0.0,
    label_smoothing=0.1,
    cutout=0,
    crop_padding=0,
    stem="imagenet",
    crop="resized",
    side=224,
    jitter=0.4,
)

# On ImageNet, mobile setting; of images whose shorter side was scaled to 256.
IMAGENET: Mapping[str, TrainConfig] = {
    "darts": _IMAGENET,
    "pc-darts": replace(_IMAGENET, batch_size=1024, lr=0.5, schedule="linear", warmup_epochs=5),
    # the paper prints a weight decay of 3e-4, but follows DARTS, and its code has 3e-5
    "msr-darts": replace(_IMAGENET, schedule="cosine", warmup_epochs=10),
    "stacnas": _IMAGENET,
    "sharpdarts": replace(
        _IMAGENET,
        epochs=300,
        batch_size=448,
        lr=0.0875,
        lr_min=7.5e-4,
        power=10.0,
        schedule="cosine_power_code",
        warmup_epochs=10,
        weight_decay=1e-4,
        clip=None,
        label_smoothing=0.0,
        cutout=112,  # its code erases two squares, the paper describes one
        policy="autoaugment-imagenet",
        jitter=0.0,
    ),
}

# What a preset changes of a paper's own numbers. The small scales take a few hundred steps where the papers take
# tens of thousands, so alpha gets a larger learning rate there: otherwise it would end where it began.
_SMALL_SEARCH = {"channels": 4, "cells": 3, "second_stage_cells": None, "alpha_lr": 0.01, "side": None}
_SMALL_TRAIN = {
    "cells": 3,
    "cutout": 4,
    "auxiliary_weight": 0.0,  # the head needs larger images
    "side": None,
}
PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "smoke": {
        "data": {"dataset": "fashion-sample", "image_size": 16},
        "search": {**_SMALL_SEARCH, "epochs": 2, "batch_size": 32, "train_images": 128},
        "train": {**_SMALL_TRAIN, "epochs": 1, "batch_size": 32, "channels": 4, "train_images": 128},
    },
    "laptop": {
        "data": {"dataset": "fashion-sample", "image_size": 16},
        "search": {**_SMALL_SEARCH, "epochs": 12, "batch_size": 64, "train_images": 2000},
        "train": {**_SMALL_TRAIN, "epochs": 5, "batch_size": 64, "channels": 8, "train_images": 2000},
    },
    # two CPU cores and some nights: few images and many epochs, so that supernets converge, which the papers speak of
    "overnight": {
        "data": {"dataset": "cifar10", "image_size": 16},
        "search": {
            "channels": 8,
            "cells": 5,
            "second_stage_cells": None,
            "alpha_lr": 3e-3,
            "epochs": 60,
            "batch_size": 64,
            "train_images": 5000,
            "side": None,
        },
        "train": {
            "channels": 8,
            "cells": 5,
            "side": None,
            "cutout": 4,
            "auxiliary_weight": 0.0,
            "epochs": 30,
            "batch_size": 64,
            "train_images": 5000,
        },
    },
    "gpu": {
        "data": {"dataset": "cifar10"},
        "search": {"precision": "bf16"},
        "train": {"epochs": 50, "channels": 16, "cells": 8, "precision": "bf16"},
    },
    "paper": {"data": {"dataset": "cifar10"}, "search": {}, "train": {}},
}


# Seeds of whatever a chapter repeats. Below 3 nothing can be told, and the papers repeat 4 times or less.
_SEEDS = {"smoke": 1, "laptop": 3, "overnight": 8, "gpu": 8, "paper": 4}


def n_seeds(preset: str) -> int:
    """How often a preset repeats a search or a training, each time with another seed."""
    _preset(preset)
    return _SEEDS[preset]


def place(path: str | Path) -> Path:
    """A folder that a parameter names: `~` is the home folder, and a relative one counts from the repository.

    Also for a notebook whose working directory is `notebooks`. Raises ValueError for the home of nobody.
    """
    here = Path.cwd()
    above = [folder.parent for folder in (here, *here.parents) if folder.name == "notebooks"]
    try:
        return (above[-1] if above else here) / Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: {error}") from None


def image_size(preset: str) -> int | None:
    """Side in pixels to which a preset shrinks the images; None leaves them as they are."""
    return _preset(preset)["data"].get("image_size")


def _preset(name: str) -> Mapping[str, Mapping[str, Any]]:
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}{nearest(name, PRESETS)}; presets: {', '.join(PRESETS)}")
    return PRESETS[name]


def changed(config: Config, **changes: Any) -> Config:
    """A copy of `config` with some values replaced; None keeps a value. Refuses unknown names."""
    known = [field.name for field in fields(config)]
    given = {name: value for name, value in changes.items() if value is not None}
    for name in given:
        if name not in known:
            raise ValueError(f"unknown parameter {name!r}{nearest(name, known)}")
    if given.get("epochs") == 0:
        raise ValueError("epochs must lie in [1, inf), got 0: nothing would be learnt")
    return replace(config, **given)


def scaled(config: Config, preset: str, **changes: Any) -> Config:
    """The paper's `config` at the scale of `preset`, then with single values changed (None keeps the preset's).

    With fewer epochs than the paper's, warm-ups shrink along; so do the decisions and the tuning of a search.
    """
    part = "search" if isinstance(config, SearchConfig) else "train"
    smaller = changed(replace(config, **_preset(preset)[part]), **changes)
    share = min(1.0, smaller.epochs / config.epochs)
    paced = {"warmup_epochs": round(config.warmup_epochs * share)}
    if part == "search":
        paced["pace"] = config.pace * share
    return replace(smaller, **{name: value for name, value in paced.items() if changes.get(name) is None})


def to_dict(config: SearchConfig | TrainConfig) -> dict[str, Any]:
    """Plain values, for a record and for a run's name; see `_later`."""
    unused = {f.name for f in fields(config) if f.metadata.get("later") and getattr(config, f.name) == f.default}
    return {name: value for name, value in asdict(config).items() if name not in unused}
