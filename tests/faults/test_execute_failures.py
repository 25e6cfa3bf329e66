"""What the executor does with faults that do not go well: late, refused, unseen, or cut short."""

from __future__ import annotations

import pytest

from statefall.clusters.protocol import ClusterError
from statefall.faults.execute import EFFECT_DEADLINE_S
from statefall.records.events import (
    FaultActed,
    FaultFailed,
    FaultIntended,
    FaultObserved,
    FaultRecovered,
)
from statefall.records.faults import FaultKind
from tests.fakes.cluster import RETRY_S
from tests.faults.bench import Bench, planned

LONG_S = 20.0


def test_a_fault_acts_at_its_time_and_not_before() -> None:
    bench = Bench((planned(FaultKind.KILL, at_s=2.0),))
    bench.go(1.9)
    assert bench.journal == []
    assert not bench.run.acted
    bench.go(LONG_S)
    assert 2.0 <= bench.seconds(bench.one(FaultActed)) <= 2.051
    assert 2.1 <= bench.seconds(bench.one(FaultObserved)) <= 2.151


def test_a_kill_that_nobody_sees_the_effect_of_fails_after_its_deadline_once() -> None:
    bench = Bench((planned(FaultKind.KILL),))
    bench.cluster.kills_nothing = True
    bench.go(EFFECT_DEADLINE_S)
    assert bench.of(FaultFailed) == []
    bench.go(1.0)
    failed = bench.one(FaultFailed)
    assert failed.reason == "no effect was observed within 60 s"
    assert 60.0 < bench.seconds(failed) <= 60.1
    bench.go(LONG_S)
    bench.run.close()
    assert bench.run.failures == ("fault f1 (kill): no effect was observed within 60 s",)
    assert bench.of(FaultObserved) == []
    assert bench.of(FaultRecovered) == []


@pytest.mark.parametrize(
    ("kind", "given", "deadline_s"),
    [
        (FaultKind.DELETE, {"grace_s": 30.0}, 90.0),
        (FaultKind.EVICT, {"ordinals": (0, 1)}, 120.0),
        (FaultKind.DRAIN, {"ordinals": (0, 1, 2)}, 120.0),
    ],
)
def test_the_deadline_counts_the_grace_period_and_the_time_of_each_eviction(
    kind: FaultKind, given: dict[str, object], deadline_s: float
) -> None:
    bench = Bench((planned(kind, **given),))
    bench.cluster.shutdown_s = 1e6
    bench.go(deadline_s - 1.0)
    assert bench.of(FaultFailed) == []
    bench.go(2.0)
    assert bench.one(FaultFailed).reason == f"no effect was observed within {deadline_s:g} s"


def test_nobody_is_hit_when_too_few_pods_are_ready() -> None:
    bench = Bench((planned(FaultKind.KILL), planned(FaultKind.DELETE, fault="f2", at_s=0.5, ordinals=(2,))))
    bench.go(1.0)
    reason = "fault f2 (delete) is drawn for pod number 3, but only 2 pods are ready"
    assert bench.one(FaultFailed, "f2").reason == reason
    assert bench.of(FaultIntended, "f2") == []
    assert bench.script.of("mark", "delete") == ["mark f1 pod-2"]


def test_a_drain_needs_a_node_that_can_be_spared() -> None:
    bench = Bench((planned(FaultKind.DRAIN, ordinals=(0, 1, 2)),))
    bench.cluster.needed = frozenset({"node-a", "node-b"})
    bench.go(1.0)
    assert "no node carries replicas" in bench.one(FaultFailed).reason
    assert bench.script.of("cordon", "evict", "mark") == []


def test_a_scale_in_to_nothing_is_refused() -> None:
    bench = Bench((planned(FaultKind.SCALE_IN, count=3),))
    bench.go(1.0)
    assert "leaves none of 3 replicas" in bench.one(FaultFailed).reason
    assert bench.script.of("scale", "mark") == []


def test_a_refused_eviction_is_asked_for_again_when_the_budget_says_so() -> None:
    bench = Bench((planned(FaultKind.EVICT),))
    bench.cluster.refusals = 2
    bench.go(RETRY_S - 0.5)
    assert bench.script.of("evict") == ["evict pod-2"]
    bench.go(LONG_S)
    assert bench.script.of("evict") == ["evict pod-2"] * 3
    observed = bench.one(FaultObserved)
    assert observed.effect == "pod gone: pod-2"
    assert 2 * RETRY_S + 0.5 <= bench.seconds(observed) <= 2 * RETRY_S + 0.7
    assert bench.of(FaultRecovered)
    assert bench.run.failures == ()


def test_a_drain_asks_again_only_for_those_whom_the_budget_kept() -> None:
    bench = Bench((planned(FaultKind.DRAIN, ordinals=(0, 1, 2)),))
    bench.cluster.refusals = 1
    bench.go(LONG_S)
    asked = ["cordon node-a", "evict pod-1", "evict pod-3", "evict pod-1", "uncordon node-a"]
    assert bench.script.of("cordon", "evict", "uncordon") == asked
    assert bench.one(FaultObserved).effect == "node node-a drained, pod gone: pod-3, pod-1"


def test_an_eviction_that_something_else_refuses_fails_at_once_and_is_not_asked_again() -> None:
    bench = Bench((planned(FaultKind.EVICT),))
    bench.script.raising["evict"] = ClusterError("forbidden")
    bench.go(LONG_S)
    bench.run.close()
    assert bench.script.of("evict") == ["evict pod-2"]
    assert bench.run.failures == ("fault f1 (evict): forbidden",)
    assert bench.of(FaultObserved) == []


def test_a_drain_that_was_given_up_gives_its_node_back_at_once() -> None:
    bench = Bench((planned(FaultKind.DRAIN, ordinals=(0, 1, 2)),))
    bench.script.raising["evict"] = ClusterError("forbidden")
    bench.go(1.0)
    assert bench.script.of("cordon", "uncordon") == ["cordon node-a", "uncordon node-a"]
    assert bench.cluster.cordoned == set()


def test_a_refused_act_takes_back_what_it_had_done_to_its_first_victims() -> None:
    bench = Bench((planned(FaultKind.PAUSE, ordinals=(0, 1), count=2),))
    bench.script.raising["pause pod-2"] = ClusterError("it will not")
    bench.go(1.0)
    assert bench.script.of("pause", "resume") == [
        "pause pod-1",
        "pause pod-2",
        "resume pod-1",
        "resume pod-2",
    ]
    assert bench.run.failures == ("fault f1 (pause): it will not",)


def test_what_cannot_be_put_back_at_the_end_hides_nothing_else() -> None:
    late = planned(FaultKind.PAUSE, fault="f2", at_s=0.5, duration_s=60.0)
    bench = Bench((planned(FaultKind.STORE_OUTAGE, duration_s=60.0), late))
    bench.go(1.0)
    bench.script.raising["start_store"] = ClusterError("no store")
    with pytest.raises(ClusterError, match="no store"):
        bench.run.close()
    assert bench.script.of("resume") == ["resume pod-2"]


def test_there_is_no_recovery_while_a_successor_is_not_ready() -> None:
    bench = Bench((planned(FaultKind.DELETE_NOW),))
    bench.cluster.never_ready = True
    bench.go(LONG_S)
    bench.run.close()
    assert bench.one(FaultObserved).effect == "pod gone: pod-2"
    assert bench.of(FaultRecovered) == []
    assert bench.run.failures == ()


def test_two_faults_of_one_cell_are_watched_each_for_itself() -> None:
    bench = Bench(
        (
            planned(FaultKind.SCALE_OUT),
            planned(FaultKind.KILL, fault="f2", at_s=1.0, ordinals=(0,)),
            planned(FaultKind.KILL, fault="f3", at_s=8.0, ordinals=(2,)),
        )
    )
    bench.go(LONG_S)
    bench.run.close()
    assert [bench.one(FaultObserved, f).effect for f in ("f1", "f2", "f3")] == [
        "new pod ready: pod-4",
        "container exited: pod-1 (signal 9)",
        "container exited: pod-3 (signal 9)",
    ]
    # After the scale-out four replicas are wanted: those faults too are over when all four are ready.
    assert [bench.one(FaultRecovered, f).ready_replicas for f in ("f1", "f2", "f3")] == [4, 4, 4]
    assert bench.run.failures == ()


def test_two_faults_that_are_due_at_once_are_carried_out_in_their_order() -> None:
    bench = Bench((planned(FaultKind.KILL), planned(FaultKind.KILL, fault="f2", ordinals=(2,))))
    bench.step()
    assert bench.script.of("mark", "kill") == [
        "mark f1 pod-2",
        "kill pod-2",
        "mark f2 pod-3",
        "kill pod-3",
    ]


def test_a_fault_whose_time_never_came_is_a_failed_fault() -> None:
    bench = Bench((planned(FaultKind.KILL, at_s=30.0),))
    bench.go(1.0)
    bench.run.close()
    assert bench.run.failures == ("fault f1 (kill): the cell ended before its time came",)
    assert [type(event) for event in bench.journal] == [FaultFailed]


def test_an_effect_that_was_not_seen_before_the_end_is_a_failed_fault() -> None:
    bench = Bench((planned(FaultKind.KILL),))
    bench.cluster.kills_nothing = True
    bench.go(1.0)
    bench.run.close()
    assert bench.run.failures == ("fault f1 (kill): no effect was observed before the end of the cell",)


UNDOING = ("start_store", "end_slowness_of_store")


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind.hits_store and kind.traits.lasts])
def test_a_close_in_the_middle_of_an_outage_puts_the_store_back(kind: FaultKind) -> None:
    bench = Bench((planned(kind, duration_s=10.0),))
    bench.go(5.0)
    assert bench.cluster.store != "up"
    assert bench.script.of(*UNDOING) == []
    bench.run.close()
    assert bench.cluster.store == "up"
    bench.run.close()
    assert len(bench.script.of(*UNDOING)) == 1
