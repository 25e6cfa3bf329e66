"""What a pod is, and what happened between two sights of it."""

from __future__ import annotations

import time

import pytest

from statefall.clusters.kubernetes.objects.kinds import Object
from statefall.clusters.kubernetes.objects.pods import (
    end_of,
    endpoint_states,
    pod_of,
    problem,
    transitions,
    waiting_for,
)
from statefall.clusters.kubernetes.observe.view import NamespaceView
from statefall.clusters.protocol import Transition
from tests.kubernetes.objects import ended, pod, waiting


def kinds(before: Object | None, after: Object, *, gone: bool = False) -> list[Transition]:
    return [transition for transition, _ in transitions(before, after, gone=gone)]


def test_a_ready_pod_gets_new_sessions() -> None:
    seen = pod_of(pod())
    assert (seen.ready, seen.serving, seen.terminating) == (True, True, False)
    assert (seen.address, seen.revision, seen.node) == ("10.0.0.1:8000", "h1", "node-1")


def test_a_terminating_pod_serves_and_is_not_ready() -> None:
    seen = pod_of(pod(deleted=True))
    assert (seen.ready, seen.serving, seen.terminating) == (False, True, True)


def test_a_pod_whose_container_ended_serves_nobody_though_its_condition_lags() -> None:
    assert not pod_of(pod(state=ended(137), ready=True)).serving


def test_a_pod_that_has_no_address_yet_has_none() -> None:
    young = pod()
    young["status"] = {"phase": "Pending"}
    assert pod_of(young).address == ""
    assert pod_of(young).container_id == ""


def test_the_first_sight_of_a_pod_tells_all_that_it_has_behind_it() -> None:
    assert kinds(None, pod(state=waiting("ContainerCreating"), ready=False)) == [Transition.CREATED]
    assert kinds(None, pod()) == [Transition.CREATED, Transition.CONTAINER_STARTED, Transition.READY]


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (pod(), ""),
        (pod(state=ended(1), ready=False), "ended: exit 1"),
        (pod(state=ended(137, reason="OOMKilled"), ready=False), "ended: signal 9 (out of memory)"),
        (pod(deleted=True), "was deleted"),
        (None, "was deleted"),
        ({**pod(), "status": {"phase": "Failed", "reason": "Evicted"}}, "failed: Evicted"),
    ],
)
def test_how_a_pod_ended_that_is_not_restarted(obj: Object | None, message: str) -> None:
    assert end_of(obj) == message


def test_a_kill_in_place_is_an_exit_by_signal_9_then_a_start() -> None:
    running, dead = pod(), pod(state=ended(137), ready=False)
    assert transitions(running, dead) == [(Transition.CONTAINER_EXITED, "signal 9"), (Transition.UNREADY, "")]
    back = pod(container="c2", restarts=1, last=ended(137), ready=False)
    assert kinds(dead, back) == [Transition.CONTAINER_STARTED]
    assert kinds(back, pod(container="c2", restarts=1, last=ended(137))) == [Transition.READY]


def test_a_restart_that_the_watch_skipped_is_told_whole() -> None:
    after = pod(container="c2", restarts=1, last=ended(137))
    assert transitions(pod(), after) == [
        (Transition.CONTAINER_EXITED, "signal 9"),
        (Transition.CONTAINER_STARTED, ""),
        (Transition.READY, ""),
    ]


def test_a_graceful_end_is_told_in_order() -> None:
    ending = pod(deleted=True)
    assert kinds(pod(), ending) == [Transition.TERMINATING]
    over = pod(deleted=True, state=ended(0), ready=False)
    assert transitions(ending, over) == [(Transition.CONTAINER_EXITED, "exit 0")]
    assert kinds(over, over, gone=True) == [Transition.GONE]


def test_an_object_that_went_before_its_process_has_no_exit() -> None:
    before = pod(restarts=1, last=ended(137))
    assert kinds(before, before, gone=True) == [Transition.TERMINATING, Transition.GONE]


def test_nothing_happened_when_nothing_changed() -> None:
    assert kinds(pod(), pod()) == []


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (ended(143), "signal 15"),
        (ended(1), "exit 1"),
        (ended(0, signal=9), "signal 9"),
        (ended(137, reason="OOMKilled"), "signal 9 (out of memory)"),
    ],
)
def test_how_a_container_ended(state: Object, message: str) -> None:
    assert transitions(pod(), pod(state=state, ready=False))[0] == (Transition.CONTAINER_EXITED, message)


@pytest.mark.parametrize(
    ("reason", "said", "message"),
    [
        ("ErrImagePull", "", "the image statefall:0.1.0 cannot be had (ErrImagePull)"),
        ("CreateContainerConfigError", 'secret "x" not found\nmore', 'secret "x" not found'),
    ],
)
def test_a_pod_that_does_not_come_up(reason: str, said: str, message: str) -> None:
    assert message in problem(pod(state=waiting(reason, said)))


def test_a_crash_is_given_a_second_chance() -> None:
    crashed = waiting("CrashLoopBackOff")
    assert problem(pod(state=crashed, restarts=1, last=ended(2))) == ""
    assert "exit 2" in problem(pod(state=crashed, restarts=3, last=ended(2)))


@pytest.mark.parametrize(
    ("reason", "lasts_s", "final"),
    [
        ("CreateContainerConfigError", 30.0, False),
        ("CreateContainerConfigError", 90.0, True),
        ("ImagePullBackOff", 5.0, False),
        ("ImagePullBackOff", 20.0, True),
        ("InvalidImageName", 0.0, True),
    ],
)
def test_what_the_kubelet_tries_again_is_final_only_when_it_lasts(
    reason: str, lasts_s: float, final: bool
) -> None:
    view = NamespaceView()
    obj = pod(state=waiting(reason))
    view.take_pod(obj, time.monotonic() - lasts_s)
    view.take_pod(obj, time.monotonic())
    assert bool(view.final_problem(obj)) == final
    view.take_pod(pod(), time.monotonic())
    assert view.final_problem(pod()) == ""


def test_what_a_pod_waits_for() -> None:
    young = pod(ready=False)
    assert waiting_for(young) == "running, not ready"
    young["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    ]
    assert waiting_for(young) == "not scheduled: 0/2 nodes are available"


def test_endpoints_are_open_fenced_or_not_there() -> None:
    def endpoint(uid: str, *, serving: bool, terminating: bool) -> Object:
        conditions = {"ready": serving and not terminating, "serving": serving, "terminating": terminating}
        return {"targetRef": {"uid": uid}, "conditions": conditions}

    slices: list[Object] = [
        {"endpoints": [endpoint("a", serving=True, terminating=False)]},
        {
            "endpoints": [
                endpoint("b", serving=True, terminating=True),
                endpoint("c", serving=False, terminating=True),
            ]
        },
        {"endpoints": None},
    ]
    assert endpoint_states(slices) == {"a": "open", "b": "fenced"}
