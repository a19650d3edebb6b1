"""A searched network inside torchvision's SSD, what it costs, and its training."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasnb.architecture import Genotype
from nasnb.data import Data
from nasnb.randomness import generator, seeded
from nasnb.spaces import Space
from nasnb.supernet.counts import Counts, count
from nasnb.supernet.network import Network
from nasnb.transfer.images import Scenes, Target
from nasnb.transfer.scoring import ANY, Areas, average_precision, thirds


@dataclass(frozen=True)
class DetectConfig:
    """A detector and its training. Input size and backbone are the paper's; all else is a choice of ours."""

    side: int = 320  # of the square input, in pixels
    channels: int = 48
    cells: int = 14
    extra: tuple[int, ...] = (512, 256, 256, 128)  # channels of the layers after the backbone, each half as wide
    epochs: int = 60
    batch_size: int = 24
    seed: int = 0
    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 4e-5
    clip: float = 5.0


# --- the network -----------------------------------------------------------------------------------------------------


class Pyramid(nn.Module):
    """Maps at a sixteenth and a thirty-second of the image from a final network, then ever smaller ones.

    The first is the last map before the second reduction cell, the second the network's last.
    """

    def __init__(self, net: Network, extra: Sequence[int], image_channels: int):
        super().__init__()
        self.net, net.head, net.auxiliary = net, nn.Identity(), None
        self.tap = net.auxiliary_after  # the block number of the second reduction cell
        net.eval()  # looking at the widths must not move the statistics
        with torch.no_grad():
            widths = [y.shape[1] for y in self._taps(torch.zeros(1, image_channels, 64, 64))] + list(extra)
        net.train()
        self.extra = nn.ModuleList(_halving(a, b) for a, b in zip(widths[1:], extra, strict=False))
        self.out_channels = widths

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        maps = list(self._taps(images))
        for layer in self.extra:
            maps.append(layer(maps[-1]))
        return OrderedDict((str(i), y) for i, y in enumerate(maps))

    def _taps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        routed = self.net.route(None)
        states = self.net.features(self.net.stem(images), routed, stop=self.tap)
        return F.relu(states[1]), F.relu(self.net.features(states, routed, start=self.tap)[1])


def _halving(channels_in: int, channels_out: int) -> nn.Sequential:
    """A bottleneck, then a separable convolution with stride 2."""
    middle = channels_out // 2
    kernels = [(channels_in, middle, 1, 1, 1), (middle, middle, 3, 2, middle), (middle, channels_out, 1, 1, 1)]
    layers: list[nn.Module] = []
    for a, b, kernel, stride, groups in kernels:
        conv = nn.Conv2d(a, b, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
        layers += [conv, nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers)


def detector(
    space: Space, genotype: Genotype, config: DetectConfig, *, classes: int, mean: Sequence[float], std: Sequence[float]
) -> nn.Module:
    """torchvision's SSD on the final network of `genotype`, for so many classes besides the background.

    `mean` and `std` are the images' statistics, one per channel. Six default boxes per location, as in SSDLite.
    Raises ImportError without torchvision.
    """
    try:
        from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
        from torchvision.models.detection.ssd import SSD
        from torchvision.models.detection.ssdlite import SSDLiteHead
    except ImportError as error:
        raise ImportError(f"detection needs torchvision ({error}); pip install torchvision") from None

    with seeded(config.seed, "detector"):
        net = space.network(
            genotype, channels=config.channels, cells=config.cells, classes=2, stem="imagenet", image_channels=len(mean)
        )
        pyramid = Pyramid(net, config.extra, len(mean))
        boxes = DefaultBoxGenerator([[2, 3]] * len(pyramid.out_channels), min_ratio=0.2, max_ratio=0.95)
        norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.03)
        head = SSDLiteHead(pyramid.out_channels, boxes.num_anchors_per_location(), classes + 1, norm)
        return SSD(pyramid, boxes, (config.side, config.side), classes + 1, list(mean), list(std), head)


def detector_counts(space: Space, genotype: Genotype, config: DetectConfig, *, classes: int) -> dict[str, Counts]:
    """Parameters and multiply-adds of one image: the backbone by both ways of counting, then extra layers and heads.

    The backbone counts with its classifier of 1,000 classes, as the paper's 1.2 B must have been.
    """
    size = (3, config.side, config.side)
    net = space.network(genotype, channels=config.channels, cells=config.cells, classes=1000, stem="imagenet")
    parts = {f"backbone, {how}": count(net, size, how=how) for how in ("layers", "elementwise")}
    bare = count(Pyramid(net, (), 3), size)
    ssd = detector(space, genotype, config, classes=classes, mean=(0.5,) * 3, std=(0.25,) * 3)
    whole = count(nn.Sequential(ssd.backbone, _Heads(ssd.head)), size)
    return parts | {"extra layers and heads": Counts(*(a - b for a, b in zip(whole, bare, strict=True)))}


class _Heads(nn.Module):
    """SSD's heads on what a pyramid gives."""

    def __init__(self, head: nn.Module):
        super().__init__()
        self.head = head

    def forward(self, maps: OrderedDict[str, Tensor]) -> dict[str, Tensor]:
        return self.head(list(maps.values()))


# --- training --------------------------------------------------------------------------------------------------------


def train_detector(net: nn.Module, data: Scenes, config: DetectConfig) -> Iterator[dict[str, float]]:
    """Train by SGD with a cosine schedule; yields each epoch's mean losses: epoch, box_loss, class_loss."""
    optimizer = torch.optim.SGD(net.parameters(), config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
    steps = -(-len(data) // config.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.epochs * steps)
    net.train()
    for epoch in range(config.epochs):
        order = torch.randperm(len(data), generator=generator(config.seed, "detection order", epoch))
        sums = torch.zeros(2)
        for rows in order.split(config.batch_size):
            losses = net(*_batch(data, rows.tolist()))
            loss = sum(losses.values())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), config.clip)
            optimizer.step()
            schedule.step()
            sums += torch.stack(list(losses.values())).detach().cpu() / steps
        yield {"epoch": epoch + 1, "box_loss": float(sums[0]), "class_loss": float(sums[1])}


def _batch(data: Scenes, rows: Sequence[int]) -> tuple[list[Tensor], list[Target]]:
    return [data.images[row].float() / 255 for row in rows], [data.targets[row] for row in rows]


@torch.no_grad()
def detect(net: nn.Module, data: Scenes, *, batch_size: int = 32) -> list[Target]:
    """What the detector finds on each image: boxes, labels, scores, on the CPU."""
    net.eval()
    found = []
    for rows in torch.arange(len(data)).split(batch_size):
        found += [{name: value.cpu() for name, value in each.items()} for each in net(_batch(data, rows.tolist())[0])]
    return found


def tried_detector(
    space: Space, genotype: Genotype, config: DetectConfig, data: Data, train: Scenes, test: Scenes
) -> dict[str, Any]:
    """A detector trained on scenes made of `data`: its precision on other scenes, and what it finds on the first eight.

    precision: average precision in percent, the mean over overlaps of 0.5, 0.55, ..., 0.95; at 0.5 and 0.75; and that
    mean for the small, medium and large third of the true objects.
    """
    net = detector(space, genotype, config, classes=data.n_classes, mean=data.mean, std=data.std)
    net = net.to(train.images.device)
    for _ in train_detector(net, train, config):
        pass
    boxes = detect(net, test)

    def at_overlaps(areas: Areas) -> dict[int, float]:
        overlaps = range(50, 100, 5)
        return {iou: average_precision(boxes, test.targets, iou=iou / 100, areas=areas) for iou in overlaps}

    whole = at_overlaps(ANY)
    by_size = {name: _mean(at_overlaps(areas)) for name, areas in thirds(test.targets).items()}
    return {
        "precision": {"mean": _mean(whole), "0.5": whole[50], "0.75": whole[75]} | by_size,
        "found": [{name: value.tolist() for name, value in each.items()} for each in boxes[:8]],
    }


def _mean(precisions: dict[int, float]) -> float:
    return sum(precisions.values()) / len(precisions)
