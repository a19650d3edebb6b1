"""Small supernets with statistics of their own, for tests of the analyses."""

import torch

from nasnb.randomness import seeded
from nasnb.spaces import SPACES


def tiny_supernet(name="s2", *, channels=4, cells=3, seed=0, **options):
    """(net in eval mode, weights, images): random weights, mixing weights that differ, running statistics moved."""
    space = SPACES[name] if isinstance(name, str) else name
    with seeded(seed, "tiny supernet"):
        net = space.supernet(channels=channels, cells=cells, classes=4, **options)
        images = torch.randn(12, 3, 8, 8)
        weights = {g: torch.rand(space.choices.shape(g)).softmax(1) for g in space.choices.groups}
        with torch.no_grad():
            for batch in (images * 2 + 1, images):
                net(batch, weights)
    return net.eval(), weights, images


def batches_of(images, size=5):
    labels = torch.arange(len(images)) % 4
    return list(zip(images.split(size), labels.split(size), strict=True))
