"""The watches go on after whatever ends them, and give up when the API server stays away."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import urllib3
from kubernetes import client

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.observe.informer import Informer
from statefall.clusters.protocol import ClusterError
from tests.kubernetes.api_server import ApiServer, Stream, serving
from tests.kubernetes.objects import pod

OUT_OF_REACH_S = 0.8
GENEROUS_S = 15.0


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """One pod at first."""
    with serving() as found:
        found.pods = [pod("first")]
        yield found


@pytest.fixture
def informer(server: ApiServer) -> Iterator[Informer]:
    """Not open yet."""
    settings = client.Configuration()
    settings.host = server.url
    settings.retries = urllib3.Retry(total=0)
    api = Api(settings, "statefall")
    found = Informer(api, lambda _: None, out_of_reach_s=OUT_OF_REACH_S)
    yield found
    found.close()
    api.close()


def sees(informer: Informer, name: str) -> bool:
    return informer.wait_for(lambda view: f"uid-{name}" in view.pods, GENEROUS_S)


def healthy_until(server: ApiServer, end: str) -> None:
    """A watch that works for longer than the patience lasts; then a second pod comes, unwatched."""

    def act(stream: Stream) -> None:
        deadline = time.monotonic() + 2 * OUT_OF_REACH_S
        while time.monotonic() < deadline:
            stream.bookmark()
            time.sleep(OUT_OF_REACH_S / 10)
        server.pods.append(pod("second"))
        if end == "reset":
            stream.reset()
        else:
            stream.tell("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version"})
            stream.end()

    server.acts = [act]


def test_a_change_that_a_watch_tells_is_seen(server: ApiServer, informer: Informer) -> None:
    changed = pod("second")
    changed["metadata"]["resourceVersion"] = "3"

    def act(stream: Stream) -> None:
        stream.tell("ADDED", changed)
        stream.stay()

    server.acts = [act]
    informer.open()
    assert sees(informer, "second")


@pytest.mark.parametrize("broken_lists", [0, 1])
def test_a_connection_that_breaks_after_a_long_health_is_made_again(
    server: ApiServer, informer: Informer, broken_lists: int
) -> None:
    healthy_until(server, "reset")
    informer.open()
    server.broken_lists = broken_lists
    assert sees(informer, "second")


def test_a_version_that_expired_in_the_stream_is_listed_anew(server: ApiServer, informer: Informer) -> None:
    healthy_until(server, "expired")
    informer.open()
    assert sees(informer, "second")


def test_a_version_that_expired_before_the_stream_is_listed_anew(
    server: ApiServer, informer: Informer
) -> None:
    def act(stream: Stream) -> None:
        server.pods.append(pod("second"))
        stream.refuse(410)

    server.acts = [act]
    informer.open()
    assert sees(informer, "second")


def test_a_pod_that_vanished_while_nobody_watched_is_gone(server: ApiServer, informer: Informer) -> None:
    def act(stream: Stream) -> None:
        server.pods = [pod("second")]
        stream.bookmark()
        stream.reset()

    server.acts = [act]
    informer.open()
    assert informer.wait_for(lambda view: list(view.pods) == ["uid-second"], GENEROUS_S)


def test_a_server_that_stays_away_is_given_up(server: ApiServer, informer: Informer) -> None:
    informer.open()
    server.close()
    with pytest.raises(ClusterError, match=r"can no longer be watched: .*does not answer"):
        informer.wait_for(lambda _: False, GENEROUS_S)
    with pytest.raises(ClusterError, match="can no longer be watched"):
        informer.pods("c1")


def test_watches_that_end_at_once_are_begun_again_with_a_pause(server: ApiServer, informer: Informer) -> None:
    def act(stream: Stream) -> None:
        if len(server.watches) == 3:
            changed = pod("second")
            changed["metadata"]["resourceVersion"] = "3"
            stream.tell("ADDED", changed)
        else:
            stream.bookmark()
        stream.end()

    server.acts = [act] * 3
    informer.open()
    assert sees(informer, "second")
    first, *_, third = server.watches[:3]
    assert third - first > 0.9
