"""Puts copies of owned sessions on other replicas, and has them forgotten when they are of no use."""

from __future__ import annotations

import logging
import queue
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from services.sessions.codec import SessionCodec
from services.sessions.measures import SessionMeasures
from services.sessions.protocol import Ended
from services.sessions.replication.holdings import Holdings
from services.sessions.replication.members import Member, Members
from services.sessions.replication.peer_client import PeerClient, PeerGone, PeerSilent
from services.sessions.replication.wire import BATCH, Call
from services.sessions.session import Kept

Sealed = list[Any]
"""A session as it travels: key, epoch, version, seconds left, the sealed session."""

logger = logging.getLogger(__name__)


class Superseded(Exception):
    """Another replica has become the owner."""

    def __init__(self, *, doubtful: bool) -> None:
        """`doubtful`: some replica may have kept the refused version, and the new owner may go on from it."""
        super().__init__("another replica has become the owner")
        self.doubtful = doubtful


def seal(codec: SessionCodec, kept: Kept) -> Sealed:
    """Ready to travel."""
    session = kept.session
    return [session.key, session.epoch, session.version, kept.left_s, codec.seal(session)]


def unseal(codec: SessionCodec, sealed: Sealed) -> Kept:
    """As it was sent. Raises services.sessions.codec.Unreadable."""
    key, epoch, version, left_s, content = sealed
    return Kept(codec.open(content, key, version, epoch), left_s)


class Copies:
    """The copies of what this replica owns."""

    def __init__(
        self,
        boot: str,
        holdings: Holdings,
        members: Members,
        client: PeerClient,
        codec: SessionCodec,
        measures: SessionMeasures,
    ) -> None:
        self._boot, self._holdings, self._members = boot, holdings, members
        self._client, self._codec, self._measures = client, codec, measures
        self._useless: queue.SimpleQueue[tuple[str, Sealed]] = queue.SimpleQueue()

    def put(self, kept: Kept, backup: str | None) -> str | None:
        """Have one replica keep this version, the present backup if it can; returns the boot that does.

        None when no other replica is there to keep it: the session is under-replicated. Raises
        Superseded when one of them knows of a newer owner.
        """
        sealed, doubtful = seal(self._codec, kept), False
        for member in self._choices(kept.session.key, backup):
            try:
                refused = self._client.call(member, Call.COPY, {"owner": self._boot, "sessions": [sealed]})
            except (PeerGone, PeerSilent):  # one that is gone may have kept it first, and given it away
                doubtful = True
                continue
            if refused["refused"]:
                raise Superseded(doubtful=doubtful)
            if backup is not None and backup != member.boot:
                self.forget(backup, kept.session.key, kept.session.epoch)
            return member.boot
        self._measures.under_replicated.inc()
        return None

    def spread(self, kept: Sequence[Kept]) -> None:
        """Put copies of many sessions on the replicas that are the first choice for each."""
        by_backup: dict[str, list[Kept]] = defaultdict(list)
        for one in kept:
            choices = self._members.backups(one.session.key)
            if choices:
                by_backup[choices[0].boot].append(one)
        for boot, sessions in by_backup.items():
            member = self._members.get(boot)
            for begin in range(0, len(sessions), BATCH):
                if member is None or not self._spread(member, sessions[begin : begin + BATCH]):
                    break

    def _spread(self, member: Member, batch: Sequence[Kept]) -> bool:
        message = {"owner": self._boot, "sessions": [seal(self._codec, kept) for kept in batch]}
        try:
            refused = set(self._client.call(member, Call.COPY, message)["refused"])
        except (PeerGone, PeerSilent):
            return False
        for kept in batch:
            if kept.session.key in refused:
                self._holdings.disown(kept.session.key, kept.session.epoch + 1)
            else:
                self._holdings.copied(kept.session, member.boot)
        return True

    def forget(self, boot: str, key: str, epoch: int, ended: Ended | None = None) -> None:
        """Have a copy forgotten, soon: nobody waits for it."""
        self._useless.put((boot, [key, epoch, ended.value if ended else None]))

    def forget_now(self, boot: str, key: str, epoch: int, ended: Ended) -> None:
        """Have the copy of a session that ended forgotten before that is answered; soon, if it is silent."""
        member = self._members.get(boot)
        if member is None:
            return
        try:
            self._client.call(member, Call.FORGET, {"copies": [[key, epoch, ended.value]]})
        except PeerGone:
            logger.debug("gone with its copies")
        except PeerSilent:
            self.forget(boot, key, epoch, ended)

    def forget_useless(self) -> None:
        """Tell the replicas what they may forget."""
        by_boot: dict[str, list[Sealed]] = defaultdict(list)
        while not self._useless.empty():
            boot, copy = self._useless.get()
            by_boot[boot].append(copy)
        for boot, copies in by_boot.items():
            member = self._members.get(boot)
            if member is None:
                continue
            try:
                self._client.call(member, Call.FORGET, {"copies": copies})
            except PeerGone:
                logger.debug("gone with its copies")
            except PeerSilent:
                for copy in copies:
                    self._useless.put((boot, copy))

    def renew(self, kept: Sequence[tuple[Kept, str]]) -> None:
        """Tell the backups how long each session may live yet, and find out which copies are missing."""
        by_backup: dict[str, list[Kept]] = defaultdict(list)
        for one, backup in kept:
            by_backup[backup].append(one)
        for boot, sessions in by_backup.items():
            member = self._members.get(boot)
            for begin in range(0, len(sessions), BATCH):
                if member is None or not self._renew(member, sessions[begin : begin + BATCH]):
                    break

    def _renew(self, member: Member, batch: Sequence[Kept]) -> bool:
        items = [[k.session.key, k.session.epoch, k.session.version, k.left_s] for k in batch]
        try:
            answer = self._client.call(member, Call.RENEW, {"sessions": items})
        except (PeerGone, PeerSilent):
            return False
        by_key = {kept.session.key: kept.session for kept in batch}
        for key in answer["missing"]:
            self._holdings.copied(by_key[key], None)
        for key in answer["superseded"]:
            self._holdings.disown(key, by_key[key].epoch + 1)
        return True

    def _choices(self, key: str, backup: str | None) -> list[Member]:
        choices = self._members.backups(key)
        is_backup: Callable[[Member], bool] = lambda member: member.boot == backup  # noqa: E731
        return sorted(choices, key=is_backup, reverse=True)
