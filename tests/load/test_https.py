"""TLS: whom the client trusts, whose name it asks for, and the same promises of one send."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from statefall.load.answers import HttpAnswer, NoAnswer
from statefall.load.http import HttpClient
from statefall.load.site import Site
from statefall.records.errors import InputError
from statefall.records.service import Reached
from tests.load.authority import Authority
from tests.load.scripted import OK, Script, answer, answer_and_close, hang_up, serving

DEADLINE_S = 30.0


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.new()


def client_of(server: Script, reached: Reached) -> closing[HttpClient]:
    url = server.url.replace("http:", "https:")
    return closing(HttpClient(Site.of(url, reached), DEADLINE_S))


def test_a_ca_file_is_trusted_and_the_connection_is_kept(authority: Authority, tmp_path: Path) -> None:
    reached = Reached(ca_file=authority.write(tmp_path))
    tls = authority.server(tmp_path, "127.0.0.1")
    with serving(answer(), answer(), answer(), tls=tls) as server, client_of(server, reached) as client:
        for _ in range(3):  # the tickets that TLS 1.3 sends after the handshake are no stale bytes
            found = client.request("GET", "/")
            assert isinstance(found, HttpAnswer)
            assert found.url == f"https://127.0.0.1:{server.port}/"
        assert server.connections == 1


def test_the_systems_trust_does_not_hold_for_a_test_authority(authority: Authority, tmp_path: Path) -> None:
    with (
        serving(answer(), tls=authority.server(tmp_path, "127.0.0.1")) as server,
        client_of(server, Reached()) as client,
    ):
        found = client.request("POST", "/")
        assert isinstance(found, NoAnswer)
        assert not found.sent
        assert found.reason == "certificate not trusted: unable to get local issuer certificate"
        assert not client.sent
        assert server.requests == []


@pytest.mark.parametrize(
    ("hosts", "ended", "reason"),
    [
        (("elsewhere.example",), False, "IP address mismatch"),
        (("127.0.0.1",), True, "certificate has expired"),
    ],
)
def test_another_hosts_certificate_or_an_old_one_is_not_trusted(
    authority: Authority, tmp_path: Path, hosts: tuple[str, ...], ended: bool, reason: str
) -> None:
    reached = Reached(ca_file=authority.write(tmp_path))
    tls = authority.server(tmp_path, *hosts, ended=ended)
    with serving(answer(), tls=tls) as server, client_of(server, reached) as client:
        found = client.request("GET", "/")
        assert isinstance(found, NoAnswer)
        assert found.reason.startswith(f"certificate not trusted: {reason}")
        assert server.requests == []


def test_the_host_is_asked_for_in_tls_and_in_http(authority: Authority, tmp_path: Path) -> None:
    asked: list[str | None] = []
    tls = authority.server(tmp_path, "shop.example.com")
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    reached = Reached(host="shop.example.com", ca_file=authority.write(tmp_path))
    with serving(answer(), tls=tls) as server, client_of(server, reached) as client:
        found = client.request("GET", "/cart")
        assert isinstance(found, HttpAnswer)
        assert found.url == "https://shop.example.com/cart"
        assert asked == ["shop.example.com"]
        assert b"Host: shop.example.com\r\n" in server.requests[0]


def test_a_connection_that_died_while_idle_is_noticed_before_sending(
    authority: Authority, tmp_path: Path
) -> None:
    reached = Reached(ca_file=authority.write(tmp_path))
    tls = authority.server(tmp_path, "127.0.0.1")
    with serving(answer_and_close(), answer(), tls=tls) as server, client_of(server, reached) as client:
        assert isinstance(client.request("POST", "/"), HttpAnswer)
        assert server.closed.acquire(timeout=DEADLINE_S)
        assert isinstance(client.request("POST", "/"), HttpAnswer)
        assert (len(server.requests), server.connections) == (2, 2)


def test_bytes_that_nobody_asked_for_are_not_taken_for_the_next_answer(
    authority: Authority, tmp_path: Path
) -> None:
    reached = Reached(ca_file=authority.write(tmp_path))
    tls = authority.server(tmp_path, "127.0.0.1")
    twice = answer(OK + OK.replace(b"200", b"500"))
    with serving(twice, answer(), tls=tls) as server, client_of(server, reached) as client:
        client.request("GET", "/")
        second = client.request("GET", "/")
        assert isinstance(second, HttpAnswer)
        assert second.status == 200
        assert server.connections == 2


def test_a_server_that_ends_without_an_answer_sees_the_request_once(
    authority: Authority, tmp_path: Path
) -> None:
    reached = Reached(ca_file=authority.write(tmp_path))
    tls = authority.server(tmp_path, "127.0.0.1")
    with serving(answer(), hang_up, tls=tls) as server, client_of(server, reached) as client:
        client.request("GET", "/")
        found = client.request("POST", "/")
        assert isinstance(found, NoAnswer)
        assert found.sent
        assert len(server.requests) == 2


def test_a_plain_server_is_no_tls_connection() -> None:
    def refuse(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=refuse, args=(listener,))
        server.start()
        site = Site.of(f"https://127.0.0.1:{listener.getsockname()[1]}")
        with closing(HttpClient(site, DEADLINE_S)) as client:
            found = client.request("GET", "/")
        server.join()
    assert isinstance(found, NoAnswer)
    assert not found.sent
    assert found.reason.startswith("no TLS connection")


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_ca_file_without_certificates_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=r"ca\.pem: no certificates can be read"):
        Site.of("https://shop.example.com", Reached(ca_file=str(file)))


UNDER_GEVENT = """
from gevent import monkey
monkey.patch_all()
import sys, gevent
from statefall.load.http import HttpClient
from statefall.load.site import Site
from statefall.records.service import Reached
site = Site.of(sys.argv[1], Reached(ca_file=sys.argv[2]))
clients = [HttpClient(site, 30.0) for _ in range(3)]
asked = [gevent.spawn(lambda c=c: [c.request("GET", "/").status for _ in range(2)]) for c in clients]
gevent.joinall(asked)
print([one.value for one in asked])
"""


def test_it_is_the_same_under_gevent(authority: Authority, tmp_path: Path) -> None:
    acts = [answer() for _ in range(6)]
    with serving(*acts, tls=authority.server(tmp_path, "127.0.0.1")) as server:
        url = server.url.replace("http:", "https:")
        words = [sys.executable, "-c", UNDER_GEVENT, url, authority.write(tmp_path)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.strip() == "[[200, 200], [200, 200], [200, 200]]"
        assert server.connections == 3


def test_trust_is_read_once_for_all_users(authority: Authority, tmp_path: Path) -> None:
    site = Site.of("https://127.0.0.1", Reached(ca_file=authority.write(tmp_path)))
    assert isinstance(site.tls, ssl.SSLContext)
    assert site.tls.verify_mode is ssl.CERT_REQUIRED
    assert site.tls.check_hostname
