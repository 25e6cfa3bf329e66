"""Why a session was lost: from the record of what happened, never from what was intended to happen.

The rules, first match wins:

1. The service says that the session had expired.
2. The session lived in a replica's memory and that replica was hit by a fault, or ended, before the
   loss was noticed: the fault's kind, or `rolled_out`/`pod_deleted` for a pod that was told to go
   and `pod_crashed` for an end that nobody asked for.
3. The session depended on the store and the store was out during its life: `store_lost`.
4. It lived in one replica's memory, another one answered, and its home was alive: `rerouted`.
5. Otherwise nothing recorded explains it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from foundation.terms import StateDesign
from results.model import Cause
from results.timeline import CellTimeline, Container, FaultLife, Loss, PodLife

IN_MEMORY: Final = frozenset(
    {StateDesign.MEMORY, StateDesign.HANDOFF, StateDesign.WRITE_THROUGH, StateDesign.REPLICATED}
)
"""Designs in which a replica holds the session, alone or as its first copy."""
IN_STORE: Final = frozenset({StateDesign.HANDOFF, StateDesign.WRITE_THROUGH, StateDesign.EXTERNAL})

STORE_FAULTS: Final = frozenset({"store-outage", "store-hang"})
"""Done to the session store, and to no pod."""
CAUSE_OF_FAULT: Final[Mapping[str, Cause]] = {
    "kill": Cause.POD_KILLED,
    "delete": Cause.POD_DELETED,
    "delete-now": Cause.POD_DELETED,
    "scale-in": Cause.SCALED_IN,
    "roll": Cause.ROLLED_OUT,
    "evict": Cause.EVICTED,
    "drain": Cause.DRAINED,
}
PICKS_VICTIMS: Final = frozenset({"scale-in", "roll", "drain"})
"""Faults that say how many or from where, and leave it to the cluster which pods go."""


def attribute(loss: Loss, timeline: CellTimeline, state: StateDesign) -> Cause:
    """The cause of a loss in a cell of this state design."""
    if loss.evidence == "expired":
        return Cause.EXPIRED
    if state in IN_MEMORY:
        cause = _end_of_home(loss, timeline)
        if cause is not None:
            return cause
    if state in IN_STORE and _store_was_out(loss, timeline):
        return Cause.STORE_LOST
    elsewhere = any(answer.pod and answer.pod != loss.home.pod for answer in loss.answered_by)
    if state in IN_MEMORY and loss.home.pod and elsewhere:
        return Cause.REROUTED
    return Cause.UNEXPLAINED


def _end_of_home(loss: Loss, timeline: CellTimeline) -> Cause | None:
    """What ended the process that held the session, when it did not outlive the loss."""
    home = timeline.pod(loss.home.pod)
    if home is None:
        return None
    container = home.of_boot(loss.home.boot)
    since_s = _since(loss, container)
    for fault in timeline.faults:
        if _hit(fault, home, since_s, loss.at_s):
            return CAUSE_OF_FAULT[fault.kind]
    if home.terminating_s is not None and home.terminating_s <= loss.at_s:
        return _told_to_go(home.terminating_s, timeline)
    if _exited(home, container, since_s, loss.at_s) or _came_back_as_another(loss):
        return Cause.POD_CRASHED
    return None


def _since(loss: Loss, container: Container | None) -> float:
    """The earliest moment at which the session's home process can have been alive as such."""
    if container is not None and container.span.start_s is not None:
        return container.span.start_s
    if container is None and loss.home_since_s is not None:
        return loss.home_since_s
    return float("-inf")


def _hit(fault: FaultLife, home: PodLife, since_s: float, until_s: float) -> bool:
    """Whether the fault was carried out on this pod while the process lived.

    The act counts, not the recorded exit: a balancer can move a client before the exit is noticed.
    """
    if fault.kind not in CAUSE_OF_FAULT or fault.act_s is None or fault.failed:
        return False
    return home.name in fault.victims and since_s <= fault.act_s <= until_s


def _told_to_go(at_s: float, timeline: CellTimeline) -> Cause:
    """Why a pod that is on no fault's list began to terminate: the last fault that picks its own victims.

    Its list is known only once its effect is complete; a loss can come before.
    """
    picking = [
        fault
        for fault in timeline.faults
        if fault.kind in PICKS_VICTIMS and fault.act_s is not None and fault.act_s <= at_s
    ]
    return CAUSE_OF_FAULT[picking[-1].kind] if picking else Cause.POD_DELETED


def _exited(home: PodLife, container: Container | None, since_s: float, until_s: float) -> bool:
    ends = [c.span.end_s for c in ([container] if container else home.containers)]
    return any(end is not None and since_s <= end <= until_s for end in ends)


def _came_back_as_another(loss: Loss) -> bool:
    """The home's own pod answered with another boot id: its process was replaced, seen or not."""
    return any(
        answer.pod == loss.home.pod and answer.boot not in ("", loss.home.boot) for answer in loss.answered_by
    )


def _store_was_out(loss: Loss, timeline: CellTimeline) -> bool:
    return any(
        fault.kind in STORE_FAULTS and fault.act_s is not None and fault.act_s <= loss.at_s
        for fault in timeline.faults
    )
