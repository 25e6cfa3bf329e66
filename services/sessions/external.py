"""State design `external`: sessions live in the store only; any replica can serve any of them.

Every use is one exchange with the store. A read renews the time to live and the last use; a write is a
compare-and-set on the write that it read, done again on what was there when another replica was faster. The
replica holds nothing, so `active` is 0: `statefall_store_sessions` counts the sessions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from services.refusals import Unavailable
from services.sessions.key_locks import KeyLocks
from services.sessions.measures import SessionMeasures
from services.sessions.protocol import Change, Ended
from services.sessions.records import Copy, SessionRecords, State
from services.sessions.session import Session

RACE_S: Final = 1.0
"""How long one write tries against the writes of other replicas before it is refused."""


class ExternalSessions:
    """Fulfils `SessionStore`, where its methods are described."""

    def __init__(
        self,
        records: SessionRecords,
        measures: SessionMeasures,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._records, self._measures, self._clock = records, measures, clock
        self._locks = KeyLocks()

    def open(self) -> None:
        """Nothing to open."""

    def create(self, session: Session) -> None:
        copy = self._records.insert(session)
        if copy is None:
            raise Unavailable("this session id is taken; log in again")
        self._remember(copy)

    def load(self, key: str, epoch: int = 0) -> Session | None:
        copy = self._newest(key, self._known(key))
        return None if copy is None or copy.session.epoch < epoch else copy.session

    def update(self, key: str, change: Change, epoch: int = 0) -> Session | None:
        deadline = self._clock() + RACE_S
        with self._locks.held(key):
            copy = self._known(key) or self._newest(key)
            while copy is not None and copy.session.epoch >= epoch:
                changed = replace(change(copy.session), version=copy.session.version + 1)
                found = self._records.swap(changed, copy)
                if isinstance(found, Copy):
                    self._remember(found)
                    return changed
                self._measures.conflicts.inc()
                copy = found.copy
                if self._clock() > deadline:
                    raise Unavailable("too many writes to this session at once; this one was not applied")
            self._forget(key)
            return None

    def holds(self, key: str) -> bool:
        return self._records.state(key) is State.LIVE

    def moved(self, key: str) -> bool:
        """No replica has it to itself."""
        return False

    def delete(self, key: str) -> bool:
        self._forget(key)
        return self._records.finish(key)

    def ended(self, key: str) -> Ended | None:
        return self._records.state(key).ended()

    def sweep(self) -> int:
        """The store removes what has expired by itself."""
        return 0

    def active(self) -> int:
        """None lives here."""
        return 0

    def drain(self) -> None:
        """Nothing to hand over."""

    def close(self) -> None:
        """Nothing to hand over."""

    def _newest(self, key: str, known: Copy | None = None) -> Copy | None:
        look = self._records.touch(key, known)
        if look.state is not State.LIVE:
            self._forget(key)
            return None
        copy = known if look.copy is None else look.copy
        if copy is not None:
            self._remember(copy)
        return copy

    # What a replica keeps of a session between requests: here nothing.

    def _known(self, key: str) -> Copy | None:
        return None

    def _remember(self, copy: Copy) -> None:
        """Not kept."""

    def _forget(self, key: str) -> None:
        """Not kept."""
