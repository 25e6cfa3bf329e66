"""A promised window of recent texts: actions, or what was said in a conversation.

Each text is unique in its session, so each one can be followed.
"""

from __future__ import annotations

from foundation.verdicts import Verdict

from .deviation import Deviation


class RecentPromise:
    """Texts that were acknowledged, in order, and texts whose outcome is unknown."""

    __slots__ = ("_length", "_noun", "_open", "_past", "_window")

    def __init__(self, length: int, noun: str) -> None:
        """`length`: how many are kept. `noun`: what one of them is called in evidence."""
        self._length, self._noun = length, noun
        self._window: tuple[str, ...] | None = ()
        """None after a violation: the next sight is taken as it is."""
        self._past: set[str] = set()
        """Everything that ever was in the window: it may not come back, but it is not foreign."""
        self._open: set[str] = set()

    @property
    def holds_anything(self) -> bool:
        """Whether a read of the window can show that a promise was kept."""
        return bool(self._window)

    def acknowledge(self, text: str) -> None:
        """It was answered."""
        self._past.add(text)
        if self._window is not None:
            self._window = (*self._window, text)[-self._length :]

    def leave_open(self, text: str) -> None:
        """It was sent and not answered."""
        self._open.add(text)

    def adopt(self, window: tuple[str, ...] | None) -> None:
        """Begin anew from what was seen, or from the next sight when nothing was."""
        self._window = window
        if window is not None:
            self._past.update(window)
            self._open.difference_update(window)

    def check(self, seen: tuple[str, ...]) -> list[Deviation]:
        """Hold the window that was seen to the promise. Open texts may stand at any place."""
        window = self._window
        if window is None:
            self.adopt(seen)
            return []
        if seen == window:
            return []
        if len(set(seen)) < len(seen):
            twice = next(text for text in seen if seen.count(text) > 1)
            return [Deviation(Verdict.DUPLICATED, f"{self._noun} {twice!r} is remembered twice")]
        strangers = [a for a in seen if a not in window and a not in self._open]
        if strangers and not self._past.issuperset(strangers):
            return [Deviation(Verdict.FOREIGN, f"{self._noun} {strangers[0]!r} was never sent")]
        acknowledged = tuple(text for text in seen if text in window)
        if acknowledged != self._due(len(seen), len(acknowledged)):
            missing = next((a for a in reversed(window) if a not in seen), window[-1] if window else "")
            return [
                Deviation(Verdict.ROLLED_BACK, f"recent {self._noun}s lack {missing!r} or are out of order")
            ]
        if strangers:
            return [Deviation(Verdict.DUPLICATED, f"{self._noun} {strangers[0]!r} came back")]
        self.adopt(seen)
        return []

    def _due(self, shown: int, acknowledged: int) -> tuple[str, ...]:
        """The acknowledged texts that must stand in a window of this length, in order."""
        window = self._window or ()
        if shown < self._length:
            return window
        return window[len(window) - acknowledged :]
