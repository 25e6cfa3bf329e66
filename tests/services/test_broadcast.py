"""Messages between replicas: what is none, or cannot be delivered, makes no replica deaf to the others."""

from __future__ import annotations

import json
import queue
from typing import Final

import pytest

from services.metrics import Metrics
from services.stateful.realtime.broadcast import TOPIC, Broadcast
from services.stateful.realtime.channels import Message
from services.stateful.realtime.measures import RealtimeMeasures
from services.store import Store
from tests.services.backing import DEADLINE_S, Valkey, wait_until
from tests.services.live import Serve, User, figure
from tests.services.serving import Served

FORWARDED: Final = {
    "boot": "another",
    "channel": "forwarded",
    "stream": "another.1",
    "number": 1,
    "sender": 7,
    "text": "from afar",
    "at_s": 5.0,
}
"""A message of another replica, as it travels."""
SPOILT: Final[tuple[dict[str, object], ...]] = (
    {"boot": None},
    {"channel": ["news"]},
    {"channel": "No Channel"},
    {"stream": {}},
    {"number": "1"},
    {"number": 0},
    {"sender": None},
    {"text": 7},
    {"at_s": float("nan")},
    {"more": 1},
)
"""Changes after which it is none."""


@pytest.mark.parametrize(
    "wrong",
    [
        b"\xff",
        b"[]",
        b'"text"',
        b"{}",
        *(json.dumps({**FORWARDED, **change}).encode() for change in SPOILT),
    ],
)
def test_what_is_no_message_between_replicas_is_ignored_and_counted(
    served: Served, running_valkey: Valkey, wrong: bytes
) -> None:
    def counted(direction: str) -> float:
        return figure(served, "statefall_broadcast_messages_total", direction=direction)

    wait_until(lambda: figure(served, "statefall_broadcast_listening") == 1, "it listens")
    ignored, heard = counted("ignored"), counted("heard")
    with User(served, 229).welcomed() as live:
        live.ask("subscribed", "subscribe", channel="forwarded")
        running_valkey.client.publish(TOPIC, wrong)
        running_valkey.client.publish(TOPIC, json.dumps(FORWARDED))
        assert live.next("message")["text"] == "from afar"
    assert (counted("ignored"), counted("heard")) == (ignored + 1, heard + 1)
    assert figure(served, "statefall_broadcast_listening") == 1


def test_whether_a_replica_hears_the_others_can_be_seen(start: Serve, valkey: Valkey) -> None:
    served = start()

    def listens(answer: float) -> bool:
        return figure(served, "statefall_broadcast_listening") == answer

    wait_until(lambda: listens(1), "it listens")
    valkey.stop()
    wait_until(lambda: listens(0), "it is deaf")
    valkey.start()
    wait_until(lambda: listens(1), "it listens again")
    assert served.ready()


def test_a_message_that_breaks_its_receiver_does_not_make_the_replica_deaf(
    valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    heard: queue.Queue[str] = queue.Queue()

    def take(message: Message) -> None:
        if message.text == "poison":
            raise ZeroDivisionError
        heard.put(message.text)

    metrics = {boot: Metrics(f"pod-{boot}", boot) for boot in ("here", "there")}
    stores = {boot: Store(valkey.url, metrics[boot], connections=4) for boot in metrics}
    here, there = (
        Broadcast(stores[boot], boot, RealtimeMeasures(metrics[boot].registry), take) for boot in metrics
    )
    here.open()
    try:
        assert here.listening.wait(DEADLINE_S)
        for number, text in enumerate(("before", "poison", "after"), 1):
            assert there.send(Message("news", "there.1", number, 1, text, 5.0))
        assert [heard.get(timeout=DEADLINE_S) for _ in range(2)] == ["before", "after"]
        assert here.listening.is_set()
    finally:
        here.close()
        for store in stores.values():
            store.close()
    assert "ZeroDivisionError" in caplog.text
