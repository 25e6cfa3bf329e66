"""One way in which an answer differs from what was promised."""

from __future__ import annotations

from dataclasses import dataclass

from statefall.records.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Deviation:
    """What it amounts to, and in words how it was seen."""

    verdict: Verdict
    evidence: str
