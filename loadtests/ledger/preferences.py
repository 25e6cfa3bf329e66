"""The promised preferences. They outlive the session: the service keeps them for each user."""

from __future__ import annotations

from collections.abc import Mapping

from foundation.verdicts import Verdict

from .answer import SetPreferences
from .deviation import Deviation


class PreferencesPromise:
    """Acknowledged values, and values whose outcome is unknown.

    Where the client holds its state, a lost answer leaves its token behind the database. Answers may
    then show either, in any order, so an open value never becomes the only legal one.
    """

    __slots__ = ("_client_held", "_open", "_past", "_values")

    def __init__(self, values: Mapping[str, str] | None, *, client_held: bool) -> None:
        self._values = None if values is None else dict(values)
        """None: the next sight is taken as it is."""
        self._client_held = client_held
        self._open: dict[str, set[str]] = {}
        self._past: dict[str, set[str]] = {}

    @property
    def open_values(self) -> dict[str, set[str]]:
        """Values that may still come to light, in this session or in the user's next."""
        return self._open

    def acknowledge(self, write: SetPreferences) -> None:
        """The change was answered."""
        for name, value in write.changes.items():
            self._settle(name, value)

    def leave_open(self, write: SetPreferences) -> None:
        """The change was sent and not answered."""
        for name, value in write.changes.items():
            self._open.setdefault(name, set()).add(value)

    def inherit(self, open_values: Mapping[str, set[str]]) -> None:
        """Values that the user's former session left open."""
        for name, values in open_values.items():
            self._open.setdefault(name, set()).update(values)

    def adopt(self, values: Mapping[str, str] | None) -> None:
        """Begin anew from what was seen, or from the next sight when nothing was."""
        self._values = None if values is None else dict(values)

    def check(self, seen: Mapping[str, str]) -> list[Deviation]:
        """Hold the preferences that were seen to the promise."""
        if self._values is None:
            self.adopt(seen)
            return []
        if seen == self._values:
            return []
        deviations = []
        for name in self._values.keys() | seen.keys():
            promised, found = self._values.get(name), seen.get(name)
            if found != promised and not self._is_open(name, found):
                deviations.append(self._deviation(name, promised, found))
        if not deviations and not self._client_held:
            for name, found in seen.items():
                if found != self._values.get(name):
                    self._settle(name, found)
        return deviations

    def _is_open(self, name: str, found: str | None) -> bool:
        return found is not None and found in self._open.get(name, ())

    def _deviation(self, name: str, promised: str | None, found: str | None) -> Deviation:
        words = f"preference {name} is {found!r} instead of {promised!r}"
        if found is None or found in self._past.get(name, ()):
            return Deviation(Verdict.ROLLED_BACK, words)
        return Deviation(Verdict.FOREIGN, words)

    def _settle(self, name: str, value: str) -> None:
        if self._values is None:
            return
        former = self._values.get(name)
        if former is not None and former != value:
            self._past.setdefault(name, set()).add(former)
        self._values[name] = value
        self._open.get(name, set()).discard(value)
