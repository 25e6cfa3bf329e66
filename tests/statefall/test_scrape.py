"""What is read from a replica's metrics: the text that a real registry of the services writes."""

from __future__ import annotations

import pytest

from results import words
from results.counted import KEPT
from services.metrics import Cached, CacheResult, Metrics
from services.stateless.request_overhead import Overhead, StatelessRequestOverhead
from statefall.scrape import parse
from tests.test_services_map import counted


def test_sessions_requests_and_costs_are_read() -> None:
    metrics = Metrics("pod-a", "b00t")
    overhead = StatelessRequestOverhead(metrics)
    metrics.sessions_created.inc(3)
    metrics.lost("s1", "elsewhere")
    metrics.requests.labels("/profile", "ok").inc(5)
    metrics.requests.labels("/profile", "session_lost").inc(2)
    metrics.requests.labels("/ready", "ok").inc(100)
    metrics.cache_request(Cached.PROFILE, CacheResult.HIT)
    metrics.cache_request(Cached.PROFILE, CacheResult.MISS)
    metrics.operation("x")
    metrics.operation("x")
    metrics.store.errors.labels("get").inc(2)
    metrics.store.errors.labels("put").inc()
    with overhead.paying_for(Overhead.TOKEN_VALIDATION):
        sum(range(100_000))
    read = parse(metrics.exposition().decode())
    assert (read.boot, read.sessions_created, read.sessions_lost) == ("b00t", 3, {"elsewhere": 1})
    assert read.requests == 7
    assert read.cache_lookups == {"profile": {"hit": 1, "miss": 1}}
    assert (read.operations, read.operations_repeated) == (1, 1)
    assert read.overhead_cpu_s["token_validation"] > 0
    assert read.overhead_cpu_s["recomputation"] == 0
    assert read.cpu_s > 0
    assert read.counted == {"statefall_store_errors_total": 3}


def test_what_is_kept_is_counted_by_a_twin() -> None:
    """A renamed metric would otherwise vanish from the results in silence."""
    assert {name.removesuffix("_sum").removesuffix("_count") for name in KEPT} <= counted()
    assert set(words.COUNTED) == KEPT - {"statefall_store_seconds_sum"}


def test_a_page_that_is_no_exposition_is_refused() -> None:
    with pytest.raises(ValueError):
        parse("<html>502</html>")
