"""What this replica does when another one calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.refusals import Unavailable
from services.sessions.codec import SessionCodec
from services.sessions.key_locks import KeyLocks
from services.sessions.measures import SessionMeasures
from services.sessions.protocol import Ended
from services.sessions.replication.copies import Copies, seal, unseal
from services.sessions.replication.holdings import Holdings, Role
from services.sessions.replication.members import Members
from services.sessions.replication.peer_server import Handler
from services.sessions.replication.search import standing_message
from services.sessions.replication.wire import Call, Message

TIMEOUT_S = 0.3
"""How long a taker waits for a write that is under way; below the timeout of its call."""


class Answers:
    """The handlers of all calls."""

    def __init__(
        self,
        boot: str,
        holdings: Holdings,
        members: Members,
        copies: Copies,
        codec: SessionCodec,
        locks: KeyLocks,
        measures: SessionMeasures,
        searching: Callable[[str], bool],
    ) -> None:
        """`searching`: whether this replica may be about to own a session."""
        self._boot, self._holdings, self._members, self._copies = boot, holdings, members, copies
        self._codec, self._locks, self._measures, self._searching = codec, locks, measures, searching
        self.leaving = False
        """This replica has told the others to take over: from here on it gives nothing away."""
        self.on_leave: list[Callable[[], None]] = []
        """Called when another replica ends; it waits until what it owned is safe."""

    def handlers(self) -> Mapping[Call, Handler]:
        """By the name of the call."""
        return {
            Call.COPY: self.copy,
            Call.TAKE: self.take,
            Call.NEWEST: self.newest,
            Call.RENEW: self.renew,
            Call.FORGET: self.forget,
            Call.LEAVE: self.leave,
            Call.PING: self.ping,
        }

    def copy(self, message: Message) -> Mapping[str, Any]:
        """Keep copies. They are opened now: a copy that cannot be read is not one to rely on."""
        self._stay()
        kept = [unseal(self._codec, sealed) for sealed in message["sessions"]]
        refused = [one.session.key for one in kept if not self._holdings.keep(one, message["owner"])]
        return {"refused": refused}

    def take(self, message: Message) -> Mapping[str, Any]:
        """Give a session away, if it is ours to give."""
        self._stay()
        key, taker, rank = message["key"], message["taker"], message["rank"]
        searching = self._searching(key)  # before its standing: what comes to be owned meanwhile shows there
        if rank is not None:
            promoted = self._holdings.promote(key, taker, (rank[0], rank[1]))
            if promoted is not None:
                return {"session": seal(self._codec, promoted)}
        elif self._holdings.owns(key):
            if not self._members.steady():
                raise Unavailable("this replica does not know whether it still owns its sessions")
            with self._locks.held(key, TIMEOUT_S):
                released = self._holdings.release(key, taker, message["epoch"])
            if released is not None:
                kept, copy_at = released
                self._measures.handed_over.labels("out").inc()
                if copy_at is not None and copy_at != taker:
                    self._copies.forget(copy_at, key, kept.session.epoch - 1)
                return {"session": seal(self._codec, kept)}
        return {"standing": standing_message(self._holdings.standing(key)), "searching": searching}

    def newest(self, message: Message) -> Mapping[str, Any]:
        """What is known of sessions."""
        return {"standings": [standing_message(self._holdings.standing(key)) for key in message["keys"]]}

    def renew(self, message: Message) -> Mapping[str, Any]:
        """Copies live as long as their sessions."""
        missing, superseded = [], []
        for key, epoch, version, left_s in message["sessions"]:
            role = self._holdings.renew_copy(key, (epoch, version), left_s)
            if role is Role.NOTHING:
                missing.append(key)
            elif role is Role.OWNER:
                superseded.append(key)
        return {"missing": missing, "superseded": superseded}

    def forget(self, message: Message) -> Mapping[str, Any]:
        """Copies of no use any more."""
        for key, epoch, ended in message["copies"]:
            self._holdings.forget_copy(key, epoch, Ended(ended) if ended else None)
        return {}

    def leave(self, message: Message) -> Mapping[str, Any]:
        """Another replica ends: what it owned is taken over, and copied, before it goes."""
        self._members.strike(message["boot"])
        for act in self.on_leave:
            act()
        return {}

    def ping(self, message: Message) -> Mapping[str, Any]:
        """Still there."""
        return {"boot": self._boot}

    def _stay(self) -> None:
        if self.leaving:
            raise Unavailable("this replica ends")
