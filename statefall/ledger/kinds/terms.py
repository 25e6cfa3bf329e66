"""What a promise promises, as data: enough to make it anew wherever a history is judged."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .counter import CounterPromise
from .elements import SetPromise
from .identity import IdentityPromise
from .known_writes import KnownWrites
from .log import LogPromise
from .promise import Clock, Promise
from .register import RegisterPromise, RegistersPromise


class PromiseKind(StrEnum):
    """The kinds of promises that a session can make by name."""

    COUNTER = "counter"
    REGISTER = "register"
    REGISTERS = "registers"
    SET = "set"
    LOG = "log"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class PromiseTerms:
    """A promise of every session of a journey."""

    kind: PromiseKind
    initial: Any = None
    """What a session begins with: key -> value (of one register under the key None), or the elements; None:
    the first read says it."""
    window: int | None = None
    """Of a log: how many entries are kept; None: all."""

    def promise(
        self, name: str, clock: Clock, *, owner: Hashable, others: KnownWrites, who: Hashable = None
    ) -> Promise:
        """For one session of the user `owner`. `who`: whom an identity must show; None: the first it does."""
        match self.kind:
            case PromiseKind.COUNTER:
                known = self.initial is not None
                counter = CounterPromise(name, clock, owner=owner, others=others, started=known)
                counter.started_with(self.initial or {})
                return counter
            case PromiseKind.REGISTER:
                return RegisterPromise(name, clock, owner=owner, others=others, initial=self.initial)
            case PromiseKind.REGISTERS:
                return RegistersPromise(name, clock, owner=owner, others=others, initial=self.initial)
            case PromiseKind.SET:
                return SetPromise(name, clock, owner=owner, others=others, initial=self.initial)
            case PromiseKind.LOG:
                started = self.initial is not None
                return LogPromise(
                    name, clock, owner=owner, others=others, window=self.window, started=started
                )
            case PromiseKind.IDENTITY:
                return IdentityPromise(name, clock, who=who)
