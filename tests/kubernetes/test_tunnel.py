"""Connections into pods: an interrupt gets through, and a node that is silent does not hold everything up."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import urllib3
from kubernetes import client

from clusters.kubernetes import tunnel
from clusters.kubernetes.api import Api
from clusters.protocol import ClusterError
from foundation.errors import Interrupted
from statefall.interrupts import OrderlyInterrupts

GENEROUS_S = 15.0


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        found.settimeout(GENEROUS_S)
        yield found


@pytest.fixture
def api(silent: socket.socket) -> Iterator[Api]:
    settings = client.Configuration()
    settings.host = f"http://127.0.0.1:{silent.getsockname()[1]}"
    settings.retries = urllib3.Retry(total=0)
    found = Api(settings, "statefall")
    yield found
    found.close()


WAYS: list[Callable[[Api], object]] = [
    lambda api: tunnel.fetch(api, "p-1", 8000, "/metrics"),
    lambda api: tunnel.run_in(api, "p-1", ["true"]),
]


@pytest.mark.parametrize("way", WAYS, ids=["fetch", "run"])
def test_an_interrupt_while_connecting_is_an_interrupt(
    silent: socket.socket, api: Api, way: Callable[[Api], object]
) -> None:
    taken: list[socket.socket] = []

    def interrupt() -> None:
        taken.append(silent.accept()[0])
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    with OrderlyInterrupts() as interrupts:
        thread.start()
        with pytest.raises(Interrupted, match="SIGTERM"):
            way(api)
    thread.join()
    assert interrupts.received == 1
    taken[0].close()


@pytest.mark.parametrize("way", WAYS, ids=["fetch", "run"])
def test_a_silent_node_is_given_up(
    silent: socket.socket, api: Api, way: Callable[[Api], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel, "CONNECT_TIMEOUT_S", 0.2)
    with pytest.raises(ClusterError, match="no connection after"):
        way(api)
    silent.accept()[0].close()


def test_what_comes_too_late_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "CONNECT_TIMEOUT_S", 0.2)
    given_up, dropped = threading.Event(), threading.Event()

    def begin() -> str:
        assert given_up.wait(GENEROUS_S)
        return "late"

    with pytest.raises(TimeoutError):
        tunnel._begun(begin, lambda late: dropped.set() if late == "late" else None)
    given_up.set()
    assert dropped.wait(GENEROUS_S)


@pytest.mark.parametrize(
    ("status", "fine", "code", "problem"),
    [
        ("", None, None, ""),
        ('{"metadata": {}, "status": "Success"}', True, 0, ""),
        (
            '{"status": "Failure", "message": "ended with 137", "reason": "NonZeroExitCode", "details": '
            '{"causes": [{"reason": "ExitCode", "message": "137"}]}}',
            False,
            137,
            "ended with 137",
        ),
        (
            '{"status": "Failure", "message": "exec failed\\nmore", "reason": "InternalError", "details": '
            '{"causes": [{"message": "exec failed"}]}}',
            False,
            None,
            "exec failed",
        ),
    ],
)
def test_how_a_command_ended(status: str, fine: bool | None, code: int | None, problem: str) -> None:
    assert tunnel._ended("", status) == tunnel.Ended("", fine, code, problem)
