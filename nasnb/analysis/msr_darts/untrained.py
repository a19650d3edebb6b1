"""What is settled of MSR-DARTS before a network is trained, at the paper's own size: seconds on a CPU."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import pandas as pd
import torch
import torch.nn.functional as F

from nasnb.analysis.shapes import cell_depth, cell_width, topologies
from nasnb.config import SearchConfig
from nasnb.data import load
from nasnb.methods import METHODS
from nasnb.published import GENOTYPES
from nasnb.randomness import generator, seeded
from nasnb.search import begin
from nasnb.search.ranks import cell_ranks, minimum_stable_rank
from nasnb.spaces import SPACES
from nasnb.spectral import ConvOperator, noise_sensitivity, stable_rank
from nasnb.supernet.layers import StackedConv

SIZES = {"true sizes": "true", "the code's sizes": "published_code"}


def norms_under_batchnorm(eps: Iterable[float] = (1e-20, 1e-5), *, seed: int = 0) -> pd.DataFrame:
    """Equations 4 and 5 with and without, on one supernet in float64: eps, loss and gradient, relative differences.

    A BatchNorm follows every factor that is rescaled, and divides it out again; only its eps can tell (of which torch
    refuses 0).
    """
    with seeded(seed, "norms under BatchNorm"):
        net = SPACES["msr"].supernet(channels=4, cells=3, classes=10).double()
    draw = generator(seed, "images")
    images, labels = torch.randn(8, 3, 8, 8, generator=draw).double(), torch.arange(8)
    weights = {group: torch.ones(14, 4).double() for group in dict.fromkeys(net.groups)}
    rows = []
    for each in eps:
        found = [_loss_and_gradient(net, images, labels, weights, eps=each, rescaled=on) for on in (True, False)]
        (loss, gradient), (plain_loss, plain_gradient) = found
        far = (gradient - plain_gradient).norm() / plain_gradient.norm()
        rows.append((each, abs(loss - plain_loss) / plain_loss, float(far)))
    return pd.DataFrame(rows, columns=["eps", "loss", "gradient"])


def _loss_and_gradient(net, images, labels, weights, *, eps: float, rescaled: bool):
    net = copy.deepcopy(net)
    for module in net.modules():
        if hasattr(module, "eps"):
            module.eps = eps
        if isinstance(module, StackedConv) and not rescaled:
            module.reparametrise = None
    loss = F.cross_entropy(net(images, weights), labels)
    found = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
    return float(loss.detach()), torch.cat([g.flatten() for g in found if g is not None])


def untrained_supernets(
    seeds: Iterable[int], *, channels: int = 16, cells: int = 8, image_size: int = 32
) -> pd.DataFrame:
    """A row per freshly drawn supernet of this size: what ranks would choose, and how the published code would mix.

    Columns: seed, rank (of the kernels, mean over all candidates, as a share of their channels), one_hot (share of
    edges whose largest weight softmax(-R) exceeds 0.999), and per rule for sizes the width of the reduction cell.
    """
    method, data = METHODS["msr-darts"], load("fashion-sample").resized(image_size)
    rows = []
    for seed in seeds:
        state = begin(method, data, SearchConfig(channels=channels, cells=cells, seed=seed))
        kernels = cell_ranks(state, of="kernel")
        shares = [ranks / _channels(channels, block, cells) for (_, block), ranks in kernels.items()]
        mixed = [torch.softmax(-r, 1).amax(1) for r in cell_ranks(state, shape_rule="published_code").values()]
        row = {"seed": seed, "rank": float(torch.stack(shares).mean())}
        row["one_hot"] = float((torch.cat(mixed) > 0.999).double().mean())
        for name, rule in SIZES.items():
            cell = method.space.discretise(minimum_stable_rank(shape_rule=rule)(state))
            row[name] = float(cell_width(cell, "reduce"))
        rows.append(row)
    return pd.DataFrame(rows)


def _channels(first: int, block: int, cells: int) -> int:
    """Of a cell's nodes: they double at a third and at two thirds of the cells."""
    return first * 2 ** ((block >= cells // 3) + (block >= 2 * cells // 3))


def sensitivity_to_white_noise(channels: int = 16, *, image_size: int = 32, seed: int = 0) -> pd.DataFrame:
    """1x1 kernels of one direction up to all: kernel_rank, and per_pixel noise sensitivity if the input is white noise.

    psi = |x|^2 |c|_F^2 / |c(x)|^2 is then near the number of channels, for |c(x)|^2 is |c|_F^2 in the mean.
    """
    draw = generator(seed, "kernels and white noise")
    left, _ = torch.linalg.qr(torch.randn(channels, channels, generator=draw, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(channels, channels, generator=draw, dtype=torch.float64))
    images = torch.randn(64, channels, image_size, image_size, generator=draw, dtype=torch.float64)
    rows = []
    for decay in (0.0, 0.5, 0.8, 0.95, 1.0):
        spectrum = decay ** torch.arange(channels, dtype=torch.float64)
        conv = ConvOperator((left * spectrum @ right)[..., None, None], image_size)
        per_pixel = noise_sensitivity(conv, images) / image_size**2
        rows.append((float(stable_rank(conv, image_size, of="kernel")), float(per_pixel)))
    return pd.DataFrame(rows, columns=["kernel_rank", "per_pixel"])


def published_shape() -> dict[str, float]:
    """Shares of all 180 topologies: as deep and as narrow as the published normal cell; as wide as its reduction cell.

    Keys: normal, reduce.
    """
    drawn, cell = topologies(), GENOTYPES["MSRDARTS"]
    depth, width = float(cell_depth(cell, "normal")), float(cell_width(cell, "normal"))
    return {
        "normal": float(((drawn.depth >= depth) & (drawn.width <= width)).mean()),
        "reduce": float((drawn.width >= float(cell_width(cell, "reduce"))).mean()),
    }
