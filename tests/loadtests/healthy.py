"""A service and its network as a reference model, honest or with one planted bug.

The model applies writes atomically, may lose answers before or after applying, and may apply a
write late, after newer ones: everything that a correct service is allowed to do.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from shop.contract import (
    ACTIVITY_WINDOW,
    CONVERSATION_WINDOW,
    SessionStatus,
    conversation_digest,
)
from shop.ledger.answer import (
    AddToCart,
    Answer,
    Converse,
    NoResponse,
    RememberAction,
    Replica,
    RequestOutcome,
    SetPreferences,
    Write,
)
from shop.ledger.sessions import ShopSessions
from statefall.ledger.session import Finding
from statefall.ledger.session_registry import SessionRegistry
from statefall.records.verdicts import Verdict

HOME = Replica("pod-a", "boot-1")
OTHER = Replica("pod-b", "boot-1")
USER = 17


@dataclass(frozen=True, slots=True)
class State:
    """What the service holds for the session."""

    version: int = 0
    cart: dict[int, int] = field(default_factory=dict)
    activity: tuple[str, ...] = ()
    conversation: tuple[str, ...] = ()
    preferences: dict[str, str] = field(default_factory=dict)


def applied(state: State, write: Write) -> State:
    """The state after one application of the write."""
    if isinstance(write, AddToCart):
        cart = {**state.cart, write.product_id: state.cart.get(write.product_id, 0) + write.quantity}
        return replace(state, version=state.version + 1, cart=cart)
    if isinstance(write, RememberAction):
        window = (*state.activity, write.action)[-ACTIVITY_WINDOW:]
        return replace(state, version=state.version + 1, activity=window)
    if isinstance(write, Converse):
        kept = (*state.conversation, write.text)[-CONVERSATION_WINDOW:]
        return replace(state, version=state.version + 1, conversation=kept)
    preferences = {**state.preferences, **write.changes}
    return replace(state, version=state.version + 1, preferences=preferences)


def shown(state: State, draw: random.Random, write: Write | None) -> Answer:
    """An answer that shows some or all of the state, and always what was just written."""
    lines = dict(state.cart) if isinstance(write, AddToCart) or draw.random() < 0.5 else None
    activity = state.activity if isinstance(write, RememberAction) or draw.random() < 0.5 else None
    preferences = (
        dict(state.preferences) if isinstance(write, SetPreferences) or draw.random() < 0.5 else None
    )
    conversation = state.conversation if isinstance(write, Converse) or draw.random() < 0.5 else None
    return Answer(
        200,
        draw.choice((HOME, OTHER)),
        SessionStatus.KNOWN,
        user_id=USER,
        version=state.version,
        lines=lines,
        recent_activity=activity,
        preferences=preferences,
        conversation=conversation,
        digest=None if conversation is None else conversation_digest(conversation),
    )


def complete(state: State) -> Answer:
    """An answer that shows everything."""
    return Answer(200, HOME, SessionStatus.KNOWN, user_id=USER, version=state.version,
                  lines=dict(state.cart), recent_activity=state.activity,
                  preferences=dict(state.preferences), conversation=state.conversation,
                  digest=conversation_digest(state.conversation))  # fmt: skip


Bug = Callable[[State, State, Write, random.Random], State]
"""(state before, state as it should be, the write) -> the state that the faulty service keeps."""


class World:
    """One session in a service, driven from one random source."""

    kinds = 4
    """Of writes: the conversation is the last, and not every service has one."""

    def __init__(self, seed: int, *, loss: float) -> None:
        self.draw = random.Random(seed)
        self.loss = loss
        self.state = State(preferences={"theme": "initial"})
        self.late: list[Write] = []
        self.registry = SessionRegistry()
        self.shop = ShopSessions(self.registry, 1)
        login = Answer(200, HOME, SessionStatus.NEW, user_id=USER, version=0,
                       preferences=dict(self.state.preferences))  # fmt: skip
        self.session, _ = self.shop.open(0, USER, login, 0.0, client_held=False)
        self.found: list[Finding] = []
        self.number = 0

    def run(self, steps: int) -> None:
        """So many requests of an honest service."""
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        """One request: a read, or a write whose answer may get lost on either way."""
        self._apply_late()
        write = self.new_write() if self.draw.random() < 0.6 else None
        chance = self.draw.random()
        if chance >= self.loss:
            if write is not None:
                self.state = applied(self.state, write)
            self.observe(write, shown(self.state, self.draw, write))
        else:
            self._lose(write, chance / self.loss)

    def new_write(self) -> Write:
        """A write that no other equals."""
        self.number += 1
        kind = self.draw.randrange(self.kinds)
        if kind == 0:
            return AddToCart(self.draw.randint(1, 4), self.draw.randint(1, 3))
        if kind == 1:
            return RememberAction(f"action {self.number}")
        if kind == 3:
            return Converse(f"text {self.number}")
        return SetPreferences({self.draw.choice(("theme", "language")): f"value {self.number}"})

    def observe(self, write: Write | None, outcome: RequestOutcome) -> None:
        """Tell the ledger."""
        self.found += self.shop.observe(self.session, write, outcome, 1.0)

    def verdicts(self) -> set[Verdict]:
        """The kinds of what was found."""
        return {finding.verdict for finding in self.found}

    def _lose(self, write: Write | None, chance: float) -> None:
        unanswered = NoResponse(sent=True, reason="no answer in time")
        outcome: RequestOutcome = unanswered if self.draw.random() < 0.7 else Answer(502, OTHER)
        if chance < 0.2:
            outcome = NoResponse(sent=False, reason="refused")
        elif write is not None and chance < 0.5:
            self.state = applied(self.state, write)
        elif write is not None and chance < 0.75:
            self.late.append(write)
        self.observe(write, outcome)

    def _apply_late(self) -> None:
        while self.late and self.draw.random() < 0.3:
            self.state = applied(self.state, self.late.pop(self.draw.randrange(len(self.late))))


class ClientHeldWorld(World):
    """The state travels with the client; the database alone keeps preferences as well.

    A lost answer leaves the client's token behind the database, and an answer may show either.
    """

    kinds = 3

    def __init__(self, seed: int, *, loss: float) -> None:
        super().__init__(seed, loss=loss)
        self.database = dict(self.state.preferences)
        login = Answer(200, HOME, SessionStatus.NEW, user_id=USER, version=0,
                       preferences=dict(self.database))  # fmt: skip
        self.session, _ = self.shop.open(1, USER, login, 0.0, client_held=True)

    def step(self) -> None:
        """One request; the client's copy moves on only when the answer arrives."""
        write = self.new_write() if self.draw.random() < 0.6 else None
        lost = self.draw.random() < self.loss
        reached = not lost or self.draw.random() < 0.6
        if reached and isinstance(write, SetPreferences):
            self.database.update(write.changes)
        if lost:
            self.observe(write, NoResponse(sent=True, reason="no answer in time"))
            return
        if write is not None:
            self.state = applied(self.state, write)
        answer = shown(self.state, self.draw, write)
        if answer.preferences is not None and write is None and self.draw.random() < 0.5:
            answer = replace(answer, preferences=dict(self.database))
        self.observe(write, answer)
