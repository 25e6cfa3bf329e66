"""Finds a session that this replica does not own, and takes it over.

All others are asked. Its owner, if one of them is that, gives it away and keeps the copy. If the owner
is gone, the newest copy makes its holder give the session away. While a replica that could hold
something newer does not answer, nothing is decided: the request is refused, and the session is neither
called lost nor handed out in an older version. Nor is anything decided while a session is on its way: whoever
searches says so when it is asked, since it may have been given the session and not have it yet.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
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

TIMEOUT_S: Final = 0.4
"""How long a session that moves is searched for, until it has arrived somewhere."""
PAUSE_S: Final = 0.01
"""Between two rounds of asking."""
COURTESY_ROUNDS: Final = 5
"""Of several that search for a session that nobody has, each hears that the others search. The one with
the lowest boot id decides after so many rounds; that is longer than it takes to receive a session."""


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


@dataclass(slots=True)
class _Round:
    """What all the others answered."""

    standings: list[tuple[str, Standing]]
    searching: list[str] = field(default_factory=list)
    """Boot ids of those that search for the session themselves."""
    found: Found | None = None

    @property
    def best(self) -> Standing:
        return max((standing for _, standing in self.standings), key=lambda standing: standing.rank)


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
        self._under_way: set[str] = set()

    @contextmanager
    def under_way(self, key: str) -> Iterator[None]:
        """Around `take_over` and until its caller owns what was found; it holds the key's lock."""
        self._under_way.add(key)
        try:
            yield
        finally:
            self._under_way.discard(key)

    def searching(self, key: str) -> bool:
        """Whether this replica may be about to own the session. Ask before for its standing."""
        return key in self._under_way

    def take_over(self, key: str, at_least_epoch: int) -> Found | None:
        """The session, owned by this replica from now on; None when nobody has it, or it has ended.

        Raises Unavailable when that cannot be known now.
        """
        if not self._members.joined:
            raise Unavailable("this replica does not know the others yet; ask again")
        deadline_s, rounds = time.monotonic() + TIMEOUT_S, 0
        while True:
            mine, rounds = self._holdings.standing(key), rounds + 1
            if mine.role is Role.OWNER:  # a repair was faster
                return None
            asked = self._ask_all(key, at_least_epoch, mine)
            best = asked.best
            if asked.found is not None:
                return asked.found
            if best.role is Role.ENDED:
                self._holdings.heard_of_end(key, best.epoch, best.ended or Ended.EXPIRED)
                return None
            if best.role is Role.COPY and best.epoch >= at_least_epoch:
                found = self._in_place_of_the_owner(key, at_least_epoch, asked)
                if found is not None:
                    return found
            elif best.role is not Role.OWNER and self._nobody_has_it(asked, rounds):
                return None
            if time.monotonic() > deadline_s:
                raise Unavailable("this session is moving between replicas; ask again")
            time.sleep(PAUSE_S)

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

    def _ask_all(self, key: str, at_least_epoch: int, mine: Standing) -> _Round:
        asked, silent = _Round([(self._boot, mine)]), False
        for member in self._order(key, mine.owner):
            try:
                if self._ask(member, key, at_least_epoch, asked):
                    return asked
            except PeerGone:
                continue
            except PeerSilent:
                silent = True
        if silent:
            raise Unavailable("a replica that may have this session does not answer; ask again")
        return asked

    def _ask(self, member: Member, key: str, at_least_epoch: int, asked: _Round) -> bool:
        """Whether it gave the session away. Raises PeerGone, PeerSilent."""
        answer = self._client.call(member, Call.TAKE, self._message(key, at_least_epoch))
        if "session" in answer:
            asked.found = Found(unseal(self._codec, answer["session"]), member.boot)
            return True
        asked.standings.append((member.boot, standing_of(answer["standing"])))
        if answer["searching"]:
            asked.searching.append(member.boot)
        return False

    def _nobody_has_it(self, asked: _Round, rounds: int) -> bool:
        """Whether that is sure."""
        if not asked.searching:
            return True
        return self._boot < min(asked.searching) and rounds > COURTESY_ROUNDS

    def _in_place_of_the_owner(self, key: str, at_least_epoch: int, asked: _Round) -> Found | None:
        """The session from its newest copy, if its owner is gone or never got it; None: it moves."""
        best = asked.best
        owner = self._members.get(best.owner) if best.owner != self._boot else None
        if owner is not None and self._members.alive(best.owner):
            # The copy says that the owner was given the session: now it has it, is about to, or never got it.
            again = _Round([])
            try:
                if self._ask(owner, key, at_least_epoch, again):
                    return again.found
            except PeerSilent as error:
                raise Unavailable("the owner of this session does not answer; ask again") from error
            except PeerGone:
                again.standings.append((best.owner, Standing(Role.NOTHING)))
            if again.searching or again.best.rank > best.rank or again.best.role is Role.OWNER:
                return None
        return self._from_copy(key, newest_copy(asked.standings), best)

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
