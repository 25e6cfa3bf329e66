"""Nothing stale and nobody else's, for users who wander and who come and go, on real replicas.

The same with 100,000 operations each is `python -m benchmarks.wanderers`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.settings import SessionDesign
from tests.services.backing import Valkey
from tests.services.serving import Served
from tests.services.sessions.designs import SHARED
from tests.services.sessions.processes import replicas, wait_for_peers
from tests.services.sessions.wanderers import come_and_go, share, wander

OPERATIONS = 1_700
SHARED_OPERATIONS = 600
"""What goes wrong here is rare: `test_replicated` brings it about, and the benchmark looks for the rest."""
EXPIRY_S = 2.0


@pytest.fixture(params=SHARED)
def served(request: pytest.FixtureRequest, database_url: str, valkey: Valkey) -> Iterator[list[Served]]:
    with replicas(request.param, database_url, valkey.url, SESSION_TTL_S=str(EXPIRY_S * 20)) as start:
        yield started(request.param, [start(pod) for pod in ("pod-a", "pod-b", "pod-c")])


def started(design: SessionDesign, served: list[Served]) -> list[Served]:
    if design is SessionDesign.REPLICATED:
        wait_for_peers(*served)
    return served


@pytest.mark.timeout(600)
def test_a_user_who_wanders_sees_what_was_acknowledged_and_nothing_older(served: list[Served]) -> None:
    tally = wander(served, OPERATIONS, threads=4, seed=1)
    assert tally.wrong == []
    assert tally.done == OPERATIONS
    assert tally.seen["refused"] < OPERATIONS / 20
    assert min(tally.seen["write"], tally.seen["read"]) > OPERATIONS / 4


@pytest.mark.timeout(600)
def test_the_tabs_of_a_browser_share_one_session_wherever_they_ask(served: list[Served]) -> None:
    tally = share(served, SHARED_OPERATIONS, threads=6, seed=1)
    assert tally.wrong == []
    assert min(tally.seen["write"], tally.seen["read"]) > SHARED_OPERATIONS / 4


@pytest.mark.timeout(600)
@pytest.mark.parametrize("design", SHARED)
def test_nobody_is_answered_with_the_session_of_another(
    design: SessionDesign, database_url: str, valkey: Valkey
) -> None:
    with replicas(design, database_url, valkey.url, SESSION_TTL_S=str(EXPIRY_S)) as start:
        served = started(design, [start(pod) for pod in ("pod-a", "pod-b", "pod-c")])
        tally = come_and_go(served, OPERATIONS, threads=6, seed=1, expiry_s=EXPIRY_S)
    assert tally.wrong == []
    assert tally.seen["answered"] > OPERATIONS / 2
    assert tally.seen["unauthenticated"] > 0
    assert tally.seen["session_expired"] > 0
