"""How many sessions a fault should cost: closed forms from the design, before looking at the outcome.

With S sessions alive at the fault on n replicas, of which the faults hit k:

- What no single process holds (client, external, write-through, replicated with one pod at a time)
  is not lost with a pod: 0.
- In-memory, sticky: each session lies on one of the n replicas, so S*k/n are lost. The interval is
  the central 99.9% of Binomial(S, k/n): the law when each session's home is drawn on its own, and
  wider than that of a balancer which deals new sessions out in turn.
- In-memory, plain: a request finds its session within `max_reloads` with some q, so m requests
  are survived with q^m; with think times drawn from the exponential law with mean z, the requests in
  t seconds are Poisson with mean l = t/z, and E[q^m] = exp(-l (1 - q)). The home must survive the
  fault as well: (1 - k/n) exp(-l (1 - q)). Of q, with r replicas left, two bounds are known. When other
  users' requests come between, a reload meets any replica: q = 1 - (1 - 1/r)^(max_reloads + 1). When
  nothing comes between, round robin leads each reload to the next one: q = (max_reloads + 1)/r, or 1.
  The interval reaches from the lower end of the latter to the upper end of the former.
- A rolling update replaces every process: all in-memory sessions.
- Without a fault, where users pause for longer than a session lives: see `statefall.results.expiry`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from statefall.records.faults import Ends
from statefall.records.terms import Balancer, StateDesign
from statefall.results.expiry import matters, share_expired
from statefall.results.model import Prediction
from statefall.results.run_head import CellPlan
from statefall.results.timeline import CellTimeline, FaultLife

COVERAGE: Final = 0.999


@dataclass(frozen=True, slots=True)
class Forecast:
    """A prediction and what it rests on."""

    lost: Prediction
    basis: str


def predict(plan: CellPlan, timeline: CellTimeline) -> Forecast:
    """The prediction for a cell, from its plan, the live sessions at the first mark, and who was hit."""
    if not timeline.marks:
        return _none("no session was marked as alive at a fault")
    sessions, faults = timeline.marks[0].live_sessions, timeline.faults
    faults = tuple(fault for fault in faults if fault.touches_sessions or fault.grows)
    disturbing = [fault for fault in faults if fault.grows <= 0]
    if matters(plan, sessions):
        return _expiring(plan, sessions, faults)
    if plan.state is StateDesign.UNKNOWN:
        return _none("the service's file does not say where a session lives (`state: unknown`)")
    if plan.balancer is Balancer.AS_FOUND and plan.state is StateDesign.REPLICA:
        return _as_found(plan, sessions, faults, timeline)
    if plan.state is StateDesign.CLIENT:
        return _zero("each client carries its own state: no replica can lose it")
    if disturbing and all(fault.hits_store for fault in disturbing):
        return _store_outage(plan, sessions, disturbing)
    if any(fault.hits_store for fault in disturbing):
        return _none("no closed form for an outage of the store together with other faults in this design")
    if unknown := [fault.kind for fault in faults if fault.traits is None]:
        return _none(f"no closed form for the fault {unknown[0]!r}, which this version does not know")
    match plan.state:
        case StateDesign.STORE:
            return _zero("a session is in the store: a pod takes nothing with it")
        case StateDesign.EXTERNAL | StateDesign.WRITE_THROUGH:
            return _zero("every acknowledged change is in the store: a pod takes nothing with it")
        case _ if any(fault.suspends for fault in faults):
            return _suspended(plan, sessions, faults, timeline)
        case StateDesign.REPLICATED:
            return _replicated(faults)
        case StateDesign.HANDOFF:
            return _handoff(plan, sessions, faults, timeline)
        case _:
            return _memory(plan, sessions, faults, timeline)


def _expiring(plan: CellPlan, sessions: int, faults: Sequence[FaultLife]) -> Forecast:
    if faults:
        return _none("no closed form for sessions that expire while faults come")
    if plan.state is StateDesign.CLIENT:
        return _none("no closed form for tokens that expire: their time runs from their issue, not their use")
    if plan.balancer is Balancer.PLAIN and plan.state in {StateDesign.MEMORY, StateDesign.HANDOFF}:
        return _none("no closed form for sessions in memory that expire behind plain balancing")
    share = share_expired(plan)
    basis = (
        f"a session lives {plan.session_ttl_s:g} s and is used every {plan.between_uses_s:.2g} s on average: "
        f"each of {sessions} expires with {share:.2g}; interval: central 99.9% of the binomial law"
    )
    return _binomial(sessions, share, basis)


def _store_outage(plan: CellPlan, sessions: int, faults: Sequence[FaultLife]) -> Forecast:
    forgets = any(fault.traits is not None and fault.traits.forgets for fault in faults)
    match plan.state:
        case StateDesign.EXTERNAL | StateDesign.STORE if forgets:
            return Forecast(
                Prediction(sessions, float(sessions), sessions),
                f"the store forgets everything, and nothing else holds a session: all {sessions}",
            )
        case StateDesign.WRITE_THROUGH | StateDesign.REPLICATED if forgets:
            return _none("no closed form for a store that forgets while replicas remember in this design")
        case StateDesign.EXTERNAL | StateDesign.WRITE_THROUGH | StateDesign.STORE:
            return _zero("the store's content outlives its outage")
        case StateDesign.REPLICATED:
            return _zero("the replicas hold the sessions among themselves; the store only introduces them")
        case StateDesign.HANDOFF if plan.balancer is Balancer.PLAIN:
            return _none("no closed form for handoff without a store behind plain balancing")
        case _:
            return _in_memory(plan, sessions, hit=0, left=plan.replicas)


def _as_found(plan: CellPlan, sessions: int, faults: Sequence[FaultLife], timeline: CellTimeline) -> Forecast:
    """In replicas, behind a balancer that nobody described: at least what lived on the victims."""
    if any(fault.replaces_all for fault in faults):
        return _memory(plan, sessions, faults, timeline)
    if any(fault.suspends for fault in faults):
        return _none("no closed form for a replica that stands still behind a balancer of unknown kind")
    n, k = plan.replicas, min(_replicas_hit(faults, timeline), plan.replicas)
    low = binomial_interval(sessions, k / n)[0]
    return Forecast(
        Prediction(low, None, sessions),
        f"{sessions} sessions in {n} replicas of which {k} were hit: at least the lower end of the central "
        f"99.9% of Binomial({sessions}, {k}/{n}); more where the balancer leads users to other replicas",
    )


def _suspended(
    plan: CellPlan, sessions: int, faults: Sequence[FaultLife], timeline: CellTimeline
) -> Forecast:
    """In memory and sticky: at most as if what stood still had died, since nobody else's users move."""
    held_up = "a replica that stands still loses nothing, but its users may be led elsewhere meanwhile"
    in_memory = plan.state in {StateDesign.MEMORY, StateDesign.HANDOFF, StateDesign.REPLICA}
    if not in_memory or plan.balancer is not Balancer.STICKY or not all(f.suspends for f in faults):
        return _none(f"{held_up}: no closed form for this combination")
    n, k = plan.replicas, min(_replicas_hit(faults, timeline), plan.replicas)
    high = binomial_interval(sessions, k / n)[1]
    return Forecast(
        Prediction(0, None, high),
        f"{held_up}: at most as many as if it had died, the upper end of the central 99.9% of "
        f"Binomial({sessions}, {k}/{n})",
    )


def _replicated(faults: Sequence[FaultLife]) -> Forecast:
    if any(fault.takes_all for fault in faults):
        return _none("no closed form for all replicas going at once: copies go with them")
    if any(fault.count > 1 and fault.grows <= 0 and not fault.replaces_all for fault in faults):
        return _none("no closed form for several replicas going at once with one backup copy")
    return _zero("one replica at a time: its backup holds a copy, and every replica finds the owner")


def _handoff(plan: CellPlan, sessions: int, faults: Sequence[FaultLife], timeline: CellTimeline) -> Forecast:
    graceful = any(fault.ends is Ends.GRACEFULLY for fault in faults)
    if plan.balancer is Balancer.PLAIN:
        if graceful:
            return _none("no closed form for handoff on a graceful end behind plain balancing")
        return _memory(plan, sessions, faults, timeline)
    abrupt = [fault for fault in faults if fault.ends is Ends.ABRUPTLY]
    if not abrupt:
        return _zero("a replica that ends gracefully hands its sessions to the store")
    if graceful:
        return _none("no closed form for graceful and abrupt ends together")
    return _memory(plan, sessions, abrupt, timeline)


def _memory(plan: CellPlan, sessions: int, faults: Sequence[FaultLife], timeline: CellTimeline) -> Forecast:
    if any(fault.replaces_all for fault in faults):
        return Forecast(
            Prediction(sessions, float(sessions), sessions),
            f"a rolling update replaces every process: all {sessions} sessions in memory",
        )
    left = max(plan.replicas + sum(fault.grows for fault in faults), 1)
    return _in_memory(plan, sessions, hit=_replicas_hit(faults, timeline), left=left)


def _replicas_hit(faults: Sequence[FaultLife], timeline: CellTimeline) -> int:
    """How many of the pods alive at the first mark the faults took, each counted once.

    A successor or a restarted container holds none of the sessions alive at the mark.
    """
    mark_s = timeline.marks[0].at_s
    hit: set[str] = set()
    for fault in faults:
        if fault.grows > 0 or fault.act_s is None:
            continue
        if not fault.victims:  # the cluster picks them, and its choice was not seen to the end
            hit |= {f"{fault.fault}/{i}" for i in range(fault.count)}
        for name in fault.victims:
            pod = timeline.pod(name)
            if pod is None or pod.span.start_s is None or pod.span.start_s <= mark_s:
                hit.add(name)
    return len(hit)


def _in_memory(plan: CellPlan, sessions: int, *, hit: int, left: int) -> Forecast:
    n, k = plan.replicas, min(hit, plan.replicas)
    if plan.balancer is Balancer.CLIENT_IP:
        expected = sessions * k / n
        return Forecast(
            Prediction(0, round(expected, 1), sessions if k else 0),
            f"affinity by client address: all sessions from one address share a replica, so a fault on "
            f"{k} of {n} takes between none and all of {sessions}",
        )
    if plan.balancer is Balancer.STICKY:
        basis = (
            f"{sessions} sessions x {k}/{n} replicas hit; interval: central 99.9% of "
            f"Binomial({sessions}, {k}/{n}), each session's home drawn on its own"
        )
        return _binomial(sessions, k / n, basis)
    requests = plan.after_fault_s / plan.think_time_s
    anywhere = 1.0 - (1.0 - 1.0 / left) ** (plan.max_reloads + 1)
    in_turn = min(1.0, (plan.max_reloads + 1) / left)
    least, most = ((1.0 - k / n) * math.exp(-requests * (1.0 - found)) for found in (anywhere, in_turn))
    basis = (
        f"without stickiness a request finds its session on 1 of {left} replicas, within {plan.max_reloads} "
        f"reload(s) with q from {anywhere:.2f} (each meets any replica) to {in_turn:.2f} (each meets the "
        f"next); over about {requests:.0f} more requests a session survives with "
        f"(1 - {k}/{n}) exp(-{requests:.0f} (1 - q)), {least:.2g} to {most:.2g}; interval: central 99.9% of "
        "the binomial law at either end"
    )
    low, high = binomial_interval(sessions, 1.0 - most)[0], binomial_interval(sessions, 1.0 - least)[1]
    return Forecast(Prediction(low, round(sessions * (1.0 - (least + most) / 2), 1), high), basis)


def _zero(basis: str) -> Forecast:
    return Forecast(Prediction(0, 0.0, 0), basis)


def _none(basis: str) -> Forecast:
    return Forecast(Prediction(), basis)


def _binomial(trials: int, share: float, basis: str) -> Forecast:
    low, high = binomial_interval(trials, share)
    return Forecast(Prediction(low, round(trials * share, 1), high), basis)


def binomial_interval(trials: int, share: float, coverage: float = COVERAGE) -> tuple[int, int]:
    """The central interval of Binomial(trials, share): each tail beyond it holds at most (1-coverage)/2.

    Exact up to rounding of doubles: the log of each term by lgamma, summed from the tail inwards.
    """
    if trials == 0 or share <= 0.0:
        return 0, 0
    if share >= 1.0:
        return trials, trials
    tail = (1.0 - coverage) / 2.0
    terms = [_term(trials, share, k) for k in range(trials + 1)]
    return _cut(terms, tail), trials - _cut(terms[::-1], tail)


def _term(trials: int, share: float, k: int) -> float:
    choose = math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
    return math.exp(choose + k * math.log(share) + (trials - k) * math.log1p(-share))


def _cut(terms: Sequence[float], tail: float) -> int:
    """How many leading terms can be left out so that their sum stays within the tail."""
    left_out = 0.0
    for index, term in enumerate(terms):
        left_out += term
        if left_out > tail:
            return index
    return len(terms) - 1
