"""The processor's memory, kept from step to step: the C library gives large blocks back, and taking them anew costs."""

from __future__ import annotations

import ctypes
import os
from functools import cache

# mallopt(3): from what size a block is mapped on its own, and how much may lie free before it is given back
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
_BLOCK, _FREE = 1 << 30, (1 << 31) - 1  # bytes; no map of a supernet is larger, and whatever a step freed is kept


@cache
def keep_freed_memory() -> bool:
    """Let this process keep what it frees for its next step; True if the C library can (glibc).

    A step allocates and frees the same maps over and over, which glibc returns to the system and has to be handed page
    by page again: 8 to 18 % of the seconds of masked evaluations were measured. The peak stays what it is. A user's
    own settings (`MALLOC_MMAP_THRESHOLD_`, `MALLOC_TRIM_THRESHOLD_`) stand.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None or {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"} & set(os.environ):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _BLOCK) and mallopt(_TRIM_THRESHOLD, _FREE))
