"""VGG and ResNet for small images: the hand-made networks that Table 1 of DARTS-PT holds beside the supernet.

The paper does not name them; VGG-16 with BatchNorm and ResNet-56 are the usual ones for 32 x 32 pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from nasnb.config import TrainConfig
from nasnb.data import Data
from nasnb.evaluation import Tally
from nasnb.randomness import seeded
from nasnb.supernet.shapes import Images, Logits, Maps, NewMaps
from nasnb.training import TrainState

RECIPE = TrainConfig(
    epochs=200, batch_size=128, lr=0.1, weight_decay=5e-4, clip=None, cutout=0, drop_path=0.0, auxiliary_weight=0.0
)


class Stack(nn.Module):
    """Layers in stages, between which the resolution halves; what `nasnb.training` trains."""

    auxiliary = None

    def __init__(self, stages: Sequence[Sequence[nn.Module]], channels: int, classes: int):
        super().__init__()
        self.stages = nn.ModuleList(nn.ModuleList(stage) for stage in stages)
        self.linear = nn.Linear(channels, classes)

    def forward(self, images: Images, *, drop_path: float = 0.0) -> Logits:
        x = images
        for stage in self.stages:
            for layer in stage:
                x = layer(x)
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


class ConvLayer(nn.Sequential):
    """3 x 3 convolution, BatchNorm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__(
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU()
        )
        self.keeps_shape = channels_in == channels_out


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut; where the shape changes, the shortcut is a 1 x 1 convolution."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1):
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.keeps_shape = stride == 1 and channels_in == channels_out
        self.shortcut = (
            nn.Identity()
            if self.keeps_shape
            else nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
            )
        )

    def forward(self, x: Maps) -> NewMaps:
        return F.relu(self.path(x) + self.shortcut(x))


def vgg16(*, classes: int, channels: int = 64, image_channels: int = 3) -> Stack:
    """Thirteen convolutions in five stages; the last three stages have layers to swap: 2, 2 and 3."""
    stages, before = [], image_channels
    for factor, layers in ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3)):
        width = factor * channels
        stage = [ConvLayer(before if i == 0 else width, width) for i in range(layers)]
        stages.append([*stage, nn.MaxPool2d(2, ceil_mode=True)])  # so that 16 pixels last for five stages
        before = width
    return Stack(stages, before, classes)


def resnet(*, classes: int, depth: int = 56, channels: int = 16, image_channels: int = 3) -> Stack:
    """Three stages of (depth - 2) / 6 residual blocks; the first of stages two and three halves the resolution."""
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth={depth}: a ResNet for small images has 6 n + 2 layers: 8, 14, 20, 32, 44, 56, 110")
    n = (depth - 2) // 6
    stages: list[list[nn.Module]] = [
        [
            ResidualBlock(
                channels * (width // 2 if i == 0 and width > 1 else width),
                channels * width,
                2 if i == 0 and width > 1 else 1,
            )
            for i in range(n)
        ]
        for width in (1, 2, 4)
    ]
    stem = ConvLayer(image_channels, channels)
    stem.keeps_shape = False  # no block, even for images of as many channels
    stages[0].insert(0, stem)
    return Stack(stages, 4 * channels, classes)


def prepare_stack(build: Callable[..., Stack], data: Data, config: TrainConfig = RECIPE) -> TrainState:
    """A fresh network on the device of `data`, ready for `training.train`.

    `build` is `vgg16`, `resnet`, or one of another size: `partial(resnet, depth=20)`. `config.channels` is not used.
    """
    data.check()
    with seeded(config.seed, "weights"):
        net = build(classes=data.n_classes, image_channels=data.image_size[0])
    device = data.train.images.device
    net = net.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
    images = data.train
    if config.train_images is not None:
        images = images.take(torch.arange(min(config.train_images, len(images))))
    return TrainState(net, optimizer, config, data, images, tally=Tally(device))
