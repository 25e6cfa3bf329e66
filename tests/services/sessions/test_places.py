"""The cap on the sessions of a replica, on real replicas of every design."""

from __future__ import annotations

from functools import partial

import pytest

from services import contract
from services.settings import SessionDesign
from tests.services.backing import Valkey, together, wait_until
from tests.services.serving import Served
from tests.services.sessions.designs import EVERY
from tests.services.sessions.processes import Browser, figure, replicas, terminate

CAP = 4
HOLDING = [design for design in EVERY if design is not SessionDesign.EXTERNAL]
REFUSED = "statefall_logins_refused_total"


def acts(browser: Browser, served: Served) -> bool:
    """Whether a write is answered."""
    return browser.act(served).status == 200


@pytest.mark.parametrize("design", HOLDING)
def test_at_the_cap_logins_are_refused_and_nobody_is_evicted(
    design: SessionDesign, database_url: str, valkey: Valkey
) -> None:
    with replicas(design, database_url, valkey.url) as start:
        served = start("pod-a", MAX_SESSIONS=str(CAP))
        browsers = [Browser(100 + number) for number in range(3 * CAP)]
        together([partial(browser.login, served) for browser in browsers])
        inside = [browser for browser in browsers if browser.cookie]
        assert len(inside) <= CAP
        for browser in browsers:  # one after the other there is no doubt about a place
            if not browser.cookie and len(inside) < CAP:
                assert browser.login(served).status == 200
                inside.append(browser)
        for browser in inside:
            assert browser.act(served).status == 200
        refused, late = figure(served, REFUSED), next(one for one in browsers if not one.cookie)
        answer = late.login(served)
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "overloaded", "5")
        assert (answer.session, late.cookie) == (None, None)
        assert figure(served, REFUSED) == refused + 1
        again = inside[0].login(served)
        assert again.status == 503
        assert [browser.profile(served).body["version"] for browser in inside] == [1] * CAP
        assert (
            figure(served, "statefall_sessions_active") == figure(served, "statefall_sessions_limit") == CAP
        )
        assert inside[0].send(served, "POST", contract.LOGOUT, {}).status == 200
        assert late.login(served).status == 200


def test_where_sessions_live_elsewhere_the_cap_never_binds(database_url: str, valkey: Valkey) -> None:
    with replicas(SessionDesign.EXTERNAL, database_url, valkey.url) as start:
        served = start("pod-a", MAX_SESSIONS="1")
        assert [Browser(130 + number).login(served).status for number in range(3)] == [200] * 3


def test_a_session_that_moves_here_is_never_refused(database_url: str, valkey: Valkey) -> None:
    with replicas(SessionDesign.HANDOFF, database_url, valkey.url) as start:
        first, full = start("pod-a"), start("pod-b", MAX_SESSIONS="1")
        there, moving = Browser(140), [Browser(141), Browser(142)]
        assert there.login(full).status == 200
        for browser in moving:
            assert browser.login(first).status == 200
        terminate(first)
        for browser in moving:
            wait_until(partial(acts, browser, full), "the session has moved")
        assert figure(full, "statefall_sessions_active") == 3
        assert Browser(143).login(full).status == 503
