"""What WebSockets were promised, as specification by example; a healthy service breaks none of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shop.ledger.answer import Replica
from shop.ledger.connections import Connection, Shown, UserConnections
from shop.ledger.inbox import Inbox, MessageFinding, missed
from shop.live import has_websockets
from statefall.ledger.realtime import RealtimeCounter
from statefall.load.merge import sum_realtime
from statefall.records.load import LoadConfig, Shopper
from statefall.records.verdicts import ConnectionVerdict, MessageVerdict, RealtimeCounts
from tests.generated import examples

HERE, THERE = Replica("pod-a", "boot-1"), Replica("pod-b", "boot-1")


def listening(**positions: int) -> Inbox:
    inbox = Inbox()
    inbox.subscribed("c", positions)
    return inbox


# -- one connection -----------------------------------------------------------------------------------


def test_numbers_that_follow_each_other_are_delivered() -> None:
    inbox = listening(s=4)
    assert [inbox.received("c", "s", number) for number in (5, 6, 7)] == [None] * 3
    assert inbox.newest("c") == {"s": 7}


def test_a_skipped_number_is_a_lost_message() -> None:
    inbox = listening(s=4)
    found = inbox.received("c", "s", 8)
    assert found is not None
    assert (found.verdict, found.first, found.last, found.count) == (MessageVerdict.LOST, 5, 7, 3)
    assert inbox.received("c", "s", 9) is None


def test_a_number_that_comes_again_is_a_duplicate() -> None:
    inbox = listening(s=4)
    inbox.received("c", "s", 5)
    for number in (5, 3):
        found = inbox.received("c", "s", number)
        assert found is not None
        assert (found.verdict, found.first) == (MessageVerdict.DUPLICATED, number)
    assert inbox.received("c", "s", 6) is None


def test_every_stream_and_channel_has_numbers_of_its_own() -> None:
    inbox = listening(s=4, t=9)
    inbox.subscribed("other", {"s": 100})
    assert inbox.received("c", "t", 10) is None
    assert inbox.received("c", "s", 5) is None
    assert inbox.received("other", "s", 101) is None


def test_of_a_stream_that_began_later_the_first_number_tells_nothing() -> None:
    inbox = listening()
    assert inbox.received("c", "new", 7) is None
    found = inbox.received("c", "new", 9)
    assert found is not None
    assert (found.first, found.last) == (8, 8)


def test_what_was_acknowledged_is_owed_even_when_nothing_comes_after_it() -> None:
    inbox = listening(s=4)
    inbox.owe("c", "s", 5, at_s=10.0)
    inbox.owe("c", "s", 6, at_s=11.0)
    assert inbox.overdue(before_s=10.0) == []
    (found,) = inbox.overdue(before_s=10.5)
    assert (found.verdict, found.first, found.last) == (MessageVerdict.LOST, 5, 5)
    assert inbox.overdue(before_s=10.5) == []  # told once


def test_what_came_is_owed_no_more_whichever_came_first_message_or_acknowledgement() -> None:
    inbox = listening(s=4)
    inbox.owe("c", "s", 5, at_s=10.0)
    inbox.received("c", "s", 5)
    inbox.received("c", "s", 6)
    inbox.owe("c", "s", 6, at_s=10.0)
    assert inbox.overdue(before_s=99.0) == []


def test_what_is_owed_shows_a_hole_at_the_start_of_a_stream() -> None:
    inbox = listening()
    inbox.owe("c", "new", 2, at_s=10.0)
    found = inbox.received("c", "new", 4)
    assert found is not None
    assert (found.first, found.last) == (2, 3)
    assert inbox.overdue(before_s=99.0) == []


def test_a_connection_that_is_not_subscribed_is_owed_nothing() -> None:
    inbox = Inbox()
    inbox.owe("c", "s", 5, at_s=10.0)
    assert inbox.overdue(before_s=99.0) == []
    assert not inbox.listens_to("c")


def test_chat_must_remember_what_was_said_on_the_connection() -> None:
    inbox = Inbox()
    assert [inbox.chatted(number, min(number - 1, 50)) for number in range(1, 60)] == [None] * 59
    found = inbox.chatted(1, 0)
    assert found is not None
    assert found.verdict is MessageVerdict.FORGOTTEN
    assert "50 are remembered" in found.evidence


# -- coming back --------------------------------------------------------------------------------------


def test_what_is_shown_on_return_was_not_missed() -> None:
    assert missed("c", {"s": 4}, {"s": 6}, {"s": frozenset({3, 4, 5, 6})}) == []


def test_what_is_not_shown_on_return_was_missed() -> None:
    (found,) = missed("c", {"s": 4, "t": 1}, {"s": 9, "t": 1}, {"s": frozenset({8, 9})})
    assert (found.verdict, found.stream, found.first, found.last) == (MessageVerdict.MISSED, "s", 5, 7)


@pytest.mark.parametrize("positions", [{}, {"s": 2}, {"another": 5}])
def test_a_replica_that_knows_less_tells_nothing(positions: dict[str, int]) -> None:
    assert missed("c", {"s": 4}, positions, {}) == []


# -- a shopper's connections --------------------------------------------------------------------------


@dataclass
class Desk:
    """One shopper's connections, driven by hand."""

    counter: RealtimeCounter = field(default_factory=RealtimeCounter)
    findings: list[tuple[Connection, MessageFinding]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connections = UserConnections(
            self.counter, lambda connection, finding: self.findings.append((connection, finding))
        )

    def open(
        self, name: str, replica: Replica = HERE, recent: tuple[int, ...] = (), **positions: int
    ) -> Connection:
        connection = Connection(name, replica, 0.0)
        self.connections.opened(connection)
        self.connections.subscribed(connection, Shown("c", positions, {"s": frozenset(recent)}))
        return connection

    def verdicts(self) -> list[MessageVerdict]:
        return [finding.verdict for _, finding in self.findings]


def test_a_publication_is_owed_to_all_connections_that_were_subscribed_when_it_was_sent() -> None:
    desk = Desk()
    one, two = desk.open("1", s=0), desk.open("2", s=0)
    audience = tuple(desk.connections.connections)
    late = desk.open("3", s=1, recent=(1,))
    desk.connections.received(one, "c", "s", 1)
    desk.connections.published(audience, "c", "s", 1, at_s=10.0)
    desk.connections.settle(before_s=11.0)
    assert [(connection, finding.verdict) for connection, finding in desk.findings] == [
        (two, MessageVerdict.LOST)
    ]
    assert late.inbox.newest("c") == {"s": 1}
    counts = desk.counter.counts()
    assert (counts.published, counts.delivered, counts.lost) == (1, 1, 1)


def test_a_broken_connection_is_owed_nothing_more() -> None:
    desk = Desk()
    connection = desk.open("1", s=0)
    desk.connections.published((connection,), "c", "s", 1, at_s=10.0)
    assert desk.connections.closed(connection, ConnectionVerdict.BROKEN)
    assert not desk.connections.closed(connection, ConnectionVerdict.KEPT)
    desk.connections.settle(before_s=99.0)
    assert desk.findings == []
    assert desk.counter.counts() == RealtimeCounts(connections_opened=1, connections_broken=1, published=1)


def test_a_shopper_who_was_away_missed_what_is_not_shown_on_return() -> None:
    desk = Desk()
    first = desk.open("1", s=0)
    desk.connections.received(first, "c", "s", 1)
    desk.connections.closed(first, ConnectionVerdict.TOLD)
    desk.open("2", THERE, s=5, recent=(4, 5))
    ((_, finding),) = desk.findings
    assert (finding.verdict, finding.first, finding.last) == (MessageVerdict.MISSED, 2, 3)
    desk.open("3", THERE, s=5, recent=(4, 5))
    assert len(desk.findings) == 1  # told once
    assert desk.counter.counts().missed == 2


def test_a_shopper_with_another_connection_missed_nothing() -> None:
    desk = Desk()
    first, second = desk.open("1", s=0), desk.open("2", THERE, s=0)
    desk.connections.closed(first, ConnectionVerdict.BROKEN)
    for number in (1, 2, 3):
        desk.connections.received(second, "c", "s", number)
    desk.open("3", s=3, recent=())
    assert desk.findings == []


def test_the_counts_of_several_processes_add_up() -> None:
    one = RealtimeCounts(connections_opened=3, connections_kept=2, connections_broken=1, lost=4)
    other = RealtimeCounts(connections_opened=1, connections_told=1, delivered=7)
    both = RealtimeCounts(4, 0, 2, 1, 1, delivered=7, lost=4)
    assert sum_realtime([one, other]) == both


def test_who_has_websockets_is_drawn_from_the_shoppers_seed() -> None:
    shoppers = [Shopper(index, 100 + index, 0.0, 7_000 + index) for index in range(2_000)]

    def chosen(share: float) -> list[int]:
        config = LoadConfig(cell="c", target="http://127.0.0.1:1", seed=1, shoppers=(), websocket_share=share)
        return [shopper.index for shopper in shoppers if has_websockets(config, shopper)]

    assert chosen(0.0) == []
    assert len(chosen(1.0)) == len(shoppers)
    half = chosen(0.5)
    assert half == chosen(0.5)
    assert len(half) / len(shoppers) == pytest.approx(0.5, abs=0.06)


# -- a reference model --------------------------------------------------------------------------------


class World:
    """Two replicas that each number one channel, and a shopper with connections to both.

    Messages travel in order but late: an honest service may do that. `drop` is a planted bug.
    """

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.desk = Desk()
        self.numbers = {"a": 0, "b": 0}
        self.log: list[tuple[str, int]] = []
        self.waiting: dict[Connection, list[tuple[str, int]]] = {}
        self.now_s = 0.0
        for name in ("1", "2"):
            self.connect(name)

    def connect(self, name: str) -> None:
        """As `subscribed`: everything until now is told, everything after it will come."""
        connection = Connection(name, HERE, self.now_s)
        self.desk.connections.opened(connection)
        recent: dict[str, set[int]] = {}
        for stream, number in self.log[-50:]:
            recent.setdefault(stream, set()).add(number)
        shown = Shown("c", dict(self.numbers), {s: frozenset(numbers) for s, numbers in recent.items()})
        self.desk.connections.subscribed(connection, shown)
        self.waiting[connection] = []

    def step(self, drop: bool = False) -> None:
        """Publish, deliver, or lose a connection and come back."""
        self.now_s += 1
        kind = self.draw.random()
        if kind < 0.5:
            self.publish(drop)
        elif kind < 0.9:
            for connection in list(self.waiting):
                self.deliver(connection, self.draw.randint(0, 3))
        elif len(self.waiting) == 2:
            connection = self.draw.choice(list(self.waiting))
            del self.waiting[connection]
            self.desk.connections.closed(connection, ConnectionVerdict.BROKEN)
        else:
            self.connect(f"again {self.now_s}")

    def publish(self, drop: bool) -> None:
        """One message, lost on the way to one connection if a bug is planted."""
        stream = self.draw.choice("ab")
        self.numbers[stream] += 1
        message = (stream, self.numbers[stream])
        self.log.append(message)
        victim = self.draw.choice(list(self.waiting)) if drop and self.waiting else None
        for connection, queue in self.waiting.items():
            if connection is not victim:
                queue.append(message)
        self.desk.connections.published(tuple(self.waiting), "c", *message, self.now_s)

    def deliver(self, connection: Connection, count: int) -> None:
        """The next few messages of one connection."""
        for stream, number in self.waiting[connection][:count]:
            self.desk.connections.received(connection, "c", stream, number)
        del self.waiting[connection][:count]

    def settle(self) -> None:
        """Everything that is on its way comes; then what did not is overdue."""
        for connection in list(self.waiting):
            self.deliver(connection, len(self.waiting[connection]))
        self.desk.connections.settle(self.now_s + 1)


@settings(max_examples=examples(150), deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 120))
def test_a_healthy_service_loses_nothing_in_any_interleaving(seed: int, steps: int) -> None:
    world = World(seed)
    for _ in range(steps):
        world.step()
    world.settle()
    assert world.desk.findings == []
    counts = world.desk.counter.counts()
    assert counts.connections_opened == counts.connections_broken + len(world.desk.connections.connections)


@settings(max_examples=examples(150), deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 60), after=st.integers(0, 20))
def test_a_dropped_message_is_named_whatever_comes_after_it(seed: int, steps: int, after: int) -> None:
    world = World(seed)
    for _ in range(steps):
        world.step()
    world.settle()
    if len(world.waiting) < 2:
        world.connect("a second one")
    world.publish(drop=True)
    for _ in range(after):
        world.publish(drop=False)
    world.settle()
    assert world.desk.verdicts() == [MessageVerdict.LOST]
    assert world.desk.counter.counts().lost == 1
