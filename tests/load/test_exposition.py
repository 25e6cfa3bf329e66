"""The metrics of the load: the same figures as the events, and there for Prometheus to fetch."""

from __future__ import annotations

from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from statefall.load.exposition import Exposition
from statefall.records.clock import Instant
from statefall.records.events import Event, Home, ServiceTimes, SessionLost, SessionStarted, Tick
from statefall.records.verdicts import Verdict
from tests.load.generator import config_for, generating, wait_until
from tests.load.shop import Shop, serve


def samples(text: str) -> dict[str, float]:
    """`name{label=value}` -> value."""
    return {
        sample.name + "".join(f"{{{k}={v}}}" for k, v in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


NOW = Instant(1.0, 1.0)


def tick(completed: int = 4, live_sessions: int = 3) -> Tick:
    return Tick(
        at=NOW,
        cell="c1",
        phase="baseline",
        interval_s=1.0,
        scheduled=5,
        completed=completed,
        failed=1,
        dropped=0,
        in_flight=2,
        logins=0,
        live_sessions=live_sessions,
        lost_so_far=0,
        service_ms=ServiceTimes(p50=10.0, p90=20.0, max=30.0),
    )


def test_ticks_add_up_and_the_newest_says_what_is_alive() -> None:
    log: list[Event] = [tick(), tick(completed=6, live_sessions=9)]
    exposition = Exposition(lambda after: (log[after:], len(log)), lambda: 2, lambda: "baseline")
    found = samples(exposition.text().decode())
    assert found["statefall_load_requests_total{outcome=completed}"] == 10
    assert found["statefall_load_requests_total{outcome=failed}"] == 2
    assert found["statefall_load_live_sessions"] == 9
    assert found["statefall_load_service_seconds{quantile=0.5}"] == 0.01
    assert "statefall_load_service_seconds{quantile=0.99}" not in found
    assert found["statefall_load_workers"] == 2
    assert found["statefall_load_phase{phase=baseline}"] == 1


def test_an_event_is_counted_once_however_often_it_is_scraped() -> None:
    started = SessionStarted(at=NOW, cell="c1", session="1.1", shopper=1, user_id=1, pod="a", boot="a1")
    lost = SessionLost(
        at=NOW,
        cell="c1",
        session="1.1",
        shopper=1,
        user_id=1,
        verdict=Verdict.ROLLED_BACK,
        evidence="older than what was acknowledged",
        phase="fault",
        home=Home("a", "a1", 0.5),
        answered_by=(),
        acknowledged_version=2,
        seen_version=1,
    )
    log: list[Event] = [lost, started]
    exposition = Exposition(lambda after: (log[after:], len(log)), lambda: 1, lambda: "fault")
    exposition.fault()
    for _ in range(3):
        found = samples(exposition.text().decode())
    assert found["statefall_load_sessions_lost_total{verdict=rolled_back}"] == 1
    assert found["statefall_load_sessions_lost_total{verdict=lost}"] == 0
    assert found["statefall_load_sessions_started_total"] == 1
    assert found["statefall_chaos_faults_total"] == 1


def test_the_running_generator_serves_what_its_books_say(tmp_path: Path) -> None:
    with serve(Shop()) as url, generating(config_for(url), tmp_path) as load:
        load.channel.phase("baseline")
        load.channel.start()
        wait_until(lambda: load.completed() > 100, "some requests were answered")
        load.channel.mark("f1")
        result = load.channel.finish()
        found = samples(httpx.get(f"{load.channel.url}/metrics", trust_env=False).text)
    assert found["statefall_load_requests_total{outcome=completed}"] == result.requests.completed
    assert found["statefall_load_sessions_started_total"] == len(result.sessions)
    assert found["statefall_chaos_faults_total"] == 1
