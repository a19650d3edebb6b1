"""How exactly a network computes: "float32", "tf32" (rounded factors in products) or "bf16" (rounded maps as well)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from nasnb.config import nearest

PRECISIONS = ("float32", "tf32", "bf16")


@contextmanager
def computing(precision: str) -> Iterator[None]:
    """Within the block, backward passes included, a GPU multiplies float32 exactly, unless `precision` allows less.

    Raises ValueError for an unknown precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"unknown precision {precision!r}{nearest(precision, PRECISIONS)}; {', '.join(PRECISIONS)}")
    backends = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = [backend.fp32_precision for backend in backends]
    for backend in backends:
        backend.fp32_precision = "ieee" if precision == "float32" else "tf32"
    try:
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.fp32_precision = value


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """For a `with` around forward passes."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
