"""Starts `statefall` as a user would and tells what of it is still there afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

STATEFALL = str(Path(sys.executable).parent / "statefall")
SHORT = (
    "phases.warmup_s=4",
    "phases.baseline_s=2",
    "phases.fault_s=3",
    "phases.recovery_s=4",
    "load.arrivals_s=2.5",
)
"""Phases that are long enough for the default experiment to show what it shows."""
SOON = (*SHORT, "phases.warmup_s=1", "load.arrivals_s=0.5")
"""For runs that are hit in their baseline, and of few shoppers."""
ONE_CELL = ("matrix.service=[stateful]", "matrix.balancer=[sticky]")
SMALL_LOAD = ("load.shoppers=12", "gates=[]")
DEADLINE_S = 180.0


def overrides(*groups: Sequence[str]) -> list[str]:
    """The `--set` arguments of these overrides."""
    return [word for group in groups for override in group for word in ("--set", override)]


def call(*arguments: str, cwd: Path, timeout_s: float = DEADLINE_S) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end."""
    return subprocess.run(
        [STATEFALL, *arguments], cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False
    )


@dataclass
class Conductor:
    """A run that was started and goes on, told of by its JSON lines."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, *arguments: str, cwd: Path) -> Conductor:
        return cls(
            subprocess.Popen(
                [STATEFALL, "run", "--json", *arguments],
                cwd=cwd,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )

    def lines(self) -> Iterator[dict[str, Any]]:
        """What it says, as it says it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield json.loads(line)

    def until(self, says: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first line that `says` holds for; fails with what the process said instead."""
        for line in self.lines():
            if says(line):
                return line
        assert self.process.stderr is not None
        raise AssertionError(f"it ended first: {self.process.stderr.read()}")

    def descendants(self) -> list[psutil.Process]:
        """Every process that it has started, and theirs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> tuple[int, str, str]:
        """Wait for it; its exit code and the rest of what it said."""
        out, err = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, out, err


def still_there(processes: Sequence[psutil.Process]) -> list[str]:
    """Those that run on, as `pid command`; zombies have ended."""
    found = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {' '.join(process.cmdline()[:4])}")
        except psutil.NoSuchProcess:
            continue
    return found


def wait_gone(processes: Sequence[psutil.Process], *, within_s: float = 30.0) -> list[str]:
    """Wait until all have ended; those that have not by then."""
    deadline = time.monotonic() + within_s
    while (left := still_there(processes)) and time.monotonic() < deadline:
        psutil.wait_procs(processes, timeout=0.2)
    return left


def in_phase(phase: str) -> Callable[[dict[str, Any]], bool]:
    """For `until`: the run has reached this phase."""
    return lambda line: line["kind"] == "phase" and line["phase"] == phase


def run_folder(out: Path) -> Path:
    """The one run in a folder."""
    (folder,) = out.iterdir()
    return folder


def is_root() -> bool:
    """Root may write everywhere, so a folder has to be refused for another reason."""
    return os.geteuid() == 0
