"""An honest service for one object of one session: every write is applied at one moment, or never.

Its network may lose answers on either way, apply a write late, after newer ones, or refuse it; and
several tabs have requests under way at once. Every read is answered with the state at one moment
between its begin and its end.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from statefall.ledger.deviation import Deviation
from statefall.ledger.kinds.counter import CounterPromise
from statefall.ledger.kinds.elements import SetPromise
from statefall.ledger.kinds.log import LogPromise
from statefall.ledger.kinds.promise import Promise, Read, Write
from statefall.ledger.kinds.register import RegisterPromise, RegistersPromise

Apply = Callable[[Any, Write], Any]


@dataclass(frozen=True)
class Kind:
    """How a kind is made, written, applied and shown."""

    name: str
    promise: Callable[..., Any]
    start: Any
    declare: Callable[[Any, random.Random, int], Write]
    apply: Apply
    show: Callable[[Any], Any] = lambda state: state


def _added(state: dict[Any, int], write: Write) -> dict[Any, int]:
    total = state.get(write.key, 0) + write.value
    return {
        **{key: n for key, n in state.items() if key != write.key},
        **({write.key: total} if total else {}),
    }


def _put(state: dict[Any, Any], write: Write) -> dict[Any, Any]:
    rest = {key: value for key, value in state.items() if key != write.key}
    return rest if write.value is None else {**rest, write.key: write.value}


WINDOW = 4
KINDS = [
    Kind(
        "counter",
        CounterPromise,
        {},
        lambda p, draw, n: p.add(draw.randint(1, 3), draw.choice((1, 1, 2, 3))),
        _added,
    ),
    Kind(
        "signed counter",
        CounterPromise,
        {},
        lambda p, draw, n: p.add(draw.randint(1, 2), draw.choice((1, 2, -1, -2, 7))),
        _added,
    ),
    Kind(
        "many amounts",
        CounterPromise,
        {},
        lambda p, draw, n: p.add(1, draw.randint(1, 10_000)),
        _added,
    ),
    Kind(
        "counter of an old account",
        lambda: CounterPromise(started=False),
        {1: 3, 2: 5},
        lambda p, draw, n: p.add(draw.randint(1, 3), 1),
        _added,
    ),
    Kind(
        "register",
        RegisterPromise,
        {None: "old"},
        lambda p, draw, n: p.set(f"v{n}"),
        _put,
        lambda s: s.get(None),
    ),
    Kind(
        "register of few values",
        RegisterPromise,
        {},
        lambda p, draw, n: p.set(draw.choice(("a", "b", None))),
        _put,
        lambda s: s.get(None),
    ),
    Kind(
        "registers",
        lambda: RegistersPromise(initial={"a": "first"}),
        {"a": "first"},
        lambda p, draw, n: p.write(draw.choice("abc"), f"v{n}"),
        _put,
    ),
    Kind(
        "set",
        SetPromise,
        {},
        lambda p, draw, n: p.add(draw.randint(1, 4)) if draw.random() < 0.6 else p.remove(draw.randint(1, 4)),
        _put,
        list,
    ),
    Kind("log", LogPromise, (), lambda p, draw, n: p.append(f"t{n}"), lambda s, w: (*s, w.value)),
    Kind(
        "window",
        lambda: LogPromise(window=WINDOW),
        (),
        lambda p, draw, n: p.append(f"t{n}"),
        lambda s, w: (*s, w.value)[-WINDOW:],
    ),
]


@dataclass
class _Request:
    """Under way: its write, its read, and when what was applied or seen."""

    write: Write | None
    read: Read
    applied: bool = False
    seen: Any = None


class Service:
    """One object in an honest service, driven from one random source; `found` must stay empty."""

    def __init__(self, kind: Kind, seed: int, *, loss: float, refusals: float, tabs: int) -> None:
        self.kind, self.draw = kind, random.Random(seed)
        self.loss, self.refusals, self.tabs = loss, refusals, tabs
        self.promise: Promise = kind.promise()
        self.state = kind.start
        self.late: list[Write] = []
        self.under_way: list[_Request] = []
        self.found: list[Deviation] = []
        self.number = 0

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.step()
        while self.under_way:
            self._end(self.under_way[0])

    def step(self) -> None:
        """One moment: a late write is applied, a request begins, moves, or ends."""
        draw = self.draw
        if self.late and draw.random() < 0.2:
            self._apply(self.late.pop(draw.randrange(len(self.late))))
        if len(self.under_way) < self.tabs and draw.random() < 0.6:
            self._begin()
        elif self.under_way and draw.random() < 0.5:
            self._serve(draw.choice(self.under_way))
        elif self.under_way:
            self._end(draw.choice(self.under_way))

    def read(self) -> list[Deviation]:
        """A read with nothing else under way."""
        return self.promise.check(self.kind.show(self.state))

    def _begin(self) -> None:
        self.number += 1
        write = None
        if self.draw.random() < 0.6:
            write = self.kind.declare(self.promise, self.draw, self.number)
            write.begin()
        own = () if write is None else (write,)
        self.under_way.append(_Request(write, self.promise.clock.begin_read(*own)))

    def _serve(self, request: _Request) -> None:
        """The service works on it: applies its write, once, or looks at the state."""
        if request.write is not None and not request.applied:
            if self.draw.random() >= self.refusals:
                self._apply(request.write)
            else:
                request.write.refuse()
            request.applied = True
            request.seen = self.kind.show(self.state)
        elif request.write is None:
            request.seen = self.kind.show(self.state)

    def _end(self, request: _Request) -> None:
        self.under_way.remove(request)
        write, draw = request.write, self.draw
        if draw.random() < self.loss:
            if write is not None:
                write.leave_open()
                if not request.applied and draw.random() < 0.6:
                    self.late.append(write)
            self.promise.clock.end_read(request.read)
            return
        if request.seen is None:
            self._serve(request)
        if write is not None:
            write.acknowledge()
        self.found += self.promise.check(request.seen, request.read)
        self.promise.clock.end_read(request.read)

    def _apply(self, write: Write) -> None:
        self.state = self.kind.apply(self.state, write)
