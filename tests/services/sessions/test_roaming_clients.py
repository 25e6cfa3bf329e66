"""Nothing stale and nobody else's, for users who roam and who come and go, on real replicas.

The same with 100,000 operations each is `python -m benchmarks.roaming_clients`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.settings import SessionDesign
from tests.services.backing import Valkey
from tests.services.serving import Served
from tests.services.sessions.designs import SHARED
from tests.services.sessions.processes import replicas, wait_for_peers
from tests.services.sessions.roaming_clients import come_and_go, roam, share

OPERATIONS = 1_000
SHARED_OPERATIONS = 400
COME_AND_GO_OPERATIONS = 1_700
"""What goes wrong here is rare: `test_replicated` brings it about, and the benchmark looks for the rest."""
EXPIRY_S = 2.0


@pytest.fixture(scope="module", params=SHARED)
def served(
    request: pytest.FixtureRequest, database_url: str, running_valkey: Valkey
) -> Iterator[list[Served]]:
    running_valkey.start()  # another module may have left it stopped
    with replicas(request.param, database_url, running_valkey.url, SESSION_TTL_S=str(EXPIRY_S * 20)) as start:
        yield started(request.param, [start(pod) for pod in ("pod-a", "pod-b", "pod-c")])


@pytest.fixture
def apart() -> Iterator[Valkey]:
    """A store that the others' replicas know nothing of, so that they are no peers of these."""
    server = Valkey()
    server.start()
    yield server
    server.stop()


def started(design: SessionDesign, served: list[Served]) -> list[Served]:
    if design is SessionDesign.REPLICATED:
        wait_for_peers(*served)
    return served


# Before `served` begins: six replicas at once are many for a small machine.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("design", SHARED)
def test_nobody_is_answered_with_the_session_of_another(
    design: SessionDesign, database_url: str, apart: Valkey
) -> None:
    with replicas(design, database_url, apart.url, SESSION_TTL_S=str(EXPIRY_S)) as start:
        served = started(design, [start(pod) for pod in ("pod-a", "pod-b", "pod-c")])
        tally = come_and_go(served, COME_AND_GO_OPERATIONS, threads=6, seed=1, expiry_s=EXPIRY_S)
    assert tally.wrong == []
    assert tally.seen["answered"] > COME_AND_GO_OPERATIONS / 2
    assert tally.seen["unauthenticated"] > 0
    assert tally.seen["session_expired"] > 0


@pytest.mark.timeout(600)
def test_a_client_that_roams_sees_what_was_acknowledged_and_nothing_older(served: list[Served]) -> None:
    tally = roam(served, OPERATIONS, threads=4, seed=1)
    assert tally.wrong == []
    assert tally.done == OPERATIONS
    assert tally.seen["refused"] < OPERATIONS / 20
    assert min(tally.seen["write"], tally.seen["read"]) > OPERATIONS / 4


@pytest.mark.timeout(600)
def test_the_tabs_of_a_browser_share_one_session_wherever_they_ask(served: list[Served]) -> None:
    tally = share(served, SHARED_OPERATIONS, threads=6, seed=1)
    assert tally.wrong == []
    assert min(tally.seen["write"], tally.seen["read"]) > SHARED_OPERATIONS / 4
