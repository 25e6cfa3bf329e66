"""A watch of the API server that is under way: its changes, its end, and why it broke."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import urllib3

from statefall.clusters.kubernetes.objects.kinds import Object
from statefall.clusters.protocol import ClusterError
from statefall.records.errors import EnvironmentUnfit


class Expired(ClusterError):
    """A watch cannot go on from where it was: list again."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a watch tells."""

    type: str
    """ADDED, MODIFIED, DELETED or BOOKMARK."""
    object: Object


class Watching:
    """A watch that is under way. Iterate for its changes; `end` stops that from another thread."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def end(self) -> None:
        """Wake the thread that iterates: what it waits for will not come."""
        connection = getattr(self._response, "connection", None)
        raw = getattr(connection, "sock", None)
        if raw is not None:
            # Closing would wait for the reader that it is meant to wake.
            with suppress(OSError):  # the server may have closed first
                raw.shutdown(socket.SHUT_RDWR)

    def __iter__(self) -> Iterator[Change]:
        """Raises Expired, and EnvironmentUnfit when the connection breaks."""
        try:
            for line in _lines(self._response):
                told = json.loads(line)
                if told["type"] == "ERROR":
                    raise Expired(str(told["object"].get("message", told["object"])))
                yield Change(told["type"], told["object"])
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise EnvironmentUnfit(f"a watch broke: {cause_of(error)}") from error


def _lines(response: Any) -> Iterator[bytes]:
    rest = b""
    for chunk in response.stream(amt=None, decode_content=False):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line)


def cause_of(error: BaseException) -> str:
    """The innermost reason, in one line."""
    reason = getattr(error, "reason", None) or error
    while isinstance(reason, urllib3.exceptions.MaxRetryError) and reason.reason is not None:
        reason = reason.reason
    text = str(reason).strip().splitlines()
    return text[-1].rpartition(": ")[2] if text else type(reason).__name__
