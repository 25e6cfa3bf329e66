"""Builds the timeline of a cell from its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from statefall.records.events import (
    CellEnded,
    CellEvent,
    FaultActed,
    FaultEvent,
    FaultFailed,
    FaultIntended,
    FaultObserved,
    FaultRecovered,
    LoadLost,
    PhaseStarted,
    PodChanged,
    PodScraped,
    SessionLost,
    SessionsMarked,
    SessionStarted,
    Tick,
    Victim,
)
from statefall.results.timeline import CellTimeline, ContainerLife, FaultLife, Phase, PodLife, Span

E = TypeVar("E")


def read_timeline(name: str, events: Sequence[CellEvent]) -> CellTimeline:
    """The timeline of the cell from its events, given in any order (sorted here by their clock)."""
    ordered = sorted(events, key=lambda event: event.at_s)
    last_s = ordered[-1].at_s if ordered else 0.0
    start_s = ordered[0].at_s if ordered else 0.0
    ends = [event.at_s for event in _of(CellEnded, ordered)]
    starts, figures = _of(SessionStarted, ordered), _of(PodScraped, ordered)
    return CellTimeline(
        name=name,
        span=Span(start_s, ends[-1] if ends else None),
        last_s=last_s,
        phases=_phases(_of(PhaseStarted, ordered), ends[-1] if ends else last_s),
        pods=_pods(_of(PodChanged, ordered), _sightings(starts, figures)),
        faults=_faults(_of(FaultEvent, ordered)),
        ticks=_of(Tick, ordered),
        losses=_of(SessionLost, ordered),
        starts=starts,
        marks=_of(SessionsMarked, ordered),
        figures=_since_load(figures, _of(PhaseStarted, ordered)),
        load_lost="; ".join(event.reason for event in _of(LoadLost, ordered)),
    )


def _since_load(figures: Sequence[PodScraped], phases: Sequence[PhaseStarted]) -> tuple[PodScraped, ...]:
    """Less what replicas that had served before the load began had counted by then."""
    zero_s = phases[0].at_s if phases else float("-inf")
    before = {each.who: each for each in figures if each.at_s < zero_s}
    return tuple(
        each.less(before[each.who]) if each.who in before else each for each in figures if each.at_s >= zero_s
    )


def _of(kind: type[E], events: Iterable[object]) -> tuple[E, ...]:
    return tuple(event for event in events if isinstance(event, kind))


def _phases(events: Sequence[PhaseStarted], end_s: float) -> tuple[Phase, ...]:
    bounds = [*(event.at_s for event in events[1:]), end_s]
    return tuple(
        Phase(event.phase, Span(event.at_s, max(end, event.at_s)))
        for event, end in zip(events, bounds, strict=False)
    )


def _faults(events: Iterable[FaultEvent]) -> tuple[FaultLife, ...]:
    lives: dict[str, FaultLife] = {}
    for event in events:
        fault, at_s = event.fault, event.at_s
        match event:
            case FaultIntended():
                lives[fault] = FaultLife(
                    fault,
                    event.fault_kind,
                    _names(event.victims),
                    count=event.count or len(event.victims),
                    intent_s=at_s,
                    planned_at_s=event.planned_at_s,
                )
            case FaultActed() if fault in lives:
                lives[fault] = replace(lives[fault], act_s=at_s)
            case FaultObserved() if fault in lives:
                hit = dict.fromkeys((*lives[fault].victims, *_names(event.victims)))
                lives[fault] = replace(lives[fault], observed_s=at_s, effect=event.effect, victims=tuple(hit))
            case FaultRecovered() if fault in lives:
                lives[fault] = replace(lives[fault], recovered_s=at_s)
            case FaultFailed():
                # One that failed before its intent (its time never came) has no kind on record.
                life = lives.get(fault) or FaultLife(fault, "", (), 0, at_s)
                lives[fault] = replace(life, failed=event.reason)
    return tuple(lives.values())


def _names(victims: Iterable[Victim]) -> tuple[str, ...]:
    return tuple(victim.pod for victim in victims)


# -- pods ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Growing:
    """A pod while its events are read."""

    uid: str
    created_s: float | None = None
    gone_s: float | None = None
    terminating_s: float | None = None
    ready: list[tuple[float, bool]] = field(default_factory=list)
    containers: list[ContainerLife] = field(default_factory=list)

    def take(self, event: PodChanged) -> None:
        at_s, container_id = event.at_s, event.container_id
        match event.transition:
            case "created":
                self.created_s = at_s
            case "container_started":
                self.containers.append(ContainerLife(container_id, Span(at_s)))
            case "container_exited":
                self._exit(at_s, container_id, event.detail)
            case "ready" | "unready" as word:
                self.ready.append((at_s, word == "ready"))
            case "terminating":
                self.terminating_s = at_s
            case "gone":
                self.gone_s = at_s
                if self.containers and self.containers[-1].span.end_s is None:
                    self._exit(at_s, self.containers[-1].container_id, "gone")

    def _exit(self, at_s: float, container_id: str, detail: str) -> None:
        """The open container ends; one that was never seen to start has lived since the beginning."""
        if not self.containers or self.containers[-1].span.end_s is not None:
            self.containers.append(ContainerLife(container_id, Span(self.created_s)))
        last = self.containers[-1]
        self.containers[-1] = replace(last, span=Span(last.span.start_s, at_s), exit_detail=detail)


def _pods(events: Iterable[PodChanged], seen: dict[str, dict[str, float]]) -> tuple[PodLife, ...]:
    """A life for each UID: those of a StatefulSet have the same name one after the other."""
    growing: dict[str, dict[str, _Growing]] = {}
    for event in events:
        if event.transition != "endpoints":
            growing.setdefault(event.pod, {}).setdefault(event.uid, _Growing(event.uid)).take(event)
    for name in seen:
        growing.setdefault(name, {"": _Growing("")})
    return tuple(
        _life(name, pod, boots)
        for name, pods in growing.items()
        for pod, boots in _shared(list(pods.values()), seen.get(name, {}))
    )


def _shared(pods: Sequence[_Growing], boots: Mapping[str, float]) -> list[tuple[_Growing, dict[str, float]]]:
    """Each boot id to the pod that lived when it was first seen to answer, else to the first one."""
    found: list[tuple[_Growing, dict[str, float]]] = [(pod, {}) for pod in pods]
    for boot, at_s in boots.items():
        lived = (mine for pod, mine in found if Span(pod.created_s, pod.gone_s).holds(at_s))
        next(lived, found[0][1])[boot] = at_s
    return found


def _life(name: str, pod: _Growing, boots: dict[str, float]) -> PodLife:
    containers = pod.containers or [ContainerLife("", Span(pod.created_s, pod.gone_s))]
    named = tuple(
        replace(c, boots=tuple(sorted(b for b, at_s in boots.items() if c.span.holds(at_s))))
        for c in containers
    )
    return PodLife(name, pod.uid, Span(pod.created_s, pod.gone_s), named, pod.terminating_s, tuple(pod.ready))


def _sightings(
    starts: Iterable[SessionStarted], figures: Iterable[PodScraped]
) -> dict[str, dict[str, float]]:
    """pod -> boot -> when it was first seen to answer."""
    seen: dict[str, dict[str, float]] = {}
    for who, at_s in [*((s.home, s.at_s) for s in starts), *((f.who, f.at_s) for f in figures)]:
        if who.pod and who.boot:
            boots = seen.setdefault(who.pod, {})
            boots[who.boot] = min(at_s, boots.get(who.boot, at_s))
    return seen
