"""How many sessions a fault should cost, from where they lived when it came: a second, narrow interval.

The closed forms of `statefall.results.predict` know the number of sessions alone, so their interval
covers every way to deal them out. The mark counts them by home. Where a user is held to one replica and
a session lives in that replica's memory only, the sessions lost are those whose home was hit, no more
and no fewer. All published cells of this kind lost exactly as many.
"""

from __future__ import annotations

from statefall.records.faults import Ends
from statefall.records.terms import Balancer, StateDesign
from statefall.results.model import Prediction
from statefall.results.predict import Forecast
from statefall.results.run_head import CellPlan
from statefall.results.timeline import CellTimeline, FaultLife

_IN_MEMORY = frozenset({StateDesign.MEMORY, StateDesign.HANDOFF, StateDesign.REPLICA})


def predict_from_homes(plan: CellPlan, timeline: CellTimeline, first: Forecast) -> Forecast:
    """The narrow interval, where homes decide; empty elsewhere. `first` is the prediction without them."""
    if first.lost.low is None or not timeline.marks:
        return _none("there is no closed form for this combination")
    if first.lost.low == first.lost.high:
        return Forecast(first.lost, first.basis)
    held = plan.balancer in {Balancer.STICKY, Balancer.CLIENT_IP}
    if plan.state not in _IN_MEMORY or not held or not timeline.faults:
        return _none("homes decide nothing where a session lives elsewhere, or its users roam")
    hits = [fault for fault in timeline.faults if _takes_sessions(fault, plan.state)]
    if any(not fault.victims for fault in hits):
        return _none("the cluster chose the victims, and its choice was not seen")
    if not homes_are_known(timeline):
        return _none("nobody says which replica answered, so no home is known")
    victims = {pod for fault in hits for pod in fault.victims}
    by_boot = timeline.marks[0].by_boot
    homes = sum(count for who, count in by_boot.items() if who.partition("/")[0] in victims)
    whole = timeline.marks[0].live_sessions
    counted = f"{homes} of {whole} sessions had their home on the replicas that were hit, counted at the mark"
    if any(fault.suspends for fault in hits):
        return Forecast(Prediction(0, None, homes), f"{counted}; none of them need be lost")
    if plan.balancer is Balancer.CLIENT_IP:
        return Forecast(Prediction(homes, float(homes), whole), f"{counted}; more where addresses move")
    return Forecast(Prediction(homes, float(homes), homes), counted)


def homes_are_known(timeline: CellTimeline) -> bool:
    """Whether the first mark says of every session in which replica it lived."""
    return bool(timeline.marks) and all(who.partition("/")[0] for who in timeline.marks[0].by_boot)


def _takes_sessions(fault: FaultLife, state: StateDesign) -> bool:
    if fault.act_s is None or fault.hits_store:
        return False
    if state is StateDesign.HANDOFF:
        return fault.ends is Ends.ABRUPTLY or fault.suspends
    return fault.ends in {Ends.ABRUPTLY, Ends.GRACEFULLY} or fault.suspends


def _none(basis: str) -> Forecast:
    return Forecast(Prediction(), basis)
