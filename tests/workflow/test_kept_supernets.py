"""Kept supernets: what is loaded computes what was trained, on images that it has not seen."""

import pytest
import torch

from nasnb.data import load
from nasnb.search import validate
from nasnb.workflow.kept_supernets import METHOD_OF, kept_supernet, kept_words, make_supernet, which_supernets

TINY = {"epochs": 1, "train_images": 64, "channels": 2, "batch_size": 32}


@pytest.fixture(scope="module")
def sample():
    return load("fashion-sample", image_size=16)


@pytest.fixture(scope="module")
def folders(tmp_path_factory, sample):
    where = {"runs_dir": tmp_path_factory.mktemp("runs"), "figures_dir": tmp_path_factory.mktemp("figures")}
    make_supernet("stacnas", sample, **where, **TINY)
    return where


def test_what_is_loaded_is_what_was_trained(folders, sample):
    state = kept_supernet("stacnas", figures_dir=folders["figures_dir"])
    run = next(folders["runs_dir"].glob("search-stacnas-*/checkpoint-*.pt"))
    trained = torch.load(run, weights_only=True)["state"]
    for name, value in state.net.state_dict().items():
        torch.testing.assert_close(value, trained["net"][name], rtol=1e-3, atol=1e-6)
    for name, value in state.relaxation.state_dict().items():
        torch.testing.assert_close(value, trained["relaxation"][name], rtol=0, atol=0)
    assert torch.equal(state.valid.images, sample.test.images)
    assert torch.equal(state.train.images, sample.train.images)
    assert state.epoch == state.config.epochs == TINY["epochs"]


def test_small_presets_take_kept_supernets_and_others_their_own():
    assert [which_supernets(preset) for preset in ("smoke", "laptop", "overnight")] == ["kept", "kept", "searched"]
    assert which_supernets("laptop", "searched") == "searched"


def test_its_words_say_what_it_is(folders):
    words = kept_words("stacnas", figures_dir=folders["figures_dir"])
    assert "3 cells, 2 channels, 16 px, 1 epochs" in words and "one seed" in words


def test_a_copy_is_the_same_supernet(folders):
    state = kept_supernet("stacnas", figures_dir=folders["figures_dir"])
    copied = state.copied()
    for name, value in copied.net.state_dict().items():
        assert torch.equal(value, state.net.state_dict()[name])
    assert torch.equal(copied.valid.labels, state.valid.labels)


def test_mistakes(folders, tmp_path):
    with pytest.raises(ValueError, match="no kept supernet 'darts-ist', did you mean 'darts-1st'"):
        kept_supernet("darts-ist")
    with pytest.raises(FileNotFoundError, match=r"make it again with: .* sgas"):
        kept_supernet("sgas", figures_dir=tmp_path)
    make_supernet("stacnas", load("fashion-sample", image_size=16), **folders | {"figures_dir": tmp_path}, **TINY)
    (tmp_path / "supernets" / "stacnas.pt.gz").write_bytes(b"something else")
    with pytest.raises(ValueError, match=r"is not what stacnas\.json tells of: restore it from git"):
        kept_supernet("stacnas", figures_dir=tmp_path)


@pytest.mark.parametrize("name", METHOD_OF)
def test_those_of_this_repository_are_small_and_have_learnt(name, request):
    figures = request.config.rootpath / "figures"
    assert (figures / "supernets" / f"{name}.pt.gz").stat().st_size < 2**20
    state = kept_supernet(name, figures_dir=figures)
    state.valid = state.valid.take(slice(0, 200))
    assert validate(state).accuracy > 40
