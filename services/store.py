"""The client of the shared store (Valkey or Redis): no retries, short timeouts, every call measured.

A call is sent once (see `store_client`) and its failure is the caller's to handle; while the store
is known to be away, calls are refused without waiting (see `breaker`), and so are those of a request
that has waited in vain before (see `timeout_budget`).
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import redis
from redis.cluster import RedisCluster

from services import timeout_budget
from services.breaker import Breaker
from services.contract import ErrorCode
from services.metrics import Metrics
from services.refusals import Unavailable
from services.store_client import TIMEOUT_S, Client, connector
from services.store_cluster import STORE_ERRORS

BACKGROUND_CONNECTIONS: Final = 4
"""For threads of the replica that serve no request."""
SCAN_COUNT: Final = 500
_NOT_ANSWERED: Final = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.exceptions.ClusterError,
    redis.exceptions.RedisClusterException,
)
"""What an outage or a failover looks like; anything else is an answer."""


class StoreUnavailable(Unavailable):
    """The store did not answer in time; whether a write was applied is unknown."""


class Unconfirmed(redis.RedisError):
    """The store has the write, and too few of its replicas do: a failover could lose it."""


class StoreFull(StoreUnavailable):
    """The store refused a write because its memory is used up; nothing was written."""


class StoreBusy(StoreUnavailable):
    """All our connections to the store are in use; nothing was sent, and the store may be well."""

    code = ErrorCode.OVERLOADED


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script: what it does to its keys happens at once or not at all."""

    name: str
    """Labels its calls in the metrics."""
    text: str = field(repr=False)
    writes: bool = True
    """Whether its caller promises somebody that a change lasts, and so must wait for replicas."""

    @property
    def sha(self) -> str:
        """Under which the server knows it."""
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """A script with its keys, which all lie in one slot of a cluster, and its arguments."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[str | bytes | int | float]


class Store:
    """Byte strings by key, each with a time to live. Raises StoreUnavailable from every call."""

    def __init__(
        self, url: str, metrics: Metrics, *, connections: int, replicas: int = 0,
        timeout_s: float = TIMEOUT_S,
    ) -> None:  # fmt: skip
        """With `replicas`, a scripted write counts as done when so many copies of the store have it.
        A call waits for a connection, and again for an answer, for `timeout_s` at most.

        Raises ValueError for a URL that names no store, or for replicas of a cluster, whose client
        cannot wait for them.
        """
        self._connect = connector(url, connections + BACKGROUND_CONNECTIONS, timeout_s)
        if replicas and url.startswith("redis+cluster"):
            raise ValueError("waiting for replicas works with one server or Sentinel, not with a cluster")
        self._metrics, self._replicas, self._timeout_s = metrics, replicas, timeout_s
        self._breaker = Breaker()
        self._lock = threading.Lock()
        self._client: Client | None = None
        metrics.store.breaker_open.set_function(lambda: float(self._breaker.open))

    @property
    def client(self) -> Client:
        """Made when first needed. Raises one of STORE_ERRORS when a cluster cannot be reached."""
        if self._client is None:
            made = self._connect()  # before the lock: nobody queues behind one who waits for a cluster
            with self._lock:
                if self._client is None:
                    self._client = made
        return self._client

    def open(self) -> None:
        """Connections are made when first used."""

    def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            self._client.close()

    @contextmanager
    def measured(self, call: str) -> Iterator[None]:
        """Time what is inside as one call and turn its failure into StoreUnavailable."""
        self._admit()
        begin = time.perf_counter()
        try:
            yield
        except redis.OutOfMemoryError as error:
            self._breaker.succeeded()
            self._metrics.store.refusals.labels("capacity").inc()
            raise StoreFull("the store is full") from error
        except redis.MaxConnectionsError as error:  # tells the breaker nothing
            self._metrics.store.refusals.labels("connections").inc()
            raise StoreBusy("all connections to the store are in use; try again soon") from error
        except STORE_ERRORS as error:
            if isinstance(error, _NOT_ANSWERED):
                self._breaker.failed()
                timeout_budget.spend(time.perf_counter() - begin)
            else:
                self._breaker.succeeded()
            self._metrics.store.errors.labels(call).inc()
            raise StoreUnavailable("the store does not answer") from error
        else:
            self._breaker.succeeded()
        finally:
            self._metrics.store.seconds.labels(call).observe(time.perf_counter() - begin)

    def get(self, key: str) -> bytes | None:
        """The value, or None."""
        with self.measured("get"):
            found = self.client.get(key)
            return found if isinstance(found, bytes) else None

    def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Write the value; it vanishes after `ttl_s`."""
        with self.measured("put"):
            self.client.set(key, value, px=max(1, int(ttl_s * 1000)))

    def delete(self, key: str) -> None:
        """Remove the key, if it is there."""
        with self.measured("delete"):
            self.client.delete(key)

    def check(self) -> None:
        """Raises StoreUnavailable unless the store answers now."""
        with self.measured("ping"):
            self.client.ping()

    def run(self, call: Call) -> Any:
        """Run a script and return what it answers; text comes as bytes."""
        script = call.script
        with self.measured(script.name):
            try:
                return self._run(call, "EVALSHA", script.sha)
            except redis.exceptions.NoScriptError:  # so nothing was run
                return self._run(call, "EVAL", script.text)

    def run_many(self, calls: Sequence[Call]) -> list[Any]:
        """Run scripts in one exchange, each for itself, in this order."""
        if not calls:
            return []
        with self.measured(f"{calls[0].script.name}_many"):
            pipeline = self.client.pipeline(transaction=False)
            for call in calls:
                pipeline.execute_command(*_command(call, "EVAL", call.script.text))
            if self._replicas:
                pipeline.execute_command("WAIT", self._replicas, int(self._timeout_s * 500))
            answers = pipeline.execute()
            if self._replicas:
                self._confirm(answers.pop())
            return list(answers)

    def servers(self) -> list[dict[str, Any]]:
        """What each server says of its memory (`INFO memory`); replicas are not asked."""
        with self.measured("info"):
            client = self.client
            if isinstance(client, RedisCluster):
                return list(client.info("memory", target_nodes=RedisCluster.PRIMARIES).values())
            return [client.info("memory")]

    def keys(self, pattern: str) -> list[str]:
        """The keys that match, gathered in small steps; those that come and go meanwhile may be missed."""
        with self.measured("scan"):
            client = self.client
            nodes = {"target_nodes": RedisCluster.PRIMARIES} if isinstance(client, RedisCluster) else {}
            return [key.decode() for key in client.scan_iter(match=pattern, count=SCAN_COUNT, **nodes)]

    def _admit(self) -> None:
        if timeout_budget.used_up():
            reason = "request"
        elif not self._breaker.admit():
            reason = "breaker"
        else:
            return
        self._metrics.store.refusals.labels(reason).inc()
        raise StoreUnavailable("the store does not answer")

    def _run(self, call: Call, command: str, script: str) -> Any:
        words = _command(call, command, script)
        if not (self._replicas and call.script.writes):
            return self.client.execute_command(*words)  # type: ignore[no-untyped-call]
        # WAIT is about the writes of its own connection, so both go over one.
        pipeline = self.client.pipeline(transaction=False)
        pipeline.execute_command(*words)
        pipeline.execute_command("WAIT", self._replicas, int(self._timeout_s * 500))
        answer, copies = pipeline.execute()
        self._confirm(copies)
        return answer

    def _confirm(self, copies: int) -> None:
        if copies < self._replicas:
            raise Unconfirmed(f"{copies} of {self._replicas} replicas have the write")


def _command(call: Call, command: str, script: str) -> list[str | bytes | int | float]:
    return [command, script, len(call.keys), *call.keys, *call.arguments]
