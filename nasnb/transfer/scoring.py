"""Average precision, as COCO defines it."""

from __future__ import annotations

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


def average_precision(found: Sequence[Target], truth: Sequence[Target], *, iou: float = 0.5) -> float:
    """In percent: area under precision over recall, at 101 recalls as in COCO, mean over the classes in `truth`.

    A box is right if it overlaps one of its class by at least `iou` that no better scored box has taken.
    """
    labels = sorted({int(label) for target in truth for label in target["labels"]})
    return 100 * float(np.mean([_of_class(found, truth, label, iou) for label in labels]))


def _of_class(found: Sequence[Target], truth: Sequence[Target], label: int, iou: float) -> float:
    scores, right, n_true = [], [], 0
    for mine, theirs in zip(found, truth, strict=True):
        real = theirs["boxes"][theirs["labels"] == label].cpu()
        n_true += len(real)
        order = mine["scores"].argsort(descending=True)
        order = order[mine["labels"][order] == label]
        scores += mine["scores"][order].tolist()
        right += _matches(mine["boxes"][order], real, iou)
    hits = np.array(right, dtype=float)[np.argsort(-np.array(scores), kind="stable")] if scores else np.zeros(0)
    recall, precision = hits.cumsum() / n_true, hits.cumsum() / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # the best precision at this recall or beyond
    at = np.searchsorted(recall, np.linspace(0, 1, 101) - 1e-12)
    return float(np.append(best, 0.0)[at].mean())


def _matches(boxes: Tensor, real: Tensor, iou: float) -> list[bool]:
    """For boxes from the best scored on: whether each has found an object of its own."""
    overlaps, right = overlap(boxes, real), []
    for row in overlaps:
        right.append(bool(len(real)) and float(row.max()) >= iou)
        if right[-1]:
            overlaps[:, row.argmax()] = 0.0
    return right
