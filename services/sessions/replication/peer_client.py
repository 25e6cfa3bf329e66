"""Calls to other replicas, over kept connections, with short timeouts."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError

from services.sessions.replication.members import Member, Members
from services.sessions.replication.wire import MAC_HEADER, PREFIX, Call, Message, Peers, pack, unpack

CONNECT_S: Final = 0.3
ANSWER_S: Final = 0.5
"""As short as the store's: a request may have to ask all replicas in turn."""
CONNECTIONS: Final = 32


class PeerGone(Exception):
    """Nobody listens at the replica's address: its process has ended."""


class PeerSilent(Exception):
    """The replica did not answer, or not with an answer; whether it did something is unknown."""


class Busy(Exception):
    """The replica cannot say now; it is well."""


class PeerClient:
    """Safe for several threads. What a call finds out about its replica is told to the members."""

    def __init__(self, peers: Peers, members: Members) -> None:
        self._peers, self._members = peers, members
        self._lock = threading.Lock()
        self._pools: dict[str, urllib3.HTTPConnectionPool] = {}

    def call(
        self, member: Member, call: Call, message: Mapping[str, Any], answer_s: float = ANSWER_S
    ) -> Message:
        """Raises PeerGone, PeerSilent."""
        path, body = f"{PREFIX}{call.value}", pack(message)
        try:
            answer = self._send(member, path, body, answer_s)
        except NewConnectionError as error:
            if isinstance(error.__cause__, ConnectionRefusedError):
                self._members.strike(member.boot)
                raise PeerGone(member.pod) from error
            self._members.suspect(member.boot)
            raise PeerSilent(member.pod) from error
        except Busy as error:
            raise PeerSilent(member.pod) from error
        except (HTTPError, ValueError) as error:
            self._members.suspect(member.boot)
            raise PeerSilent(member.pod) from error
        self._members.answered(member.boot)
        return answer

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for pool in self._pools.values():
                pool.close()

    def _send(self, member: Member, path: str, body: bytes, answer_s: float) -> Message:
        headers = {MAC_HEADER: self._peers.mac(path, body)}
        timeout = urllib3.Timeout(connect=CONNECT_S, read=answer_s)
        pool = self._pool(member.address)
        for attempt in (1, 2):
            try:
                response = pool.urlopen(
                    "POST", path, body=body, headers=headers, timeout=timeout, retries=False, redirect=False
                )
                break
            except urllib3.exceptions.ProtocolError:
                # A kept connection that its replica has just closed. Calls may be repeated.
                if attempt == 2:
                    raise
        if response.status == 503:
            raise Busy
        if response.status != 200:
            raise ValueError(f"{path}: {response.status}")
        return unpack(response.data)

    def _pool(self, address: str) -> urllib3.HTTPConnectionPool:
        with self._lock:
            pool = self._pools.get(address)
            if pool is None:
                host, _, port = address.rpartition(":")
                pool = urllib3.HTTPConnectionPool(host, int(port), maxsize=CONNECTIONS)
                self._pools[address] = pool
            return pool
