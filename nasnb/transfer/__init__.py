"""Transfer to detection (PC-DARTS, section 4.5): a searched network as the backbone of an SSD with SSDLite heads.

The paper names input, backbone and data, and nothing else: extra layers, heads, default boxes and recipe are ours.
"""

from nasnb.transfer.detector import (
    DetectConfig,
    Pyramid,
    detect,
    detector,
    detector_counts,
    train_detector,
    tried_detector,
)
from nasnb.transfer.images import Scenes, coco, coco_target, scenes
from nasnb.transfer.scoring import average_precision, overlap, thirds

__all__ = [
    "DetectConfig",
    "Pyramid",
    "Scenes",
    "average_precision",
    "coco",
    "coco_target",
    "detect",
    "detector",
    "detector_counts",
    "overlap",
    "scenes",
    "thirds",
    "train_detector",
    "tried_detector",
]
