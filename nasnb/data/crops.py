"""What recipes for ImageNet do to pictures, a whole batch at once: random resized crops, and jitter of the colours.

Images are (n, height, width, channels). All is drawn beforehand: uniform numbers on the CPU (`nasnb.data.batches`).
"""

from __future__ import annotations

import math
from itertools import permutations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

AREA, RATIO, TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10  # those of torchvision, which all official codes use
N_CROP = 2 * TRIES + 2  # uniform numbers per image: areas, ratios, and the place
N_JITTER = 5  # brightness, contrast, saturation, hue; and the order of the four, which a batch shares
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
    """Each image's box, scaled to `size` (bilinear, without smoothing first), mirrored where `flipped`."""
    top, left, height, width = (boxes[:, i : i + 1].float() for i in range(4))
    rows = _places(size[0], height, images.device)
    columns = _places(size[1], width, images.device)
    columns = torch.where(flipped[:, None], columns.flip(1), columns)
    y = 2 * (top + rows + 0.5) / images.shape[1] - 1
    x = 2 * (left + columns + 0.5) / images.shape[2] - 1
    n = len(images)
    grid = torch.stack([x[:, None, :].expand(n, *size), y[:, :, None].expand(n, *size)], dim=3)
    scaled = F.grid_sample(images.permute(0, 3, 1, 2).float(), grid, padding_mode="border", align_corners=False)
    return scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def _places(n: int, length: Float[Tensor, "images 1"], device: torch.device) -> Float[Tensor, "images n"]:
    """Where in a box so long the n pixels lie: never beyond the middle of its first and last pixel."""
    places = (torch.arange(n, device=device) + 0.5) * length / n - 0.5
    return places.clamp(min=0).minimum(length - 1)


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
    n, channels = len(images), images.shape[3]
    x, spread = images.float() / 255, strength * (2 * draws[:, :4].float().to(images.device) - 1)
    factors = (1 + spread[:, :3]).view(n, 3, 1, 1, 1)
    order = list(permutations(range(4)))[int(draws[0, 4] * 24)]
    for step in order:
        if step == 3:
            x = x if channels == 1 else _turned(x, spread[:, 3].view(n, 1, 1, 1) / 2)
            continue
        grey = x if channels == 1 else (x * x.new_tensor(GREY)).sum(3, keepdim=True)
        other = (torch.zeros_like(grey), grey.mean(dim=(1, 2, 3), keepdim=True), grey)[step]
        x = (factors[:, step] * x + (1 - factors[:, step]) * other).clamp(0, 1)
    return 255 * x


def _turned(x: Float[Tensor, "n height width 3"], by: Float[Tensor, "n 1 1 1"]) -> Float[Tensor, "n height width 3"]:
    """The hue turned by so much of a circle; value and saturation stay."""
    value, least = x.amax(3, keepdim=True), x.amin(3, keepdim=True)
    chroma = value - least
    red, green, blue = x.split(1, dim=3)
    safe = chroma.clamp(min=1e-12)
    of_red, of_green, of_blue = (green - blue) / safe, 2 + (blue - red) / safe, 4 + (red - green) / safe
    hue = torch.where(value == red, of_red, torch.where(value == green, of_green, of_blue))  # in sixths of the circle
    k = (torch.tensor([5.0, 3.0, 1.0], device=x.device) + hue + 6 * by) % 6
    return value - chroma * torch.minimum(k, 4 - k).clamp(0, 1)
