"""A fault by hand, on a fake cluster: what it says beforehand, does, watches, and puts back."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field
from typing import Any

import pytest

from statefall.clusters.protocol import PodTransition
from statefall.faults.by_hand import FaultByHand, HandFault, refuse_senseless
from statefall.records.cells import CellSpec
from statefall.records.errors import InputError
from statefall.records.events import Event, FaultEvent
from statefall.records.faults import FaultKind
from statefall.records.terms import Balancer, Service, StateDesign
from tests.fakes.clock import VirtualClock
from tests.fakes.cluster import FakeCluster

STEP_S = 0.05


@dataclass(slots=True)
class Hand:
    """Three ready replicas and a person."""

    cluster: FakeCluster = field(default_factory=lambda: FakeCluster(VirtualClock()))
    journal: list[str] = field(default_factory=list)
    _seen: queue.SimpleQueue[PodTransition] = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        self.cluster.deploy(CellSpec("c1", Service.STATEFUL, StateDesign.MEMORY, Balancer.STICKY, 3))
        self.cluster.subscribe(self._seen.put)
        self.cluster.script.calls.clear()

    @property
    def calls(self) -> list[str]:
        return self.cluster.script.calls

    def fault(self, kind: FaultKind, **given: Any) -> FaultByHand:
        return FaultByHand(self.cluster, HandFault(kind, **given), "f1", self._keep, self.cluster.clock)

    def go(self, fault: FaultByHand, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            while not self._seen.empty():
                fault.notice(self._seen.get())
            fault.step()
            self.cluster.clock.sleep(STEP_S)

    def ready(self) -> int:
        return sum(pod.ready for pod in self.cluster.pods())

    def _keep(self, event: Event) -> None:
        assert isinstance(event, FaultEvent)
        self.journal.append(f"{event.fault} {event.kind}")


WHOLE = ["f1 fault_intent", "f1 fault_act", "f1 fault_observed", "f1 fault_recovered"]
BACK = [line.replace("f1", "f1-back") for line in WHOLE]


@pytest.mark.parametrize(
    ("kind", "acts"),
    [
        (FaultKind.KILL, ["kill pod-2"]),
        (FaultKind.DELETE, ["delete pod-2 grace=None"]),
        (FaultKind.DELETE_NOW, ["delete pod-2 grace=0.0"]),
        (FaultKind.EVICT, ["evict pod-2"]),
        (FaultKind.ROLL, ["roll"]),
        (FaultKind.PAUSE, ["pause pod-2", "resume pod-2"]),
        (FaultKind.KILL_WORKER, ["kill_worker pod-2"]),
        (FaultKind.UNREADY, ["withhold_readiness pod-2", "give_readiness_back pod-2"]),
        (FaultKind.SLOW, ["slow pod-2", "end_slowness pod-2"]),
        (FaultKind.SCALE_TO_ZERO, ["scale 0", "scale 3"]),
        (FaultKind.BAD_ROLL, ["roll_badly", "undo_bad_roll"]),
        (FaultKind.BALANCER_RESTART, ["restart_balancer"]),
        (FaultKind.STORE_FLUSH, ["flush_store"]),
        (FaultKind.STORE_OUTAGE, ["stop_store", "start_store"]),
        (FaultKind.STORE_HANG, ["pause_store 3", "start_store"]),
    ],
)
def test_a_fault_is_journalled_and_over_when_all_is_well_again(kind: FaultKind, acts: list[str]) -> None:
    hand = Hand()
    named = {"pod": "pod-2"} if kind.takes_victims else {}
    fault = hand.fault(kind, duration_s=3.0, **named)
    fault.begin()
    hand.go(fault, 12.0)
    assert fault.over
    assert fault.failures == ()
    assert hand.calls == acts
    assert hand.journal == WHOLE
    assert hand.ready() == 3


def test_a_drain_gives_the_node_back_by_itself() -> None:
    hand = Hand()
    fault = hand.fault(FaultKind.DRAIN)
    node = fault.touches()[0].rpartition(" ")[2]
    fault.begin()
    hand.go(fault, 12.0)
    assert fault.over
    assert (hand.calls[0], hand.calls[-1]) == (f"cordon {node}", f"uncordon {node}")
    assert hand.journal == WHOLE


@pytest.mark.parametrize(
    ("kind", "acts", "meanwhile"),
    [
        (FaultKind.SCALE_IN, ["scale 1", "scale 3"], 1),
        (FaultKind.SCALE_OUT, ["scale 5", "scale 3"], 5),
    ],
)
def test_another_number_of_replicas_is_put_back(kind: FaultKind, acts: list[str], meanwhile: int) -> None:
    hand = Hand()
    fault = hand.fault(kind, count=2, duration_s=8.0)
    fault.begin()
    hand.go(fault, 7.0)
    assert (hand.ready(), fault.over) == (meanwhile, False)
    hand.go(fault, 6.0)
    assert fault.over
    assert hand.calls == acts
    assert hand.journal == WHOLE + BACK
    assert hand.ready() == 3


@pytest.mark.parametrize(
    ("kind", "acts"),
    [
        (FaultKind.PAUSE, ["pause pod-2", "resume pod-2"]),
        (FaultKind.STORE_OUTAGE, ["stop_store", "start_store"]),
        (FaultKind.SCALE_IN, ["scale 2", "scale 3"]),
    ],
)
def test_enough_puts_back_what_lasts_at_once(kind: FaultKind, acts: list[str]) -> None:
    hand = Hand()
    named = {"pod": "pod-2"} if kind.takes_victims else {}
    fault = hand.fault(kind, duration_s=1000.0, **named)
    fault.begin()
    hand.go(fault, 2.0)
    assert hand.calls == acts[:1]
    fault.stop()
    assert hand.calls == acts
    hand.go(fault, 4.0)
    assert fault.over
    assert fault.failures == ()
    assert hand.ready() == 3


def test_a_store_that_hangs_goes_on_by_itself_and_not_sooner() -> None:
    hand = Hand()
    fault = hand.fault(FaultKind.STORE_HANG, duration_s=3.0)
    fault.begin()
    fault.stop()
    hand.go(fault, 2.0)
    assert not fault.over
    hand.go(fault, 2.0)
    assert fault.over


def test_what_shows_no_effect_has_failed() -> None:
    hand = Hand()
    hand.cluster.kills_nothing = True
    fault = hand.fault(FaultKind.KILL)
    fault.begin()
    hand.go(fault, 61.0)
    assert fault.over
    assert fault.failures == ("fault f1 (kill): no effect was observed within 60 s",)


def test_replicas_that_never_come_back_are_not_waited_for_for_ever() -> None:
    hand = Hand()
    fault = hand.fault(FaultKind.KILL)
    hand.cluster.never_ready = True
    fault.begin()
    hand.go(fault, 200.0)
    assert fault.over
    (failure,) = fault.failures
    assert "not ready again" in failure


def test_a_scale_that_fails_after_the_act_is_put_back() -> None:
    hand = Hand()
    fault = hand.fault(FaultKind.SCALE_OUT, duration_s=1.0)
    hand.cluster.never_ready = True
    fault.begin()
    hand.go(fault, 62.0)
    assert hand.calls == ["scale 4", "scale 3"]


def test_a_victim_that_was_replaced_since_it_was_drawn_is_not_hit() -> None:
    hand = Hand()
    fault = hand.fault(FaultKind.KILL, pod="pod-1")
    hand.cluster.delete(hand.cluster.pods()[0])
    hand.cluster.clock.sleep(5.0)
    hand.calls.clear()
    fault.begin()
    hand.go(fault, 0.1)
    assert hand.calls == []
    assert fault.over
    (failure,) = fault.failures
    assert "pod-1 has been replaced" in failure


def test_the_same_seed_draws_the_same_victims_and_says_so_beforehand() -> None:
    said = [Hand().fault(FaultKind.KILL, count=2, seed=seed).touches() for seed in (3, 3, 4)]
    assert said[0] == said[1] != said[2]
    assert said[0][0] == "SIGKILL: 2 of 3 replicas"
    assert len(said[0]) == 3


@pytest.mark.parametrize(
    ("kind", "given", "part"),
    [
        (FaultKind.KILL, {"count": 4}, "only 3 are ready"),
        (FaultKind.KILL, {"pod": "pod-9"}, "ready are pod-1, pod-2, pod-3"),
        (FaultKind.KILL, {"grace_s": 3.0}, "--grace"),
        (FaultKind.KILL, {"pod": "pod-1", "count": 2}, "--count"),
        (FaultKind.ROLL, {"count": 2}, "--count"),
        (FaultKind.SCALE_IN, {"pod": "pod-1"}, "--pod"),
        (FaultKind.SCALE_IN, {"count": 3}, "leaves none of 3 replicas"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is(
    kind: FaultKind, given: dict[str, Any], part: str
) -> None:
    hand = Hand()
    with pytest.raises(InputError) as refusal:
        hand.fault(kind, **given)
    assert part in str(refusal.value)
    assert (hand.calls, hand.journal) == ([], [])


def test_a_duration_is_for_what_lasts() -> None:
    refuse_senseless(HandFault(FaultKind.PAUSE), duration_given=True)
    with pytest.raises(InputError, match="does not last"):
        refuse_senseless(HandFault(FaultKind.KILL), duration_given=True)
