"""The schedule: which pods, when; and the rules that a fault must keep."""

from __future__ import annotations

import pytest

from statefall.clusters.protocol import ClusterError, Pod
from statefall.conductor.experiment import Fault
from statefall.faults.safety import on_node, replicas_after, victims
from statefall.faults.schedule import schedule
from statefall.records.faults import FaultKind, PlannedFault


def pod(number: int, *, ready: bool = True, node: str = "") -> Pod:
    return Pod(
        name=f"pod-{number}",
        uid=f"uid-{number}",
        address=f"127.0.0.1:{9000 + number}",
        container_id=f"{number}",
        restart_count=0,
        ready=ready,
        serving=ready,
        terminating=False,
        revision="1",
        node=node,
    )


def planned(kind: FaultKind, *, ordinals: tuple[int, ...] = (), count: int = 1) -> PlannedFault:
    return PlannedFault("f1", kind, 0.0, ordinals, count, None, 3.0)


def test_faults_come_in_order_of_time_with_ids() -> None:
    faults = schedule(
        [Fault(kind=FaultKind.DELETE, at_s=4), Fault(kind=FaultKind.KILL, at_s=1)], replicas=3, seed=1
    )
    assert [(fault.fault, fault.kind, fault.at_s) for fault in faults] == [
        ("f1", FaultKind.KILL, 1.0),
        ("f2", FaultKind.DELETE, 4.0),
    ]


def test_every_pod_can_be_a_victim_and_equal_seeds_draw_equal_ones() -> None:
    def draw(seed: int) -> tuple[int, ...]:
        return schedule([Fault(kind=FaultKind.KILL)], replicas=5, seed=seed)[0].ordinals

    assert {draw(seed) for seed in range(100)} == {(n,) for n in range(5)}
    assert draw(3) == draw(3)


def test_several_victims_are_distinct() -> None:
    fault = schedule([Fault(kind=FaultKind.KILL, count=4)], replicas=5, seed=9)[0]
    assert len(set(fault.ordinals)) == 4


@pytest.mark.parametrize("kind", [k for k in FaultKind if not k.takes_victims and k is not FaultKind.DRAIN])
def test_faults_whose_victims_the_cluster_picks_draw_none(kind: FaultKind) -> None:
    assert schedule([Fault(kind=kind)], replicas=3, seed=1)[0].ordinals == ()


def test_victims_are_drawn_among_the_ready_pods_only() -> None:
    pods = (pod(0, ready=False), pod(1), pod(2))
    assert [p.name for p in victims(planned(FaultKind.KILL, ordinals=(0,)), pods)] == ["pod-1"]


def test_a_fault_without_enough_ready_pods_is_refused() -> None:
    with pytest.raises(ClusterError, match="only 1 pods are ready"):
        victims(planned(FaultKind.KILL, ordinals=(2,)), (pod(0, ready=False), pod(1)))


def test_a_drain_takes_the_node_of_the_first_drawn_pod_that_can_be_spared() -> None:
    (fault,) = schedule([Fault(kind=FaultKind.DRAIN)], replicas=4, seed=2)
    assert sorted(fault.ordinals) == [0, 1, 2, 3]
    late = pod(4, ready=False, node="b")
    pods = (*(pod(n, node=node) for n, node in enumerate("abab")), late)
    drain = planned(FaultKind.DRAIN, ordinals=(2, 1, 3, 0))
    assert [p.name for p in on_node(drain, pods, ("a", "b"))] == ["pod-0", "pod-2"]
    assert [p.name for p in on_node(drain, pods, ("b",))] == ["pod-1", "pod-3", "pod-4"]
    with pytest.raises(ClusterError, match="no node carries replicas and nothing that all of them need"):
        on_node(drain, pods, ("c",))


def test_every_node_can_be_drained_first() -> None:
    firsts = {
        schedule([Fault(kind=FaultKind.DRAIN)], replicas=4, seed=seed)[0].ordinals[0] for seed in range(60)
    }
    assert firsts == {0, 1, 2, 3}


def test_scaling_in_to_nothing_is_refused() -> None:
    with pytest.raises(ClusterError, match="leaves none of 2"):
        replicas_after(planned(FaultKind.SCALE_IN, count=2), 2)
    assert replicas_after(planned(FaultKind.SCALE_IN, count=1), 2) == 1
    assert replicas_after(planned(FaultKind.SCALE_OUT, count=2), 2) == 4
    assert replicas_after(planned(FaultKind.KILL), 2) == 2
