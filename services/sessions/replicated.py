"""State design `replicated`: sessions live in memory, and every change is copied to one other replica
before it is answered.

The replica that has a session is its owner; the copy lies with the first other one in rendezvous order.
A request that comes to another replica makes that one the owner: it asks the others, the present owner
gives the session away and keeps the copy. When the owner is gone, the newest copy is taken instead.
Each change of owner raises the session's epoch, which the client's cookie tells, so that what an earlier
owner still has is never served again. After a loss, `repair` makes new copies; one replica at a time can
be lost and nothing with it. Where no other replica can keep a copy the answer is given all the same, and
counted as under-replicated.

The store only introduces the replicas to each other, so an outage of it costs nothing here.

`active` counts the sessions that this replica owns; the copies it keeps for others are
`statefall_sessions_backed_up`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from services.refusals import Unavailable
from services.sessions.codec import SessionCodec
from services.sessions.key_locks import KeyLocks
from services.sessions.measures import SessionMeasures
from services.sessions.protocol import Change, Ended
from services.sessions.replication.answers import Answers
from services.sessions.replication.copies import Copies, Superseded
from services.sessions.replication.holdings import Holdings, Role
from services.sessions.replication.members import Member, Members
from services.sessions.replication.peer_client import PeerClient, PeerGone, PeerSilent
from services.sessions.replication.peer_server import PeerServer
from services.sessions.replication.place import Place
from services.sessions.replication.repair import Repair
from services.sessions.replication.search import Search
from services.sessions.replication.wire import Call, Peers
from services.sessions.session import Kept, Session
from services.store import Store, StoreUnavailable

RACE_S: Final = 1.0
"""How long a request tries against others that move its session elsewhere."""
LEAVE_S: Final = 1.0
"""How long the others may take to make this replica's sessions safe when it ends, all at the same time;
fits into services.draining.CLOSING_S. What takes longer goes on there without it."""


class ReplicatedSessions:
    """Fulfils `SessionStore`, where its methods are described."""

    def __init__(
        self,
        boot: str,
        pod: str,
        where: Place,
        keys: tuple[str, ...],
        ttl_s: float,
        store: Store,
        codec: SessionCodec,
        measures: SessionMeasures,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._boot, self._ttl_s, self._where, self._clock = boot, ttl_s, where, clock
        self._measures, self._peers = measures, Peers(keys)
        self._holdings = Holdings(boot, ttl_s, clock)
        self._members = Members(boot, pod, store, clock)
        self._client = PeerClient(self._peers, self._members)
        self._copies = Copies(boot, self._holdings, self._members, self._client, codec, measures)
        self._search = Search(boot, self._holdings, self._members, self._client, codec)
        self._locks = KeyLocks()
        self._answers = Answers(
            boot,
            self._holdings,
            self._members,
            self._copies,
            codec,
            self._locks,
            measures,
            self._search.searching,
        )
        self._repair = Repair(
            boot, ttl_s, self._holdings, self._members, self._copies, self._client, measures, clock
        )
        self._answers.on_leave.append(self._repair.once)
        self._server: PeerServer | None = None
        measures.peers.set_function(lambda: float(len(self._members.known())))
        measures.backed_up.set_function(lambda: float(self._holdings.counts()[1]))
        measures.lacking_copies.set_function(lambda: float(self._repair.under_replicated()))

    def open(self) -> None:
        handlers = self._answers.handlers()
        self._server = PeerServer(self._where.host, self._where.port, self._peers, handlers)
        self._server.open()
        self._repair.open(f"{self._where.advertised()}:{self._server.port}")

    def check(self) -> None:
        """Raises Unavailable until this replica knows the others: it could not find their sessions."""
        if not self._members.joined:
            raise Unavailable("the other replicas are not known yet")

    def create(self, session: Session) -> None:
        kept = Kept(session, self._ttl_s)
        self._holdings.own(kept, self._copies.put(kept, None))

    def load(self, key: str, epoch: int = 0) -> Session | None:
        session = self._mine(key, epoch)
        if session is not None:
            return session
        with self._locks.held(key):
            return self._have(key, epoch)

    def update(self, key: str, change: Change, epoch: int = 0) -> Session | None:
        deadline, doubtful = self._clock() + RACE_S, None
        with self._locks.held(key):
            while True:
                session = self._have(key, epoch)
                if session is None:
                    return None
                if doubtful is not None and session.version >= doubtful:
                    raise Unavailable("the session has moved; whether this write was applied is not known")
                changed = replace(change(session), version=session.version + 1)
                # The copy first: what is not copied yet must not be seen by another request either.
                try:
                    backup = self._copies.put(Kept(changed, self._ttl_s), self._holdings.backup(key))
                except Superseded as superseded:
                    self._holdings.disown(key, changed.epoch + 1)
                    doubtful = changed.version if superseded.doubtful else doubtful
                else:
                    if self._holdings.commit(changed, backup):
                        return changed
                    doubtful = changed.version
                self._measures.conflicts.inc()
                if self._clock() > deadline:
                    certainty = "was not applied" if doubtful is None else "may have been applied"
                    raise Unavailable(f"this session moves between replicas; this write {certainty}")

    def holds(self, key: str) -> bool:
        if self._holdings.owns(key):
            return True
        return self._search.newest(key).role in (Role.OWNER, Role.COPY)

    def moved(self, key: str) -> bool:
        return not self._holdings.owns(key)

    def delete(self, key: str) -> bool:
        with self._locks.held(key):
            session = self._have(key, 0)
            if session is None:
                return False
            backup = self._holdings.backup(key)
            if backup is not None:
                self._copies.forget_now(backup, key, session.epoch, Ended.LOGGED_OUT)
            return self._holdings.finish(key, Ended.LOGGED_OUT)

    def ended(self, key: str) -> Ended | None:
        return self._holdings.ended(key)

    def sweep(self) -> int:
        return self._holdings.sweep()

    def active(self) -> int:
        return self._holdings.counts()[0]

    def drain(self) -> None:
        self._repair.drain()

    def close(self) -> None:
        """Leave everything with others: a copy of each session first, then the ownership."""
        self._repair.close()
        try:
            self._repair.once()
            self._answers.leaving = True
            others = self._members.known()
            with ThreadPoolExecutor(max(1, len(others))) as together:
                list(together.map(self._leave, others))
        finally:
            if self._server is not None:
                self._server.close()
            self._client.close()
        with contextlib.suppress(StoreUnavailable):  # the others were told
            self._members.leave()

    def _leave(self, member: Member) -> None:
        # One that is gone, or too slow, repairs when it notices: nothing more can be done from here.
        with contextlib.suppress(PeerGone, PeerSilent):
            self._client.call(member, Call.LEAVE, {"boot": self._boot}, LEAVE_S)

    def _mine(self, key: str, epoch: int) -> Session | None:
        """The session, if this replica owns it and nobody can have taken it."""
        if not self._members.steady():
            self._repair.once()
            if not self._members.steady():
                raise Unavailable("this replica stood still and does not know yet what it missed; ask again")
        session = self._holdings.owned(key)
        if session is not None and session.epoch < epoch:
            self._holdings.disown(key, epoch)
            return None
        return session

    def _have(self, key: str, epoch: int) -> Session | None:
        """The session, taken over if need be; the caller holds its lock."""
        session = self._mine(key, epoch)
        if session is not None or self._holdings.ended(key, epoch) is not None:
            return session
        with self._search.under_way(key):
            found = self._search.take_over(key, epoch)
            if found is None:
                return self._mine(key, epoch)
            kept = Kept(found.kept.session, self._ttl_s)  # this is a use: its time to live begins anew
            self._holdings.own(kept, found.copy_at)
        self._measures.handed_over.labels("in").inc()
        if found.copy_at is None or not self._members.can_stay(found.copy_at):
            try:
                self._holdings.copied(kept.session, self._copies.put(kept, found.copy_at))
            except Superseded:
                self._holdings.disown(key, kept.session.epoch + 1)
                raise Unavailable("this session has just moved to another replica; ask again") from None
        return kept.session
