"""What the executor does for a fault of each kind that goes well, from the intent to the recovery."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from statefall.clusters.protocol import ClusterError
from statefall.records.events import (
    FaultActed,
    FaultFailed,
    FaultIntended,
    FaultObserved,
    FaultRecovered,
    Victim,
)
from statefall.records.faults import FaultKind
from tests.faults.bench import Bench, names, planned


@dataclass(frozen=True, slots=True)
class Case:
    """One fault on pod-1 (node-a), pod-2 (node-b), pod-3 (node-a), and what is expected of it."""

    acts: list[str]
    """The calls to the cluster, the act itself first."""
    effect: str
    effect_s: float
    recovered_s: float
    """The first step at which it is known: steps are 0.05 s apart."""
    ready: list[str]
    """Who is ready then, oldest first."""
    given: dict[str, Any] = field(default_factory=dict)
    aimed_at: list[str] = field(default_factory=list)
    """The victims of the intent."""
    hit: list[str] | None = None
    """The victims of the observation, where they are others."""


CASES = {
    FaultKind.KILL: Case(
        acts=["kill pod-2"],
        aimed_at=["pod-2"],
        effect="container exited: pod-2 (signal 9)",
        effect_s=0.1,
        recovered_s=3.1,
        ready=["pod-1", "pod-2", "pod-3"],
    ),
    FaultKind.DELETE: Case(
        given={"grace_s": 4.0},
        acts=["delete pod-2 grace=4.0"],
        aimed_at=["pod-2"],
        effect="pod gone: pod-2",
        effect_s=0.5,
        recovered_s=2.0,
        ready=["pod-1", "pod-3", "pod-4"],
    ),
    FaultKind.DELETE_NOW: Case(
        acts=["delete pod-2 grace=0.0"],
        aimed_at=["pod-2"],
        effect="pod gone: pod-2",
        effect_s=0.1,
        recovered_s=2.0,
        ready=["pod-1", "pod-3", "pod-4"],
    ),
    FaultKind.EVICT: Case(
        acts=["evict pod-2"],
        aimed_at=["pod-2"],
        effect="pod gone: pod-2",
        effect_s=0.5,
        recovered_s=2.0,
        ready=["pod-1", "pod-3", "pod-4"],
    ),
    FaultKind.DRAIN: Case(
        given={"ordinals": (0, 1, 2)},
        acts=["cordon node-a", "evict pod-1", "evict pod-3", "uncordon node-a"],
        aimed_at=["pod-1", "pod-3"],
        effect="node node-a drained, pod gone: pod-1, pod-3",
        effect_s=0.5,
        recovered_s=2.0,
        ready=["pod-2", "pod-4", "pod-5"],
    ),
    FaultKind.SCALE_IN: Case(
        acts=["scale 2"],
        effect="pod gone: pod-3",
        hit=["pod-3"],
        effect_s=0.5,
        recovered_s=0.5,
        ready=["pod-1", "pod-2"],
    ),
    FaultKind.SCALE_OUT: Case(
        given={"count": 2},
        acts=["scale 5"],
        effect="new pod ready: pod-4, pod-5",
        hit=["pod-4", "pod-5"],
        effect_s=2.0,
        recovered_s=2.0,
        ready=["pod-1", "pod-2", "pod-3", "pod-4", "pod-5"],
    ),
    FaultKind.ROLL: Case(
        acts=["roll"],
        effect="3 pods of revision 1 replaced",
        hit=["pod-1", "pod-2", "pod-3"],
        effect_s=6.5,
        recovered_s=6.5,
        ready=["pod-4", "pod-5", "pod-6"],
    ),
    FaultKind.PAUSE: Case(
        acts=["pause pod-2", "resume pod-2"],
        aimed_at=["pod-2"],
        effect="every process stopped, for 3 s: pod-2",
        effect_s=0.0,
        recovered_s=3.0,
        ready=["pod-1", "pod-2", "pod-3"],
    ),
    FaultKind.SLOW: Case(
        acts=["slow pod-2", "end_slowness pod-2"],
        aimed_at=["pod-2"],
        effect="runs a fifth of the time, for 3 s: pod-2",
        effect_s=0.0,
        recovered_s=3.0,
        ready=["pod-1", "pod-2", "pod-3"],
    ),
    FaultKind.KILL_WORKER: Case(
        acts=["kill_worker pod-2"],
        aimed_at=["pod-2"],
        effect="worker process gone, container lives: pod-2",
        effect_s=0.0,
        recovered_s=0.0,
        ready=["pod-1", "pod-2", "pod-3"],
    ),
    FaultKind.UNREADY: Case(
        acts=["withhold_readiness pod-2", "give_readiness_back pod-2"],
        aimed_at=["pod-2"],
        effect="not ready for 3 s, memory intact: pod-2",
        effect_s=1.5,
        recovered_s=5.55,  # put back at the step after 3 s, ready at a step of its own
        ready=["pod-1", "pod-2", "pod-3"],
    ),
    FaultKind.SCALE_TO_ZERO: Case(
        acts=["scale 0", "scale 3"],
        effect="no replica for 3 s: pod-3, pod-2, pod-1",
        hit=["pod-3", "pod-2", "pod-1"],
        effect_s=0.5,
        recovered_s=5.55,  # put back at the step after 3 s, ready at a step of its own
        ready=["pod-4", "pod-5", "pod-6"],
    ),
    FaultKind.BAD_ROLL: Case(
        acts=["roll_badly", "undo_bad_roll"],
        effect="new revision started and kept from being ready, undone after 3 s: pod-4",
        hit=["pod-4"],
        effect_s=0.0,
        recovered_s=3.0,
        ready=["pod-1", "pod-2", "pod-3"],
    ),
    FaultKind.BALANCER_RESTART: Case(
        acts=["restart_balancer"],
        effect="the balancer ended, was started again and knows its endpoints",
        effect_s=0.0,
        recovered_s=0.0,
        ready=["pod-1", "pod-2", "pod-3"],
    ),
    FaultKind.BALANCER_RELOAD: Case(
        acts=["reload_balancer"],
        effect="the balancer took up a new configuration with the same endpoints",
        effect_s=0.0,
        recovered_s=0.0,
        ready=["pod-1", "pod-2", "pod-3"],
    ),
    FaultKind.STORE_FLUSH: Case(
        acts=["flush_store"],
        effect="the session store forgot everything",
        effect_s=0.0,
        recovered_s=0.0,
        ready=["pod-1", "pod-2", "pod-3"],
    ),
    FaultKind.STORE_SLOW: Case(
        acts=["slow_store", "end_slowness_of_store"],
        effect="the session store runs a fifth of the time, for 3 s",
        effect_s=0.0,
        recovered_s=3.0,
        ready=["pod-1", "pod-2", "pod-3"],
    ),
    FaultKind.STORE_OUTAGE: Case(
        acts=["stop_store", "start_store"],
        effect="the session store refuses connections, for 3 s",
        effect_s=0.0,
        recovered_s=3.0,
        ready=["pod-1", "pod-2", "pod-3"],
    ),
    FaultKind.STORE_HANG: Case(
        given={"duration_s": 1.5},
        acts=["pause_store 1.5", "start_store"],
        effect="the session store answers nothing, for 1.5 s",
        effect_s=0.0,
        recovered_s=1.5,
        ready=["pod-1", "pod-2", "pod-3"],
    ),
}
LONG_S = 20.0


@pytest.fixture(params=list(FaultKind))
def kind(request: pytest.FixtureRequest) -> FaultKind:
    """Every kind there is: one without a case fails."""
    kind: FaultKind = request.param
    return kind


def gone_well(kind: FaultKind) -> tuple[Case, Bench]:
    case = CASES[kind]
    bench = Bench((planned(kind, **case.given),))
    bench.go(LONG_S)
    bench.run.close()
    return case, bench


def test_intent_mark_act_effect_and_recovery_come_in_this_order(kind: FaultKind) -> None:
    case, bench = gone_well(kind)
    mark = " ".join(["mark f1", *case.aimed_at])
    asked = [call for call in bench.script.calls if not call.startswith("fault_")]
    assert asked == [mark, *case.acts]
    journal = [call for call in bench.script.calls if call.startswith(("fault_", "mark"))]
    assert journal == ["fault_intent f1", mark, "fault_act f1", "fault_observed f1", "fault_recovered f1"]
    order = bench.script.calls
    assert order.index("fault_act f1") < order.index(case.acts[0]) < order.index("fault_observed f1")


def test_the_intent_says_what_is_meant_and_whom_it_will_hit(kind: FaultKind) -> None:
    case, bench = gone_well(kind)
    intent = bench.one(FaultIntended)
    assert intent.fault_kind == kind.value
    assert intent.cell == "c1"
    assert intent.planned_at_s == 0.0
    assert intent.count == case.given.get("count", 1)
    assert names(intent.victims) == case.aimed_at
    for victim in intent.victims:
        number = victim.pod.removeprefix("pod-")
        assert victim == Victim(f"pod-{number}", f"uid-{number}", f"container-{number}.0")


def test_the_effect_is_told_in_words_with_its_victims_and_its_moment(kind: FaultKind) -> None:
    case, bench = gone_well(kind)
    observed = bench.one(FaultObserved)
    assert observed.effect == case.effect
    assert names(observed.victims) == (case.aimed_at if case.hit is None else case.hit)
    assert bench.seconds(observed) == pytest.approx(case.effect_s)


def test_recovery_is_when_as_many_replicas_as_wanted_are_ready(kind: FaultKind) -> None:
    case, bench = gone_well(kind)
    recovered = bench.one(FaultRecovered)
    assert recovered.ready_replicas == len(case.ready)
    assert case.recovered_s <= bench.seconds(recovered) <= case.recovered_s + 0.051
    assert bench.ready() == case.ready
    assert bench.run.failures == ()
    assert bench.run.acted


def test_what_it_did_to_store_and_nodes_is_put_back_once(kind: FaultKind) -> None:
    case, bench = gone_well(kind)
    assert bench.cluster.store == "up"
    assert bench.cluster.cordoned == set()
    undone = bench.script.of("start_store", "uncordon", "resume")
    assert undone == [act for act in case.acts if act.startswith(("start_store", "uncordon", "resume"))]


def test_an_act_that_the_cluster_refuses_is_a_failed_fault(kind: FaultKind) -> None:
    case = CASES[kind]
    bench = Bench((planned(kind, **case.given),))
    bench.script.raising[case.acts[0]] = ClusterError("it will not")
    bench.go(LONG_S)
    bench.run.close()
    assert bench.one(FaultFailed).reason == "it will not"
    assert bench.run.failures == (f"fault f1 ({kind}): it will not",)
    assert bench.of(FaultObserved) == []
    assert bench.of(FaultRecovered) == []
    assert bench.of(FaultIntended)
    assert bench.of(FaultActed)
