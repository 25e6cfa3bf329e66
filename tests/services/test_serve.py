"""Replicas as processes: how they start, how they end, and that nothing of them is left."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from services import contract
from services.replica import Replica
from tests.services.backing import DEADLINE_S, Valkey, free_port, wait_until
from tests.services.serving import KEY, ROOT, Served, command, gone, serve

LOGIN = {"user": "user131", "password": "shopper"}
BODY = b'{"user": "user131", "password": "shopper"}'
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="parent-death signals are Linux's")


@pytest.fixture
def environ(database_url: str, valkey: Valkey) -> dict[str, str]:
    return {
        "STATEFALL_POD": "pod-a",
        "STATEFALL_DATABASE_URL": database_url,
        "STATEFALL_STORE_URL": valkey.url,
        "STATEFALL_JWT_KEYS": KEY,
        "STATEFALL_ENVIRONMENT": "local",
    }


@pytest.fixture
def served(environ: dict[str, str]) -> Iterator[Served]:
    with serve("stateful", environ, "--threads", "4") as served:
        yield served


def begin_login(served: Served) -> socket.socket:
    """Send half a login and return once a thread of the replica waits for the rest."""
    connection = served.connect()
    head = f"POST {contract.LOGIN} HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Expect: 100-continue\r\nContent-Length: {len(BODY)}\r\n\r\n".encode())
    assert connection.recv(100).startswith(b"HTTP/1.1 100")
    return connection


def answer_on(connection: socket.socket) -> bytes:
    """Everything until the replica closes the connection."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("twin", ["stateless", "stateful"])
def test_a_replica_serves(environ: dict[str, str], twin: str) -> None:
    with serve(twin, environ) as served, httpx.Client(base_url=served.url, trust_env=False) as client:
        answer = client.post(contract.LOGIN, json=LOGIN)
        assert answer.status_code == 200
        assert answer.headers[contract.POD_HEADER] == "pod-a"
        token = answer.json().get("token", "")
        profile = client.get(contract.PROFILE, headers={"Authorization": f"Bearer {token}"} if token else {})
        assert profile.json()["user_id"] == 131
        assert "statefall_sessions_created_total 1.0" in client.get(contract.METRICS).text
        assert len(psutil.Process(served.master.pid).children(recursive=True)) == 1


def test_asked_to_end_it_finishes_what_is_under_way_and_refuses_the_rest(served: Served) -> None:
    worker = served.worker()
    with begin_login(served) as connection:
        served.master.send_signal(signal.SIGTERM)
        wait_until(served.refuses, "new connections are refused")
        assert served.master.poll() is None
        connection.sendall(BODY)
        answer = answer_on(connection)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert served.master.wait(DEADLINE_S) == 0
    assert gone(worker)


def test_a_lame_duck_is_not_ready_and_answers_everybody(environ: dict[str, str]) -> None:
    lame = {"STATEFALL_LAME_DUCK_S": "60", "STATEFALL_LAME_DUCK_CLOSES": "1"}
    with (
        serve("stateful", {**environ, **lame}, "--graceful-timeout", "60") as served,
        httpx.Client(base_url=served.url, trust_env=False) as client,
    ):
        assert client.get(contract.PRODUCTS).headers.get("Connection") != "close"
        served.master.send_signal(signal.SIGTERM)
        wait_until(lambda: client.get(contract.READY).status_code == 503, "it is not ready any more")
        answer = client.get(contract.PRODUCTS)
        assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
        served.connect().close()


def test_a_lame_duck_ends_when_its_time_is_over(environ: dict[str, str]) -> None:
    with serve("stateful", {**environ, "STATEFALL_LAME_DUCK_S": "0.3"}) as served:
        worker = served.worker()
        served.master.send_signal(signal.SIGTERM)
        assert served.master.wait(DEADLINE_S) == 0
        assert gone(worker)


def test_a_lame_duck_ends_within_the_graceful_timeout(environ: dict[str, str]) -> None:
    lame = {"STATEFALL_LAME_DUCK_S": "60"}
    with serve("stateful", {**environ, **lame}, "--graceful-timeout", "4") as served:
        served.master.send_signal(signal.SIGTERM)
        # Of 4 s, 2 are for closing and 1 for requests: it was killed by nobody.
        assert served.master.wait(DEADLINE_S) == 0


@linux_only
def test_a_connection_that_waits_to_be_accepted_is_answered(served: Served) -> None:
    worker = served.worker()
    worker.suspend()
    # Of two signals that wait, a process that was not scheduled meanwhile would take SIGTERM first.
    wait_until(lambda: worker.status() == psutil.STATUS_STOPPED, "the worker stands still")
    with served.connect() as connection:
        connection.sendall(
            f"GET {contract.LIVE} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode()
        )
        served.master.send_signal(signal.SIGTERM)
        wait_until(lambda: is_pending(worker.pid, signal.SIGTERM), "the worker was told to end")
        worker.resume()
        assert answer_on(connection).startswith(b"HTTP/1.1 200 OK")
    assert served.master.wait(DEADLINE_S) == 0


def is_pending(pid: int, number: signal.Signals) -> bool:
    """Whether the kernel holds this signal for the process."""
    status = Path(f"/proc/{pid}/status").read_text()
    masks = [
        int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd"))
    ]
    return any(mask >> (number - 1) & 1 for mask in masks)


def test_a_request_that_never_ends_does_not_keep_it(environ: dict[str, str]) -> None:
    with serve("stateful", environ, "--graceful-timeout", "3") as served:
        worker = served.worker()
        with begin_login(served):
            served.master.send_signal(signal.SIGTERM)
            served.master.wait(DEADLINE_S)
        assert gone(worker)


def test_draining_it_is_alive_but_not_ready(replica: Replica) -> None:
    client = replica.app.test_client()
    wait_until(lambda: client.get(contract.READY).status_code == 200, "it is ready")
    replica.drain()
    ready = client.get(contract.READY)
    assert (ready.status_code, ready.get_json()) == (503, {"ready": False, "failing": ["draining"]})
    assert client.get(contract.LIVE).status_code == 200
    assert client.get(contract.PRODUCTS).status_code == 200


@linux_only
def test_killing_the_master_takes_the_worker_along(served: Served) -> None:
    worker = served.worker()
    served.master.kill()
    served.master.wait(DEADLINE_S)
    wait_until(lambda: gone(worker), "the worker is gone")
    wait_until(served.refuses, "its address refuses")
    assert served.refuses()


def test_a_killed_worker_is_replaced_and_remembers_nothing(served: Served) -> None:
    with httpx.Client(base_url=served.url, trust_env=False) as client:
        before = client.post(contract.LOGIN, json=LOGIN)
        served.worker().kill()
        wait_until(served.ready, "another worker serves")
        after = client.get(contract.PROFILE)
    assert after.status_code == 401
    assert after.json()["error"]["code"] == "session_lost"
    assert after.headers[contract.POD_HEADER] == before.headers[contract.POD_HEADER]
    assert after.headers[contract.BOOT_HEADER] != before.headers[contract.BOOT_HEADER]
    text = httpx.get(f"{served.url}{contract.METRICS}", trust_env=False).text
    assert 'statefall_sessions_lost_total{cause="restarted"} 1.0' in text


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="no SO_REUSEPORT here")
def test_a_reserved_port_is_shared_and_refuses_once_the_replica_is_dead(environ: dict[str, str]) -> None:
    with socket.socket() as reserved:  # bound, never listening
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        with serve("stateless", environ, "--reuse-port", port=reserved.getsockname()[1]) as served:
            os.killpg(served.master.pid, signal.SIGKILL)
            served.master.wait(DEADLINE_S)
            wait_until(served.refuses, "the port refuses")
            assert served.refuses()


def cannot_start(environ: dict[str, str], *arguments: str, port: int | None = None) -> str:
    """What a replica says that must end with exit code 2."""
    ended = subprocess.run(
        command("stateful", port or free_port(), *arguments),
        env={**os.environ, **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_with_bad_settings_it_does_not_start_and_says_why(environ: dict[str, str]) -> None:
    said = cannot_start({**environ, "STATEFALL_ENVIRONMENT": "production", "STATEFALL_JWT_KEYS": ""})
    assert said.startswith("cannot start: STATEFALL_JWT_KEYS is not set")
    assert said.count("\n") == 1
    assert "STATEFALL_STATE" in cannot_start({**environ, "STATEFALL_STATE": "nowhere"})
    assert "must be at least 1" in cannot_start(environ, "--threads", "0")
    assert "--graceful-timeout" in cannot_start({**environ, "STATEFALL_GRACEFUL_TIMEOUT_S": "soon"})


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("STATEFALL_DATABASE_URL", "postgres//statefall:s3cret@host/shop"),
        ("STATEFALL_STORE_URL", "redis://:s3cret/et@host"),
        ("STATEFALL_STORE_URL", "redis://:s3cret@host:nope/0"),
    ],
)
def test_with_a_malformed_url_it_does_not_start_and_does_not_repeat_it(
    environ: dict[str, str], name: str, url: str
) -> None:
    said = cannot_start({**environ, name: url})
    assert said.startswith(f"cannot start: {name}: ")
    assert said.count("\n") == 1
    assert "s3cret" not in said


def test_on_a_taken_port_it_does_not_start_and_says_why(environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = cannot_start(environ, port=port)
    assert said == f"cannot start: --bind 127.0.0.1:{port}: Address already in use\n"
