"""What became of the connections and messages of a load process, counted for all its shoppers."""

from __future__ import annotations

from collections import Counter

from statefall.records.verdicts import RealtimeCounts


class RealtimeCounter:
    """Counts under the names of RealtimeCounts; what to count, whoever holds the connections says."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str, count: int = 1) -> None:
        """Count something under its name in RealtimeCounts."""
        self._counts[name] += count

    def counts(self) -> RealtimeCounts:
        """As of now."""
        return RealtimeCounts(**self._counts)
