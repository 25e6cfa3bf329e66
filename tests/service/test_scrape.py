"""What is read from a replica's metrics: the text that a real registry of the services writes."""

from __future__ import annotations

import pytest

from services.metrics import Cached, CacheResult, Metrics
from services.stateless.request_overhead import Overhead, StatelessRequestOverhead
from statefall.codec import event_line
from statefall.records.clock import system_clock
from statefall.records.replica_metrics import KEPT
from statefall.results import wording
from statefall.service.scrape import parse
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
    assert set(wording.COUNTED) == KEPT - {"statefall_store_seconds_sum"}


def test_a_page_that_is_no_exposition_is_refused() -> None:
    with pytest.raises(ValueError):
        parse("<html>502</html>")


PAGE = """\
statefall_replica_info{pod="p",boot="b"} 1
statefall_sessions_active 2
statefall_sessions_created_total 3
statefall_sessions_lost_total{cause="store"} 1
statefall_operations_total{repeated="no"} 7
statefall_requests_total{route="/profile"} 9
statefall_overhead_cpu_seconds_total{part="parse"} 0.5
statefall_cache_requests_total{cache="c",result="hit"} 4
process_cpu_seconds_total 1.5
"""
NOT_FINITE = ["NaN", "+Inf", "-Inf", "1e999"]


@pytest.mark.parametrize("figure", NOT_FINITE)
def test_a_gauge_of_a_store_that_is_away_is_left_out_of_the_record(figure: str) -> None:
    read = parse(
        PAGE + f"statefall_store_sessions {figure}\nstatefall_store_memory_bytes 5\n"
        f'statefall_store_errors_total{{call="get"}} {figure}\nstatefall_store_errors_total{{call="put"}} 2\n'
    )
    assert read.counted == {"statefall_store_memory_bytes": 5}
    assert event_line(read.event(system_clock(), cell="c1", pod="p", uid="u"))


@pytest.mark.parametrize("figure", NOT_FINITE)
@pytest.mark.parametrize("place", range(1, 9))
def test_a_page_without_a_figure_that_the_books_need_is_refused(place: int, figure: str) -> None:
    lines = PAGE.splitlines()
    lines[place] = f"{lines[place].rpartition(' ')[0]} {figure}"
    assert parse(PAGE).requests == 9
    with pytest.raises(ValueError, match="not available"):
        parse("\n".join(lines) + "\n")
