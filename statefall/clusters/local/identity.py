"""Which process a number means: pids are used again, so a pid alone is no proof."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

LINUX = platform.system() == "Linux"
_STARTTIME_FIELD = 22
"""`man 5 proc_pid_stat`: clock ticks after boot."""


def start_of(pid: int) -> str | None:
    """When the process began, as a word that no later process of the same pid shares; None if gone."""
    if LINUX:
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name (field 2) may hold blanks and brackets: count from behind it.
        after_name = stat[stat.rindex(b")") + 2 :].split()
        return f"{_boot()}:{after_name[_STARTTIME_FIELD - 3].decode()}"
    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def ended_for_memory() -> int:
    """How many processes this kernel has ended for want of memory; 0 where it does not tell."""
    try:
        counters = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in counters if line.startswith("oom_kill ")), 0)


def group_pids(group: int) -> list[int]:
    """Pids of the process group that still run; the dead that nobody has collected do not count."""
    return [pid for pid in psutil.pids() if _group_of(pid) == group and runs(pid)]


def children_of(pid: int) -> list[psutil.Process]:
    """The processes that it has started and that still run."""
    try:
        found = psutil.Process(pid).children()
    except psutil.NoSuchProcess:
        return []
    return [child for child in found if runs(child.pid)]


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def runs(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stands_still(pid: int) -> bool:
    """Whether the process was stopped by a signal, or is gone."""
    try:
        return psutil.Process(pid).status() in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}
    except psutil.NoSuchProcess:
        return True


def environment_of(pid: int) -> dict[str, str]:
    """The environment that the process was started with; empty where it may not be read or is gone."""
    try:
        return psutil.Process(pid).environ()
    except psutil.Error:
        return {}
