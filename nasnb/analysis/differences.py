"""Differences as claims state them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def relative(first: Sequence[float], second: Sequence[float]) -> np.ndarray:
    """First less second in percent of the mean of both, pair by pair.

    A test error falls by a tenth or it does not, at 3 % as at 30 %; points say little at another scale.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    return 200 * (a - b) / (a + b)
