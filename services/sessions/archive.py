"""The sessions of a store in a file, and back: what `backup` and `restore` do.

A session stays sealed on the way, so a backup needs no key and tells little to who finds it. What is
left of its life is kept as it was at the moment of the backup: the clock stops in the file. A logout
that came later is not in it, so restoring into a store that has lost everything brings such a session
back to life.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from services.sessions import scripts
from services.sessions.records import PREFIX, REMEMBER_S, call
from services.store import Store

FORMAT: Final = "statefall sessions 1"
BATCH: Final = 200


class NotAnArchive(Exception):
    """The file is no backup of sessions, or not a whole one; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A session as it lies in the store."""

    key: str
    version: int
    epoch: int
    user_id: int
    last_use_s: float
    """Unix time."""
    left_s: float
    sealed: str
    """Base64."""


@dataclass(frozen=True, slots=True)
class Restored:
    """How a restore went."""

    restored: int
    left_alone: int
    """The store had the same, a newer one, or knew that it had been logged out or moved."""


def read_store(store: Store) -> Iterator[Entry]:
    """All live sessions. Raises StoreUnavailable."""
    keys = [key.removeprefix(PREFIX).strip("{}") for key in store.keys(f"{PREFIX}*")]
    for batch in _batches(keys):
        answers = store.run_many([call(scripts.READ, key) for key in batch])
        for key, answer in zip(batch, answers, strict=True):
            if answer is not None:
                version, epoch, user_id, last_use_s, sealed, left_ms = answer
                yield Entry(
                    key=key,
                    version=int(version),
                    epoch=int(epoch),
                    user_id=int(user_id),
                    last_use_s=float(last_use_s),
                    left_s=float(left_ms) / 1000,
                    sealed=base64.b64encode(sealed).decode(),
                )


def write_store(store: Store, entries: Sequence[Entry], *, overwrite: bool) -> Restored:
    """Put sessions into the store; without `overwrite` none goes behind what is known there.

    Raises StoreUnavailable; what was put until then stays, and doing it again does no harm.
    """
    restored = 0
    for batch in _batches(entries):
        restored += sum(store.run_many([_put(entry, overwrite) for entry in batch]))
    return Restored(restored, len(entries) - restored)


def save(path: Path, entries: Iterator[Entry]) -> int:
    """Write a file that only its owner can read, whole or not at all; returns how many. Raises OSError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    number = 0
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps({"format": FORMAT, "taken_at": time.time()}) + "\n")
            for entry in entries:
                file.write(json.dumps(asdict(entry)) + "\n")
                number += 1
            file.write(json.dumps({"sessions": number}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink()
        raise
    return number


def open_archive(path: Path) -> list[Entry]:
    """All sessions of a file. Raises NotAnArchive, OSError."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise NotAnArchive(f"{path}: {error}") from None
    if not lines or not isinstance(lines[0], dict) or lines[0].get("format") != FORMAT:
        raise NotAnArchive(f"{path}: does not begin as a backup of sessions does")
    *entries, last = lines[1:] or [{}]
    if last != {"sessions": len(entries)}:
        raise NotAnArchive(f"{path}: is cut off; its last line should count its sessions")
    return [_entry(path, number, fields) for number, fields in enumerate(entries, 2)]


def _entry(path: Path, number: int, fields: dict[str, Any]) -> Entry:
    try:
        entry = Entry(**fields)
        base64.b64decode(entry.sealed, validate=True)
    except (TypeError, ValueError) as error:
        raise NotAnArchive(f"{path}, line {number}: {error}") from None
    return entry


def _put(entry: Entry, overwrite: bool) -> Any:
    life_ms = max(1, round(entry.left_s * 1000)), round(REMEMBER_S * 1000)
    counters = entry.version, entry.epoch, entry.user_id, entry.last_use_s
    sealed, rule = base64.b64decode(entry.sealed), "any" if overwrite else "newer"
    return call(scripts.PUT, entry.key, *life_ms, *counters, sealed, rule)


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for begin in range(0, len(items), BATCH):
        yield items[begin : begin + BATCH]
