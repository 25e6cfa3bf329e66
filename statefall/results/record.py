"""Writes a run as it happens: one folder, made once, never rewritten.

Events are flushed line by line, so that a harness that dies leaves all but at most the last line.
Every other file is written beside its place and renamed into it, so that none is ever half there.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from statefall.codec import Codec, event_line
from statefall.ledger.history.reading import HISTORY, PACKED
from statefall.records.clock import Clock
from statefall.records.errors import InputError
from statefall.records.events import Event
from statefall.records.verdicts import LoadResult
from statefall.results.run_head import RunHead

EVENTS: Final = "events.jsonl"
HEAD: Final = "run.json"
PLAN: Final = "plan.json"
SUMMARY: Final = "summary.json"
FINDINGS: Final = "findings.jsonl"
"""Every finding of the ledger with its cause, a line each."""
HISTOGRAMS: Final = "latency.hlog"
REPORT: Final = "report.html"
LOADS: Final = "loads"
"""Folder with the LoadResult of each cell, `<cell>.json`."""

LARGE_BYTES: Final = 1_000_000
"""From here on a history is compressed when the run has ended."""

LOAD: Final = Codec[LoadResult](LoadResult)


def new_run_id(experiment: str, clock: Clock, source: random.Random | None = None) -> str:
    """`<UTC time>-<experiment>-<6 hex digits>`: sorts by time, and two runs of one second differ."""
    at = datetime.fromtimestamp(clock().wall_s, UTC)
    digits = (source or random.SystemRandom()).getrandbits(24)
    return f"{at:%Y%m%dT%H%M%SZ}-{experiment}-{digits:06x}"


@dataclass(slots=True)
class RunRecorder:
    """The folder of one run while it is written. Every method may be called from any thread."""

    path: Path
    """The run's folder, `<out>/<run id>`."""
    _events: IO[str] = field(repr=False)
    _history: IO[str] | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def create(cls, out: Path, run: str) -> RunRecorder:
        """Make the folder `out/run`. Raises InputError when it exists or cannot be written."""
        path = out / run
        try:
            out.mkdir(parents=True, exist_ok=True)
            path.mkdir()
            events = (path / EVENTS).open("x", encoding="utf-8")
        except FileExistsError as error:
            where = str(error.filename or path)
            hint = "a run is never rewritten: choose another folder with --out"
            raise InputError(
                "the run's folder cannot be made: it exists already", where=where, hint=hint
            ) from error
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            hint = "give a folder that can be written with --out"
            raise InputError(
                f"the run cannot be recorded here: {reason}", where=str(out), hint=hint
            ) from error
        return cls(path, events)

    @property
    def run(self) -> str:
        """The run's id."""
        return self.path.name

    def head(self, plan: RunHead) -> None:
        """Write `run.json`; again when more is known (the cluster's fingerprint)."""
        self.write(HEAD, plan.to_json())

    def record(self, event: Event) -> None:
        """Append an event; it is with the operating system when this returns."""
        text = event_line(event)
        with self._lock:
            self._events.write(text)
            self._events.flush()

    def history(self, lines: Sequence[str]) -> None:
        """Append lines of the history; they are with the operating system when this returns."""
        with self._lock:
            if lines and not self._events.closed:
                if self._history is None:
                    self._history = (self.path / HISTORY).open("x", encoding="utf-8")
                self._history.write("".join(f"{line}\n" for line in lines))
                self._history.flush()

    def load_result(self, cell: str, result: LoadResult) -> None:
        """Keep what the load of a cell handed back."""
        self.write(f"{LOADS}/{cell}.json", LOAD.encode(result) + "\n")

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file of the run, whole or not at all; `name` may lie in a sub-folder."""
        write_file(self.path / name, content)

    def discard(self) -> None:
        """Remove the folder: nothing ran, so there is nothing to keep."""
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        """No more events; a no-op when closed."""
        with self._lock:
            if not self._events.closed:
                os.fsync(self._events.fileno())
                self._events.close()
            if self._history is not None and not self._history.closed:
                os.fsync(self._history.fileno())
                self._history.close()
                _pack(self.path / HISTORY)


def _pack(history: Path) -> None:
    """A large history is kept compressed: one of the two files is whole at any moment."""
    if history.stat().st_size < LARGE_BYTES:
        return
    packed = history.with_name(PACKED)
    beside = packed.with_name(f".{PACKED}")
    with history.open("rb") as plain, gzip.open(beside, "wb", compresslevel=6) as file:
        shutil.copyfileobj(plain, file)
    beside.replace(packed)
    history.unlink()


def write_file(path: Path, content: str | bytes) -> None:
    """Write beside, then rename: a reader sees the old file or the new one, never a part.

    Raises InputError when the disk refuses.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"cannot be written: {reason}", where=str(path), hint="make room or choose --out"
        ) from error
