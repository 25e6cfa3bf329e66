"""Sessions at rest: nothing in the clear, nothing forged, keys that can be changed."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any, cast

import pytest

from services.sessions.codec import SessionCodec, Unreadable
from services.sessions.session import Session
from services.settings import Serialisation, SessionDesign
from tests.services.backing import Valkey
from tests.services.sessions.conftest import MakeHousehold
from tests.services.sessions.designs import full_session, session

OLD, NEW = "an old key that is long enough to be one", "a new key that is long enough to be one"


def codec(*keys: str, serialisation: Serialisation = Serialisation.JSON) -> SessionCodec:
    return SessionCodec(keys or (NEW,), serialisation)


def opened(by: SessionCodec, sealed: bytes, of: Session) -> Session:
    return by.open(sealed, of.key, of.version, of.epoch)


def record_of(valkey: Valkey, key: bytes | str) -> dict[bytes, bytes]:
    """As it lies in the store: this client decodes nothing."""
    return cast(dict[bytes, bytes], valkey.client.hgetall(key))


@pytest.mark.parametrize(("written", "read"), list(product(Serialisation, repeat=2)))
def test_each_serialisation_reads_the_other(written: Serialisation, read: Serialisation) -> None:
    sealed = codec(serialisation=written).seal(full_session())
    assert opened(codec(serialisation=read), sealed, full_session()) == full_session()


def test_a_key_is_changed_in_two_steps_while_sessions_live() -> None:
    sealed_before = codec(OLD).seal(session())
    both = codec(NEW, OLD)
    assert opened(both, sealed_before, session()) == session()
    sealed_after = both.seal(session())
    assert opened(codec(NEW), sealed_after, session()) == session()
    with pytest.raises(Unreadable):
        opened(codec(NEW), sealed_before, session())


@pytest.mark.parametrize("serialisation", list(Serialisation))
def test_nothing_of_a_session_is_seen_from_outside(serialisation: Serialisation) -> None:
    sealed = codec(serialisation=serialisation).seal(full_session())
    for word in ("Müller", "dark", "looked", "hello", full_session().key):
        assert word.encode() not in sealed


def test_a_sealed_session_that_was_touched_is_not_opened() -> None:
    sealed = bytearray(codec().seal(session()))
    sealed[len(sealed) // 2] ^= 1
    with pytest.raises(Unreadable):
        opened(codec(), bytes(sealed), session())


@pytest.mark.parametrize("change", [{"key": "x" * 64}, {"version": 9}, {"epoch": 9}])
def test_a_session_is_opened_only_for_what_it_is(change: dict[str, Any]) -> None:
    pretended = replace(session(), **change)
    with pytest.raises(Unreadable):
        opened(codec(), codec().seal(session()), pretended)


def test_what_lies_in_the_store_is_sealed(make_household: MakeHousehold, valkey: Valkey) -> None:
    make_household(SessionDesign.EXTERNAL).start("a").create(full_session())
    (record,) = valkey.client.keys("statefall:session:*")
    fields = record_of(valkey, record)
    assert set(fields) == {b"v", b"e", b"u", b"a", b"d", b"x"}
    assert (fields[b"v"], fields[b"u"]) == (b"4", b"7")
    assert b"M\xc3\xbcller" not in b"".join(fields.values())


def test_a_record_swapped_for_another_users_is_never_answered(
    make_household: MakeHousehold, valkey: Valkey
) -> None:
    sessions = make_household(SessionDesign.EXTERNAL).start("a")
    sessions.create(session("mine", 1))
    sessions.create(session("theirs", 2))
    theirs = record_of(valkey, "statefall:session:{theirs}")
    valkey.client.hset("statefall:session:{mine}", mapping=dict(theirs.items()))
    with pytest.raises(Unreadable):
        sessions.load("mine")


def test_an_old_record_put_back_under_a_new_version_is_never_answered(
    make_household: MakeHousehold, valkey: Valkey
) -> None:
    sessions = make_household(SessionDesign.EXTERNAL).start("a")
    sessions.create(session("mine"))
    old = valkey.client.hget("statefall:session:{mine}", "d")
    sessions.update("mine", lambda held: held.with_action("acted", 1.0))
    valkey.client.hset("statefall:session:{mine}", "d", old or b"")
    with pytest.raises(Unreadable):
        sessions.load("mine")


def test_a_key_that_does_not_fit_loses_nothing(make_household: MakeHousehold) -> None:
    right = make_household(SessionDesign.EXTERNAL)
    wrong = make_household(SessionDesign.EXTERNAL, state_keys=(OLD,))
    first = right.start("a")
    first.create(session())
    with pytest.raises(Unreadable):
        wrong.start("b").load(session().key)
    assert first.load(session().key) is not None
