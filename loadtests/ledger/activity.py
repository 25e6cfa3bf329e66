"""The promised window of recent actions. Each action's text is unique, so each one can be followed."""

from __future__ import annotations

from foundation.verdicts import Verdict
from services.contract import ACTIVITY_WINDOW

from .answer import RememberAction
from .deviation import Deviation


class ActivityPromise:
    """Actions that were acknowledged, in order, and actions whose outcome is unknown."""

    __slots__ = ("_open", "_past", "_window")

    def __init__(self) -> None:
        self._window: tuple[str, ...] | None = ()
        """None after a violation: the next sight is taken as it is."""
        self._past: set[str] = set()
        """Everything that ever was in the window: it may not come back, but it is not foreign."""
        self._open: set[str] = set()

    @property
    def holds_anything(self) -> bool:
        """Whether a read of the window can show that a promise was kept."""
        return bool(self._window)

    def acknowledge(self, write: RememberAction) -> None:
        """The action was answered."""
        self._past.add(write.action)
        if self._window is not None:
            self._window = (*self._window, write.action)[-ACTIVITY_WINDOW:]

    def leave_open(self, write: RememberAction) -> None:
        """The action was sent and not answered."""
        self._open.add(write.action)

    def adopt(self, window: tuple[str, ...] | None) -> None:
        """Begin anew from what was seen, or from the next sight when nothing was."""
        self._window = window
        if window is not None:
            self._past.update(window)
            self._open.difference_update(window)

    def check(self, seen: tuple[str, ...]) -> list[Deviation]:
        """Hold the window that was seen to the promise. Open actions may stand at any place."""
        window = self._window
        if window is None:
            self.adopt(seen)
            return []
        if seen == window:
            return []
        if len(set(seen)) < len(seen):
            twice = next(action for action in seen if seen.count(action) > 1)
            return [Deviation(Verdict.DUPLICATED, f"action {twice!r} is remembered twice")]
        strangers = [a for a in seen if a not in window and a not in self._open]
        if strangers and not self._past.issuperset(strangers):
            return [Deviation(Verdict.FOREIGN, f"action {strangers[0]!r} was never sent")]
        acknowledged = tuple(action for action in seen if action in window)
        if acknowledged != self._due(len(seen), len(acknowledged)):
            missing = next((a for a in reversed(window) if a not in seen), window[-1] if window else "")
            return [Deviation(Verdict.ROLLED_BACK, f"recent actions lack {missing!r} or are out of order")]
        if strangers:
            return [Deviation(Verdict.DUPLICATED, f"action {strangers[0]!r} came back")]
        self.adopt(seen)
        return []

    def _due(self, shown: int, acknowledged: int) -> tuple[str, ...]:
        """The acknowledged actions that must stand in a window of this length, in order."""
        window = self._window or ()
        if shown < ACTIVITY_WINDOW:
            return window
        return window[len(window) - acknowledged :]
