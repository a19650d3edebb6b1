"""Supernet weights of other projects: common wrappings are taken off, everything else is named in one line."""

import pickle
import re
from argparse import Namespace

import pytest
import torch

from nasnb.spaces import SPACES
from nasnb.spaces.official import load_official, read_official, to_official


def net(seed: int):
    torch.manual_seed(seed)
    return SPACES["s2"].supernet(channels=4, cells=3, classes=3)


STATE = to_official(net(1))


def with_prefix(prefix: str, state: dict) -> dict:
    return {prefix + key: value for key, value in state.items()}


ALPHAS = {"alphas_normal": torch.zeros(14, 2), "alphas_reduce": torch.zeros(14, 2)}
OPTIONS = Namespace(epochs=50, arch="s2")


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        with_prefix("module.", STATE),
        with_prefix("_orig_mod.", STATE),
        with_prefix("_orig_mod.module.", STATE),
        with_prefix("module._orig_mod.", STATE),
        {"epoch": 50, "state_dict": STATE, "optimizer": {"state": {}, "param_groups": []}},
        {"epoch": 50, "args": OPTIONS, "model": with_prefix("module.", STATE)},
        {"best": {}, "net": {"state_dict": STATE}},
        {"model_state_dict": {**STATE, "stem.1.num_batches_tracked": torch.tensor(7)}},
    ],
    ids=["plain", "parallel", "compiled", "both", "both again", "nested", "with options", "nested twice", "counted"],
)
def test_common_wrappings_are_taken_off(content, tmp_path):
    torch.save(content, tmp_path / "weights.pt")
    to = net(2)
    assert load_official(to, read_official(tmp_path / "weights.pt")) == ()
    assert all(torch.equal(value, STATE[key]) for key, value in to_official(to).items())


@pytest.mark.parametrize("prefix", ["", "module."])
def test_alphas_inside_are_left_aside_and_told(prefix, tmp_path):
    torch.save(with_prefix(prefix, STATE | ALPHAS | {"betas_normal": torch.zeros(14)}), tmp_path / "weights.pt")
    left = load_official(net(2), read_official(tmp_path / "weights.pt"))
    assert left == ("alphas_normal", "alphas_reduce", "betas_normal")


class Code:
    """What a pickle may do when it is loaded without care."""

    def __reduce__(self):
        return print, ("loaded files are data, never code",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3}, "holds epoch, where a supernet's weights by name are expected"),
        ({}, "holds nothing, where"),
        ([1, 2], "holds list, where"),
        (torch.zeros(3), "holds Tensor, where"),
        (ALPHAS, None),
        ({"net": Code()}, r"holds .*print besides tensors, which is not read; save the weights alone"),
        (re.compile("a"), r"holds re._compile besides tensors"),
    ],
)
def test_other_contents_are_named(content, message, tmp_path, capsys):
    path = tmp_path / "weights.pt"
    torch.save(content, path)
    with pytest.raises(ValueError, match=message or "key 'stem.0.weight' is missing") as error:
        load_official(net(2), read_official(path))
    assert "\n" not in str(error.value) and (message is None or str(path) in str(error.value))
    assert not capsys.readouterr().out, "nothing of the file was run"


@pytest.mark.parametrize(
    "damage",
    [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b"words", lambda b: pickle.dumps(3), lambda b: b"PK" + b],
)
def test_damaged_files_are_named(damage, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(STATE, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"weights.pt (is damaged, or not written by torch.save|holds)") as error:
        read_official(path)
    assert "\n" not in str(error.value)


def test_weights_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no weights at .*absent.pt: a file written by torch.save is expected"):
        read_official(tmp_path / "absent.pt")


def test_weights_that_are_no_numbers_are_refused_before_any_is_copied():
    to, spoiled = net(2), {key: value.clone() for key, value in STATE.items()}
    before = to_official(to)
    spoiled["classifier.bias"][0] = float("nan")
    with pytest.raises(ValueError, match=r"key 'classifier.bias' holds NaN or infinities"):
        load_official(to, spoiled)
    assert all(torch.equal(value, before[key]) for key, value in to_official(to).items())
