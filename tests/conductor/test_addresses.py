"""Addresses of the balancer's log become pods where the record is kept."""

from __future__ import annotations

from dataclasses import replace

from statefall.clusters.protocol import Pod, PodTransition, Transition
from statefall.conductor.addresses import Addresses
from statefall.load.messages import Mark
from statefall.records.clock import Instant
from statefall.records.events import Home, Replica, SessionLost, SessionStarted
from statefall.records.verdicts import LoadResult, RequestCounts, SessionRecord, Verdict

NOW = Instant(5.0, 5.0)
HERE, THERE = "127.0.0.1:8001", "127.0.0.1:8002"
POD = Pod("web-a", "uid-a", HERE, "c1", 0, ready=True, serving=True, terminating=False, revision="1")


def learned() -> Addresses:
    addresses = Addresses()
    for pod in (POD, replace(POD, name="web-b", uid="uid-b", address=THERE)):
        addresses.learn(PodTransition(next(iter(Transition)), pod, NOW))
    return addresses


def record(pod: str, *, live_at_mark: bool) -> SessionRecord:
    return SessionRecord("0.1", 1, 0.0, None, pod, "", live_at_mark, Verdict.KEPT, 0)


def result(*sessions: SessionRecord) -> LoadResult:
    return LoadResult(RequestCounts(), {}, 0, sessions, {f"{HERE}/": {"answered 401": 2}}, {}, ())


def test_events_name_pods() -> None:
    addresses = learned()
    started = SessionStarted(at=NOW, cell="c", session="0.1", shopper=0, user_id=1, pod=HERE, boot="")
    lost = SessionLost(
        at=NOW, cell="c", shopper=0, user_id=1, evidence="gone", phase="fault", home=Home(HERE, "", 1.0),
        session="0.1", verdict=Verdict.LOST, answered_by=(Replica(HERE, ""), Replica(THERE, "")),
        acknowledged_version=1, seen_version=None,
    )  # fmt: skip
    assert addresses.in_event(started) == replace(started, pod="web-a")
    assert addresses.in_event(lost) == replace(
        lost, home=Home("web-a", "", 1.0), answered_by=(Replica("web-a", ""), Replica("web-b", ""))
    )


def test_marks_and_results_name_pods() -> None:
    addresses = learned()
    assert addresses.in_mark(Mark(3, {f"{HERE}/": 2, f"{THERE}/": 1})).by_boot == {"web-a/": 2, "web-b/": 1}
    found = addresses.in_result(result(record(THERE, live_at_mark=True), record("", live_at_mark=False)))
    assert [session.pod for session in found.sessions] == ["web-b", ""]
    assert found.told_lost == {"web-a/": {"answered 401": 2}}


def test_a_successor_at_the_same_address_does_not_take_the_sessions_of_the_dead() -> None:
    addresses = learned()
    addresses.in_mark(Mark(1, {f"{HERE}/": 1}))
    addresses.learn(PodTransition(next(iter(Transition)), replace(POD, name="web-c", uid="uid-c"), NOW))
    found = addresses.in_result(result(record(HERE, live_at_mark=True), record(HERE, live_at_mark=False)))
    assert [session.pod for session in found.sessions] == ["web-a", "web-c"]
