"""Memory that is freed stays with the process."""

import os
import subprocess
import sys

import pytest

# a block larger than glibc ever keeps by itself, taken and given back as the maps of a step are
PROGRAM = """
import ctypes, resource
from nasnb.device.allocator import keep_freed_memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def take():
    block = libc.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
print(keep_freed_memory())
take()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    take()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def told(**variables: str) -> tuple[bool, int]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")} | variables
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    kept, faults = done.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(not hasattr(os, "confstr") or "CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="needs glibc")
def test_freed_blocks_are_kept_unless_the_user_has_settings_of_their_own():
    kept, faults = told()
    assert kept and faults < 100
    kept, faults = told(MALLOC_TRIM_THRESHOLD_="131072")
    assert not kept and faults > 100  # even with pages of 2 MB
