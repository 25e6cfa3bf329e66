"""Invariants: a predicate of its own name that an answer fulfils or not, with the evidence.

"The total is the sum of the lines." What it amounts to is for its author to say; without a word it
counts as rolled back, because an answer shows another state than was promised.
"""

from __future__ import annotations

from statefall.ledger.deviation import Deviation
from statefall.records.verdicts import Verdict


class Invariant:
    """A predicate. It is told once; `broken` counts on."""

    __slots__ = ("broken", "name", "verdict")

    def __init__(self, name: str, verdict: Verdict = Verdict.ROLLED_BACK) -> None:
        self.name, self.verdict = name, verdict
        self.broken = 0
        """How many answers did not fulfil it, told or not."""

    def check(self, holds: bool, evidence: str = "") -> list[Deviation]:
        """Take in one answer."""
        if holds:
            return []
        self.broken += 1
        if self.broken > 1:
            return []
        return [Deviation(self.verdict, f"{self.name} does not hold" + (f": {evidence}" if evidence else ""))]
