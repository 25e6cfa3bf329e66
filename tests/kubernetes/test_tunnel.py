"""Connections into pods: an interrupt gets through, and a node that is silent does not hold everything up."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import urllib3
from kubernetes import client

from statefall.clusters.kubernetes.api import tunnel
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.protocol import ClusterError
from statefall.conductor.interrupts import OrderlyInterrupts
from statefall.records.errors import Interrupted

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
    assert tunnel._ended("", status) == tunnel.CommandResult("", fine, code, problem)


def accept_upgrade(connection: socket.socket) -> None:
    """Shake hands for a WebSocket, and promise a port-forward's two channels."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(4096)
    key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    told = hashlib.sha1(key.split(b": ")[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(told) + b"\r\n\r\n"
    )


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def talk_nonsense(connection: socket.socket) -> None:
    connection.sendall(b"\x82\x02\x09x")  # a channel that nobody asked for


@pytest.mark.parametrize("breaking", [reset, talk_nonsense])
def test_a_connection_that_breaks_ends_the_forward_in_silence(
    silent: socket.socket,
    api: Api,
    breaking: Callable[[socket.socket], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)

    def serve() -> None:
        connection = silent.accept()[0]
        accept_upgrade(connection)
        breaking(connection)
        if connection.fileno() != -1:
            connection.settimeout(GENEROUS_S)
            with suppress(OSError):  # it may end by a reset
                while connection.recv(4096):  # until the other side has had enough of it
                    pass
            connection.close()

    server = threading.Thread(target=serve)
    server.start()
    began = time.monotonic()
    with pytest.raises(ClusterError, match="p-1"):
        tunnel.fetch(api, "p-1", 8000, "/metrics", timeout_s=GENEROUS_S)
    assert time.monotonic() - began < GENEROUS_S, "it waited for somebody who was gone"
    server.join()
    for thread in threading.enumerate():
        if thread.name.startswith("Kubernetes port forward"):
            thread.join(GENEROUS_S)
    assert failed == []
