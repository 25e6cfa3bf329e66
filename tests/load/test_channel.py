"""The conductor's end of the channel, while the way to the load generator is broken."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from statefall.load.channel import MISSED_POLLS, LoadChannel, LoadGeneratorError
from tests.load.generator import config_for, generating, wait_until
from tests.load.shop import Shop, serve


@contextmanager
def unreachable(channel: LoadChannel) -> Iterator[None]:
    """As where a port-forward broke: nobody listens at the other end."""
    where = channel._client.base_url
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        channel._client.base_url = httpx.URL(f"http://127.0.0.1:{taken.getsockname()[1]}/")
        yield
    channel._client.base_url = where


def test_a_failed_poll_costs_itself_and_the_third_in_a_row_the_generator(tmp_path: Path) -> None:
    with serve(Shop()) as url, generating(config_for(url), tmp_path) as load:
        load.channel.phase("warmup")
        load.channel.start()
        wait_until(lambda: load.logins() == 12, "all shoppers have arrived")
        seen = len(load.events)
        with unreachable(load.channel):
            assert [load.channel.events() for _ in range(MISSED_POLLS)] == [[]] * MISSED_POLLS
        wait_until(lambda: len(load.take_events()) > seen, "what came meanwhile is told")
        assert load.channel._next == len(load.events), "none was missed"
        with unreachable(load.channel):
            assert [load.channel.events() for _ in range(MISSED_POLLS)] == [[]] * MISSED_POLLS
            with pytest.raises(LoadGeneratorError, match="did not answer GET"):
                load.channel.events()


def answering(document: str) -> LoadChannel:
    """A channel whose other end says this to every call."""
    channel = LoadChannel("http://generator")
    channel._client.close()
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text=document))
    channel._client = httpx.Client(base_url="http://generator/", transport=transport)
    return channel


NONSENSE = [
    '{"monotonic_s": NaN, "wall_s": 1, "live_sessions": NaN, "by_boot": {}, "next": 1, "events": [5]}',
    '{"next": 1, "events": [{"kind": "cell_ended", "cell": "c", "wall_s": 1, "monotonic_s": 1e999}]}',
    '{"next": 1, "events": [{"kind": "tick", "monotonic_s": 1, "wall_s": 1}], "live_sessions": "few"}',
    '{"next": 1, "events": 5, "monotonic_s": null, "live_sessions": null}',
    "[]",
    "{}",
    "null",
]


@pytest.mark.parametrize("document", NONSENSE)
@pytest.mark.parametrize(
    "ask",
    [LoadChannel.start, lambda c: c.mark("f1"), lambda c: [c.events() for _ in range(3)], LoadChannel.finish],
    ids=["start", "mark", "events", "finish"],
)
def test_an_answer_that_cannot_be_read_is_the_generators_fault(
    document: str, ask: Callable[[LoadChannel], object]
) -> None:
    channel = answering(document)
    with pytest.raises(LoadGeneratorError) as caught:
        ask(channel)
    channel.close()
    assert "\n" not in str(caught.value)
