"""Ports stay one's own although nobody listens on them."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from statefall.clusters.local.ports import Ports
from statefall.records.errors import EnvironmentUnfit, InputError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ports are remembered, not held")


@pytest.fixture
def free_range() -> Iterator[range]:
    """Two neighbouring ports that nobody has."""
    for start in range(21000, 29000, 10):
        try:
            with socket.socket() as one, socket.socket() as two:
                one.bind(("127.0.0.1", start))
                two.bind(("127.0.0.1", start + 1))
        except OSError:
            continue
        yield range(start, start + 2)
        return
    pytest.skip("no two free ports")


def test_a_held_port_refuses_connections_and_lets_a_server_bind(tmp_path: Path) -> None:
    ports = Ports(None, tmp_path / "locks")
    port = ports.take("replica")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port.number))
    for _ in range(2):  # and again after the first server is gone
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("127.0.0.1", port.number))
            server.listen()
            socket.create_connection(("127.0.0.1", port.number)).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port.number))
    ports.release_all()


def test_nobody_else_is_given_a_held_port(tmp_path: Path) -> None:
    ports = Ports(None, tmp_path / "locks")
    numbers = [ports.take("replica").number for _ in range(200)]
    assert len(set(numbers)) == 200
    ports.release_all()


def test_a_range_is_kept_to_and_shared_without_overlap(tmp_path: Path, free_range: range) -> None:
    one, two = (Ports(free_range, tmp_path / "locks") for _ in range(2))
    assert {one.take("balancer").number, two.take("balancer").number} == set(free_range)
    with pytest.raises(EnvironmentUnfit, match=rf"{free_range.start}-{free_range.stop - 1} are taken.*store"):
        one.take("store")
    two.release_all()
    assert one.take("store").number in free_range
    one.release_all()


def test_a_port_that_somebody_listens_on_is_taken(tmp_path: Path, free_range: range) -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", free_range.start))
        server.listen()
        ports = Ports(free_range, tmp_path / "locks")
        assert ports.take("balancer").number == free_range.start + 1
        ports.release_all()


def test_a_port_whose_connections_linger_is_free(tmp_path: Path, free_range: range) -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", free_range.start))
        server.listen()
        with socket.create_connection(server.getsockname()) as client:
            accepted, _ = server.accept()
            accepted.close()  # first, so that it is the server's end that lingers
            assert client.recv(1) == b""
    ports = Ports(free_range, tmp_path / "locks")
    assert ports.take("balancer").number == free_range.start
    ports.release_all()


@pytest.mark.parametrize("ports", [range(5, 5), range(10), range(65000, 70000), range(10, 20, 2)])
def test_what_is_no_range_of_ports_is_refused(tmp_path: Path, ports: range) -> None:
    with pytest.raises(InputError, match="not a range of ports"):
        Ports(ports, tmp_path)
