"""Batches against plain per-image versions, torchvision's policy, and the promise that a seed decides everything."""

import sys
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from torchvision.transforms import v2

from nasnb.data import Augment, Split, batches, n_batches
from nasnb.data.batches import crop_and_flip, cut_out
from nasnb.data.crops import N_CROP, N_JITTER, crop_boxes, jittered, resized_crops
from nasnb.data.policy import N_DRAWS, POLICIES, SIGNED, Action, act, chosen_actions
from nasnb.randomness import generator

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
PLAIN = Augment(crop_padding=0, flip=False)


def random_split(n: int = 70, *, channels: int = 3, size: tuple[int, int] = (12, 10), seed: int = 0) -> Split:
    """Labels are the image's number, so that a batch tells what it holds."""
    source = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, channels, *size), dtype=torch.uint8, generator=source)
    return Split(images, torch.arange(n))


def run(split: Split, batch_size: int = 16, **changes):
    channels = split.images.shape[1]
    settings = {"mean": MEAN[:channels], "std": STD[:channels], "seed": 1, "purpose": "train", "epoch": 0}
    return list(batches(split, batch_size, **(settings | changes)))


def joined(result) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*result, strict=True)
    return torch.cat(images), torch.cat(labels)


# --- what a batch is ----------------------------------------------------------------------------------------------


OF_IMAGENET = Augment(0, True, 2, crop="resized", side=8, jitter=0.4)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augment", [None, Augment(2, True, 4), Augment(2, True, 4, "autoaugment"), OF_IMAGENET])
def test_form(channels, augment):
    for images, labels in run(random_split(channels=channels), augment=augment):
        assert images.shape == (len(labels), channels, *((8, 8) if augment is OF_IMAGENET else (12, 10)))
        assert images.dtype == torch.float32
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert images.stride(1) == 1  # also where a single channel would allow any stride


def test_normalised_in_order_without_augmentation():
    split = random_split()
    images, labels = joined(run(split, shuffle=False))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    assert labels.tolist() == list(range(70))
    assert_close(images.contiguous(), ((split.images / 255 - mean) / std).contiguous(), rtol=1e-5, atol=1e-6)


def test_own_statistics_give_mean_0_and_deviation_1():
    from nasnb.data import channel_statistics

    split = random_split(200)
    mean, std = channel_statistics(split.images)
    images, _ = joined(run(split, mean=mean, std=std))
    assert_close(images.mean(dim=(0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
    assert_close(images.std(dim=(0, 2, 3), correction=0), torch.ones(3), rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("n", "batch_size", "drop_last", "count"), [(70, 16, False, 5), (70, 16, True, 4), (64, 16, True, 4)]
)
def test_number_of_batches(n, batch_size, drop_last, count):
    result = run(random_split(n), batch_size, drop_last=drop_last)
    assert len(result) == n_batches(n, batch_size, drop_last) == count
    seen = joined(result)[1]
    assert len(seen.unique()) == len(seen) == (count * batch_size if drop_last else n)


# --- what decides a batch -----------------------------------------------------------------------------------------

FULL = Augment(3, True, 4, "autoaugment")


def test_steps_that_the_papers_take():
    assert n_batches(25_000, 256) == 98 and 25_000 % 256 == 168  # PC-DARTS, half of CIFAR-10
    assert n_batches(50_000, 64) == 782  # StacNAS, all of it


def test_seed_purpose_and_epoch_decide():
    split = random_split()
    base = joined(run(split, augment=FULL))
    assert all(torch.equal(a, b) for a, b in zip(base, joined(run(split, augment=FULL)), strict=True))
    for change in ({"seed": 2}, {"epoch": 1}, {"purpose": "validation"}):
        assert not torch.equal(base[1], joined(run(split, augment=FULL, **change))[1]), change


def test_one_augmentation_leaves_the_others_alone():
    split = random_split(size=(16, 16))
    crop_only, labels = joined(run(split, augment=Augment(4, False)))
    with_cutout, same_labels = joined(run(split, augment=Augment(4, False, 6)))
    assert torch.equal(labels, same_labels)
    kept = with_cutout != 0
    assert 0.5 < kept.float().mean() < 1
    assert torch.equal(with_cutout[kept], crop_only[kept])
    assert torch.equal(labels, joined(run(split, augment=PLAIN))[1])


@settings(max_examples=15, deadline=None)
@given(
    start=st.integers(0, 35),
    n=st.integers(70, 75),
    augment=st.sampled_from([Augment(2, True, 4), Augment(2, True, 4, "autoaugment"), OF_IMAGENET]),
    shuffle=st.booleans(),
)
def test_resuming_gives_the_same_later_batches(start, n, augment, shuffle):
    split = random_split(n)
    whole = run(split, 2, augment=augment, shuffle=shuffle)  # batches of 2: more than one block of the policy
    later = run(split, 2, augment=augment, shuffle=shuffle, start=start)
    assert len(later) == len(whole) - start
    for (images, labels), (expected, expected_labels) in zip(later, whole[start:], strict=True):
        assert torch.equal(labels, expected_labels)
        assert torch.equal(images, expected)


@pytest.mark.gpu
@pytest.mark.parametrize("policy", [None, "autoaugment"])
def test_gpu_sees_the_same_images(policy):
    split = random_split(300, size=(32, 32))
    here, there = (joined(run(s, augment=Augment(4, True, 16, policy))) for s in (split, split.to("cuda")))
    assert there[0].is_cuda
    assert torch.equal(here[1], there[1].cpu())
    differs = (here[0] - there[0].cpu()).abs() > 1e-4
    assert differs.float().mean() < (0.01 if policy else 1e-9)  # a policy rounds to bytes


# --- crop, flip, cutout -------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    padding=st.integers(0, 4),
    channels=st.sampled_from([1, 3]),
    size=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    seed=st.integers(0, 10**6),
)
def test_crop_and_flip_equal_plain_slicing(padding, channels, size, seed):
    split = random_split(6, channels=channels, size=size, seed=seed)
    source = torch.Generator().manual_seed(seed)
    shift = torch.randint(0, 2 * padding + 1, (6, 2), generator=source)
    flipped = torch.rand(6, generator=source) < 0.5
    result = crop_and_flip(split.images.permute(0, 2, 3, 1), shift, flipped, padding).permute(0, 3, 1, 2)
    height, width = size
    for image, (top, left), flip, found in zip(split.images.numpy(), shift.tolist(), flipped, result, strict=True):
        padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
        window = padded[:, top : top + height, left : left + width]
        assert np.array_equal(found.numpy(), window[:, :, ::-1] if flip else window)


def test_crops_and_flips_are_uniform():
    split = Split(torch.full((4000, 1, 4, 4), 255, dtype=torch.uint8), torch.arange(4000))
    split.images[:, :, :, 0] = 100
    images, _ = joined(run(split, 500, augment=Augment(2, True), mean=(0.0,), std=(1.0,)))
    rows_cut = (images.amax(dim=3)[:, 0] == 0).sum(dim=1).bincount()  # of the five shifts: 0, 1, 2 rows are padding
    assert_close(rows_cut / 4000, torch.tensor([0.2, 0.4, 0.4]), rtol=0, atol=0.04)
    flips, _ = joined(run(split, 500, augment=Augment(0, True), mean=(0.0,), std=(1.0,)))
    assert abs((flips[:, 0, 0, 3] < 0.5).float().mean() - 0.5) < 0.04


def test_cutout_erases_64_to_256_pixels():
    """All 1,024 centres of a 32x32 image (the specification's case D12)."""
    centre = torch.cartesian_prod(torch.arange(32), torch.arange(32))
    erased = (cut_out(torch.ones(1024, 32, 32, 3), centre, 16) == 0).all(dim=3)
    counts = erased.sum(dim=(1, 2))
    assert (counts.min(), counts.max()) == (64, 256)
    for (row, column), found in zip(centre.tolist(), erased, strict=True):
        expected = torch.zeros(32, 32, dtype=torch.bool)
        expected[max(row - 8, 0) : row + 8, max(column - 8, 0) : column + 8] = True
        assert torch.equal(found, expected)


def test_cutout_is_zero_after_normalising():
    split = Split(torch.full((50, 3, 32, 32), 255, dtype=torch.uint8), torch.arange(50))
    images, _ = joined(run(split, augment=Augment(0, False, 16)))
    erased = (images == 0).all(dim=1).sum(dim=(1, 2))
    assert erased.min() >= 64 and erased.max() <= 256
    assert len(erased.unique()) > 5
    assert torch.equal((images == 0).any(dim=1), (images == 0).all(dim=1))


@pytest.mark.parametrize(("policy", "fill"), [(None, 0), ("autoaugment", 128)])
def test_a_padded_crop_is_filled_with_the_policy_s_grey(policy, fill, monkeypatch):
    seen = []
    module = sys.modules[crop_and_flip.__module__]
    monkeypatch.setattr(module, "crop_and_flip", lambda images, *_, fill: seen.append(fill) or images)
    run(random_split(8), augment=Augment(4, True, 0, policy))
    assert set(seen) == {fill}


# --- what recipes for ImageNet do ---------------------------------------------------------------------------------


def drawn(n: int, numbers: int) -> torch.Tensor:
    return torch.rand(n, numbers, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("size", [(256, 256), (40, 90), (30, 300), (300, 30)])
def test_boxes_have_the_area_and_ratio_of_torchvision_s(size):
    boxes = crop_boxes(drawn(4000, N_CROP), *size).float()
    assert (boxes[:, :2] >= 0).all() and (boxes[:, 2] >= 1).all() and (boxes[:, 3] >= 1).all()
    assert (boxes[:, 0] + boxes[:, 2] <= size[0]).all() and (boxes[:, 1] + boxes[:, 3] <= size[1]).all()
    ratio, area = boxes[:, 3] / boxes[:, 2], boxes[:, 2] * boxes[:, 3] / (size[0] * size[1])
    assert ratio.min() > 0.7 and ratio.max() < 1.42 and area.min() > 0.07
    torch.manual_seed(0)
    judge = v2.RandomResizedCrop(8)
    image = torch.zeros(3, *size, dtype=torch.uint8)
    theirs = torch.tensor(
        [[p["height"], p["width"]] for p in (judge.make_params([image]) for _ in range(1500))]
    ).float()
    for ours, other in ((boxes[:, 2], theirs[:, 0]), (boxes[:, 3], theirs[:, 1])):
        assert abs(ours.mean() - other.mean()) < 4 * other.std() / 1500**0.5
        assert abs(ours.std() / other.std().clamp(min=1e-9) - 1) < 0.1 or other.std() == 0


def test_resized_crops_equal_torchvision_image_by_image():
    images = random_split(6, size=(20, 24)).images
    boxes = torch.tensor([[0, 0, 20, 24], [3, 5, 9, 8], [19, 23, 1, 1], [2, 0, 18, 24], [0, 12, 5, 12], [7, 7, 8, 8]])
    flipped = torch.tensor([False, True, False, True, False, False])
    found = resized_crops(images.permute(0, 2, 3, 1), boxes, flipped, (8, 8)).permute(0, 3, 1, 2)
    for image, box, flip, ours in zip(images, boxes.tolist(), flipped, found, strict=True):
        expected = v2.functional.resized_crop(image, *box, size=[8, 8])
        expected = expected.flip(2) if flip else expected
        assert (ours.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("order", [0, 9, 23])
def test_jitter_equals_torchvision_image_by_image(order):
    images, draws = random_split(5, size=(9, 7)).images, drawn(5, N_JITTER)
    draws[0, 4] = (order + 0.5) / 24
    found = jittered(images.permute(0, 2, 3, 1), draws, 0.4).permute(0, 3, 1, 2)
    adjust = v2.functional.adjust_brightness, v2.functional.adjust_contrast, v2.functional.adjust_saturation
    for image, numbers, ours in zip(images, draws.tolist(), found, strict=True):
        expected = image.float() / 255
        for step in list(permutations(range(4)))[order]:
            by = 0.4 * (2 * numbers[step] - 1)
            change = v2.functional.adjust_hue if step == 3 else adjust[step]
            expected = change(expected, by / 2 if step == 3 else 1 + by)
        assert_close(ours / 255, expected, rtol=0, atol=2e-4)


def test_without_augmentation_the_middle_is_seen():
    split = random_split(size=(12, 10))
    images, _ = joined(
        run(split, augment=Augment(0, False, side=8), shuffle=False, mean=(0.0,) * 3, std=(1 / 255,) * 3)
    )
    assert_close(images.contiguous(), split.images[:, :, 2:10, 1:9].float().contiguous())


def test_images_smaller_than_what_is_to_be_seen():
    with pytest.raises(
        ValueError, match="side=224, but the images have 12 x 10 pixels: load them with a larger image_s"
    ):
        run(random_split(), augment=Augment(0, False, side=224))


# --- policy -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [("autoaugment", v2.AutoAugmentPolicy.CIFAR10), ("autoaugment-imagenet", v2.AutoAugmentPolicy.IMAGENET)],
)
def test_policy_table_is_the_published_one(name, kind):
    published = v2.AutoAugment(kind)._get_policies(kind)
    ours = [[(step.op, step.chance, step.level) for step in pair] for pair in POLICIES[name]]
    assert ours == [[(op, chance, level or 0) for op, chance, level in pair] for pair in published]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("op", sorted({step.op for pair in POLICIES["autoaugment"] for step in pair}))
def test_actions_equal_torchvision_image_by_image(op, sign):
    judge = v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10, fill=128)
    images = random_split(4, size=(32, 32)).images
    magnitudes, signed = judge._AUGMENTATION_SPACE[op]
    assert signed == (op in SIGNED)
    for level in (0, 3, 8, 9):
        values = magnitudes(10, 32, 32)
        strength = 0.0 if values is None else float(values[level]) * (sign if signed else 1)
        expected = torch.stack(
            [
                judge._apply_image_or_video_transform(image, op, strength, judge.interpolation, judge._fill)
                for image in images
            ]
        )
        found = act(images, Action(op, (sign if signed else 1) * level / 9))
        assert (found.int() - expected.int()).abs().max() <= 1, level  # a byte may round the other way
        blends = op in ("Brightness", "Color", "Contrast", "Sharpness")  # often exactly between two bytes
        assert (found != expected).float().mean() < (0.25 if blends else 0.01), level


def test_policy_acts_as_often_as_it_says():
    draws = torch.rand(20000, N_DRAWS, generator=generator(0, "test"), dtype=torch.float64)
    for position, (actions, numbers) in enumerate(chosen_actions("autoaugment", draws)):
        expected = np.mean([pair[position].chance for pair in POLICIES["autoaugment"]])
        assert actions[0].op == "Identity"
        assert abs((numbers > 0).float().mean() - expected) < 0.015
        for op in ("Rotate", "Equalize", "TranslateY"):
            share = sum((numbers == i).float().mean() for i, action in enumerate(actions) if action.op == op)
            chances = [pair[position].chance for pair in POLICIES["autoaugment"] if pair[position].op == op]
            assert abs(share - sum(chances) / 25) < 0.01, op


def test_policy_in_batches_equals_one_image_at_a_time():
    split = random_split(40, size=(16, 16))
    images, labels = joined(run(split, 8, augment=Augment(0, False, 0, "autoaugment"), mean=(0.0,) * 3, std=(1.0,) * 3))
    source = generator(1, "train", 0)
    assert torch.equal(labels, torch.randperm(40, generator=source))
    draws = torch.rand(40, 5 + N_DRAWS, generator=source, dtype=torch.float64)[:, 5:]
    (first, first_numbers), (second, second_numbers) = chosen_actions("autoaugment", draws)
    for i in range(40):
        image = split.images[labels[i] : labels[i] + 1].contiguous()
        image = act(act(image, first[first_numbers[i]]), second[second_numbers[i]])
        assert (images[i] * 255 - image[0]).abs().max() < 1.01, i


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "no batch of 0 can be made of 70 images"),
        ({"batch_size": 71, "drop_last": True}, "no batch of 71 can be made of 70 images"),
        ({"start": 6}, "between 0 and the number of batches, 5, got 6"),
        ({"mean": (0.5,)}, "one value for each of 3 channels"),
    ],
)
def test_errors_come_before_the_first_batch(changes, message):
    arguments = {"batch_size": 16, "mean": MEAN, "std": STD, "seed": 0, "purpose": "t", "epoch": 0} | changes
    with pytest.raises(ValueError, match=message):
        batches(random_split(), arguments.pop("batch_size"), **arguments)


def test_augment_refuses_nonsense():
    with pytest.raises(ValueError, match=r"unknown augmentation policy 'autoaugmnt', did you mean 'autoaugment'"):
        Augment(policy="autoaugmnt")
    with pytest.raises(ValueError, match="unknown crop 'padding', did you mean 'padded'"):
        Augment(crop="padding")
    with pytest.raises(ValueError, match="cannot be negative, got -1 and 0"):
        Augment(crop_padding=-1)
