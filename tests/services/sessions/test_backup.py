"""Backup and restore of the session store: nothing is lost, nothing goes back, nothing is told."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from services.sessions import backup, restore
from services.sessions.protocol import Change, Ended
from services.sessions.session import Session
from services.settings import SessionDesign
from services.store_client import TIMEOUT_S
from tests.services.backing import Valkey, free_port, wait_until
from tests.services.sessions.conftest import MakeHousehold
from tests.services.sessions.designs import Household, full_session, session
from tests.services.sessions.test_every_design import act
from tests.services.sessions.test_shared_designs import versions

KEY = session().key


@pytest.fixture
def house(make_household: MakeHousehold) -> Household:
    return make_household(SessionDesign.EXTERNAL)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sessions.backup"


def save(valkey: Valkey, file: Path) -> int:
    return backup.main(["--store-url", valkey.url, "--to", str(file)])


def bring_back(valkey: Valkey, file: Path, *more: str) -> int:
    return restore.main(["--store-url", valkey.url, "--from", str(file), *more])


def test_what_was_saved_comes_back_whole(
    house: Household, valkey: Valkey, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = house.start("a")
    for number in range(450):
        sessions.create(session(str(number), number))
    sessions.create(full_session())
    assert save(valkey, file) == 0
    valkey.client.flushall()
    assert bring_back(valkey, file) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"saved 451 sessions to {file}",
        "restored 451 sessions, left 0 alone",
    ]
    assert sessions.load(full_session().key) == full_session()
    for number in range(450):
        found = sessions.load(str(number))
        assert found is not None
        assert found.user_id == number


@pytest.mark.parametrize("call", [save, bring_back])
def test_a_store_that_is_slow_is_waited_for(
    call: Callable[[Valkey, Path], int], house: Household, valkey: Valkey, file: Path
) -> None:
    """A shopper is not kept waiting, but a backup must not fail because the machine is busy."""
    house.start("a").create(full_session())
    assert save(valkey, file) == 0
    outcomes: list[int] = []
    command = threading.Thread(target=lambda: outcomes.append(call(valkey, file)))
    valkey.pause()
    try:
        command.start()
        command.join(3 * TIMEOUT_S)
        gave_up = not command.is_alive()
    finally:
        valkey.resume()
    command.join()
    assert (gave_up, outcomes) == (False, [0])


def test_a_backup_tells_nothing_and_is_for_its_owner_alone(
    house: Household, valkey: Valkey, file: Path
) -> None:
    house.start("a").create(full_session())
    save(valkey, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    for word in (full_session().name, "dark", "looked", "hello", "admin"):
        assert word not in text


def test_what_is_left_of_a_life_is_kept(house: Household, valkey: Valkey, file: Path) -> None:
    house.start("a").create(session())
    (record,) = valkey.client.keys("statefall:session:*")
    valkey.client.hset(record, "x", int(valkey.client.hget(record, "x") or 0) - 50_000)  # 50 s later
    save(valkey, file)
    valkey.client.flushall()
    bring_back(valkey, file)
    left_s = (int(valkey.client.hget(record, "x") or 0) - valkey.client.time()[0] * 1000) / 1000
    assert 0 < left_s <= 11
    assert 0 < valkey.client.pttl(record) / 1000 <= 311


def test_an_expired_or_claimed_session_is_not_saved(
    make_household: MakeHousehold, valkey: Valkey, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = make_household(SessionDesign.EXTERNAL, ttl_s=0.2).start("a")
    short.create(session())
    wait_until(lambda: not short.holds(KEY), "the session expired")
    handoff = make_household(SessionDesign.HANDOFF)
    handoff.start("b").create(session("handed over"))
    handoff.end("b")
    (record,) = valkey.client.keys("*handed over*")
    valkey.client.hset(record, "c", "a replica that has it in memory")
    save(valkey, file)
    assert capsys.readouterr().out.startswith("saved 0 sessions")


def test_a_session_never_goes_back(house: Household, valkey: Valkey, file: Path) -> None:
    sessions = house.start("a")
    for key in ("same", "newer", "out"):
        sessions.create(session(key))
        sessions.update(key, act)
    save(valkey, file)
    sessions.update("newer", act)
    sessions.delete("out")
    bring_back(valkey, file)
    assert versions(sessions.load("same")) == 1
    assert versions(sessions.load("newer")) == 2
    assert sessions.load("out") is None
    assert sessions.ended("out") is Ended.LOGGED_OUT


def test_restoring_what_is_there_does_not_shorten_its_life(
    house: Household, valkey: Valkey, file: Path
) -> None:
    house.start("a").create(session())
    (record,) = valkey.client.keys("statefall:session:*")
    save(valkey, file)
    valkey.client.hset(record, "x", 4_000_000_000_000)
    bring_back(valkey, file)
    assert valkey.client.hget(record, "x") == b"4000000000000"


def test_it_goes_back_when_told_to(house: Household, valkey: Valkey, file: Path) -> None:
    sessions = house.start("a")
    sessions.create(session())
    save(valkey, file)
    sessions.update(KEY, act)
    bring_back(valkey, file, "--overwrite")
    assert versions(sessions.load(KEY)) == 0
    assert versions(sessions.update(KEY, act)) == 1


def does(action: str) -> Change:
    return lambda held: held.with_action(action, held.last_activity_at_s)


def go_back(valkey: Valkey, file: Path) -> None:
    """The store loses all and has again what was saved."""
    valkey.client.flushall()
    assert bring_back(valkey, file) == 0


@pytest.mark.parametrize("design", [SessionDesign.WRITE_THROUGH, SessionDesign.EXTERNAL])
def test_what_was_acknowledged_after_a_restore_is_not_mixed_with_what_was_lost_by_it(
    make_household: MakeHousehold, valkey: Valkey, file: Path, design: SessionDesign
) -> None:
    house = make_household(design)
    a, b = house.start("a"), house.start("b")
    a.create(session())
    a.update(KEY, does("saved"))
    save(valkey, file)
    a.update(KEY, does("lost"))
    go_back(valkey, file)
    assert versions(b.update(KEY, does("acknowledged"))) == 2  # as the one that was lost
    assert activity(a.load(KEY)) == ("saved", "acknowledged")
    assert activity(a.update(KEY, does("next"))) == ("saved", "acknowledged", "next")
    assert activity(b.load(KEY)) == ("saved", "acknowledged", "next")


@pytest.mark.parametrize("design", [SessionDesign.WRITE_THROUGH, SessionDesign.EXTERNAL])
def test_a_write_that_began_before_a_restore_erases_none_that_came_after_it(
    make_household: MakeHousehold, valkey: Valkey, file: Path, design: SessionDesign
) -> None:
    house = make_household(design)
    a, b = house.start("a"), house.start("b")
    a.create(session())
    save(valkey, file)
    a.update(KEY, does("lost"))
    others = [does("acknowledged")]

    def write_while_the_store_goes_back(held: Session) -> Session:
        if others:
            go_back(valkey, file)
            b.update(KEY, others.pop())
        return does("late")(held)

    assert activity(a.update(KEY, write_while_the_store_goes_back)) == ("acknowledged", "late")
    assert activity(b.load(KEY)) == ("acknowledged", "late")


def activity(found: Session | None) -> tuple[str, ...]:
    assert found is not None
    return found.activity


def test_handed_over_sessions_can_be_saved_and_taken_up_after_it(
    make_household: MakeHousehold, valkey: Valkey, file: Path
) -> None:
    house = make_household(SessionDesign.HANDOFF)
    first = house.start("first")
    first.create(session())
    first.update(KEY, act)
    house.end("first")
    save(valkey, file)
    valkey.client.flushall()
    bring_back(valkey, file)
    assert versions(house.start("second").load(KEY)) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "does not begin as a backup"),
        ("{}\n", "does not begin as a backup"),
        ("nonsense", "Expecting value"),
        ('{"format": "statefall sessions 1"}\n', "is cut off"),
        ('{"format": "statefall sessions 1"}\n{"key": "k"}\n', "is cut off"),
        ('{"format": "statefall sessions 1"}\n{"key": "k"}\n{"sessions": 1}\n', "line 2"),
    ],
)
def test_a_file_that_is_no_backup_is_refused_in_one_line(
    valkey: Valkey, file: Path, capsys: pytest.CaptureFixture[str], content: str, says: str
) -> None:
    file.write_text(content)
    assert bring_back(valkey, file) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert str(file) in line
    assert valkey.client.dbsize() == 0


def test_a_store_that_does_not_answer_leaves_no_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backup.main(["--store-url", f"redis://127.0.0.1:{free_port()}", "--to", str(file)]) == 2
    assert capsys.readouterr().err == "nothing saved: the store does not answer\n"
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["--store-url", "http://x"]])
def test_a_store_must_be_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.delenv("STATEFALL_STORE_URL", raising=False)
    with pytest.raises(SystemExit) as ended:
        backup.main([*arguments, "--to", "file"])
    assert ended.value.code == 2
    assert "--store-url" in capsys.readouterr().err
