"""When a load process must end: with its parent, if asked, and soon after a signal."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

import gevent

PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h."""
WATCH_S: Final = 0.5


def die_with_parent(parent: int) -> None:
    """End this process when its parent ends: by the kernel on Linux, elsewhere by watching.

    `parent` is its pid, to notice when it has ended before. The kernel's signal is tied to the
    thread that started this process.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0:
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)  # it ended before the kernel was asked
            return
    gevent.spawn(_watch, parent)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        gevent.sleep(WATCH_S)
    os.kill(os.getpid(), signal.SIGKILL)
