"""What recipes for ImageNet do to pictures, a whole batch at once: random resized crops, and jitter of the colours.

Images are (n, height, width, channels). All is drawn beforehand: uniform numbers on the CPU (`nasnb.data.batches`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

AREA, RATIO, TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10  # those of torchvision, which all official codes use
N_CROP = 2 * TRIES + 2  # uniform numbers per image: areas, ratios, and the place
N_JITTER = 5  # brightness, contrast, saturation, hue; and the order of the four, which a batch shares
CACHED = 2**20  # numbers
GREY = (0.2989, 0.587, 0.114)  # what a pixel's red, green and blue add to its brightness


def crop_boxes(draws: Float[Tensor, "n drawn"], height: int, width: int) -> Int[Tensor, "n 4"]:
    """Top, left, height and width of a random part of each image, whose area and ratio lie in AREA and RATIO.

    Of ten tries the first that fits counts. If none does, the largest part in the middle that has such a ratio.
    """
    area = height * width * (AREA[0] + (AREA[1] - AREA[0]) * draws[:, :TRIES])
    low, high = map(math.log, RATIO)
    ratio = torch.exp(low + (high - low) * draws[:, TRIES : 2 * TRIES])
    sizes = torch.stack([(area / ratio).sqrt(), (area * ratio).sqrt()], dim=2).round().long()  # (n, tries, 2)
    limits = torch.tensor([height, width])
    fits = ((sizes > 0) & (sizes <= limits)).all(dim=2)
    rows = torch.arange(len(draws))
    size = torch.where(fits.any(1, keepdim=True), sizes[rows, fits.int().argmax(1)], _largest(height, width))
    free = limits - size
    corner = torch.where(fits.any(1, keepdim=True), (draws[:, 2 * TRIES :] * (free + 1)).long(), free // 2)
    return torch.cat([corner, size], dim=1)


def _largest(height: int, width: int) -> Int[Tensor, " 2"]:
    ratio = min(max(width / height, RATIO[0]), RATIO[1])
    return torch.tensor([min(height, round(width / ratio)), min(width, round(height * ratio))])


def resized_crops(
    images: UInt8[Tensor, "n height width channels"],
    boxes: Int[Tensor, "n 4"],
    flipped: Bool[Tensor, " n"],
    size: tuple[int, int],
) -> UInt8[Tensor, "n seen_height seen_width channels"]:
    """Each image's box, scaled to `size` (bilinear, smoothed where it shrinks), mirrored where `flipped`.

    Boxes lie on the CPU. Image by image, since boxes of n sizes share no kernel: on a CPU that takes a tenth of the
    time of one grid of sample points for all.
    """
    from torchvision.transforms.v2 import functional as tv  # late: only data and detection need torchvision

    parts = (
        tv.resized_crop(image, *box, list(size)) for image, box in zip(_planes(images), boxes.tolist(), strict=True)
    )
    crops = torch.stack(list(parts)).permute(0, 2, 3, 1)
    return torch.where(flipped[:, None, None, None], crops.flip(2), crops)


def _planes(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2)


def centred(images: Tensor, size: tuple[int, int]) -> Tensor:
    """The part of this height and width in the middle."""
    top, left = ((whole - part) // 2 for whole, part in zip(images.shape[1:3], size, strict=True))
    return images[:, top : top + size[0], left : left + size[1]]


def jittered(
    images: Tensor, draws: Float[Tensor, "n drawn"], strength: float
) -> Float[Tensor, "n height width channels"]:
    """Colours changed by up to `strength` (hue: half of it, of the whole circle); pixels stay within [0, 255].

    Brightness, contrast and saturation are mixed with black, the image's mean grey, and the pixel's grey.
    """
    # on a CPU so many images at a time as its cache holds: half the time
    at_once = max(1, CACHED // images[0].numel()) if images.device.type == "cpu" else len(images)
    order = list(permutations(range(4)))[int(draws[0, 4] * 24)]
    spread = strength * (2 * draws[:, :4].float().to(images.device) - 1)
    pairs = zip(images.split(at_once), spread.split(at_once), strict=True)
    return torch.cat([_jittered(part, by, order) for part, by in pairs])


def _jittered(images: Tensor, spread: Float[Tensor, "n 4"], order: Sequence[int]) -> Tensor:
    x = _planes(images).float().contiguous().div_(255)  # a colour's pixels lie together
    for step in order:
        by = spread[:, step].view(-1, 1, 1, 1)
        if step == 3:
            x = x if x.shape[1] == 1 else _turned(x, by[:, 0] / 2)
            continue
        factor = 1 + by
        if step == 0:
            x.mul_(factor)
        else:
            grey = _grey(x).mean(dim=(1, 2, 3), keepdim=True) if step == 1 else _grey(x)
            x.mul_(factor).add_((1 - factor) * grey)
        x.clamp_(0, 1)
    return x.mul_(255).permute(0, 2, 3, 1).contiguous()


def _grey(x: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n 1 height width"]:
    """A copy for single channels, since x is then changed in place."""
    if x.shape[1] == 1:
        return x.clone()
    return sum(share * x[:, i : i + 1] for i, share in enumerate(GREY))


def _turned(x: Float[Tensor, "n 3 height width"], by: Float[Tensor, "n 1 1"]) -> Float[Tensor, "n 3 height width"]:
    """The hue turned by so much of a circle; value and saturation stay."""
    red, green, blue = x.unbind(1)
    value, least = red.maximum(green).maximum(blue), red.minimum(green).minimum(blue)
    chroma = value - least
    is_red, is_green = value == red, value == green
    hue = torch.where(is_red, green - blue, torch.where(is_green, blue - red, red - green))
    hue.div_(chroma.clamp(min=1e-12))  # in sixths of the circle
    hue.add_(torch.where(is_red, 0.0, torch.where(is_green, 2.0, 4.0))).add_(6 * by)
    turned = torch.empty_like(x)
    for channel, start in enumerate((5.0, 3.0, 1.0)):
        k = (hue + start).remainder_(6)
        torch.sub(value, k.minimum(4 - k).clamp_(0, 1).mul_(chroma), out=turned[:, channel])
    return turned
