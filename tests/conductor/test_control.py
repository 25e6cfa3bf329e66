"""The socket between `statefall fault` and `statefall up`: who may use it, and what it bears."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from statefall.clusters.registry import CONTROL_SOCKET
from statefall.conductor.control import (
    Caller,
    ControlCall,
    ControlSocket,
    FaultCommand,
    FaultReply,
    listening,
)
from statefall.conductor.held import find_held
from statefall.faults.by_hand import HandFault
from statefall.records.errors import InputError
from statefall.records.faults import FaultKind

COMMAND = FaultCommand(HandFault(FaultKind.KILL, count=2, seed=7), dry_run=True)
DEADLINE_S = 60.0


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlSocket]:
    with ControlSocket(tmp_path / CONTROL_SOCKET) as control:
        yield control


def next_caller(control: ControlSocket) -> Caller:
    callers: list[Caller] = []
    while not callers:
        callers = control.poll(DEADLINE_S)
    return callers[0]


def refused(control: ControlSocket, sent: bytes) -> str:
    """What somebody reads who sends this."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(control.path))
        raw.sendall(sent)
        raw.settimeout(DEADLINE_S)
        control.poll(DEADLINE_S)
        assert control.poll(DEADLINE_S) == []
        return raw.recv(65_536).decode()


def test_it_is_for_its_owner_alone_and_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / CONTROL_SOCKET
    with ControlSocket(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert listening((tmp_path,)) == [tmp_path]
    assert not path.exists()


def test_a_command_arrives_and_its_answers_come_back_in_order(control: ControlSocket) -> None:
    for number in range(3):
        call = ControlCall(control.path, COMMAND)
        caller = next_caller(control)
        assert caller.command == COMMAND
        caller.reply(FaultReply(text=f"answer {number}\nof two lines"))
        control.end(caller, text="done", exit_code=5)
        assert call.next() == FaultReply(text=f"answer {number}\nof two lines")
        assert call.next() == FaultReply(text="done", exit_code=5)
        assert call.next() is None
        call.close()


def test_who_hangs_up_is_seen_and_still_told(control: ControlSocket) -> None:
    call = ControlCall(control.path, COMMAND)
    caller = next_caller(control)
    call.hang_up()
    control.poll(DEADLINE_S)
    assert caller.hung_up
    control.end(caller, text="put back")
    assert call.next() == FaultReply(text="put back", exit_code=0)
    call.close()


def test_who_is_gone_is_seen_and_nothing_fails(control: ControlSocket) -> None:
    call = ControlCall(control.path, COMMAND)
    caller = next_caller(control)
    call.close()
    control.poll(DEADLINE_S)
    assert caller.hung_up
    for _ in range(3):
        caller.reply(FaultReply(text="is anybody there?"))
    control.end(caller)


@pytest.mark.parametrize(
    "sent",
    [b"nonsense\n", b"{}\n", b'{"asked": {"kind": "unkind"}}\n', b"x" * 65_536],
    ids=["no JSON", "empty", "unknown kind", "endless"],
)
def test_nonsense_is_refused_in_a_line(control: ControlSocket, sent: bytes) -> None:
    assert '"exit_code":2' in refused(control, sent)


def test_a_path_may_be_longer_than_an_address_can_be(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-folder-of-a-long-name"] * 8)
    deep.mkdir(parents=True)
    with ControlSocket(deep / CONTROL_SOCKET):
        assert listening((deep,)) == [deep]


def test_a_socket_that_nobody_listens_at_is_not_what_is_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / CONTROL_SOCKET))
    assert listening((tmp_path, tmp_path / "nowhere")) == []
    with pytest.raises(InputError, match="nothing is up in this folder"):
        find_held("local", tmp_path)


def test_one_who_says_nothing_keeps_nobody_waiting(control: ControlSocket) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.connect(str(control.path))
        call = ControlCall(control.path, COMMAND)
        assert next_caller(control).command == COMMAND
        call.close()
