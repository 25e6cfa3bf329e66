"""Messages between replicas: one that cannot be delivered costs no other."""

from __future__ import annotations

import queue

import pytest

from services.metrics import Metrics
from services.stateful.realtime.broadcast import Broadcast
from services.stateful.realtime.channels import Message
from services.stateful.realtime.measures import RealtimeMeasures
from services.store import Store
from tests.services.backing import DEADLINE_S, Valkey


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
