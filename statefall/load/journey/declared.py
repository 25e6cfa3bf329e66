"""Promises as a journey declares them: class attributes that make a promise for each session.

    cart = counter()                     # product -> quantity
    ...
    self.post("/cart", json=..., writes=self.cart.add(product, 1))
    self.cart.shows(self.get("/cart").json())

Without `initial` the first read of a session says what was there before: a user's data may outlive the
session. JSON knows keys only as text, so a whole number and its text are one key here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar, overload

from statefall.ledger.kinds.counter import CounterPromise
from statefall.ledger.kinds.elements import SetPromise
from statefall.ledger.kinds.identity import IdentityPromise
from statefall.ledger.kinds.log import LogPromise
from statefall.ledger.kinds.promise import Promise, Write
from statefall.ledger.kinds.register import RegisterPromise, RegistersPromise
from statefall.ledger.kinds.terms import PromiseKind, PromiseTerms
from statefall.load.users import User

P = TypeVar("P", bound=Promise)
V = TypeVar("V", bound="View[Any]")


class JourneyMistake(Exception):
    """A journey's file uses its promises in a way that means nothing."""


class Held(Protocol):
    """What holds the promises of a shopper's current session."""

    def promise(self, name: str) -> Promise:
        """Of the current session. Ends the task where there is no session any more."""

    def became(self, name: str, who: Hashable) -> None:
        """The login said who the current session is."""

    def shown(self, name: str, seen: object, answer: object | None) -> None:
        """An answer (the one whose content was read last, if None) shows this of the promise."""


class View(Generic[P]):
    """A promise of the current session, as a journey uses it."""

    def __init__(self, held: Held, name: str, kind: type[P]) -> None:
        self._held, self._name, self._kind = held, name, kind

    @property
    def _promise(self) -> P:
        promise = self._held.promise(self._name)
        assert isinstance(promise, self._kind)
        return promise

    def _show(self, seen: object, answer: object | None) -> None:
        self._held.shown(self._name, seen, answer)

    def _refuse(self, wanted: str, seen: object) -> JourneyMistake:
        return JourneyMistake(f"{self._name}.shows takes {wanted}, not {_short(seen)}")


class Counter(View[CounterPromise]):
    """Sums by key."""

    def add(self, key: Hashable = None, amount: int = 1) -> Write:
        """Declare that so many more are there; negative: fewer. To be given to a request as `writes`."""
        return self._promise.add(as_key(key), amount)

    def shows(self, seen: Mapping[Any, Any] | float | None, answer: object | None = None) -> None:
        """The number of each key, or the one number of a counter without keys; None: nothing."""
        if isinstance(seen, int | float) and not isinstance(seen, bool):
            seen = {None: seen}
        if not isinstance(seen, Mapping | None):
            raise self._refuse("key -> number", seen)
        try:
            numbers = {as_key(key): _whole(value) for key, value in (seen or {}).items()}
        except (TypeError, ValueError):
            raise self._refuse("key -> whole number", seen) from None
        self._show(numbers, answer)


class Register(View[RegisterPromise]):
    """The last acknowledged value."""

    def set(self, value: Any) -> Write:
        """Declare a write; None removes the value."""
        return self._promise.set(value)

    def shows(self, seen: Any, answer: object | None = None) -> None:
        """The value that an answer shows; None: no value."""
        self._show(seen, answer)


class Registers(View[RegistersPromise]):
    """The last acknowledged value of each key."""

    def set(self, key: Hashable, value: Any) -> Write:
        """Declare a write; None removes the value."""
        return self._promise.write(as_key(key), value)

    def shows(self, seen: Mapping[Any, Any] | None, answer: object | None = None) -> None:
        """The value of each key that an answer shows."""
        if not isinstance(seen, Mapping | None):
            raise self._refuse("key -> value", seen)
        self._show({as_key(key): value for key, value in (seen or {}).items()}, answer)


class ElementSet(View[SetPromise]):
    """What was added and not removed."""

    def add(self, element: Hashable) -> Write:
        """Declare that an element comes in."""
        return self._promise.add(as_key(element))

    def remove(self, element: Hashable) -> Write:
        """Declare that an element goes."""
        return self._promise.remove(as_key(element))

    def shows(self, seen: Collection[Any] | None, answer: object | None = None) -> None:
        """The elements that an answer shows, in any order."""
        if isinstance(seen, str | bytes) or not isinstance(seen, Collection | None):
            raise self._refuse("a list of elements", seen)
        self._show([as_key(element) for element in seen or ()], answer)


class Log(View[LogPromise]):
    """What was appended, in order. Each entry must be another one: number them."""

    def append(self, entry: Hashable) -> Write:
        """Declare that an entry is appended."""
        return self._promise.append(as_key(entry))

    def shows(self, seen: Sequence[Any] | None, answer: object | None = None) -> None:
        """The entries that an answer shows, oldest first."""
        if isinstance(seen, str | bytes) or not isinstance(seen, Sequence | None):
            raise self._refuse("a list of entries, oldest first", seen)
        self._show([as_key(entry) for entry in seen or ()], answer)


class Identity(View[IdentityPromise]):
    """Who an answer thinks that I am."""

    def became(self, who: Hashable) -> None:
        """The login said who this session is; else the first answer that shows it does."""
        self._held.became(self._name, as_key(who))

    def shows(self, seen: Any, answer: object | None = None) -> None:
        """The name or number that an answer gives; None or an empty text: nobody."""
        self._show(as_key(seen), answer)


class Declared(ABC, Generic[V]):
    """A promise that each session of a class makes."""

    name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Declared[V]: ...
    @overload
    def __get__(self, instance: Any, owner: type) -> V: ...
    def __get__(self, instance: Any, owner: type) -> Declared[V] | V:
        return self if instance is None else self.view(instance.held)

    @abstractmethod
    def view(self, held: Held) -> V:
        """As a journey uses it."""

    @property
    @abstractmethod
    def terms(self) -> PromiseTerms:
        """What each session is promised."""

    def who(self, account: User) -> Hashable:
        """Whom an identity must show to this user, where that is known before."""
        return None


class counter(Declared[Counter]):  # noqa: N801 - it reads as a word of the journey
    """A cart, a balance, a count. `initial`: what every new session begins with, for example `{}`."""

    def __init__(self, initial: Mapping[Any, int] | None = None) -> None:
        self._initial = initial

    def view(self, held: Held) -> Counter:
        """See `Declared.view`."""
        return Counter(held, self.name, CounterPromise)

    @property
    def terms(self) -> PromiseTerms:
        """See `Declared.terms`."""
        return PromiseTerms(PromiseKind.COUNTER, _by_key(self._initial))


_UNKNOWN: Any = object()


class register(Declared[Register]):  # noqa: N801
    """One value: a name, a theme. `initial`: what every new session begins with; None is "no value"."""

    def __init__(self, initial: Any = _UNKNOWN) -> None:
        self._initial = initial

    def view(self, held: Held) -> Register:
        """See `Declared.view`."""
        return Register(held, self.name, RegisterPromise)

    @property
    def terms(self) -> PromiseTerms:
        """See `Declared.terms`."""
        initial = None if self._initial is _UNKNOWN else {None: self._initial}
        return PromiseTerms(PromiseKind.REGISTER, initial)


class registers(Declared[Registers]):  # noqa: N801
    """Values by key. `initial`: what every new session begins with, for example `{}`."""

    def __init__(self, initial: Mapping[Any, Any] | None = None) -> None:
        self._initial = initial

    def view(self, held: Held) -> Registers:
        """See `Declared.view`."""
        return Registers(held, self.name, RegistersPromise)

    @property
    def terms(self) -> PromiseTerms:
        """See `Declared.terms`."""
        return PromiseTerms(PromiseKind.REGISTERS, _by_key(self._initial))


class element_set(Declared[ElementSet]):  # noqa: N801
    """A wish list. `initial`: what every new session begins with, for example `()`."""

    def __init__(self, initial: Iterable[Any] | None = None) -> None:
        self._initial = None if initial is None else tuple(initial)

    def view(self, held: Held) -> ElementSet:
        """See `Declared.view`."""
        return ElementSet(held, self.name, SetPromise)

    @property
    def terms(self) -> PromiseTerms:
        """See `Declared.terms`."""
        initial = None if self._initial is None else [as_key(element) for element in self._initial]
        return PromiseTerms(PromiseKind.SET, initial)


class log(Declared[Log]):  # noqa: N801
    """What was appended. `window`: how many the service keeps. `empty`: each new session begins with none."""

    def __init__(self, window: int | None = None, *, empty: bool = False) -> None:
        self._window, self._empty = window, empty

    def view(self, held: Held) -> Log:
        """See `Declared.view`."""
        return Log(held, self.name, LogPromise)

    @property
    def terms(self) -> PromiseTerms:
        """See `Declared.terms`."""
        return PromiseTerms(PromiseKind.LOG, () if self._empty else None, self._window)


class identity(Declared[Identity]):  # noqa: N801
    """Who I am. `who` says it of a user, for example `lambda user: user.name`; else the first read does."""

    def __init__(self, who: Callable[[User], Hashable] | None = None) -> None:
        self._who = who

    def view(self, held: Held) -> Identity:
        """See `Declared.view`."""
        return Identity(held, self.name, IdentityPromise)

    @property
    def terms(self) -> PromiseTerms:
        """See `Declared.terms`."""
        return PromiseTerms(PromiseKind.IDENTITY)

    def who(self, account: User) -> Hashable:
        """See `Declared.who`."""
        return None if self._who is None else as_key(self._who(account))


def declared_in(kind: type) -> tuple[Declared[Any], ...]:
    """All promises of a class, those of its bases first."""
    found: dict[str, Declared[Any]] = {}
    for base in reversed(kind.__mro__):
        found |= {name: each for name, each in vars(base).items() if isinstance(each, Declared)}
    return tuple(found.values())


def as_key(value: Any) -> Any:
    """As a key of a JSON object: whole numbers are their text, lists are tuples."""
    if isinstance(value, list | tuple):
        return tuple(as_key(each) for each in value)
    if isinstance(value, dict):
        return tuple(sorted((str(key), as_key(each)) for key, each in value.items()))
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _by_key(given: Mapping[Any, Any] | None) -> dict[Any, Any] | None:
    return None if given is None else {as_key(key): value for key, value in given.items()}


def _whole(value: Any) -> int:
    number = int(value)
    if number != float(value):
        raise ValueError(value)
    return number


def _short(seen: object) -> str:
    text = repr(seen)
    return text if len(text) <= 60 else f"{text[:57]}..."
