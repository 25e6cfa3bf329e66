"""State design `handoff`: as `memory`, but a replica that ends in order leaves its sessions in the store.

At SIGTERM every session moves from memory into the store, in batches, while requests are still being
answered. From that moment on a request finds its session in the store: one that still lay in memory is
put there first, so no write can come after the flush and be missed. Another replica that is asked for
a session it does not hold takes it over, in two steps. It claims the session: from then on nobody writes
to what it read. It confirms: from then on the session is in its memory alone, and only now does it serve
it. A claimer that dies in between holds the others up for `records.CLAIM_S`, and two replicas never both
own a session. A SIGKILL loses what the process held, as in `memory`.

`active` counts what this process holds: its memory, and what has left it and is not surely in the store.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from services.refusals import Unavailable
from services.sessions.external import ExternalSessions
from services.sessions.key_locks import KeyLocks
from services.sessions.measures import SessionMeasures
from services.sessions.memory import MemorySessions
from services.sessions.protocol import Change, Ended
from services.sessions.records import SessionRecords, State
from services.sessions.session import Kept, Session

BATCH: Final = 200
"""Sessions in one exchange; others wait for the store meanwhile."""
TRIES: Final = 2
"""To take a session over: an old claim of ours may have run out, and then it is claimed anew."""
RETRY_S: Final = 0.1
LAST_TRIES_S: Final = 1.5
"""How long `close` goes on when the store does not answer; fits into services.draining.CLOSING_S."""


class HandoffSessions:
    """Fulfils `SessionStore`, where its methods are described."""

    def __init__(
        self,
        memory: MemorySessions,
        records: SessionRecords,
        measures: SessionMeasures,
        boot: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._memory, self._records, self._measures = memory, records, measures
        self._boot, self._clock = boot, clock
        self._direct = ExternalSessions(records, measures)
        self._claims = KeyLocks()
        self._draining = False
        self._arriving: dict[str, Session] = {}
        """Claimed, and perhaps confirmed: the store did not say."""
        self._leaving: dict[str, Kept] = {}
        self._leaving_lock = threading.Lock()
        # SimpleQueue is the one that may be used in a signal handler.
        self._told: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._flusher = threading.Thread(target=self._run, name="session-handoff", daemon=True)

    def open(self) -> None:
        self._flusher.start()

    def create(self, session: Session) -> None:
        (self._direct if self._draining else self._memory).create(session)

    def load(self, key: str, epoch: int = 0) -> Session | None:
        session = None if self._draining else self._memory.load(key, epoch) or self._take_over(key, epoch)
        if session is None and self._draining:
            self._settle(key)
            session = self._direct.load(key, epoch)
        return session

    def update(self, key: str, change: Change, epoch: int = 0) -> Session | None:
        if not self._draining:
            session = self._memory.update(key, change, epoch)
            if session is None and self._take_over(key, epoch) is not None:
                session = self._memory.update(key, change, epoch)
            # The drain may have begun in between and moved the session away.
            if session is not None or not self._draining:
                return session
        self._settle(key)
        return self._direct.update(key, change, epoch)

    def holds(self, key: str) -> bool:
        if self._memory.holds(key) or key in self._leaving or key in self._arriving:
            return True
        return self._state(key) is State.LIVE

    def moved(self, key: str) -> bool:
        """Only a replica that ends gives its sessions away."""
        return False

    def delete(self, key: str) -> bool:
        if not self._draining:
            self._arrive(key)
            if self._memory.delete(key):
                return True
        self._settle(key)
        ended = self._direct.delete(key)
        return ended or (self._state(key) is State.MOVED and self._memory.delete(key))

    def ended(self, key: str) -> Ended | None:
        here = self._memory.ended(key)
        if here is not None:
            return here
        return self._state(key).ended()

    def sweep(self) -> int:
        with contextlib.suppress(Unavailable):  # the next request or sweep tries again
            self._arrive_all()
        return self._memory.sweep()

    def active(self) -> int:
        return self._memory.active() + len(self._leaving) + len(self._arriving)

    def drain(self) -> None:
        self._draining = True
        self._told.put(None)

    def close(self) -> None:
        self.drain()
        self._closing.set()
        self._flusher.join()
        self._flush(self._clock() + LAST_TRIES_S)  # what came back in the moment of the drain
        left = self.active()
        if left:
            logging.getLogger(__name__).error("%d sessions could not be handed over", left)

    def _take_over(self, key: str, epoch: int) -> Session | None:
        if self._memory.ended(key) is not None:
            return None
        with self._claims.held(key):
            session = self._memory.load(key, epoch)  # another thread may have been faster
            if session is not None:
                return session
            for _ in range(TRIES):
                if key not in self._arriving:
                    found = self._records.claim(key, self._boot, epoch).copy
                    if found is None:
                        return None
                    self._arriving[key] = replace(found.session, epoch=found.session.epoch + 1)
                session = self._confirm(key)
                if session is not None:
                    return session
            raise Unavailable("this session is in use on another replica; ask again")

    def _arrive(self, key: str) -> None:
        """Finish a move hither whose confirmation was not answered. Raises Unavailable when it cannot."""
        if key in self._arriving:
            with self._claims.held(key):
                self._confirm(key)

    def _arrive_all(self) -> None:
        for key in list(self._arriving):
            self._arrive(key)

    def _confirm(self, key: str) -> Session | None:
        """Hold what was claimed; None when the claim had run out. Raises StoreUnavailable."""
        session = self._arriving.get(key)
        if session is None:
            return None
        confirmed = self._records.confirm(key, self._boot, session.epoch)
        if confirmed:
            self._memory.create(session)
            self._measures.handed_over.labels("in").inc()
        del self._arriving[key]
        return session if confirmed else None

    def _state(self, key: str) -> State:
        """What the store knows. Raises Unavailable where the client had better ask the next replica."""
        state = self._records.state(key)
        if state is State.MOVED and self._draining:
            raise Unavailable("this session has moved to another replica; ask again")
        return state

    def _settle(self, key: str) -> None:
        """From here on the store is where this session is. Raises Unavailable when it may not be."""
        self._arrive(key)
        with self._leaving_lock:
            kept = self._leaving.get(key) or self._memory.take_one(key)
            if kept is None:
                return
            self._leaving[key] = kept
        self._put([kept])

    def _run(self) -> None:
        self._told.get()
        while not self._flush(self._clock() + RETRY_S) and not self._closing.wait(RETRY_S):
            pass

    def _flush(self, deadline_s: float) -> bool:
        """Move everything into the store; False when the store did not answer until then."""
        while True:
            try:
                self._arrive_all()
                batch = self._batch()
                if not batch:
                    return True
                self._put(batch)
            except Unavailable:
                if self._clock() > deadline_s:
                    return False
                time.sleep(RETRY_S)

    def _batch(self) -> list[Kept]:
        with self._leaving_lock:
            for kept in self._memory.take(max(0, BATCH - len(self._leaving))):
                self._leaving[kept.session.key] = kept
            return list(self._leaving.values())

    def _put(self, batch: list[Kept]) -> None:
        # Not put is one that a replica has claimed since an earlier try whose answer got lost.
        self._records.put(batch)
        with self._leaving_lock:
            for kept in batch:
                if self._leaving.get(kept.session.key) is kept:
                    del self._leaving[kept.session.key]
                    self._measures.handed_over.labels("out").inc()
