"""The conductor's end of the channel, while the way to the load generator is broken."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from loadtests.channel import MISSED_POLLS, LoadChannel, LoadGeneratorError
from tests.loadtests.generator import config_for, generating, wait_until
from tests.loadtests.shop import Shop, serve


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
