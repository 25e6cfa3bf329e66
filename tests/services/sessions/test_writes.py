"""The window of writes in a session: what each of them was answered with can be had again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sessions.protocol import Change
from services.sessions.session import Session
from services.sessions.writes import REMEMBERED_WRITES, Repeated, as_answered, operation_digest, remembering
from services.shop import cart
from services.shop.accounts import Preferences
from services.shop.pricing import Product
from services.stateful.user_experience import converse
from tests.services.sessions.designs import session


def acts(number: int) -> Change:
    return lambda held: held.with_action(f"action {number}", float(number))


def says(number: int) -> Change:
    return lambda held: converse(held, f"I like lamp{number}")


def adds(number: int) -> Change:
    product = Product(number, "Lamp", 100 + number, (), available=True)
    return lambda held: replace(held, cart=cart.add(held.cart, product, 1, float(number)))


def prefers(number: int) -> Change:
    values = {"theme": str(number)}
    return lambda held: held.with_preferences(Preferences(values, number))


KINDS: list[Callable[[int], Change]] = [acts, says, adds, prefers]
WRITES = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 5)), min_size=1, max_size=60)


def write(held: Session, change: Change, name: str) -> Session:
    """As a store applies it."""
    changed = remembering(change, operation_digest(name) if name else "", 1.0)(held)
    return replace(changed, version=held.version + 1)


def answered_from(held: Session) -> object:
    """All that an answer to a write is made of."""
    return held.version, held.activity, held.conversation, held.cart, held.preferences, held.writes[-1]


@given(WRITES)
def test_each_remembered_write_is_answered_from_the_session_that_it_made(
    writes: list[tuple[Callable[[int], Change], int]],
) -> None:
    held, made = session(), {}
    for place, (kind, number) in enumerate(writes):
        held = write(held, kind(number), f"op {place}")
        made[f"op {place}"] = held
    for place, (name, then) in enumerate(made.items()):
        again = as_answered(held, operation_digest(name))
        if place < len(made) - REMEMBERED_WRITES:
            assert again is None
        else:
            assert again is not None
            assert answered_from(again) == answered_from(then)


def test_a_known_operation_is_not_applied_again_and_one_without_an_id_always_is() -> None:
    held = write(write(session(), acts(1), "same"), acts(2), "")
    with pytest.raises(Repeated):
        write(held, acts(3), "same")
    assert write(held, acts(2), "").activity == ("action 1", "action 2", "action 2")
    assert as_answered(held, "") is None


def test_a_session_from_before_there_was_a_window_only_knows_what_came_since() -> None:
    old = replace(session(), activity=("looked",), version=1)
    held = write(old, acts(1), "first")
    again = as_answered(held, operation_digest("first"))
    assert again == held
    assert as_answered(held, operation_digest("earlier")) is None
