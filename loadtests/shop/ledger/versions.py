"""The promised version: the session's count of applied writes."""

from __future__ import annotations

from statefall.ledger.deviation import Deviation
from statefall.records.verdicts import Verdict


class VersionPromise:
    """How many writes were acknowledged, and how many may or may not have been applied besides."""

    __slots__ = ("_counted", "_open", "_promised")

    def __init__(self, version: int) -> None:
        self._promised: int | None = version
        """None after a violation: the next sight is taken as it is."""
        self._open = 0
        self._counted = 0
        """Open writes that a version has shown to be applied; it cannot fall below that again."""

    @property
    def acknowledged(self) -> int:
        """The lowest version that keeps every promise."""
        return (self._promised or 0) + self._counted

    def acknowledge(self) -> None:
        """One more write was answered."""
        if self._promised is not None:
            self._promised += 1

    def leave_open(self) -> None:
        """One more write was sent and not answered."""
        self._open += 1

    def adopt(self, version: int | None) -> None:
        """Begin anew from what was seen, or from the next sight when nothing was."""
        self._promised, self._open, self._counted = version, 0, 0

    def check(self, version: int) -> Deviation | None:
        """Hold the version that was seen to the promise."""
        promised = self._promised
        if promised is None:
            self.adopt(version)
            return None
        least, most = promised + self._counted, promised + self._open
        if version == 0 and least > 0:
            return Deviation(Verdict.LOST, f"emptied: version 0 after {least} acknowledged writes")
        if version < least:
            return Deviation(Verdict.ROLLED_BACK, f"version {version} after {least} acknowledged writes")
        if version > most:
            unknown = f" and {self._open} of unknown outcome" if self._open else ""
            return Deviation(
                Verdict.DUPLICATED, f"version {version} after {promised} acknowledged writes{unknown}"
            )
        self._counted = version - promised
        return None

    def close_open(self) -> bool:
        """Take open writes as acknowledged once the version counts them all; whether it did just now."""
        if not self._open or self._promised is None or self._counted < self._open:
            return False
        self._promised += self._open
        self._open = self._counted = 0
        return True
