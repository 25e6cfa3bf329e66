"""Who the other replicas are: a register in the store that each of them signs twice a second.

The store only introduces replicas to each other. While it is away the last list is used, and who does
not answer any more is struck off it. A replica is *gone* when nobody listens at its address, when
another boot of its pod has signed, or when it said that it leaves; such a boot does not come back. One
that has not been seen for `FORGET_S` counts as gone too, until it is seen again: it may have stood still,
and must then find out by itself what was taken from it (see `steady`).
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Final

from services.metrics import RecentlySeen
from services.store import Call, Script, Store

BEAT_S: Final = 0.5
FORGET_S: Final = 4.0
OVERDUE_S: Final = 1.2
"""Whoever was not seen for so long is called: a killed process is known to be gone by that."""
STEADY_S: Final = 2.5
"""A replica that has not run for so long may have been replaced meanwhile; below FORGET_S."""
SUSPECT_S: Final = 2.0
"""How long one that did not answer is not asked to keep new copies."""
_KEYS: Final = ("{statefall:replicas}:seen", "{statefall:replicas}:who")
_REGISTER: Final = Script(
    "replicas_sign",
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, boot in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])) do
  redis.call('ZREM', KEYS[1], boot)
  redis.call('HDEL', KEYS[2], boot)
end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local answer = {}
for _, boot in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  answer[#answer + 1] = redis.call('HGET', KEYS[2], boot)
  answer[#answer + 1] = tostring(now - redis.call('ZSCORE', KEYS[1], boot))
end
return answer
""",
    writes=False,
)
_STRIKE_OFF: Final = Script(
    "replicas_leave", "redis.call('ZREM', KEYS[1], ARGV[1]) return redis.call('HDEL', KEYS[2], ARGV[1])"
)


@dataclass(frozen=True, slots=True)
class Member:
    """A replica as it introduces itself."""

    boot: str
    pod: str
    address: str
    """`host:port` of its peer server."""
    draining: bool = False
    """It was asked to end: it answers, and takes no new copies."""


class Members:
    """What this replica knows of the others; safe for several threads. Boot ids name replicas."""

    def __init__(self, boot: str, pod: str, store: Store, clock: Callable[[], float] = time.monotonic):
        self._boot, self._pod, self._store, self._clock = boot, pod, store, clock
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[Member, float]] = {}
        self._gone = RecentlySeen(10_000)
        self._suspects: dict[str, float] = {}
        self._beat_s, self._doubt, self._doubt_s = clock(), False, 0.0
        self.joined = False
        """Whether the register was read at least once: before that, an unknown session is not a lost one."""

    def sign(self, address: str, draining: bool) -> None:
        """Sign the register and read it. Raises StoreUnavailable."""
        me = Member(self._boot, self._pod, address, draining)
        asked_s = self._clock()
        forget_ms = int(FORGET_S * 1000)
        words = self._store.run(Call(_REGISTER, _KEYS, (self._boot, json.dumps(asdict(me)), forget_ms)))
        with self._lock:
            for record, age_ms in zip(words[::2], words[1::2], strict=True):
                self._see(Member(**json.loads(record)), asked_s - float(age_ms) / 1000)
            self.joined = True

    def leave(self) -> None:
        """Strike this replica off the register. Raises StoreUnavailable."""
        self._store.run(Call(_STRIKE_OFF, _KEYS, (self._boot,)))

    def beat(self) -> None:
        """This process runs; forget who was not seen for too long.

        Whoever stood still saw nobody meanwhile: all others are kept until they could be seen again, or there
        would be nobody left to ask what they have taken over.
        """
        with self._lock:
            self._notice_a_gap()
            self._beat_s = self._clock()
            limit_s = self._beat_s - FORGET_S
            if self._doubt and self._doubt_s > limit_s:
                return
            self._seen = {boot: seen for boot, seen in self._seen.items() if seen[1] >= limit_s}

    def steady(self) -> bool:
        """Whether this process has run all the time, so that nobody can have replaced it unnoticed."""
        if self._clock() - self._beat_s >= STEADY_S:
            with self._lock:
                self._notice_a_gap()
        return not self._doubt

    def trust(self) -> None:
        """What this replica owns was compared just now with what the others have."""
        with self._lock:
            self._doubt, self._beat_s = False, self._clock()

    def _notice_a_gap(self) -> None:
        if not self._doubt and self._clock() - self._beat_s >= STEADY_S:
            self._doubt, self._doubt_s = True, self._clock()

    def answered(self, boot: str) -> None:
        """A replica has answered a call."""
        with self._lock:
            self._suspects.pop(boot, None)
            if boot in self._seen:
                self._seen[boot] = (self._seen[boot][0], self._clock())

    def suspect(self, boot: str) -> None:
        """A replica did not answer in time."""
        with self._lock:
            self._suspects[boot] = self._clock() + SUSPECT_S

    def strike(self, boot: str) -> None:
        """A replica is gone: nobody listens at its address, or it said so."""
        with self._lock:
            self._strike(boot)

    def known(self) -> list[Member]:
        """All others that are not gone."""
        with self._lock:
            return [member for member, _ in self._seen.values()]

    def alive(self, boot: str) -> bool:
        """Whether a replica is not gone, as far as known."""
        with self._lock:
            return boot in self._seen

    def overdue(self) -> list[Member]:
        """Those who should have signed again by now."""
        with self._lock:
            limit_s = self._clock() - OVERDUE_S
            return [member for member, seen_s in self._seen.values() if seen_s < limit_s]

    def can_stay(self, boot: str) -> bool:
        """Whether a copy that this replica has is safe with it."""
        with self._lock:
            known = self._seen.get(boot)
            return known is not None and not known[0].draining

    def can_back_up(self, boot: str) -> bool:
        """Whether a copy may be left with this replica."""
        with self._lock:
            known = self._seen.get(boot)
            return known is not None and not known[0].draining and not self._suspected(boot)

    def backups(self, key: str) -> list[Member]:
        """Who may keep this session's copy, the first choice first."""
        return by_rendezvous(key, [member for member in self.known() if self.can_back_up(member.boot)])

    def get(self, boot: str) -> Member | None:
        """A replica that is not gone."""
        with self._lock:
            known = self._seen.get(boot)
            return known[0] if known else None

    def _see(self, member: Member, seen_s: float) -> None:
        if member.boot == self._boot or member.boot in self._gone:
            return
        if member.pod == self._pod:  # an earlier boot of this pod
            self._gone.add(member.boot)
            return
        for boot, (other, other_s) in list(self._seen.items()):
            if other.pod == member.pod and boot != member.boot:
                if other_s > seen_s:
                    return
                self._strike(boot)
        known = self._seen.get(member.boot)
        self._seen[member.boot] = (member, max(seen_s, known[1] if known else seen_s))

    def _strike(self, boot: str) -> None:
        self._seen.pop(boot, None)
        self._suspects.pop(boot, None)
        self._gone.add(boot)

    def _suspected(self, boot: str) -> bool:
        until_s = self._suspects.get(boot)
        return until_s is not None and until_s > self._clock()


def by_rendezvous(key: str, members: Iterable[Member]) -> list[Member]:
    """Highest random weight (Thaler and Ravishankar, 1998): everybody who knows the same members finds
    the same order, and when one leaves only its own keys go elsewhere."""
    return sorted(members, key=lambda member: _weight(key, member.boot), reverse=True)


def _weight(key: str, boot: str) -> bytes:
    return hashlib.blake2b(f"{key} {boot}".encode(), digest_size=8).digest()
