"""Has the C library give large blocks back to the system as soon as they are freed.

A password hash takes 19 MiB for a moment. By default glibc learns from the first such block to serve the
next ones from the heap of the thread that asks, and keeps what is freed there: sixteen threads that have
hashed once hold 300 MiB for good, and a container that is limited to 512 MiB runs out of memory.
Measured: docs/decisions/0018-memory-of-password-hashes.md.
"""

from __future__ import annotations

import ctypes
import logging
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
LARGE_BYTES: Final = 1024 * 1024


def return_large_blocks() -> None:
    """Fix the size from which a block is mapped for itself. Elsewhere than on glibc, nothing is done."""
    try:
        done = ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
    except (OSError, AttributeError):
        return
    if not done:
        logging.getLogger(__name__).warning("the allocator keeps its own threshold for large blocks")
