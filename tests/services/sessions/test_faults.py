"""What a fault costs in each design, on real processes: the table of the state designs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from services.settings import SessionDesign
from tests.services.backing import Valkey, wait_until
from tests.services.serving import Served
from tests.services.sessions.processes import (
    Browser,
    Start,
    figure,
    kill,
    replicas,
    terminate,
    wait_for_peers,
)

MEMORY, HANDOFF, REPLICATED = SessionDesign.MEMORY, SessionDesign.HANDOFF, SessionDesign.REPLICATED
WRITE_THROUGH, EXTERNAL = SessionDesign.WRITE_THROUGH, SessionDesign.EXTERNAL
USERS = 8


@pytest.fixture
def start(request: pytest.FixtureRequest, database_url: str, valkey: Valkey) -> Iterator[Start]:
    with replicas(request.param, database_url, valkey.url) as start:
        yield start


@pytest.mark.parametrize(
    ("design", "end", "cost"),
    [
        (MEMORY, kill, USERS),
        (MEMORY, terminate, USERS),
        (HANDOFF, kill, USERS),
        (HANDOFF, terminate, 0),
        (WRITE_THROUGH, kill, 0),
        (WRITE_THROUGH, terminate, 0),
        (EXTERNAL, kill, 0),
        (EXTERNAL, terminate, 0),
        (REPLICATED, kill, 0),
        (REPLICATED, terminate, 0),
    ],
)
def test_what_the_end_of_a_replica_costs(
    design: SessionDesign, end: Callable[[Served], None], cost: int, database_url: str, valkey: Valkey
) -> None:
    with replicas(design, database_url, valkey.url) as start:
        first, second = start("pod-a"), start("pod-b")
        if design is REPLICATED:
            wait_for_peers(first, second)
        _check_the_cost(first, second, end, cost)


def _check_the_cost(first: Served, second: Served, end: Callable[[Served], None], cost: int) -> None:
    browsers = [Browser(user_id) for user_id in range(1, USERS + 1)]
    for browser in browsers:
        browser.login(first)
        for _ in range(3):
            assert browser.act(first).status == 200
    end(first)
    answers = [browser.profile(second) for browser in browsers]
    lost = [answer for answer in answers if answer.status == 401]
    assert len(lost) == cost
    assert all((answer.session, answer.code) == ("lost", "session_lost") for answer in lost)
    assert figure(second, 'statefall_sessions_lost_total{cause="elsewhere"}') == cost
    for browser, answer in zip(browsers, answers, strict=True):
        if answer.status != 401:
            assert (answer.status, answer.session) == (200, "known")
            assert (answer.body["user_id"], answer.body["version"]) == (browser.user_id, 3)


@pytest.mark.parametrize("start", [REPLICATED], indirect=True)
def test_a_replica_that_stood_still_serves_nothing_older_than_what_was_acknowledged(start: Start) -> None:
    first, second, third = start("pod-a"), start("pod-b"), start("pod-c")
    wait_for_peers(first, second, third)
    browser = Browser(1)
    browser.login(first)
    assert browser.act(first).status == 200
    stale_cookie = browser.cookie
    os.killpg(first.master.pid, signal.SIGSTOP)
    try:
        # Nobody can know yet whether it lives: the request is refused, and not called a loss.
        wait_until(lambda: browser.act(second).status == 200, "its sessions were taken over")
    finally:
        os.killpg(first.master.pid, signal.SIGCONT)
    assert browser.version == 2
    browser.cookie = stale_cookie  # as if the client had never been told that its session moved
    wait_until(lambda: browser.profile(first).status == 200, "it knows again what it owns")
    assert browser.profile(first).body["version"] == 2


@pytest.mark.parametrize("start", [EXTERNAL, WRITE_THROUGH], indirect=True)
def test_a_client_is_told_when_its_session_moved_only_where_it_has_a_home(start: Start) -> None:
    first, second = start("pod-a"), start("pod-b")
    browser = Browser(1)
    browser.login(first)
    assert "set-cookie" not in browser.profile(second).headers


@pytest.mark.parametrize("start", [HANDOFF], indirect=True)
def test_the_cookie_names_the_new_home_after_a_handover(start: Start) -> None:
    first, second, third = start("pod-a"), start("pod-b"), start("pod-c")
    browser = Browser(1)
    browser.login(first)
    terminate(first)
    assert "set-cookie" in browser.profile(second).headers
    assert "set-cookie" not in browser.profile(second).headers
    kill(second)
    answer = browser.profile(third)
    assert (answer.status, answer.code) == (401, "session_lost")


@pytest.mark.parametrize("start", [HANDOFF], indirect=True)
def test_requests_that_come_while_a_replica_drains_are_not_lost(start: Start) -> None:
    first, second = start("pod-a"), start("pod-b")
    browser = Browser(1)
    browser.login(first)
    first.master.terminate()
    while first.master.poll() is None:
        try:
            answer = browser.act(first)
        except ConnectionError:
            break
        assert answer.status == 200, answer
    first.master.wait(60)
    assert browser.profile(second).body["version"] == browser.version
