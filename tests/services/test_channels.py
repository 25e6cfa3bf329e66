"""Channels number what is published and remember the newest; an outbox holds back only so much."""

from __future__ import annotations

import select
from collections.abc import Iterator
from itertools import pairwise

import pytest

from services.contract import MAX_HISTORY_LIMIT
from services.stateful.realtime.channels import CHANNELS, STREAMS, Channels, Message
from services.stateful.realtime.connections import Connection, Connections
from services.stateful.realtime.outbox import Close, Outbox
from services.stateful.realtime.stream import Vitals


class Subscribers:
    """Takes the place of connections: keeps what is delivered."""

    def __init__(self) -> None:
        self.delivered: list[Message] = []
        self.subscribed: set[str] = set()

    def channels(self, boot: str = "boot") -> Channels:
        return Channels(boot, self.delivered.append, self.subscribed.__contains__)


def forwarded(message: Message) -> bool:
    return True


@pytest.fixture
def outbox() -> Iterator[Outbox]:
    made = Outbox(2)
    yield made
    made.discard()


def readable(outbox: Outbox) -> bool:
    return bool(select.select([outbox], [], [], 0)[0])


def test_a_channels_numbers_follow_each_other_and_are_its_own() -> None:
    subscribers = Subscribers()
    channels = subscribers.channels()
    for name in ("a", "b", "a", "a", "b"):
        channels.publish(name, 1, "text", 0.0, forwarded)
    assert [(m.channel, m.number) for m in subscribers.delivered] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("a", 3),
        ("b", 2),
    ]
    streams = {(m.channel, m.stream) for m in subscribers.delivered}
    assert len(streams) == 2


def test_a_message_is_forwarded_before_the_next_is_numbered_and_its_fate_is_told() -> None:
    channels = Subscribers().channels()
    sent: list[int] = []

    def forward(message: Message) -> bool:
        sent.append(message.number)
        return message.number != 2

    fates = [channels.publish("a", 1, "text", 0.0, forward)[1] for _ in range(3)]
    assert (sent, fates) == ([1, 2, 3], [True, False, True])


def test_what_another_replica_published_keeps_its_own_numbers() -> None:
    subscribers = Subscribers()
    channels = subscribers.channels()
    ours, _ = channels.publish("a", 1, "ours", 0.0, forwarded)
    channels.heard(Message("a", "other.1", 7, 2, "theirs", 0.0))
    again, _ = channels.publish("a", 1, "ours again", 0.0, forwarded)
    assert again.number == ours.number + 1
    with channels.held("a") as channel:
        assert dict(channel.positions) == {ours.stream: 2, "other.1": 7}
        assert [m.text for m in channel.recent(10)] == ["ours", "theirs", "ours again"]
        assert [m.text for m in channel.recent(2)] == ["theirs", "ours again"]
        assert channel.recent(0) == []


def test_a_channel_remembers_so_many_messages_and_streams() -> None:
    channels = Subscribers().channels()
    for number in range(MAX_HISTORY_LIMIT + 5):
        channels.heard(Message("a", f"boot {number}", 1, 1, str(number), 0.0))
    with channels.held("a") as channel:
        assert len(channel.recent(MAX_HISTORY_LIMIT * 2)) == MAX_HISTORY_LIMIT
        assert len(channel.positions) == STREAMS
        assert f"boot {MAX_HISTORY_LIMIT + 4}" in channel.positions


def test_a_replicas_own_numbers_go_on_however_many_others_come_and_go() -> None:
    channels = Subscribers().channels()
    ours, _ = channels.publish("a", 1, "ours", 0.0, forwarded)
    for number in range(STREAMS * 2):
        channels.heard(Message("a", f"boot {number}", 1, 1, "theirs", 0.0))
    again, _ = channels.publish("a", 1, "ours again", 0.0, forwarded)
    assert (again.stream, again.number) == (ours.stream, 2)
    with channels.held("a") as channel:
        assert len(channel.positions) == STREAMS


def test_a_forgotten_channel_begins_another_stream_and_one_with_subscribers_is_not_forgotten() -> None:
    subscribers = Subscribers()
    subscribers.subscribed.add("kept")
    channels = subscribers.channels()
    kept, _ = channels.publish("kept", 1, "text", 0.0, forwarded)
    forgotten, _ = channels.publish("forgotten", 1, "text", 0.0, forwarded)
    for number in range(CHANNELS + 2):
        channels.publish(f"c{number}", 1, "text", 0.0, forwarded)
    kept_again, _ = channels.publish("kept", 1, "text", 0.0, forwarded)
    new, _ = channels.publish("forgotten", 1, "text", 0.0, forwarded)
    assert (kept_again.stream, kept_again.number) == (kept.stream, 2)
    assert new.stream != forgotten.stream
    assert new.number == 1


def test_another_boot_is_another_stream() -> None:
    streams = [
        Subscribers().channels(boot).publish("a", 1, "text", 0.0, forwarded)[0].stream for boot in ("x", "y")
    ]
    assert all(one != other for one, other in pairwise(streams))


def test_an_outbox_wakes_its_reader_and_is_emptied_at_once(outbox: Outbox) -> None:
    assert not readable(outbox)
    assert outbox.put("one")
    assert outbox.put("two")
    assert readable(outbox)
    assert outbox.take() == (["one", "two"], None)
    assert not readable(outbox)


def test_a_full_outbox_takes_no_more(outbox: Outbox) -> None:
    assert [outbox.put(text) for text in ("one", "two", "three")] == [True, True, False]


def test_an_outbox_is_closed_once_and_after_what_waits(outbox: Outbox) -> None:
    first, second = Close(1001, "first"), Close(1013, "second")
    outbox.put("last words")
    assert outbox.end(first)
    assert not outbox.end(second)
    assert not outbox.put("too late")
    assert outbox.take() == (["last words"], first)


def test_a_discarded_outbox_refuses_all(outbox: Outbox) -> None:
    outbox.discard()
    outbox.discard()
    assert not outbox.put("one")
    assert not outbox.end(Close(1001, ""))


def test_a_connection_that_is_too_slow_is_closed_rather_than_left_with_a_gap(outbox: Outbox) -> None:
    connection = connection_on(outbox)
    for text in ("one", "two", "three"):
        connection.send("message", text=text)
    waiting, close = outbox.take()
    assert len(waiting) == 2
    assert close is not None
    assert close.code == 4408


def test_a_removed_connection_is_in_no_part_of_the_register(outbox: Outbox) -> None:
    register, connection = Connections(1), connection_on(outbox)
    assert register.add(connection)
    assert not register.add(connection_on(outbox))
    register.subscribe(connection, "a")
    assert register.on_channel("a") == register.of_user(1) == register.of_session("key") == (connection,)
    register.remove(connection)
    register.subscribe(connection, "a")  # a message that was under way when it was removed
    assert (
        register.on_channel("a") == register.of_user(1) == register.of_session("key") == register.all() == ()
    )
    assert register.wait_empty(0)


def connection_on(outbox: Outbox) -> Connection:
    return Connection("id", 1, "key", "cookie", outbox, Vitals(0.0), {})
