"""Images with objects whose boxes are known: small scenes made of a classification set, and COCO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nasnb.data import Split
from nasnb.randomness import generator

Target = dict[str, Tensor]  # boxes (n, 4) as left, top, right, bottom in pixels; labels (n,) from 1: 0 is background


@dataclass(frozen=True, eq=False)
class Scenes:
    """Images, uint8 (n, channels, side, side), and what is on each."""

    images: Tensor
    targets: list[Target]

    def __len__(self) -> int:
        return len(self.targets)


def scenes(objects: Split, n: int, *, side: int, seed: int, most: int = 3) -> Scenes:
    """Up to `most` labelled images per scene, each at 0.25 to 0.6 of the canvas and where the others are not.

    An object's box encloses its pixels that are not black. Seed, n and side decide everything.
    """
    draw = generator(seed, "scenes", n, side)
    images, targets = [], []
    for _ in range(n):
        canvas = torch.zeros(objects.images.shape[1], side, side)
        boxes: list[list[int]] = []
        labels: list[int] = []
        for _ in range(int(torch.randint(1, most + 1, (), generator=draw))):
            _paste(canvas, objects, boxes, labels, draw)
        images.append(canvas.to(torch.uint8))
        # of a scene without objects too: an object that is all black has no box
        targets.append(
            {
                "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
                "labels": torch.tensor(labels, dtype=torch.int64),
            }
        )
    device = objects.images.device
    return Scenes(torch.stack(images).to(device), [{k: v.to(device) for k, v in t.items()} for t in targets])


def _paste(canvas: Tensor, objects: Split, boxes: list, labels: list, draw: torch.Generator) -> None:
    """One more object, unless ten places were all taken."""
    side = canvas.shape[-1]
    which = int(torch.randint(len(objects), (), generator=draw))
    size = round(side * (0.25 + 0.35 * float(torch.rand((), generator=draw))))
    image = objects.images[which : which + 1].float().cpu()
    image = F.interpolate(image, size=(size, size), mode="bilinear", antialias=True)[0]
    image = image.round().clamp(0, 255)
    seen = (image > 25).any(0)
    rows, columns = seen.any(1).nonzero().flatten().tolist(), seen.any(0).nonzero().flatten().tolist()
    for _ in range(10 if rows else 0):
        top, left = torch.randint(side - size + 1, (2,), generator=draw).tolist()
        box = [left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1]
        if all(box[2] <= b[0] or b[2] <= box[0] or box[3] <= b[1] or b[3] <= box[1] for b in boxes):
            part = canvas[:, top : top + size, left : left + size]
            part.copy_(torch.maximum(part, image))
            boxes.append(box)
            labels.append(int(objects.labels[which]) + 1)
            return


def coco(images: str | Path, annotations: str | Path) -> Any:
    """COCO as torchvision reads it: a data set of (image, float (3, height, width) from 0 to 1; target).

    `images` is the folder of a split, `annotations` its instances_*.json. Labels run from 1 to the number of
    categories; crowds and empty boxes are left out. Raises FileNotFoundError for a missing path, ImportError without
    torchvision or pycocotools.
    """
    for path, what in ((Path(images), "image folder"), (Path(annotations), "annotation file")):
        if not path.exists():
            raise FileNotFoundError(f"no COCO {what} here: looked for {path.resolve()}; get it from cocodataset.org")
    try:
        from torchvision.datasets import CocoDetection
        from torchvision.transforms.functional import to_tensor

        found = CocoDetection(images, annotations)
    except ImportError as error:
        raise ImportError(f"COCO needs torchvision and pycocotools ({error}); pip install pycocotools") from None
    labels = {category: i for i, category in enumerate(sorted(found.coco.getCatIds()), start=1)}
    found.transforms = lambda image, objects: (to_tensor(image), coco_target(objects, labels))
    return found


def coco_target(objects: Sequence[dict], labels: dict[int, int]) -> Target:
    """Boxes and labels of an image's annotations, whose boxes are left, top, width, height."""
    kept = [o for o in objects if not o.get("iscrowd") and o["bbox"][2] > 0 and o["bbox"][3] > 0]
    boxes = torch.tensor([o["bbox"] for o in kept], dtype=torch.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return {"boxes": boxes, "labels": torch.tensor([labels[o["category_id"]] for o in kept], dtype=torch.int64)}
