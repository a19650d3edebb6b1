"""The names that other projects may rely on, each used exactly as it is promised, after `import nasnb` alone."""

import subprocess
import sys

import pytest
import torch
from conftest import tiny_data
from torch import nn

import nasnb


@pytest.mark.parametrize("name", nasnb.SPACES)
def test_a_space_builds_its_supernet_and_the_network_of_what_it_discretises(name):
    space = nasnb.SPACES[name]
    scores = {group: torch.rand(space.choices.shape(group)) for group in space.choices.groups}
    genotype = space.discretise(scores)
    assert isinstance(genotype, nasnb.Genotype)
    with torch.device("meta"):
        supernet = space.supernet(channels=8, cells=3, classes=10)
        network = space.network(genotype, channels=8, cells=3, classes=10, auxiliary=False)
    assert all(isinstance(net, nn.Module) for net in (supernet, network))
    counts = nasnb.count(network, image_size=(3, 32, 32))
    assert counts.parameters == sum(p.numel() for p in network.parameters())
    assert counts.multiply_adds > 0


def test_a_network_with_an_auxiliary_head():
    genotype = nasnb.GENOTYPES["DARTS_V2"]
    sizes = {"channels": 8, "cells": 3, "classes": 10}
    plain, with_head = (nasnb.SPACES["darts"].network(genotype, **sizes, auxiliary=has) for has in (False, True))
    assert sum(p.numel() for p in with_head.parameters()) > sum(p.numel() for p in plain.parameters())
    assert nasnb.count(with_head) == nasnb.count(plain)  # images of (3, 32, 32) unless said


@pytest.mark.parametrize("name", nasnb.GENOTYPES)
def test_notation_of_the_official_repositories(name):
    text = nasnb.GENOTYPES[name].notation()
    assert nasnb.Genotype.from_notation(text) == nasnb.GENOTYPES[name]
    if text.startswith("Genotype("):
        assert text.startswith("Genotype(normal=[('") and "], normal_concat=[" in text


def test_notation_is_read_as_data():
    with pytest.raises(ValueError, match="not a list of"):
        nasnb.Genotype.from_notation("Genotype(normal=[__import__('os').getcwd()], normal_concat=[2])")


def test_search_then_train():
    method, data = nasnb.METHODS["darts-1st"], tiny_data(n=32)
    config = method.at("smoke", epochs=1, batch_size=16, train_images=32)
    *_, epoch = nasnb.search.search(method, data, config)
    train = nasnb.config.scaled(method.training, "smoke", train_images=16, batch_size=16)
    from nasnb.training import prepare

    *_, trained = nasnb.train(prepare(method.space, epoch.genotype, data, train))
    assert 0 <= trained.test.accuracy <= 100


PROMISED = """
import nasnb, nasnb.analysis.stacnas, torch
print(nasnb.schedules.cosine_power(0, 10, 0.025, 0.001, 2), nasnb.schedules.cosine_power(10, 10, 0.025, 0.001, 2))
conv = torch.nn.Conv2d(4, 4, 1, bias=False)
torch.nn.init.eye_(conv.weight[:, :, 0, 0].data)
print(round(float(nasnb.spectral.stable_rank(conv, 6)), 6), round(float(nasnb.spectral.spectral_norm(conv, 6)), 6))
print(nasnb.analysis.stacnas.gradient_confusion(torch.tensor([[1.0, 0.0], [-2.0, 0.0]])))
print(all(map(callable, (nasnb.search.search, nasnb.train, nasnb.count))), bool(nasnb.SPACES), bool(nasnb.METHODS))
"""


def test_modules_need_no_import_of_their_own():
    done = subprocess.run([sys.executable, "-c", PROMISED], capture_output=True, text=True, check=True)
    schedule, spectral, confusion, rest = done.stdout.splitlines()
    assert [float(x) for x in schedule.split()] == pytest.approx([0.025, 0.001])
    assert [float(x) for x in spectral.split()] == [4 * 36, 1]
    assert float(confusion) == 2
    assert rest == "True True True"
