"""Finds what `statefall up` holds on this machine, and has a fault done to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from statefall.clusters.registry import CONTROL_SOCKET, entry_of
from statefall.conductor.control import ControlCall, FaultCommand, listening
from statefall.conductor.fault_lines import FaultLines
from statefall.conductor.interrupts import EnoughSeen
from statefall.records.errors import InputError, RunInvalid, StatefallError

_UP = "`statefall up` brings a service up"


def find_held(cluster: str, chosen: Path | None) -> Path:
    """The control socket of what is up: in the chosen run folder, or the only one. Raises InputError."""
    if chosen is not None:
        if not listening((chosen,)):
            raise InputError("nothing is up in this folder", where=str(chosen), hint=_UP)
        return chosen / CONTROL_SOCKET
    found = listening(entry_of(cluster).load().run_folders())
    if not found:
        raise InputError("nothing is up on this machine", hint=_UP)
    if len(found) > 1:
        folders = ", ".join(str(folder) for folder in found)
        raise InputError(f"{len(found)} services are up: {folders}", hint="choose one with --run DIR")
    return found[0] / CONTROL_SOCKET


def ask_held(socket: Path, command: FaultCommand, *, say: Callable[[str], object]) -> int:
    """Have it done there and tell what comes of it; the exit code. Raises StatefallError for a refusal.

    Ctrl-C or SIGTERM has what lasts put back and waits for that; one more leaves it to the other process.
    """
    try:
        call = ControlCall(socket, command)
    except OSError as error:
        raise InputError(f"it does not answer: {error.strerror}", where=str(socket), hint=_UP) from error
    lines = FaultLines()
    try:
        with EnoughSeen(call.hang_up):
            while (reply := call.next()) is not None:
                if reply.exit_code is not None:
                    return _ended(reply.text, reply.exit_code)
                for text in (reply.text, *map(lines.of, reply.events)):
                    if text:
                        say(text)
    finally:
        call.close()
    raise RunInvalid("what was up ended in the middle of it")


def _ended(text: str, exit_code: int) -> int:
    if exit_code == InputError.exit_code:
        raise InputError(text)
    if exit_code == RunInvalid.exit_code:
        raise RunInvalid(text)
    if exit_code:
        raise StatefallError(text)
    return exit_code
