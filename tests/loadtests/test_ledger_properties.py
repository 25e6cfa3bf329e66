"""The ledger is silent on every healthy service, and names every planted bug."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shop.contract import SessionStatus
from shop.ledger.answer import AddToCart, Answer, Converse, RememberAction, SetPreferences, Write
from statefall.ledger.session import SessionState
from statefall.records.verdicts import Verdict
from tests.generated import examples
from tests.loadtests.healthy import HOME, OTHER, USER, Bug, ClientHeldWorld, State, World, applied, complete

THOROUGH = settings(max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@THOROUGH
@given(seed=st.integers(0, 2**32), loss=st.sampled_from([0.0, 0.05, 0.3, 0.7]), steps=st.integers(0, 80))
def test_a_healthy_service_of_any_interleaving_is_kept(seed: int, loss: float, steps: int) -> None:
    world = World(seed, loss=loss)
    world.run(steps)
    world.registry.mark()
    world.run(steps)
    world.observe(None, complete(world.state))
    assert world.found == []
    assert world.registry.records()[0].verdict is Verdict.KEPT


@THOROUGH
@given(seed=st.integers(0, 2**32), loss=st.sampled_from([0.0, 0.1, 0.5]), steps=st.integers(0, 80))
def test_a_healthy_service_whose_clients_hold_their_state_is_kept(seed: int, loss: float, steps: int) -> None:
    world = ClientHeldWorld(seed, loss=loss)
    world.run(steps)
    world.registry.mark()
    world.run(steps)
    world.observe(None, complete(world.state))
    assert world.found == []
    assert world.registry.records()[-1].verdict is Verdict.KEPT


@THOROUGH
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 60))
def test_without_losses_the_acknowledged_version_is_the_services_own(seed: int, steps: int) -> None:
    world = World(seed, loss=0.0)
    world.run(steps)
    assert world.session.acknowledged_version == world.state.version


@THOROUGH
@given(seed=st.integers(0, 2**32), loss=st.floats(0.0, 0.9), steps=st.integers(0, 60))
def test_the_acknowledged_version_never_exceeds_what_was_applied(seed: int, loss: float, steps: int) -> None:
    world = World(seed, loss=loss)
    world.run(steps)
    assert world.session.acknowledged_version <= world.state.version


# -- planted bugs ---------------------------------------------------------------------------------


def drops_the_write(before: State, after: State, write: Write, draw: random.Random) -> State:
    """Answers, and does not keep the write."""
    return before


def drops_the_effect(before: State, after: State, write: Write, draw: random.Random) -> State:
    """Counts the write, and does not keep it."""
    return replace(before, version=after.version)


def applies_twice(before: State, after: State, write: Write, draw: random.Random) -> State:
    """A repeated send is applied again."""
    return applied(after, write)


def applies_twice_and_counts_once(before: State, after: State, write: Write, draw: random.Random) -> State:
    """A merge of two copies: the version is right, the content is not."""
    return replace(applied(after, write), version=after.version)


def serves_an_old_copy(before: State, after: State, write: Write, draw: random.Random) -> State:
    """Goes back to what was there a few writes ago."""
    return replace(before, version=before.version - 1, cart={}, activity=before.activity[:-1])


def starts_over(before: State, after: State, write: Write, draw: random.Random) -> State:
    """Silently a new session with the user's lasting preferences."""
    return State(preferences=dict(before.preferences))


def mixes_in_anothers_cart(before: State, after: State, write: Write, draw: random.Random) -> State:
    """Another user's line in the cart."""
    return replace(after, cart={**after.cart, 999: 1})


def mixes_in_anothers_actions(before: State, after: State, write: Write, draw: random.Random) -> State:
    """Another user's action in the window."""
    return replace(after, activity=(*after.activity, "another's")[-10:])


def mixes_in_anothers_conversation(before: State, after: State, write: Write, draw: random.Random) -> State:
    """What another user said."""
    return replace(after, conversation=(*after.conversation, "another's")[-20:])


def mixes_in_anothers_preferences(before: State, after: State, write: Write, draw: random.Random) -> State:
    """Another user's preference."""
    return replace(after, preferences={**after.preferences, "theme": "another's"})


# Another's state is foreign only with proof, and in this world nobody else wrote anything.
BUGS: list[tuple[Bug, set[Verdict]]] = [
    (drops_the_write, {Verdict.ROLLED_BACK, Verdict.LOST}),
    (drops_the_effect, {Verdict.ROLLED_BACK}),
    (applies_twice, {Verdict.DUPLICATED}),
    (applies_twice_and_counts_once, {Verdict.DUPLICATED}),
    (serves_an_old_copy, {Verdict.ROLLED_BACK, Verdict.LOST}),
    (starts_over, {Verdict.LOST}),
    (mixes_in_anothers_cart, {Verdict.ROLLED_BACK}),
    (mixes_in_anothers_actions, {Verdict.ROLLED_BACK}),
    (mixes_in_anothers_conversation, {Verdict.ROLLED_BACK}),
    (mixes_in_anothers_preferences, {Verdict.ROLLED_BACK}),
]


@pytest.mark.parametrize(("bug", "named"), BUGS, ids=[bug.__name__ for bug, _ in BUGS])
@pytest.mark.parametrize("loss", [0.0, 0.2])
@settings(max_examples=examples(60), deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(5, 40))
@example(seed=0, steps=40)
def test_a_planted_bug_is_named_for_what_it_is(
    bug: Bug, named: set[Verdict], loss: float, seed: int, steps: int
) -> None:
    """The bug strikes one acknowledged write; the next complete read must tell."""
    world = World(seed, loss=loss)
    world.run(steps)
    # Losing answers leaves writes open, and what they excuse is another test's subject.
    world.state = _with_open_writes_settled(world)
    assert world.found == []
    write = _write_for(bug, world)
    before = world.state
    world.observe(write, complete(applied(before, write)))
    world.state = bug(before, applied(before, write), write, world.draw)
    world.observe(None, complete(world.state))
    assert world.verdicts() <= named
    assert world.found


def _with_open_writes_settled(world: World) -> State:
    """Applies what is still late; then enough acknowledged actions to push old ones out of the window."""
    for write in world.late:
        world.state = applied(world.state, write)
    world.late.clear()
    world.observe(None, complete(world.state))
    return world.state


def _write_for(bug: Bug, world: World) -> Write:
    """A write whose damage can be told from an open write's legal effect."""
    world.number += 1
    if bug in (applies_twice, applies_twice_and_counts_once):
        if bug is applies_twice_and_counts_once or world.draw.random() < 0.5:
            return AddToCart(50, 7)
        return RememberAction(f"action {world.number}")
    return world.draw.choice(
        (
            AddToCart(50, 7),
            RememberAction(f"action {world.number}"),
            Converse(f"text {world.number}"),
            SetPreferences({"theme": f"value {world.number}"}),
        )
    )


@settings(max_examples=examples(60), deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 40))
def test_an_answer_for_another_user_is_foreign_whatever_else_it_says(seed: int, steps: int) -> None:
    world = World(seed, loss=0.2)
    world.run(steps)
    world.observe(None, replace(complete(world.state), user_id=USER + 1))
    assert world.verdicts() == {Verdict.FOREIGN}


@settings(max_examples=examples(60), deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 40), max_reloads=st.integers(0, 3))
def test_a_forgotten_session_is_lost_after_exactly_its_reloads(
    seed: int, steps: int, max_reloads: int
) -> None:
    world = World(seed, loss=0.2)
    world.session.max_reloads = max_reloads
    world.run(steps)
    gone = Answer(401, OTHER, SessionStatus.LOST, error="session_lost")
    for _ in range(max_reloads):
        world.observe(None, gone)
        assert world.session.state is SessionState.SUSPECT
    world.observe(None, gone)
    assert world.session.state is SessionState.LOST
    assert world.verdicts() == {Verdict.LOST}
    assert world.found[0].home in (HOME, OTHER)
