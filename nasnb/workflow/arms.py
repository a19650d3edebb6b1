"""The arms of the NAS-Bench-201 experiment: every paper's idea in one space whose cells somebody has trained.

All arms share images, sizes and epochs, so that they differ by the idea alone; the papers' own numbers are left aside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from nasnb.analysis.hessian import dominant_eigenvalue
from nasnb.config import SearchConfig, nearest
from nasnb.methods import METHODS, Method, best_groups
from nasnb.search import Epoch
from nasnb.search.perturbation import perturbation
from nasnb.search.selection import softmax_weights
from nasnb.search.steps import bilevel, one_level
from nasnb.spaces.bench201 import BENCH201_GROUPS, bench201_groups
from nasnb.supernet.partial_channels import partial_channels
from nasnb.supernet.relaxation import edge_normalised, max_w, softmax

# One cell per stage, few images and many epochs: the supernet converges, and that is where cells collapse.
SIZE = SearchConfig(epochs=100, cells=1, channels=16, batch_size=64, train_images=5000, alpha_lr=3e-3)
# The small ones are a fifth of the work: minutes a search on a core, so that all arms get eight seeds.
SIZES = {"whole": SIZE, "small": replace(SIZE, channels=8, train_images=2000)}


@dataclass(frozen=True)
class Arm:
    """A search, and the selections that are then made on its supernet."""

    name: str
    method: Method
    config: SearchConfig = SIZE
    selections: tuple[Method, ...] = ()
    observe: Callable[[Epoch], dict[str, float]] | None = None


def alpha_curvature(epoch: Epoch, *, every: int = 10, images: int = 256) -> dict[str, float]:
    """The largest eigenvalue of the validation loss' Hessian in alpha, on the first held-out images; else nothing."""
    if epoch.number % every or epoch.phase != "search":
        return {}
    state = epoch.state
    part = replace(state, valid=state.valid.take(slice(images)))
    config = replace(state.config, batch_size=images)
    batches = replace(part, config=config).batches(part.valid, "curvature", 0, augment=False)
    return {"eigenvalue": dominant_eigenvalue(state, islice(batches, 1), method="exact")}


def _on_table(name: str) -> Method:
    return replace(METHODS[name].on("bench201"), config=SIZE)


_DARTS = _on_table("darts-1st")
# what decides on the supernet of DARTS once it is trained
SELECTIONS = tuple(
    replace(_DARTS, name=name, select=select)
    for name, select in {
        "pt": perturbation(),
        "pt-random-choice": perturbation(criterion="random"),
        "pt-mag": perturbation(criterion="magnitude", topology="magnitude"),
        "pt-without-tuning": perturbation(interval=0),
        "pt-another-order": perturbation(order=1),
    }.items()
)


def _with_pt(method: Method) -> tuple[Method, ...]:
    return (replace(method, name="pt", select=perturbation()),)


def _partial(k: int, *, beta: bool) -> Arm:
    name = f"k{k}{'-beta' if beta else ''}"
    relax = edge_normalised(softmax) if beta else softmax
    return Arm(name, replace(_DARTS, name=name, step=bilevel(warmup=15), mix=partial_channels(k), relax=relax))


def _grouped(name: str, **parts) -> Method:
    return replace(_DARTS, name=name, space=bench201_groups, then=best_groups(groups=BENCH201_GROUPS), **parts)


_ALL = replace(SIZE, train_fraction=1.0)
_HALF = replace(_ALL, train_images=SIZE.train_images // 2)  # as many images per weight as two levels have
_FIXED, _RS = _on_table("darts-pt-fixed-alpha"), _on_table("sdarts-rs")
_ONE = replace(_DARTS, name="one-level", step=one_level())

ARMS: tuple[Arm, ...] = (
    Arm("darts-1st", _DARTS, selections=SELECTIONS, observe=alpha_curvature),
    Arm("fixed-alpha", replace(_FIXED, name="fixed-alpha", select=None), selections=_with_pt(_FIXED)),
    Arm("sdarts-rs", _RS, selections=_with_pt(_RS)),
    *(_partial(k, beta=beta) for k in (4, 2, 1) for beta in (False, True)),
    Arm("one-level-half", replace(_ONE, name="one-level-half"), _HALF),
    Arm("groups", _grouped("groups")),
    Arm("groups-one-level-half", _grouped("groups-one-level-half", step=one_level()), _HALF),
    Arm("max-w", replace(_DARTS, name="max-w", relax=max_w, score=softmax_weights)),
    Arm("sgas", replace(_on_table("sgas"), name="sgas")),
    Arm("darts-2nd", _on_table("darts-2nd")),
    Arm("one-level", _ONE, _ALL),
    Arm("groups-one-level", _grouped("groups-one-level", step=one_level()), _ALL),
)

# What every claim needs first; the others refine.
CORE = ("darts-1st", "fixed-alpha", "sdarts-rs", "k4", "k4-beta", "max-w", "sgas", "one-level-half", "groups")

IMAGES, ALPHA_RATES = (2500, 5000, 10000), (3e-4, 6e-4, 3e-3)


def phase_diagram(epochs: int = 200) -> Iterator[Arm]:
    """DARTS of first order under every number of images and learning rate of alpha: where do its cells collapse?"""
    for images in IMAGES:
        for rate in ALPHA_RATES:
            name = f"phase-{images}-{rate:g}"
            config = replace(SIZE, epochs=epochs, train_images=images, alpha_lr=rate)
            yield Arm(name, replace(_DARTS, name=name), config, observe=alpha_curvature)


def arms(names: Sequence[str] = (), size: str = "whole") -> list[Arm]:
    """The arms of these names, all without any, with channels and images of one of SIZES; `phases` and `core` are
    several. Raises ValueError for unknown ones."""
    known = {arm.name: arm for arm in (*phase_diagram(), *ARMS)}
    groups = {"phases": [arm.name for arm in phase_diagram()], "core": list(CORE)}
    names = [name for wanted in names for name in groups.get(wanted, [wanted])]
    for name in names:
        if name not in known:
            raise ValueError(f"unknown arm {name!r}{nearest(name, known)}; arms: {', '.join(known)}")
    return [_sized(known[name], SIZES[size]) for name in names or known]


def _sized(arm: Arm, size: SearchConfig) -> Arm:
    """Images in proportion: some arms have half of them."""
    images = arm.config.train_images * size.train_images // SIZE.train_images
    return replace(arm, config=replace(arm.config, channels=size.channels, train_images=images))
