"""Finds a session that this replica does not own, and takes it over.

All others are asked. Its owner, if one of them is that, gives it away and keeps the copy. If the owner
is gone, the newest copy makes its holder give the session away. While a replica that could hold
something newer does not answer, nothing is decided: the request is refused, and the session is neither
called lost nor handed out in an older version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.refusals import Unavailable
from services.sessions.codec import SessionCodec
from services.sessions.protocol import Ended
from services.sessions.replication.copies import unseal
from services.sessions.replication.holdings import Holdings, Role, Standing
from services.sessions.replication.members import Member, Members, by_rendezvous
from services.sessions.replication.peer_client import PeerClient, PeerGone, PeerSilent
from services.sessions.replication.wire import Call, Message
from services.sessions.session import Kept

TRIES: Final = 3
"""A session may move while it is searched for; then it is searched for once more."""


def newest_copy(standings: Sequence[tuple[str, Standing]]) -> str | None:
    """The boot id of who gives a session away when its owner is gone: everybody must choose the same.

    None when the newest that is known is no copy.
    """
    newest = max((standing.rank for _, standing in standings), default=(-1, -1))
    holders = [(boot, standing.role) for boot, standing in standings if standing.rank == newest]
    if any(role is not Role.COPY for _, role in holders):
        return None
    return min((boot for boot, _ in holders), default=None)


@dataclass(frozen=True, slots=True)
class Found:
    """A session that this replica owns from now on."""

    kept: Kept
    copy_at: str | None
    """Boot id of the replica that gave it away and has its copy."""


def standing_of(words: list[Any]) -> Standing:
    """What another replica says of a session."""
    role, epoch, version, owner, ended = words
    return Standing(Role(role), epoch, version, owner, Ended(ended) if ended else None)


def standing_message(standing: Standing) -> list[Any]:
    """As `standing_of` reads it."""
    ended = standing.ended.value if standing.ended else None
    return [standing.role.value, standing.epoch, standing.version, standing.owner, ended]


class Search:
    """Searches on behalf of one replica. It holds no lock while it waits for others."""

    def __init__(
        self, boot: str, holdings: Holdings, members: Members, client: PeerClient, codec: SessionCodec
    ) -> None:
        self._boot, self._holdings, self._members = boot, holdings, members
        self._client, self._codec = client, codec

    def take_over(self, key: str, at_least_epoch: int) -> Found | None:
        """The session, owned by this replica from now on; None when nobody has it, or it has ended.

        Raises Unavailable when that cannot be known now.
        """
        if not self._members.joined:
            raise Unavailable("this replica does not know the others yet; ask again")
        for tries_left in range(TRIES, 0, -1):
            mine = self._holdings.standing(key)
            if mine.role is Role.OWNER:  # a repair was faster
                return None
            given, standings = self._ask_all(key, at_least_epoch, mine)
            if given is not None:
                return given
            best = max((standing for _, standing in standings), key=lambda standing: standing.rank)
            if best.role is Role.ENDED:
                self._holdings.heard_of_end(key, best.epoch, best.ended or Ended.EXPIRED)
            if best.role is not Role.COPY or best.epoch < at_least_epoch:
                return None
            # An owner that lives has just given it to somebody, who is asked in the next round. One that
            # lives and still knows nothing of it never got it: then the copy is all there is.
            if best.owner == self._boot or not self._members.alive(best.owner) or tries_left == 1:
                found = self._from_copy(key, newest_copy(standings), best)
                if found is not None:
                    return found
        return None

    def newest(self, key: str) -> Standing:
        """The newest that is known of a session that this replica does not own; it stays where it is.

        Raises Unavailable when that cannot be known now.
        """
        if not (self._members.joined and self._members.steady()):
            raise Unavailable("this replica does not know the others now; ask again")
        best = self._holdings.standing(key)
        if best.role is Role.COPY and self._members.alive(best.owner):
            return best  # its owner would have said that it ended
        silent = False
        for member in self._order(key, best.owner):
            try:
                answer = self._client.call(member, Call.NEWEST, {"keys": [key]})
            except PeerGone:
                continue
            except PeerSilent:
                silent = True
                continue
            best = max(best, standing_of(answer["standings"][0]), key=lambda standing: standing.rank)
            if best.role is Role.OWNER:
                return best
        if silent:
            raise Unavailable("a replica that may have this session does not answer; ask again")
        if best.role is Role.ENDED:
            self._holdings.heard_of_end(key, best.epoch, best.ended or Ended.EXPIRED)
        return max(best, self._holdings.standing(key), key=lambda standing: standing.rank)

    def _ask_all(
        self, key: str, at_least_epoch: int, mine: Standing
    ) -> tuple[Found | None, list[tuple[str, Standing]]]:
        standings, silent = [(self._boot, mine)], False
        for member in self._order(key, mine.owner):
            try:
                answer = self._client.call(member, Call.TAKE, self._message(key, at_least_epoch))
            except PeerGone:
                continue
            except PeerSilent:
                silent = True
                continue
            if "session" in answer:
                return Found(unseal(self._codec, answer["session"]), member.boot), standings
            standings.append((member.boot, standing_of(answer["standing"])))
        if silent:
            raise Unavailable("a replica that may have this session does not answer; ask again")
        return None, standings

    def _from_copy(self, key: str, holder: str | None, best: Standing) -> Found | None:
        if holder == self._boot:
            kept = self._holdings.promote(key, self._boot, best.rank)
            return Found(kept, None) if kept else None
        member = self._members.get(holder) if holder else None
        if member is None:
            return None
        try:
            answer = self._client.call(member, Call.TAKE, self._message(key, best.epoch, best.rank))
        except (PeerGone, PeerSilent) as error:
            raise Unavailable("the replica that has this session does not answer; ask again") from error
        return Found(unseal(self._codec, answer["session"]), member.boot) if "session" in answer else None

    def _message(self, key: str, epoch: int, rank: tuple[int, int] | None = None) -> Message:
        return {"key": key, "taker": self._boot, "epoch": epoch, "rank": rank}

    def _order(self, key: str, owner: str) -> list[Member]:
        members = by_rendezvous(key, self._members.known())
        return sorted(members, key=lambda member: member.boot != owner)
