"""Image sets as one file: what goes in comes out, and damage is named."""

import numpy as np
import pytest
import torch
from conftest import tiny_data

from nasnb.data.packed import pack, unpack


def test_a_packed_set_comes_back_whole(tmp_path):
    data = tiny_data(n=48)
    pack(data, tmp_path / "set.npz")
    again = unpack(tmp_path / "set.npz")
    assert (again.name, again.classes, again.mean, again.std) == (data.name, data.classes, again.mean, again.std)
    assert torch.equal(again.train.images, data.train.images) and torch.equal(again.test.labels, data.test.labels)
    assert again.train.images.is_contiguous(memory_format=torch.channels_last)


def test_a_part_has_as_many_of_every_class_in_the_old_order(tmp_path):
    data = tiny_data(n=48)
    counts = data.train.labels.bincount()
    written = pack(data, tmp_path / "part.npz", train_images=24)
    assert torch.equal(written.train.labels.bincount(minlength=len(counts)), counts // 2)
    assert unpack(tmp_path / "part.npz").checksum == written.checksum != data.checksum


def test_damage_and_absence_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nasnb\.data\.packed\.pack writes one"):
        unpack(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match="is no packed image set, or damaged"):
        unpack(tmp_path / "other.npz")
    (tmp_path / "cut.npz").write_bytes(b"PK half")
    with pytest.raises(ValueError, match="is no packed image set"):
        unpack(tmp_path / "cut.npz")
