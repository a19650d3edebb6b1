"""Differentiable neural architecture search, paper by paper: `nasnb.search(nasnb.METHODS["pc-darts"], data, config)`.

The names below are imported when they are first used, so that `import nasnb` is quick.
"""

from importlib import import_module, metadata

_PARTS = ("analysis", "architecture", "config", "data", "plots", "runs", "schedules", "search", "spaces", "spectral")
_HOMES = {
    "GENOTYPES": "nasnb.genotypes",
    "Genotype": "nasnb.architecture",
    "METHODS": "nasnb.methods",
    "Method": "nasnb.methods",
    "SPACES": "nasnb.spaces",
    "count": "nasnb.measure",
    "train": "nasnb.training",
}

__all__ = [*_HOMES, *_PARTS]

try:
    __version__ = metadata.version("nasnb")
except metadata.PackageNotFoundError:  # a source tree that is not installed
    __version__ = "0+unknown"


def __getattr__(name: str):
    if name in _PARTS:  # `search` among them, a package that can be called
        return import_module(f"nasnb.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'nasnb' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
