"""Detection: the backbone's published cost, scenes whose boxes are known, average precision worked by hand."""

import json
import math
import sys
from dataclasses import replace

import pytest
import torch

from nasnb.data import Split, load
from nasnb.published.genotypes import GENOTYPES
from nasnb.randomness import generator
from nasnb.spaces import SPACES
from nasnb.transfer import (
    DetectConfig,
    average_precision,
    coco,
    coco_target,
    detect,
    detector,
    detector_counts,
    overlap,
    scenes,
    thirds,
    train_detector,
)

SPACE, CELL = SPACES["darts"], GENOTYPES["PC_DARTS_image"]
TINY = DetectConfig(side=64, channels=4, cells=3, extra=(8,), epochs=2, batch_size=4)
STATISTICS = {"mean": (0.3,), "std": (0.3,)}


@pytest.fixture(scope="module")
def objects() -> Split:
    return load("fashion-sample").train


# --- the detector -----------------------------------------------------------------------------------------------------


def test_backbone_takes_the_published_multiply_adds():
    counts = detector_counts(SPACE, CELL, DetectConfig(), classes=80)
    assert round(counts["backbone, layers"].multiply_adds / 1e6, 1) == 1186.2
    assert round(counts["backbone, elementwise"].multiply_adds / 1e6, 1) == 1218.0
    assert counts["extra layers and heads"].multiply_adds < 0.2e9


def test_maps_are_those_of_an_ssd_at_320_pixels():
    config = DetectConfig(channels=4, extra=(16, 16, 16, 16))
    net = detector(SPACE, CELL, config, classes=5, mean=(0.5,) * 3, std=(0.25,) * 3).eval()
    with torch.no_grad():
        maps = list(net.backbone(torch.zeros(1, 3, 320, 320)).values())
    assert [y.shape[-1] for y in maps] == [20, 10, 5, 3, 2, 1]
    assert [y.shape[1] for y in maps] == net.backbone.out_channels == [32, 64, 16, 16, 16, 16]
    boxes = net.anchor_generator.num_anchors_per_location()
    assert sum(n * y.shape[-1] ** 2 for n, y in zip(boxes, maps, strict=True)) == 3234


def test_the_seed_decides_a_detector_and_its_training(objects):
    data = scenes(objects, 6, side=64, seed=0)
    histories = [
        list(train_detector(detector(SPACE, CELL, TINY, classes=10, **STATISTICS), data, TINY)) for _ in range(2)
    ]
    assert histories[0] == histories[1]
    assert [row["epoch"] for row in histories[0]] == [1, 2]


def test_training_lowers_the_losses(objects):
    config = DetectConfig(side=64, channels=4, cells=3, extra=(8,), epochs=20, batch_size=8)
    data = scenes(objects, 8, side=64, seed=0, most=1)
    net = detector(SPACE, CELL, config, classes=10, **STATISTICS)
    rows = list(train_detector(net, data, config))
    for part in ("box_loss", "class_loss"):
        assert rows[-1][part] < 0.75 * rows[0][part]
    found = detect(net, data)
    assert len(found) == 8 and {"boxes", "labels", "scores"} <= set(found[0])


def test_detector_without_torchvision_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models.detection.ssd", None)
    with pytest.raises(ImportError, match="pip install torchvision"):
        detector(SPACE, CELL, TINY, classes=10, **STATISTICS)


# --- scenes -----------------------------------------------------------------------------------------------------------


def test_boxes_enclose_all_that_is_not_black_and_never_overlap(objects):
    found = scenes(objects, 30, side=64, seed=1)
    assert {len(target["boxes"]) for target in found.targets} == {1, 2, 3}
    for image, target in zip(found.images, found.targets, strict=True):
        outside = image.clone()
        for left, top, right, bottom in target["boxes"].int().tolist():
            part = image[:, top:bottom, left:right] > 25
            assert part.any(0)[0].any() and part.any(0)[-1].any()  # tight above and below,
            assert part.any(0)[:, 0].any() and part.any(0)[:, -1].any()  # left and right
            outside[:, top:bottom, left:right] = 0
        assert outside.max() <= 25
        assert torch.equal(overlap(target["boxes"], target["boxes"]), torch.eye(len(target["boxes"])))


def test_scenes_repeat_with_the_seed_and_know_their_objects(objects):
    one, same, other = (scenes(objects, 5, side=48, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(one.images, same.images) and not torch.equal(one.images, other.images)
    trousers = objects.take((objects.labels == 1).nonzero().flatten())
    assert all(set(target["labels"].tolist()) == {2} for target in scenes(trousers, 5, side=48, seed=0).targets)


# --- COCO -------------------------------------------------------------------------------------------------------------


def test_coco_names_the_path_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"image folder.*nowhere"):
        coco(tmp_path / "nowhere", tmp_path / "instances.json")
    with pytest.raises(FileNotFoundError, match=r"annotation file.*instances\.json"):
        coco(tmp_path, tmp_path / "instances.json")


def test_coco_without_pycocotools_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "instances.json").write_text(json.dumps({}))
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(ImportError, match="pip install pycocotools"):
        coco(tmp_path, tmp_path / "instances.json")


def test_coco_target_turns_sizes_into_corners_and_leaves_crowds_out():
    objects = [
        {"bbox": [10, 20, 5, 6], "category_id": 90},
        {"bbox": [0, 0, 9, 9], "category_id": 7, "iscrowd": 1},
        {"bbox": [1, 1, 0, 3], "category_id": 7},
    ]
    target = coco_target(objects, {7: 1, 90: 2})
    assert target["boxes"].tolist() == [[10, 20, 15, 26]] and target["labels"].tolist() == [2]
    assert coco_target([], {})["boxes"].shape == (0, 4)


# --- average precision ------------------------------------------------------------------------------------------------


def objects_at(*boxes, labels=None, scores=None):
    made = {"boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)}
    made["labels"] = torch.tensor(labels or [1] * len(boxes), dtype=torch.int64)
    return made if scores is None else made | {"scores": torch.tensor(scores, dtype=torch.float32)}


LEFT, RIGHT = (0, 0, 10, 10), (20, 0, 30, 10)


def test_overlap_by_hand():
    boxes = torch.tensor([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10]], dtype=torch.float32)
    assert overlap(boxes[:1], boxes).tolist()[0] == pytest.approx([1, 1 / 3, 0])


def test_precision_of_perfect_and_of_no_detections():
    truth = [objects_at(LEFT, RIGHT, labels=[1, 2])]
    perfect = [objects_at(LEFT, RIGHT, labels=[1, 2], scores=[0.9, 0.8])]
    swapped = [objects_at(LEFT, RIGHT, labels=[2, 1], scores=[0.9, 0.8])]
    assert average_precision(perfect, truth) == 100
    assert average_precision(swapped, truth) == 0
    assert average_precision([objects_at(scores=[])], truth) == 0


def test_precision_of_a_ranking_by_hand():
    # right, wrong, right: precision 1 up to recall 1/2 (51 of the 101 recalls), then 2/3
    truth = [objects_at(LEFT, RIGHT)]
    found = [objects_at(LEFT, (50, 50, 60, 60), RIGHT, scores=[0.9, 0.8, 0.7])]
    assert average_precision(found, truth) == pytest.approx(100 * (51 + 50 * 2 / 3) / 101)


def test_precision_of_one_size_leaves_other_objects_and_their_boxes_out():
    small, large, elsewhere = (0, 0, 10, 10), (20, 20, 60, 60), (70, 70, 110, 110)
    truth = [objects_at(small, large)]
    sizes = {"small": (0.0, 400.0), "large": (400.0, math.inf)}
    found = [objects_at(elsewhere, large, small, scores=[0.9, 0.8, 0.7])]
    assert average_precision(found, truth, areas=sizes["small"]) == 100  # a wrong box and a right one of another size
    assert average_precision(found, truth, areas=sizes["large"]) == pytest.approx(50)  # the wrong box comes first
    assert average_precision(found, truth) == pytest.approx(100 * 2 / 3)  # 1/2, then 2/3: the best from there on
    only_small = [objects_at(small, scores=[0.9])]
    assert average_precision(only_small, truth, areas=sizes["large"]) == 0
    assert math.isnan(average_precision(only_small, [objects_at(small)], areas=sizes["large"]))


def test_a_box_takes_an_object_of_the_size_asked_for_if_it_can():
    truth = [objects_at((0, 0, 10, 10), (0, 0, 10, 16))]  # the box covers 10/14 of one, 14/16 of the other
    found = [objects_at((0, 0, 10, 14), scores=[0.9])]
    assert average_precision(found, truth, iou=0.7, areas=(0.0, 110.0)) == 100
    assert average_precision(found, truth, iou=0.8, areas=(0.0, 110.0)) == 0


def test_objects_in_thirds():
    truth = [objects_at(*((0, 0, side, side) for side in range(1, 10)))]
    areas = thirds(truth)
    counted = [sum(low <= side**2 < high for side in range(1, 10)) for low, high in areas.values()]
    assert list(areas) == ["small", "medium", "large"] and counted == [3, 3, 3]


def test_an_object_is_found_once():
    twice = [objects_at(LEFT, LEFT, scores=[0.9, 0.8])]
    assert average_precision(twice, [objects_at(LEFT, RIGHT)]) == pytest.approx(100 * 51 / 101)


def test_a_stricter_overlap_finds_less():
    shifted = [objects_at((2, 0, 12, 10), scores=[0.9])]  # overlap 8 / 12
    assert average_precision(shifted, [objects_at(LEFT)], iou=0.5) == 100
    assert average_precision(shifted, [objects_at(LEFT)], iou=0.75) == 0


def test_precision_does_not_depend_on_the_order_of_images_or_boxes():
    draw = generator(0, "boxes")
    corners = torch.rand(12, 2, generator=draw) * 30
    boxes = torch.cat([corners, corners + 10], dim=1).view(4, 3, 4)
    truth = [objects_at(*image.tolist()) for image in boxes]
    scores = torch.rand(4, 3, generator=draw).tolist()
    found = [objects_at(*(image + 2).tolist(), scores=s) for image, s in zip(boxes, scores, strict=True)]
    turned = [{name: value.flip(0) for name, value in each.items()} for each in found[::-1]]
    assert average_precision(found, truth) == pytest.approx(average_precision(turned, truth[::-1]))


def test_objects_that_are_all_black_leave_scenes_without_boxes_that_train_all_the_same():
    black = Split(torch.zeros(4, 3, 16, 16, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    data = scenes(black, 4, side=64, seed=0)
    assert [target["boxes"].shape for target in data.targets] == [(0, 4)] * 4
    assert all(target["labels"].dtype == torch.int64 for target in data.targets)
    net = detector(SPACE, CELL, TINY, classes=2, mean=(0.5,) * 3, std=(0.25,) * 3)
    (epoch,) = train_detector(net, data, replace(TINY, epochs=1))
    assert epoch["box_loss"] == epoch["class_loss"] == 0  # nothing to find, nothing to learn
