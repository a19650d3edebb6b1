"""Images of any size from 8 pixels on, odd and not square; at the papers' own sizes the papers' own arithmetic."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from nasnb.data import Augment, Data, Split, batches, n_batches
from nasnb.methods import METHODS
from nasnb.published.genotypes import GENOTYPES
from nasnb.search import begin, search
from nasnb.spaces import SPACES, random_genotype
from nasnb.supernet.layers import Source
from nasnb.supernet.network import AuxiliaryHead
from nasnb.supernet.operations import FactorizedReduce
from nasnb.supernet.partial_channels import full_mix, partial_channels
from nasnb.training import prepare, train

SIZES = [(8, 8), (9, 9), (14, 14), (15, 17), (8, 31), (30, 13)]


def images(size: tuple[int, int], n: int = 2) -> torch.Tensor:
    return torch.randn(n, 3, *size, generator=torch.Generator().manual_seed(0))


def weights_of(space) -> dict[str, torch.Tensor]:
    shapes = {group: space.choices.shape(group) for group in space.choices.groups}
    return {group: torch.full(shape, 1 / shape[1], requires_grad=True) for group, shape in shapes.items()}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", ["darts", "s4", "msr", "sharp", "stacnas", "bench201", "hypercuboid"])
def test_supernets_and_networks_take_any_size(name, size):
    space = SPACES[name]
    how = {"channels": 4, "cells": 1 if name == "bench201" else 3, "classes": 3}
    given = weights_of(space)
    space.supernet(**how)(images(size), given).square().sum().backward()
    assert all(torch.isfinite(weights.grad).all() for weights in given.values())
    net = space.network(random_genotype(space, seed=0), **how)
    assert torch.isfinite(net(images(size))).all()


@pytest.mark.parametrize("size", [(9, 9), (15, 17), (8, 11)], ids=str)
@pytest.mark.parametrize("mix", [partial_channels(2), partial_channels(2, select="random")], ids=["first", "random"])
def test_partial_channels_take_any_size(mix, size):
    space = SPACES["darts"]
    net = space.supernet(channels=8, cells=3, classes=3, mix=mix)
    assert net(images(size), weights_of(space)).shape == (2, 3)


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (33, 40), (64, 64)], ids=str)
@pytest.mark.parametrize("mix", [full_mix, partial_channels(2)], ids=["full", "partial"])
def test_the_imagenet_stem_takes_any_size(mix, size):
    space = SPACES["darts"]
    net = space.supernet(channels=8, cells=3, classes=3, mix=mix, stem="imagenet")
    assert net(images(size), weights_of(space)).shape == (2, 3)
    final = space.network(GENOTYPES["DARTS_V2"], channels=8, cells=3, classes=3, stem="imagenet", auxiliary=True)
    assert [logits.shape for logits in final.with_auxiliary(images(size))] == [(2, 3)] * 2


# --- layer by layer ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(8, 8), (7, 8), (9, 5), (1, 1), (1, 4)], ids=str)
def test_factorised_reduction_by_its_equation(size):
    """Both halves see every second pixel, from 0 and from 1 on; beyond the edge lies zero."""
    torch.manual_seed(0)
    op, x = FactorizedReduce(4, 6).eval(), torch.randn(2, 4, *size)
    relu = F.relu(x)
    halves = []
    for conv, start in ((op.straight, 0), (op.shifted, 1)):
        seen = torch.zeros(2, 4, -(-size[0] // 2), -(-size[1] // 2))
        part = relu[:, :, start::2, start::2]
        seen[:, :, : part.shape[2], : part.shape[3]] = part
        halves.append(F.conv2d(seen, conv.weight))
    assert_close(op(Source(x)), torch.cat(halves, 1) / (1 + 1e-5) ** 0.5)


@pytest.mark.parametrize(("side", "stride"), [(8, 3), (7, 2)])
@pytest.mark.parametrize("last_norm", [True, False])
def test_the_auxiliary_head_of_the_papers_is_as_it_was(side, stride, last_norm):
    torch.manual_seed(0)
    head, x = AuxiliaryHead(6, 5, last_norm=last_norm).train(), torch.randn(3, 6, side, side)
    pooled = F.avg_pool2d(F.relu(x), 5, stride=stride, count_include_pad=False)
    assert torch.equal(head(x), head.linear(head.expand(head.reduce(pooled)).flatten(1)))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 4), (6, 7), (9, 9), (7, 8), (16, 24)], ids=str)
def test_the_auxiliary_head_takes_any_map(size):
    assert AuxiliaryHead(4, 5, last_norm=True)(torch.randn(2, 4, *size)).shape == (2, 5)


# --- searches and trainings -------------------------------------------------------------------------------------------


def some_data(n: int, size: tuple[int, int], classes: int = 3) -> Data:
    draw = torch.Generator().manual_seed(0)
    split = Split(torch.randint(0, 256, (n, 3, *size), generator=draw, dtype=torch.uint8), torch.arange(n) % classes)
    return Data("some", split, split, tuple("abc"[:classes]), (0.5,) * 3, (0.25,) * 3, "none")


def test_a_search_and_a_training_with_auxiliary_head_on_odd_images():
    data, method = some_data(34, (9, 13)), METHODS["darts-1st"]
    config = method.at("smoke", epochs=1, batch_size=8)  # 17 images each: the last batch would be of one
    (epoch,) = search(method, data, config)
    training = replace(method.training, epochs=1, batch_size=11, channels=4, cells=3)  # 34 = 3 * 11 + 1
    (trained,) = train(prepare(method.space, epoch.genotype, data, training))
    assert trained.state.net.auxiliary is not None and trained.train.loss > 0


@pytest.mark.parametrize("policy", [None, "autoaugment"])
@pytest.mark.parametrize(
    ("n", "size", "lengths"), [(33, 8, [8, 8, 8, 9]), (9, 8, [9]), (1, 8, [1]), (34, 8, [8] * 4 + [2])]
)
def test_one_image_left_over_joins_the_batch_before(n, size, lengths, policy):
    data = some_data(n, (8, 8))
    how = {"mean": data.mean, "std": data.std, "seed": 0, "purpose": "x", "epoch": 0}
    made = list(batches(data.train, size, augment=Augment(policy=policy), **how))
    assert [len(labels) for _, labels in made] == lengths and n_batches(n, size) == len(lengths)
    alone = next(iter(batches(data.train, n + 1, augment=Augment(policy=policy), **how)))
    assert torch.equal(torch.cat([x for x, _ in made]), alone[0]) and torch.equal(
        torch.cat([y for _, y in made]), alone[1]
    )
    for start in range(len(lengths) + 1):
        later = list(batches(data.train, size, augment=Augment(policy=policy), start=start, **how))
        assert all(torch.equal(a[0], b[0]) for a, b in zip(later, made[start:], strict=True))


@pytest.mark.parametrize(
    ("data", "changes", "message"),
    [
        (some_data(40, (7, 32)), {}, "images of 7 x 32 pixels are too small: two reductions need at least 8"),
        (some_data(40, (8, 8), classes=1), {}, "some has 1 classes and 40 training images; .* at least two of each"),
        (some_data(40, (8, 8)), {"train_fraction": 0.99}, "leaves 40 to train on and 0 to validate on: take more"),
        (some_data(40, (8, 8)), {"train_images": 2}, "leaves 1 to train on and 1 to validate on"),
    ],
)
def test_what_nothing_can_be_learnt_from_is_refused_before_the_search(data, changes, message):
    method = METHODS["darts-1st"]
    with pytest.raises(ValueError, match=message):
        begin(method, data, replace(method.at("smoke"), **changes))


def test_data_that_contradict_themselves():
    good = some_data(12, (8, 8))
    for change, message in (
        ({"test": some_data(4, (9, 8)).train}, r"training images are \(3, 8, 8\), test images \(3, 9, 8\)"),
        ({"classes": ("a", "b")}, "labels of train go from 0 to 2; 2 classes have 0 to 1"),
        ({"mean": (0.5,)}, "need a number for each of 3 channels"),
        ({"std": (0.5, float("nan"), 1.0)}, "need a number for each of 3 channels"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(good, **change)


def test_a_channel_that_never_changes_is_left_at_zero():
    data = some_data(8, (8, 8))
    how = {"mean": (0.5, 0.5, 0.0), "std": (0.25, 0.25, 0.0), "seed": 0, "purpose": "x", "epoch": 0}
    black = Split(data.train.images * torch.tensor([1, 1, 0], dtype=torch.uint8)[:, None, None], data.train.labels)
    (images_, _), *_ = batches(black, 8, **how)
    assert torch.isfinite(images_).all() and not images_[:, 2].any()
