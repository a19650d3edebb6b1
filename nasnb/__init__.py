"""Differentiable neural architecture search, paper by paper: `search(METHODS["pc-darts"], data, config)`.

The names below are imported when they are first used, so that `import nasnb` is quick.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what editors and type checkers see of the names below
    from nasnb import (
        analysis,
        architecture,
        config,
        data,
        evaluation,
        experiment,
        methods,
        plots,
        published,
        report,
        runs,
        schedules,
        search,
        spaces,
        spectral,
        supernet,
        training,
        transfer,
    )
    from nasnb.architecture import Genotype
    from nasnb.methods import METHODS, Method
    from nasnb.published.genotypes import GENOTYPES
    from nasnb.spaces import SPACES
    from nasnb.supernet.counts import count
    from nasnb.training import train

_HOMES = {
    "GENOTYPES": "published.genotypes",
    "Genotype": "architecture",
    "METHODS": "methods",
    "Method": "methods",
    "SPACES": "spaces",
    "count": "supernet.counts",
    "train": "training",
}

__all__ = [
    "GENOTYPES",
    "METHODS",
    "SPACES",
    "Genotype",
    "Method",
    "analysis",
    "architecture",
    "config",
    "count",
    "data",
    "evaluation",
    "experiment",
    "methods",
    "plots",
    "published",
    "report",
    "runs",
    "schedules",
    "search",
    "spaces",
    "spectral",
    "supernet",
    "train",
    "training",
    "transfer",
]

try:
    __version__ = metadata.version("nasnb")
except metadata.PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0+unknown"


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(import_module(f"nasnb.{_HOMES[name]}"), name)
    if name in __all__:
        return import_module(f"nasnb.{name}")
    raise AttributeError(f"module 'nasnb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
