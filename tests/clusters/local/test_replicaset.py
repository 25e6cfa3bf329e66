"""Which pods are made and which are let go."""

from __future__ import annotations

from dataclasses import replace

from statefall.clusters.local import lifecycle
from statefall.clusters.local.lifecycle import PodState
from statefall.clusters.local.replicaset import Changes, Wanted, in_order_of_removal, plan

NOW_S = 1000.0


def pod(name: str, *, revision: str = "a", ready_for_s: float | None = 100.0, restarts: int = 0) -> PodState:
    made = PodState(name, name, "127.0.0.1:1", revision, created_s=float(ord(name)))
    made = replace(lifecycle.started(made, "c", NOW_S), restart_count=restarts)
    return made if ready_for_s is None else lifecycle.probed(made, True, NOW_S - ready_for_s)


def going(state: PodState) -> PodState:
    return lifecycle.deleted(state, NOW_S, grace_s=10.0, pre_stop_s=1.0)


def names(pods: list[PodState]) -> str:
    return "".join(state.name for state in pods)


def test_missing_pods_are_made_and_terminating_ones_do_not_count() -> None:
    assert plan([], Wanted(3, "a"), NOW_S) == Changes(create=3)
    assert plan([pod("x"), going(pod("y")), pod("z")], Wanted(3, "a"), NOW_S) == Changes(create=1)


def test_nothing_is_done_when_all_is_as_wanted() -> None:
    assert plan([pod("x"), pod("y", ready_for_s=None)], Wanted(2, "a"), NOW_S) == Changes()


def test_the_unready_go_first_then_the_restarted_then_the_youngest() -> None:
    pods = [pod("a"), pod("b", ready_for_s=None), pod("c", restarts=1), pod("d")]
    assert names(in_order_of_removal(pods, NOW_S)) == "bcda"


def test_those_ready_for_longer_stay_on_a_logarithmic_scale() -> None:
    pods = [pod("a", ready_for_s=5.0), pod("b", ready_for_s=100.0), pod("c", ready_for_s=70.0)]
    assert names(in_order_of_removal(pods, NOW_S)) == "acb"


def test_scale_in_removes_the_surplus_only() -> None:
    pods = [pod("x"), pod("y"), pod("z")]
    assert plan(pods, Wanted(1, "a"), NOW_S) == Changes(remove=("z", "y"))
    assert plan(pods, Wanted(0, "a"), NOW_S) == Changes(remove=("z", "y", "x"))


def test_an_update_begins_with_one_new_pod_and_removes_none() -> None:
    assert plan([pod("x"), pod("y")], Wanted(2, "b"), NOW_S) == Changes(create=1)


def test_an_update_waits_until_the_new_pod_is_ready() -> None:
    pods = [pod("x"), pod("y"), pod("z", revision="b", ready_for_s=None)]
    assert plan(pods, Wanted(2, "b"), NOW_S) == Changes()


def test_an_update_lets_one_old_pod_go_for_each_ready_new_one() -> None:
    pods = [pod("x"), pod("y"), pod("z", revision="b")]
    assert plan(pods, Wanted(2, "b"), NOW_S) == Changes(remove=("y",))
    pods = [pod("x"), going(pod("y")), pod("z", revision="b")]
    assert plan(pods, Wanted(2, "b"), NOW_S) == Changes(create=1)


def test_an_update_ends_with_the_wanted_number_of_new_pods() -> None:
    pods = [pod("x"), pod("y", revision="b"), pod("z", revision="b")]
    assert plan(pods, Wanted(2, "b"), NOW_S) == Changes(remove=("x",))
    assert plan(pods[1:], Wanted(2, "b"), NOW_S) == Changes()


def test_an_update_removes_broken_old_pods_first_without_loss() -> None:
    pods = [pod("x"), pod("y", ready_for_s=None), pod("z", revision="b")]
    assert plan(pods, Wanted(2, "b"), NOW_S) == Changes(remove=("y",))


def test_no_step_of_an_update_leaves_fewer_ready_pods_than_wanted() -> None:
    pods, wanted = [pod(name) for name in "pqrst"], Wanted(5, "b")
    for step_number in range(20):
        step = plan(pods, wanted, NOW_S)
        pods = [state for state in pods if state.uid not in step.remove]
        assert sum(state.ready for state in pods) >= wanted.replicas
        new = [pod(chr(ord("A") + step_number), revision="b", ready_for_s=None) for _ in range(step.create)]
        pods = [lifecycle.probed(state, True, NOW_S) for state in pods] + new
        assert len(pods) <= wanted.replicas + 1
    assert [state.revision for state in pods] == ["b"] * 5
