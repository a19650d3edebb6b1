"""Average precision, as COCO defines it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nasnb.transfer.images import Target


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """(n, m): intersection over union of boxes (n, 4) and (m, 4)."""
    corner = torch.minimum(first[:, None, 2:], second[None, :, 2:]) - torch.maximum(
        first[:, None, :2], second[None, :, :2]
    )
    shared = corner.clamp(min=0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (first, second)]
    return shared / (areas[0][:, None] + areas[1][None, :] - shared)


Areas = tuple[float, float]  # of a box in square pixels: from the first on, below the second
ANY: Areas = (0.0, math.inf)


def average_precision(
    found: Sequence[Target], truth: Sequence[Target], *, iou: float = 0.5, areas: Areas = ANY
) -> float:
    """In percent: area under precision over recall, at 101 recalls as in COCO, mean over the classes in `truth`.

    A box is right if it overlaps one of its class by at least `iou` that no better scored box has taken. Only objects
    of such `areas` count; boxes that find another one, and wrong ones of another area, are left out, as in COCO.
    """
    fits = [_within(target["boxes"], areas) for target in truth]
    labels = sorted({int(label) for t, fit in zip(truth, fits, strict=True) for label in t["labels"].cpu()[fit]})
    return 100 * float(np.mean([_of_class(found, truth, label, iou, areas) for label in labels] or [math.nan]))


def thirds(truth: Sequence[Target]) -> dict[str, Areas]:
    """Small, medium and large: the areas of these objects, parted into three of equal number.

    COCO parts at 32 and 96 pixels squared, which suits its photographs.
    """
    sizes = torch.cat([_areas(target["boxes"]) for target in truth]).double()
    first, second = torch.quantile(sizes, torch.tensor([1 / 3, 2 / 3], dtype=torch.float64)).tolist()
    return {"small": (0.0, first), "medium": (first, second), "large": (second, math.inf)}


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).prod(1).cpu()


def _within(boxes: Tensor, areas: Areas) -> Tensor:
    size = _areas(boxes)
    return (size >= areas[0]) & (size < areas[1])


def _of_class(found: Sequence[Target], truth: Sequence[Target], label: int, iou: float, areas: Areas) -> float:
    scores, right, n_true = [], [], 0
    for mine, theirs in zip(found, truth, strict=True):
        real = theirs["boxes"][theirs["labels"] == label].cpu()
        fits = _within(real, areas)
        n_true += int(fits.sum())
        order = mine["scores"].argsort(descending=True)
        order = order[mine["labels"][order] == label]
        boxes = mine["boxes"][order].cpu()
        n_fit, inside = int(fits.sum()), _within(boxes, areas).tolist()
        takes = _matches(boxes, torch.cat([real[fits], real[~fits]]), iou, n_fit)
        counts = [(0 <= at < n_fit) or (at < 0 and within) for at, within in zip(takes, inside, strict=True)]
        scores += [score for score, one in zip(mine["scores"][order].tolist(), counts, strict=True) if one]
        right += [at >= 0 for at, one in zip(takes, counts, strict=True) if one]
    hits = np.array(right, dtype=float)[np.argsort(-np.array(scores), kind="stable")] if scores else np.zeros(0)
    recall, precision = hits.cumsum() / n_true, hits.cumsum() / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # the best precision at this recall or beyond
    at = np.searchsorted(recall, np.linspace(0, 1, 101) - 1e-12)
    return float(np.append(best, 0.0)[at].mean())


def _matches(boxes: Tensor, real: Tensor, iou: float, n_first: int) -> list[int]:
    """For boxes from the best scored on: the object that each has found for itself, if it can of the first, or -1."""
    overlaps, takes = overlap(boxes, real), []
    for row in overlaps:
        parts = [(start, part) for start, part in ((0, row[:n_first]), (n_first, row[n_first:])) if len(part)]
        at = next((start + int(part.argmax()) for start, part in parts if float(part.max()) >= iou), -1)
        if at >= 0:
            overlaps[:, at] = 0.0
        takes.append(at)
    return takes
