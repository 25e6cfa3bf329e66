"""One shopper from arrival to the end: a step, a pause, a step, and in between what is asked of it.

What a step is, whoever defines a shopper says; when it comes, and when the load wants everything read
once more, is the same for all of them.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Final

from gevent.event import Event

from statefall.records.load import Shopper

AUDIT_TRIES: Final = 12
"""How often a shopper asks in an audit for what has no answer, or leaves open what became of the session."""
AUDIT_RETRY_S: Final = 0.3


class VirtualUser(ABC):
    """One virtual user. Runs in a greenlet of its own; `stop` and `ask_audit` are called from others."""

    def __init__(self, planned: Shopper) -> None:
        self.planned = planned
        self.stopping = False
        """It ends after what is under way."""
        self._nudge = Event()
        self._audits: list[tuple[float, Event]] = []

    @property
    @abstractmethod
    def has_session(self) -> bool:
        """Whether there is anything to audit."""

    @abstractmethod
    def step(self) -> None:
        """Log in, or do one thing."""

    @abstractmethod
    def wait_s(self) -> float:
        """Seconds until the next step."""

    @abstractmethod
    def audit(self) -> None:
        """Read everything that decides what became of the session."""

    @abstractmethod
    def close(self) -> None:
        """Drop all connections."""

    @abstractmethod
    def awaits_audit(self) -> None:
        """From now on only what the audit reads decides; called from another greenlet."""

    def arrive(self) -> None:  # noqa: B027 - most have nothing to do
        """Before the first step."""

    def leave(self) -> None:  # noqa: B027
        """After the last step."""

    def run(self, begin_s: float) -> None:
        """Arrive, and go on until `stop`. `begin_s`: when the load began, monotonic."""
        try:
            self._pause_until(begin_s + self.planned.arrival_s)
            self.arrive()
            while not self.stopping:
                self.step()
                self._pause_until(time.monotonic() + self.wait_s())
            self.leave()
        finally:
            self.close()
            for _, done in self._audits:
                done.set()

    def stop(self) -> None:
        """End after the step that is under way."""
        self.stopping = True
        self._nudge.set()

    def ask_audit(self, delay_s: float) -> Event:
        """Read everything that decides, so many seconds from now; the event is set when it is done."""
        done = Event()
        if not self.has_session or self.stopping:
            done.set()
        else:
            self.awaits_audit()
            self._audits.append((time.monotonic() + delay_s, done))
            self._nudge.set()
        return done

    def pause_before_retry(self) -> None:
        """Between two tries of an audit; `stop` ends it."""
        self._nudge.wait(AUDIT_RETRY_S)

    def _pause_until(self, moment_s: float) -> None:
        while not self.stopping:
            now = time.monotonic()
            due = self._audits[0][0] if self._audits else moment_s
            if self._audits and now >= due:
                self._nudge.clear()  # or the pauses between tries would be none
                self.audit()
                self._audits[0][1].set()
                del self._audits[0]
            elif not self._audits and now >= moment_s:
                return
            else:
                self._nudge.wait(max(0.0, due - now))
                self._nudge.clear()
