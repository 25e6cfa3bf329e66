"""Who answered: what an answer says itself, or what the balancer's log says of it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import gevent

from statefall.load.answers import HttpAnswer
from statefall.load.cookies import Cookies
from statefall.records.contract import OPERATION_HEADER
from statefall.records.events import Replica
from statefall.records.service import AnsweredBy

NOBODY: Final = Replica("", "")
POLL_S: Final = 0.005
WAIT_S: Final = 0.5
"""How long a line of the balancer's log may take after its answer; then nobody knows."""
MOST_KEPT: Final = 10_000


@dataclass(slots=True)
class AccessLog:
    """Traefik's log as JSON lines: which address answered which operation. Read as it grows."""

    path: Path
    _place: int = 0
    _rest: bytes = b""
    _found: dict[str, str] = field(default_factory=dict)

    def address(self, operation: str, wait_s: float = WAIT_S) -> str:
        """Host and port that answered, or nothing where the log does not say so in time."""
        deadline = time.monotonic() + wait_s
        while operation not in self._found:
            self._read()
            if operation in self._found or time.monotonic() > deadline:
                break
            gevent.sleep(POLL_S)
        return self._found.pop(operation, "")

    def _read(self) -> None:
        try:
            with self.path.open("rb") as file:
                file.seek(self._place)
                new = file.read()
        except OSError:
            return  # not there yet
        self._place += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            self._take(line)
        while len(self._found) > MOST_KEPT:
            del self._found[next(iter(self._found))]

    def _take(self, line: bytes) -> None:
        try:
            fields = json.loads(line)
            address, operation = fields["ServiceAddr"], fields[f"request_{OPERATION_HEADER}"]
        except (ValueError, KeyError, TypeError):
            return  # an answer of the balancer's own, or a request that is not ours
        if isinstance(operation, str) and isinstance(address, str):
            self._found[operation] = address


@dataclass(slots=True)
class Attribution:
    """Says who gave an answer, in the way that the service's file names."""

    answered_by: AnsweredBy
    access_log: AccessLog | None = None

    @classmethod
    def of(cls, answered_by: AnsweredBy, access_log: str) -> Attribution:
        """`access_log`: the balancer's log on this machine; empty: there is none to be read."""
        tailed = AccessLog(Path(access_log)) if answered_by.access_log and access_log else None
        return cls(answered_by, tailed)

    def replica(self, answer: HttpAnswer, cookies: Cookies, operation: str) -> Replica:
        """Of an answer; by a log, its address stands for the pod's name."""
        by = self.answered_by
        if by.header:
            boot = answer.headers.get(by.boot, "") if by.boot else ""
            return Replica(answer.headers.get(by.header, ""), boot)
        if by.cookie:
            return Replica(cookies.value(by.cookie) or "", "")
        if self.access_log is not None:
            return Replica(self.access_log.address(operation), "")
        return NOBODY
