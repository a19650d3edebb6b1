"""One CPU thread, and a tiny data set of coloured noise with a class-dependent tint, learnable in a few steps."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest
import torch
from jaxtyping import install_import_hook

# The shapes that signatures name are checked while tests run; before the first import of a module that has them.
if find_spec("beartype"):
    SHAPED = [f"nasnb.{room}" for room in ("supernet", "search", "spectral", "analysis")]
    install_import_hook(SHAPED, "shape_checks.shapes_only")

from nasnb.data import Data, Split

torch.set_num_threads(1)


def tiny_data(n: int = 96, size: int = 8, channels: int = 3, classes: int = 4, seed: int = 0) -> Data:
    """Images whose mean tells the class."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    noise = torch.randint(0, 120, (n, channels, size, size), generator=draw)
    images = (noise + 40 * labels[:, None, None, None] // 1).clamp(0, 255).to(torch.uint8)
    split = Split(images, labels)
    stats = (0.5,) * channels, (0.25,) * channels
    return Data("tiny", split, Split(images[: n // 2], labels[: n // 2]), tuple("abcdefgh"[:classes]), *stats, "none")


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    """Matplotlib warns after 20, in whichever test comes next."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture
def data() -> Data:
    return tiny_data()
