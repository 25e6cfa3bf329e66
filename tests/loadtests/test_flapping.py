"""State of one's own that is missing once and comes back is never called foreign, whatever reads do.

A shop of honest writers whose reads flap: each answer shows, part by part, what is there, what was there
some writes ago, or nothing. No session ever shows what another wrote, so no word of a leak may be said.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from shop.contract import ACTIVITY_WINDOW, SessionStatus
from shop.ledger.answer import AddToCart, Answer, RememberAction, Replica, SetPreferences, Write
from shop.ledger.session import SessionLedger
from shop.ledger.sessions import ShopSessions
from statefall.ledger.session import Finding
from statefall.ledger.session_registry import SessionRegistry
from statefall.records.verdicts import Verdict

HOME = Replica("pod-a", "boot-1")


@dataclass
class Parts:
    """What the service holds of one session."""

    version: int = 0
    lines: dict[int, int] = field(default_factory=dict)
    activity: tuple[str, ...] = ()
    preferences: dict[str, str] = field(default_factory=lambda: {"theme": "light", "language": "en"})

    def after(self, write: Write) -> Parts:
        lines, activity, preferences = dict(self.lines), self.activity, dict(self.preferences)
        if isinstance(write, AddToCart):
            lines[write.product_id] = lines.get(write.product_id, 0) + write.quantity
        elif isinstance(write, RememberAction):
            activity = (*activity, write.action)[-ACTIVITY_WINDOW:]
        elif isinstance(write, SetPreferences):
            preferences.update(write.changes)
        return Parts(self.version + 1, lines, activity, preferences)


class Shop:
    """Several shoppers, and how their reads come out."""

    def __init__(self, shoppers: int) -> None:
        self.registry = SessionRegistry()
        self.shop = ShopSessions(self.registry, 1)
        self.sessions: list[SessionLedger] = []
        self.history: list[list[Parts]] = []
        for shopper in range(shoppers):
            login = shown(Parts(), shopper)
            session, _ = self.shop.open(shopper, shopper, login, 0.0, client_held=False)
            self.sessions.append(session)
            self.history.append([Parts()])

    def see(self, shopper: int, answer: Answer, write: Write | None = None) -> tuple[Finding, ...]:
        return self.shop.observe(self.sessions[shopper], write, answer, 1.0)

    def write(self, shopper: int, write: Write) -> tuple[Finding, ...]:
        """Applied and acknowledged by an answer that shows nothing but the version."""
        now = self.history[shopper][-1].after(write)
        self.history[shopper].append(now)
        return self.see(shopper, Answer(200, HOME, SessionStatus.KNOWN, user_id=shopper), write)


def shown(parts: Parts, user: int, **other: Any) -> Answer:
    usual: dict[str, Any] = {
        "user_id": user,
        "version": parts.version,
        "lines": parts.lines,
        "recent_activity": parts.activity,
        "preferences": parts.preferences,
    }
    return Answer(200, HOME, SessionStatus.KNOWN, **{**usual, **other})


def foreign(findings: Iterator[Finding]) -> list[str]:
    return [finding.evidence for finding in findings if finding.verdict is Verdict.FOREIGN]


def test_a_product_of_one_s_own_that_is_missing_once_and_comes_back_is_not_foreign() -> None:
    shop = Shop(2)
    shop.write(0, AddToCart(9801, 1))
    shop.write(0, AddToCart(5, 2))
    found = [*shop.see(0, shown(Parts(2, {5: 2}), 0)), *shop.see(0, shown(Parts(2, {5: 2, 9801: 1}), 0))]
    assert {finding.verdict for finding in found} == {Verdict.ROLLED_BACK}


def test_a_preference_of_one_s_own_that_comes_back_is_not_foreign() -> None:
    shop = Shop(2)
    shop.write(0, SetPreferences({"theme": "77333-7"}))
    stale = shown(Parts(1), 0, preferences={"theme": "light", "language": "en"})
    back = shown(Parts(1), 0, preferences={"theme": "77333-7", "language": "en"})
    found = [*shop.see(0, stale), *shop.see(0, back), *shop.see(0, stale), *shop.see(0, back)]
    assert {finding.verdict for finding in found} == {Verdict.ROLLED_BACK}


def whole(draw: random.Random, past: list[Parts]) -> Parts:
    """An older state as a whole, now and then: two copies that take turns."""
    return past[max(0, len(past) - 1 - draw.choice((0, 0, 1, 3, 9)))]


def by_part(draw: random.Random, past: list[Parts]) -> Parts:
    """Each part from a copy of its own."""
    old = [whole(draw, past) for _ in range(3)]
    return Parts(past[-1].version, old[0].lines, old[1].activity, old[2].preferences)


def with_holes(draw: random.Random, past: list[Parts]) -> Parts:
    """Single products, actions and preferences are missing once."""
    now = past[-1]
    return Parts(
        now.version,
        {product: count for product, count in now.lines.items() if draw.random() > 0.2},
        tuple(action for action in now.activity if draw.random() > 0.2),
        {name: value for name, value in now.preferences.items() if draw.random() > 0.2},
    )


def emptied(draw: random.Random, past: list[Parts]) -> Parts:
    """Everything but the version is gone, and back at the next read."""
    return Parts(past[-1].version, {}, (), {}) if draw.random() < 0.3 else past[-1]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("read", [whole, by_part, with_holes, emptied])
def test_nothing_foreign_is_said_without_proof(read: Callable[..., Parts], seed: int) -> None:
    draw, shop = random.Random(seed), Shop(4)
    said: list[str] = []
    for step in range(400):
        shopper = draw.randrange(4)
        if shop.sessions[shopper].ended_s is not None:
            continue
        if draw.random() < 0.5:
            write: Write = draw.choice(
                (
                    AddToCart(draw.randint(1, 12), draw.randint(1, 3)),
                    RememberAction(f"saw {draw.randint(1, 9)} #{shopper}.{step}"),
                    SetPreferences({draw.choice(("theme", "language")): f"{shopper}-{step}"}),
                    SetPreferences({"theme": draw.choice(("dark", "light"))}),
                )
            )
            said += foreign(iter(shop.write(shopper, write)))
        else:
            said += foreign(iter(shop.see(shopper, shown(read(draw, shop.history[shopper]), shopper))))
    assert said == []


@pytest.mark.parametrize("seed", range(10))
def test_what_another_wrote_is_called_foreign_also_where_reads_flap(seed: int) -> None:
    draw, shop = random.Random(seed), Shop(3)
    for step in range(60):
        shopper = draw.randrange(3)
        shop.write(shopper, RememberAction(f"saw {draw.randint(1, 9)} #{shopper}.{step}"))
        shop.see(shopper, shown(with_holes(draw, shop.history[shopper]), shopper))
    victim, other = shop.history[0][-1], shop.history[1][-1]
    answer = shown(victim, 0, recent_activity=other.activity)
    assert foreign(iter(shop.see(0, answer)))
