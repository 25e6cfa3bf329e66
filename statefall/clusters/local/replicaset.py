"""What a ReplicaSet and a Deployment do: which pods to make and which to let go. Pure.

A rolling update has one pod of surge and none unavailable: it makes a new pod, waits until that
is ready, lets an old one go, and goes on until none is old. Unlike in Kubernetes, an old pod that
is lost during an update is made up for by a new one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from statefall.clusters.local.lifecycle import PodState


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall be."""

    replicas: int
    revision: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What to do about it now."""

    create: int = 0
    """How many pods of the wanted revision to make."""
    remove: tuple[str, ...] = ()
    """UIDs of the pods to delete gracefully."""


def plan(pods: Sequence[PodState], wanted: Wanted, now_s: float) -> Changes:
    """The next step from these pods (in order of creation) to what is wanted; empty when it is reached."""
    active = [pod for pod in pods if not pod.terminating]
    old = [pod for pod in active if pod.revision != wanted.revision]
    new = [pod for pod in active if pod.revision == wanted.revision]
    surge = 1 if old else 0
    room = wanted.replicas + surge - len(active)
    create = max(min(room, wanted.replicas - len(new)), 0)
    surplus = in_order_of_removal(new, now_s)[: max(len(new) - wanted.replicas, 0)]
    return Changes(create, tuple(pod.uid for pod in (*surplus, *_dispensable(active, old, wanted, now_s))))


def _dispensable(
    active: Sequence[PodState], old: Sequence[PodState], wanted: Wanted, now_s: float
) -> list[PodState]:
    """The old pods that can go without ever leaving fewer ready ones than wanted."""
    pending = sum(not pod.ready for pod in active if pod.revision == wanted.revision)
    ready = sum(pod.ready for pod in active)
    order = in_order_of_removal(old, now_s)
    broken = [pod for pod in order if not pod.ready][: max(len(active) - wanted.replicas - pending, 0)]
    spare = [pod for pod in order if pod.ready][: max(ready - wanted.replicas, 0)]
    return [*broken, *spare]


def in_order_of_removal(pods: Sequence[PodState], now_s: float) -> list[PodState]:
    """Who goes first when there are too many.

    As a ReplicaSet ranks them (kubernetes/pkg/controller/controller_utils.go, ActivePodsWithRanks):
    unready before ready, ready for a shorter time first (on a logarithmic scale), more restarts
    first, younger first.
    """

    def rank(pod: PodState) -> tuple[bool, int, int, float]:
        ready_for_s = max(now_s - pod.ready_since_s, 1.0) if pod.ready_since_s is not None else 1.0
        return pod.ready, int(math.log2(ready_for_s)), -pod.restart_count, -pod.created_s

    return sorted(pods, key=rank)
