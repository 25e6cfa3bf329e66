"""A sticky balancer that cuts connections at random, on both of its sides, at every place of an exchange."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

CUTS = ("before", "to the replica", "after", "within the answer", "late")
"""Nothing reached the replica; a part of the request did; all did and no answer came back; half of it came;
it came when nobody waited any more."""
LATE_S = 1.5
HEAD_END = b"\r\n\r\n"


@dataclass(slots=True)
class Balancer:
    """`share` of the exchanges of a session are cut while `harming`."""

    replicas: Mapping[str, int]
    """Name -> port."""
    share: float
    seed: int
    harming: bool = False
    port: int = 0
    cut: Counter[str] = field(default_factory=Counter)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    async def exchange_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        try:
            while (request := await _message(reader)) is not None and await self._exchange(request, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # either side has gone
        finally:
            writer.close()

    async def _exchange(self, request: bytes, writer: asyncio.StreamWriter) -> bool:
        """Whether the client's connection stands."""
        how = ""
        if self.harming and b"sid=" in request and self._random.random() < self.share:
            how = self._random.choice(CUTS)
            self.cut[how] += 1
        if how == "before":
            return False
        reader, replica = await asyncio.open_connection("127.0.0.1", self._port_of(request))
        try:
            replica.write(request[: len(request) // 2] if how == "to the replica" else request)
            await replica.drain()
            if how == "to the replica":
                return False
            if how == "after" and self._random.random() < 0.5:
                return False
            answer = await _message(reader)
            if answer is None or how == "after":
                return False
            if how == "late":
                await asyncio.sleep(LATE_S)
            writer.write(answer[: len(answer) // 2] if how == "within the answer" else answer)
            await writer.drain()
            return how != "within the answer"
        finally:
            replica.close()

    def _port_of(self, request: bytes) -> int:
        _, _, cookie = request.partition(b"sid=")
        name = cookie.partition(b".")[0].decode() if cookie else ""
        return self.replicas.get(name) or self._random.choice(list(self.replicas.values()))


async def _message(reader: asyncio.StreamReader) -> bytes | None:
    """A whole request or answer with Content-Length, or without a body; None at the end."""
    try:
        head = await reader.readuntil(HEAD_END)
    except asyncio.IncompleteReadError:
        return None
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.partition(b":")[2]))
    return head


async def _settled(tasks: Collection[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def balancing(balancer: Balancer) -> Iterator[Balancer]:
    """Serve in a thread of its own."""
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        server = await asyncio.start_server(balancer.exchange_all, "127.0.0.1", 0, backlog=512)
        balancer.port = server.sockets[0].getsockname()[1]
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        yield balancer
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        under_way = asyncio.all_tasks(loop)
        for task in under_way:
            task.cancel()
        loop.run_until_complete(_settled(under_way))
        loop.close()
