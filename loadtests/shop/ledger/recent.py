"""A promised window of recent texts: actions, or what was said in a conversation.

A log of the shop's. Each text is unique in its session, so each one can be followed.
"""

from __future__ import annotations

from statefall.ledger.deviation import Deviation
from statefall.ledger.kinds.known_writes import KnownWrites
from statefall.ledger.kinds.log import LogPromise
from statefall.records.verdicts import Verdict


class RecentPromise:
    """Texts that were acknowledged, in order, and texts whose outcome is unknown."""

    __slots__ = ("_log",)

    def __init__(
        self, length: int, noun: str, owner: int | None = None, others: KnownWrites | None = None
    ) -> None:
        """`length`: how many are kept. `noun`: what one of them is called in evidence.

        `others`: what all sessions of the process wrote, by user; without it nothing proves a leak.
        """
        self._log = LogPromise(f"recent {noun}s", owner=owner, others=others, window=length)

    @property
    def holds_anything(self) -> bool:
        """Whether a read of the window can show that a promise was kept."""
        return self._log.holds_anything

    def acknowledge(self, text: str) -> None:
        """It was answered."""
        self._log.acknowledged(text)

    def leave_open(self, text: str) -> None:
        """It was sent and not answered. When it was sent is not known here: it may stand at any place."""
        append = self._log.append(text)
        append.begin()
        append.leave_open()
        append.begun = 0

    def begin_with(self, window: tuple[str, ...]) -> None:
        """What the login showed."""
        for text in window:
            self._log.acknowledged(text)

    def adopt(self, window: tuple[str, ...] | None) -> None:
        """A deviation was told: what was not seen with it is excused when it is seen."""
        if window is None:
            self._log.excuse_next()

    def check(self, seen: tuple[str, ...]) -> list[Deviation]:
        """Hold the window that was seen to the promise. Whether all is lost is for the version to say."""
        return [
            Deviation(Verdict.ROLLED_BACK, deviation.evidence)
            if deviation.verdict is Verdict.LOST
            else deviation
            for deviation in self._log.check(seen)
        ]
