"""Clears what a harness left that could not clean up: processes, data, its entry in the cache.

Where the parent-death signal works the processes are gone already. Nothing is ended on the word
of a pid alone: a process must have begun when the record says, or carry the run's key.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from statefall.clusters.local import identity
from statefall.clusters.local.directories import LiveRun, cache_directory
from statefall.clusters.local.processes import MARKER, RECORD
from statefall.clusters.protocol import ClusterError
from statefall.clusters.registry import CONTROL_SOCKET
from statefall.records.errors import InputError

_END_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class _Left:
    """A process of a dead harness."""

    pid: int
    started: str
    role: str
    end_signal: signal.Signals


def recover_all() -> list[str]:
    """Clear every run on this machine whose harness is dead; what was done, in words (empty: nothing)."""
    return [line for run in LiveRun.abandoned(cache_directory()) for line in _clear(run)]


def recover(run_dir: Path) -> list[str]:
    """Clear this run; what was done, in words. Raises InputError while its harness lives."""
    home = run_dir.resolve() / "cluster"
    found: list[str] = []
    for run in LiveRun.abandoned(cache_directory()):
        if run.home == home:
            found += _clear(run)
        else:
            run.release()
    if not found and (home / RECORD).exists():
        raise InputError("its harness is still running", where=str(run_dir), hint="end that first")
    return found


def _clear(run: LiveRun) -> list[str]:
    left = _processes_left(run)
    done = [f"{run.key}: ended the {process.role} (pid {process.pid})" for process in left]
    _end(left)
    record = run.home / RECORD
    record.unlink(missing_ok=True)
    (run.home.parent / CONTROL_SOCKET).unlink(missing_ok=True)
    run.leave()
    return [*done, f"{run.key}: removed the data of {run.home.parent}"]


def _processes_left(run: LiveRun) -> list[_Left]:
    recorded = _recorded(run)
    pids = {process.pid for process in recorded}
    strays = [
        _Left(pid, started, "process of a replica or load generator", signal.SIGKILL)
        for pid in psutil.pids()
        if pid not in pids and (started := _start_if_of(run, pid))
    ]
    return [*(process for process in recorded if _is_there(process)), *strays]


def _recorded(run: LiveRun) -> list[_Left]:
    try:
        document = json.loads((run.home / RECORD).read_bytes())
    except FileNotFoundError:
        return []  # killed before it started anything, or the run directory was removed by hand
    if document["run"] != run.key:
        return []  # a later run in the same directory
    return [
        _Left(entry["pid"], entry["started"], entry["role"], signal.Signals(entry["end_signal"]))
        for entry in document["processes"]
    ]


def _start_if_of(run: LiveRun, pid: int) -> str | None:
    """When the process began, if it carries the key of the run."""
    started = identity.start_of(pid)
    if identity.environment_of(pid).get(MARKER) != run.key or not identity.runs(pid):
        return None
    return started if started == identity.start_of(pid) else None


def _is_there(process: _Left) -> bool:
    return identity.start_of(process.pid) == process.started and identity.runs(process.pid)


def _end(left: list[_Left]) -> None:
    for process in left:
        _send(process, process.end_signal)
    remaining = _wait(left)
    for process in remaining:
        _send(process, signal.SIGKILL)
    if stubborn := _wait(remaining):
        names = ", ".join(f"{process.role} (pid {process.pid})" for process in stubborn)
        raise ClusterError(f"these processes would not end: {names}")


def _send(process: _Left, number: signal.Signals) -> None:
    if _is_there(process):
        with suppress(ProcessLookupError):  # it ended in this moment
            os.kill(process.pid, number)


def _wait(processes: list[_Left]) -> list[_Left]:
    deadline = time.monotonic() + _END_TIMEOUT_S
    while (there := [process for process in processes if _is_there(process)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return there
