"""What a kubelet does with one pod."""

from __future__ import annotations

from dataclasses import replace

import pytest

from statefall.clusters.local import lifecycle
from statefall.clusters.local.lifecycle import PodState, PodStep
from statefall.clusters.protocol import Transition

NEW = PodState("c1-a-b", "uid", "127.0.0.1:1", "a", created_s=100.0)


def running(now_s: float = 100.0) -> PodState:
    return lifecycle.started(NEW, "c-1", now_s)


def ready(now_s: float = 101.0) -> PodState:
    return lifecycle.probed(running(), True, now_s)


def test_a_new_pod_is_started_at_once() -> None:
    assert lifecycle.due(NEW, 100.0) is PodStep.START
    assert running().restart_count == 0


def test_it_is_ready_with_the_first_passed_probe() -> None:
    pod = lifecycle.probed(running(), False, 100.5)
    assert not pod.ready
    pod = lifecycle.probed(pod, True, 101.0)
    assert pod.ready
    assert pod.ready_since_s == 101.0


def test_three_failed_probes_in_a_row_make_it_unready() -> None:
    pod = lifecycle.probed(lifecycle.probed(ready(), False, 102.0), False, 102.5)
    assert pod.ready
    assert lifecycle.probed(pod, True, 103.0).misses == 0
    pod = lifecycle.probed(pod, False, 103.0)
    assert not pod.ready
    assert lifecycle.probed(pod, True, 103.5).ready_since_s == 103.5


def test_restarts_wait_longer_each_time_up_to_five_minutes() -> None:
    pod, now_s, delays = running(), 100.0, []
    for _ in range(8):
        now_s += 1.0
        pod = lifecycle.exited(pod, now_s)
        delays.append(pod.restart_at_s - now_s)
        assert lifecycle.due(pod, pod.restart_at_s - 0.01) is (PodStep.START if delays[-1] < 0 else None)
        assert lifecycle.due(pod, pod.restart_at_s) is PodStep.START
        now_s = pod.restart_at_s
        pod = lifecycle.started(pod, f"c{now_s}", now_s)
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300]
    assert pod.restart_count == 8


def test_a_container_that_ran_for_ten_minutes_restarts_at_once_again() -> None:
    pod = lifecycle.started(lifecycle.exited(running(100.0), 101.0), "c-2", 101.0)
    assert lifecycle.exited(pod, 101.0 + 599.0).backoff_s == 20.0
    pod = lifecycle.exited(pod, 101.0 + 600.0)
    assert pod.restart_at_s == 701.0
    assert pod.backoff_s == 10.0


def test_a_restarted_container_must_pass_its_probe_anew() -> None:
    pod = lifecycle.started(lifecycle.exited(ready(), 102.0), "c-2", 102.0)
    assert (pod.ready, pod.misses, pod.uid, pod.address) == (False, 0, "uid", "127.0.0.1:1")


def test_deletion_waits_for_pre_stop_then_terms_then_kills_at_the_end_of_the_grace_period() -> None:
    pod = lifecycle.deleted(ready(), 110.0, grace_s=10.0, pre_stop_s=2.0)
    assert (pod.ready, pod.serving, pod.terminating) == (False, True, True)
    assert lifecycle.next_due(pod) == 112.0
    assert lifecycle.due(pod, 111.9) is None
    assert lifecycle.due(pod, 112.0) is PodStep.TERM
    pod = lifecycle.told_to_stop(pod)
    assert lifecycle.next_due(pod) == 120.0
    assert lifecycle.due(pod, 119.9) is None
    assert lifecycle.due(pod, 120.0) is PodStep.KILL
    assert lifecycle.due(lifecycle.told_to_die(pod), 200.0) is None


def test_pre_stop_that_uses_up_the_grace_period_leaves_two_seconds() -> None:
    pod = lifecycle.deleted(ready(), 110.0, grace_s=3.0, pre_stop_s=30.0)
    assert (pod.term_at_s, pod.kill_at_s) == (113.0, 115.0)


def test_no_grace_kills_at_once() -> None:
    assert (
        lifecycle.due(lifecycle.deleted(ready(), 110.0, grace_s=0.0, pre_stop_s=2.0), 110.0) is PodStep.KILL
    )


@pytest.mark.parametrize(("grace_s", "kill_at_s"), [(0.0, 111.0), (60.0, 120.0)])
def test_a_second_delete_can_shorten_the_grace_period_only(grace_s: float, kill_at_s: float) -> None:
    pod = lifecycle.deleted(ready(), 110.0, grace_s=10.0, pre_stop_s=2.0)
    assert lifecycle.deleted(pod, 111.0, grace_s=grace_s, pre_stop_s=2.0).kill_at_s == kill_at_s


def test_a_terminating_pod_is_removed_when_its_container_has_ended_not_restarted() -> None:
    pod = lifecycle.deleted(ready(), 110.0, grace_s=10.0, pre_stop_s=2.0)
    pod = lifecycle.exited(pod, 111.0)
    assert lifecycle.due(pod, 111.0) is PodStep.REMOVE
    assert lifecycle.next_due(pod) is None


def test_a_pod_that_waits_for_its_restart_is_removed_at_once() -> None:
    waiting = replace(lifecycle.exited(running(), 101.0), restart_at_s=400.0)
    assert (
        lifecycle.due(lifecycle.deleted(waiting, 102.0, grace_s=30.0, pre_stop_s=5.0), 102.0)
        is PodStep.REMOVE
    )


def test_transitions_tell_what_changed() -> None:
    exited = lifecycle.exited(ready(), 105.0)
    leaving = lifecycle.deleted(ready(), 105.0, grace_s=5.0, pre_stop_s=1.0)
    assert lifecycle.transitions(None, NEW) == [Transition.CREATED]
    assert lifecycle.transitions(NEW, running()) == [Transition.CONTAINER_STARTED]
    assert lifecycle.transitions(running(), ready()) == [Transition.READY]
    assert lifecycle.transitions(ready(), exited) == [Transition.CONTAINER_EXITED, Transition.UNREADY]
    assert lifecycle.transitions(running(), lifecycle.exited(running(), 1.0)) == [Transition.CONTAINER_EXITED]
    assert lifecycle.transitions(ready(), leaving) == [Transition.TERMINATING]
    assert lifecycle.transitions(leaving, lifecycle.exited(leaving, 106.0)) == [Transition.CONTAINER_EXITED]
    assert lifecycle.transitions(leaving, None) == [Transition.GONE]
    assert lifecycle.transitions(ready(), lifecycle.probed(ready(), True, 107.0)) == []
