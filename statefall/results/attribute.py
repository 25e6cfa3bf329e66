"""Why a session was lost: from the record of what happened, never from what was intended to happen.

The rules, first match wins:

1. The service says that the session had expired, and its time to live can have passed.
2. The session lived in a replica's memory and that replica was hit by a fault, or ended, before the
   loss was noticed: the fault's kind, or `rolled_out`/`pod_deleted` for a pod that was told to go
   and `pod_crashed` for an end that nobody asked for.
3. The session depended on the store, and the store was out since it was last seen intact: `store_lost`.
4. It lived in one replica's memory, another one answered, and its home was alive and did not itself say
   that it knows no such session: `rerouted`.
5. Nobody can say which replica answered, and a fault came before: `near_fault`, a cause by time alone.
6. Otherwise nothing recorded explains it.
"""

from __future__ import annotations

from typing import Final

from statefall.records.causes import Cause
from statefall.records.events import Replica, SessionLost
from statefall.records.faults import Ends, Hits
from statefall.records.terms import StateDesign
from statefall.results.timeline import CellTimeline, ContainerLife, FaultLife, PodLife

LATE_S: Final = 2.0
"""So much later than the service may a shopper have the answer that began a session's time anew."""
IN_MEMORY: Final = frozenset(
    {
        StateDesign.MEMORY,
        StateDesign.HANDOFF,
        StateDesign.WRITE_THROUGH,
        StateDesign.REPLICATED,
        StateDesign.REPLICA,
        StateDesign.UNKNOWN,
    }
)
"""Designs in which a replica holds the session, or may hold it, alone or as its first copy."""
IN_STORE: Final = frozenset(
    {StateDesign.HANDOFF, StateDesign.WRITE_THROUGH, StateDesign.EXTERNAL, StateDesign.STORE}
)


def attribute(
    loss: SessionLost, timeline: CellTimeline, state: StateDesign, *, session_ttl_s: float | None = None
) -> Cause:
    """The cause of a loss in a cell of this state design; without a time to live, expiry is believed."""
    if loss.evidence == "expired" and _can_have_expired(loss, timeline, state, session_ttl_s):
        return Cause.EXPIRED
    if state in IN_MEMORY:
        cause = _end_of_home(loss, timeline)
        if cause is not None:
            return cause
    if state in IN_STORE and _store_was_out(loss, timeline):
        return Cause.STORE_LOST
    elsewhere = any(answer.pod and answer.pod != loss.home.pod for answer in loss.answered_by)
    knew = Replica(loss.home.pod, loss.home.boot) not in loss.answered_by
    if state in IN_MEMORY and loss.home.pod and elsewhere and knew:
        return Cause.REROUTED
    if not loss.home.pod and latest_fault(loss, timeline) is not None:
        return Cause.NEAR_FAULT
    return Cause.UNEXPLAINED


def latest_fault(loss: SessionLost, timeline: CellTimeline) -> FaultLife | None:
    """The last fault that was carried out before the loss was seen."""
    before = [f for f in timeline.faults if f.act_s is not None and f.act_s <= loss.at_s and not f.failed]
    return max(before, key=lambda fault: fault.act_s or 0.0, default=None)


def by_time(loss: SessionLost, timeline: CellTimeline) -> str:
    """For a loss that is placed by time alone, in words: how long after which fault it was seen."""
    fault = latest_fault(loss, timeline)
    if fault is None or fault.act_s is None:
        return ""
    return f"within {max(loss.at_s - fault.act_s, 0.1):.1f} s of {fault.fault} ({fault.kind})"


def _can_have_expired(
    loss: SessionLost, timeline: CellTimeline, state: StateDesign, session_ttl_s: float | None
) -> bool:
    """A token's time runs from its issue, at the login or later; any other session's from its last use.

    The service counts from when it handled a request, the shopper from the answer.
    """
    begun = [start.at_s for start in timeline.starts if start.session == loss.session]
    age_s = loss.at_s - begun[0] if begun else None
    unused_s = age_s if state is StateDesign.CLIENT or loss.idle_s is None else loss.idle_s
    return session_ttl_s is None or unused_s is None or unused_s + LATE_S >= session_ttl_s


def _end_of_home(loss: SessionLost, timeline: CellTimeline) -> Cause | None:
    """What ended the process that held the session, when it did not outlive the loss."""
    home = timeline.pod(loss.home.pod, loss.home.boot)
    if home is None:
        return None
    container = home.of_boot(loss.home.boot)
    since_s = _since(loss, container)
    for fault in timeline.faults:
        if _hit(fault, home, since_s, loss.at_s):
            return _cause(fault)
    if home.terminating_s is not None and home.terminating_s <= loss.at_s:
        return _told_to_go(home.terminating_s, timeline)
    if _exited(home, container, since_s, loss.at_s) or _came_back_as_another(loss):
        return Cause.POD_CRASHED
    return None


def _since(loss: SessionLost, container: ContainerLife | None) -> float:
    """The earliest moment at which the session's home process can have been alive as such."""
    if container is not None and container.span.start_s is not None:
        return container.span.start_s
    if container is None:
        return loss.home.since_s
    return float("-inf")


def _hit(fault: FaultLife, home: PodLife, since_s: float, until_s: float) -> bool:
    """Whether the fault was carried out on this pod while the process lived.

    The act counts, not the recorded exit: a balancer can move a client before the exit is noticed.
    """
    if fault.ends in {None, Ends.NOTHING} or fault.act_s is None or fault.failed:
        return False
    return home.name in fault.victims and since_s <= fault.act_s <= until_s


def _cause(fault: FaultLife) -> Cause:
    return (fault.traits.cause if fault.traits else None) or Cause.UNEXPLAINED


def _lets_the_cluster_pick(fault: FaultLife) -> bool:
    """Whether it says how many, or from where, and leaves it to the cluster which pods go."""
    traits = fault.traits
    return traits is not None and traits.ends is not Ends.NOTHING and traits.hits in {Hits.CHOSEN, Hits.NODE}


def _told_to_go(at_s: float, timeline: CellTimeline) -> Cause:
    """Why a pod that is on no fault's list began to terminate: the last fault that picks its own victims.

    Its list is known only once its effect is complete; a loss can come before.
    """
    picking = [
        fault
        for fault in timeline.faults
        if _lets_the_cluster_pick(fault) and fault.act_s is not None and fault.act_s <= at_s
    ]
    return _cause(picking[-1]) if picking else Cause.POD_DELETED


def _exited(home: PodLife, container: ContainerLife | None, since_s: float, until_s: float) -> bool:
    ends = [c.span.end_s for c in ([container] if container else home.containers)]
    return any(end is not None and since_s <= end <= until_s for end in ends)


def _came_back_as_another(loss: SessionLost) -> bool:
    """The home's own pod answered with another boot id: its process was replaced, seen or not."""
    return any(
        answer.pod == loss.home.pod and answer.boot not in ("", loss.home.boot) for answer in loss.answered_by
    )


def _store_was_out(loss: SessionLost, timeline: CellTimeline) -> bool:
    """One that was over before the session was last seen intact explains nothing."""
    intact_s = float("-inf") if loss.idle_s is None else loss.at_s - loss.idle_s
    return any(
        fault.hits_store
        and fault.act_s is not None
        and fault.act_s <= loss.at_s
        and (fault.recovered_s is None or intact_s <= fault.recovered_s)
        for fault in timeline.faults
    )
