"""A write is sent twice to real replicas: at once, and again after its replica has gone. It counts once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from services import contract
from services.settings import SessionDesign
from tests.services.backing import Valkey, together, wait_until
from tests.services.serving import Served
from tests.services.sessions.designs import EVERY, SHARED
from tests.services.sessions.processes import (
    Answer,
    Browser,
    kill,
    replicas,
    terminate,
    wait_for_peers,
)

PATH, BODY = contract.CART_ITEMS, {"product_id": 3, "quantity": 2}
AT_ONCE = 6
TIMES = 10
MOVES = [
    (SessionDesign.HANDOFF, terminate),
    *((design, end) for design in SHARED for end in (kill, terminate)),
]


def send(browser: Browser, served: Served, operation: str) -> Answer:
    """The write, sent until it is answered: a session that moves or is busy may have it wait."""
    answers: list[Answer] = []

    def answered() -> bool:
        answers.append(browser.send(served, "POST", PATH, BODY, operation))
        return answers[-1].status != 503

    wait_until(answered, f"{operation} is answered")
    assert answers[-1].status == 200, answers[-1]
    return answers[-1]


@pytest.mark.parametrize("design", EVERY)
def test_sent_at_once_it_is_applied_once_and_answered_alike(
    design: SessionDesign, database_url: str, valkey: Valkey
) -> None:
    with replicas(design, database_url, valkey.url) as start:
        serving = [start("pod-a"), start("pod-b")] if design in SHARED else [start("pod-a")]
        if design is SessionDesign.REPLICATED:
            wait_for_peers(*serving)
        browser = Browser(21)
        assert browser.login(serving[0]).status == 200
        for number in range(1, TIMES + 1):
            tabs = [replace(browser) for _ in range(AT_ONCE)]
            to = [serving[place % len(serving)] for place in range(AT_ONCE)]
            answers = together(
                [partial(send, tab, one, f"op {number}") for tab, one in zip(tabs, to, strict=True)]
            )
            bodies = [answer.body for answer in answers]
            assert all(body == bodies[0] for body in bodies)
            assert (bodies[0]["version"], bodies[0]["lines"][0]["quantity"]) == (number, 2 * number)


@pytest.mark.parametrize(("design", "end"), MOVES)
def test_sent_again_after_its_replica_has_gone_it_is_answered_as_before(
    design: SessionDesign, end: Callable[[Served], None], database_url: str, valkey: Valkey
) -> None:
    with replicas(design, database_url, valkey.url) as start:
        first, second = start("pod-a"), start("pod-b")
        if design is SessionDesign.REPLICATED:
            wait_for_peers(first, second)
        browser = Browser(22)
        assert browser.login(first).status == 200
        before = [send(browser, first, f"op {number}") for number in range(3)]
        end(first)
        again = [send(browser, second, f"op {number}") for number in range(3)]
        assert [answer.body for answer in again] == [answer.body for answer in before]
        later = send(browser, second, "another")
        assert (later.body["version"], later.body["lines"][0]["quantity"]) == (4, 8)
