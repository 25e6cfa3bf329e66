"""Restores what a loss has cost: copies for sessions without one, owners for copies without one.

A round runs at every beat of the membership and whenever a replica leaves. Orphans are taken over by
whoever has the newest copy, and then copied, so that the next loss costs nothing either.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from services.sessions.measures import SessionMeasures
from services.sessions.replication.copies import Copies
from services.sessions.replication.holdings import Holdings, Role, Standing
from services.sessions.replication.members import BEAT_S, Members
from services.sessions.replication.peer_client import PeerClient, PeerGone, PeerSilent
from services.sessions.replication.search import newest_copy, standing_of
from services.sessions.replication.wire import BATCH, Call
from services.store import StoreUnavailable

RENEWALS_PER_TTL: Final = 8
MAX_RENEW_S: Final = 5.0
CLOSE_S: Final = 0.5
"""How long the end of a replica waits for a round that is under way."""

logger = logging.getLogger(__name__)


class Repair:
    """The thread that keeps the membership and makes the repairs."""

    def __init__(
        self,
        boot: str,
        ttl_s: float,
        holdings: Holdings,
        members: Members,
        copies: Copies,
        client: PeerClient,
        measures: SessionMeasures,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._boot, self._holdings, self._members, self._copies = boot, holdings, members, copies
        self._client, self._measures, self._clock = client, measures, clock
        self._renew_every_s, self._renewed_s = min(MAX_RENEW_S, ttl_s / RENEWALS_PER_TTL), clock()
        self._address, self._draining, self._ended = "", False, False
        self._round = threading.Lock()
        # SimpleQueue is the one that may be used in a signal handler.
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="session-repair", daemon=True)
        # A thread of its own: a round may wait for others, and that is no standstill.
        self._stop_beating = threading.Event()
        self._pulse = threading.Thread(target=self._beat, name="session-pulse", daemon=True)

    def open(self, address: str) -> None:
        """Sign the register with this address from now on."""
        self._address = address
        self._pulse.start()
        self._thread.start()

    def drain(self) -> None:
        """Say in the register that this replica takes no new copies. Takes no lock."""
        self._draining = True
        self._wake.put(None)

    def close(self) -> None:
        """Stop the thread."""
        self._ended = True
        self._wake.put(None)
        self._thread.join(timeout=CLOSE_S)
        self._stop_beating.set()
        self._pulse.join()

    def once(self) -> None:
        """One round of repairs; a second caller waits and finds little left to do."""
        with self._round:
            if not self._members.steady():
                self._compare()
            self._adopt_orphans()
            self._copies.spread([kept for kept, backup in self._holdings.all_owned() if self._lacks(backup)])
            self._copies.forget_useless()

    def under_replicated(self) -> int:
        """How many owned sessions have no copy on a living replica now."""
        return sum(self._lacks(backup) for _, backup in self._holdings.all_owned())

    def _beat(self) -> None:
        while not self._stop_beating.wait(BEAT_S):
            self._members.beat()

    def _run(self) -> None:
        while not self._ended:
            try:
                self._sign()
                self.once()
                self._renew()
            except Exception:
                # Without this thread the replica would lose touch with all others.
                logger.exception("repairing sessions")
            try:
                self._wake.get(timeout=BEAT_S)
            except queue.Empty:
                continue

    def _sign(self) -> None:
        with contextlib.suppress(StoreUnavailable):  # then nobody signs, and all are asked below
            self._members.sign(self._address, self._draining)
        for member in self._members.overdue():
            try:
                answer = self._client.call(member, Call.PING, {})
            except (PeerGone, PeerSilent):
                continue
            if answer["boot"] != member.boot:
                self._members.strike(member.boot)

    def _lacks(self, backup: str | None) -> bool:
        return backup is None or not self._members.can_stay(backup)

    def _renew(self) -> None:
        if self._clock() - self._renewed_s < self._renew_every_s:
            return
        self._renewed_s = self._clock()
        self._copies.renew([(kept, backup) for kept, backup in self._holdings.all_owned() if backup])

    def _compare(self) -> None:
        """This process stood still: find out what others, and who came meanwhile, have taken over."""
        if self._address:
            with contextlib.suppress(StoreUnavailable):  # then those who were known before are asked
                self._members.sign(self._address, self._draining)
        owned = [kept.session.key for kept, _ in self._holdings.all_owned()]
        others = self._ask(owned)
        if others is None:
            return
        for key, standings in others.items():
            newest = max((standing.epoch for _, standing in standings), default=-1)
            self._holdings.disown(key, newest)
        self._members.trust()

    def _adopt_orphans(self) -> None:
        orphans = self._holdings.orphans(member.boot for member in self._members.known())
        others = self._ask(list(orphans))
        if others is None:
            return
        for key, rank in orphans.items():
            mine = newest_copy([(self._boot, Standing(Role.COPY, *rank)), *others[key]])
            if mine == self._boot and self._holdings.promote(key, self._boot, rank) is not None:
                self._measures.handed_over.labels("in").inc()

    def _ask(self, keys: Sequence[str]) -> Mapping[str, list[tuple[str, Standing]]] | None:
        """What each of the others knows of these sessions; None when one of them does not answer."""
        answers: dict[str, list[tuple[str, Standing]]] = {key: [] for key in keys}
        for member in self._members.known() if keys else ():
            for begin in range(0, len(keys), BATCH):
                batch = keys[begin : begin + BATCH]
                try:
                    standings = self._client.call(member, Call.NEWEST, {"keys": batch})["standings"]
                except PeerGone:
                    break
                except PeerSilent:
                    return None
                for key, standing in zip(batch, standings, strict=True):
                    answers[key].append((member.boot, standing_of(standing)))
        return answers
