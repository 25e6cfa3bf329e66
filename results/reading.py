"""Builds the timeline of a cell from its events.

This is the one place that knows the fields of the event records (`foundation.events.Kind`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from foundation.events import Event, Kind
from foundation.verdicts import Verdict
from results.timeline import (
    Answerer,
    CellTimeline,
    Container,
    FaultLife,
    Loss,
    MarkPoint,
    Phase,
    PodFigures,
    PodLife,
    SessionStart,
    Span,
    Spent,
    Tick,
)


def read_timeline(name: str, events: Sequence[Event]) -> CellTimeline:
    """The timeline of the cell from its events, given in any order (sorted here by their clock)."""
    ordered = sorted(events, key=lambda record: float(record["monotonic_s"]))
    of = {kind: [e for e in ordered if e["kind"] == kind] for kind in Kind}
    last_s = _at(ordered[-1]) if ordered else 0.0
    start_s = _at(ordered[0]) if ordered else 0.0
    ends = [_at(e) for e in of[Kind.CELL_ENDED]]
    starts = tuple(_start(e) for e in of[Kind.SESSION_STARTED])
    losses = tuple(_loss(e) for e in of[Kind.SESSION_LOST])
    figures = tuple(_figures(e) for e in of[Kind.POD_METRICS])
    return CellTimeline(
        name=name,
        span=Span(start_s, ends[-1] if ends else None),
        last_s=last_s,
        phases=_phases(of[Kind.PHASE], ends[-1] if ends else last_s),
        pods=_pods(of[Kind.POD], _sightings(starts, figures)),
        faults=_faults(ordered),
        ticks=tuple(_tick(e) for e in of[Kind.TICK]),
        losses=losses,
        starts=starts,
        marks=tuple(
            MarkPoint(str(e["fault"]), _at(e), int(e["live_sessions"]), dict(e["by_boot"]))
            for e in of[Kind.MARK]
        ),
        figures=figures,
        events=tuple(ordered),
        load_lost="; ".join(str(e["reason"]) for e in of[Kind.LOAD_LOST]),
    )


def _at(event: Event) -> float:
    return float(event["monotonic_s"])


def _phases(events: Sequence[Event], end_s: float) -> tuple[Phase, ...]:
    bounds = [*(_at(e) for e in events[1:]), end_s]
    return tuple(
        Phase(str(e["phase"]), Span(_at(e), max(end, _at(e)))) for e, end in zip(events, bounds, strict=False)
    )


def _tick(event: Event) -> Tick:
    counts = {
        name: int(event[name])
        for name in (
            "scheduled",
            "completed",
            "failed",
            "dropped",
            "in_flight",
            "live_sessions",
            "lost_so_far",
        )
    }
    return Tick(
        _at(event), float(event["interval_s"]), str(event["phase"]), **counts, service_ms=event["service_ms"]
    )


def _answerer(value: object) -> Answerer:
    given = value if isinstance(value, dict) else {}
    return Answerer(str(given.get("pod") or ""), str(given.get("boot") or ""))


def _start(event: Event) -> SessionStart:
    return SessionStart(str(event["session"]), _at(event), _answerer(event))


def _loss(event: Event) -> Loss:
    home = event["home"] or {}
    since = home.get("since_s")
    seen = event.get("seen_version")
    return Loss(
        session=str(event["session"]),
        user_id=int(event["user_id"]),
        verdict=Verdict(event["verdict"]),
        evidence=str(event["evidence"]),
        phase=str(event["phase"]),
        at_s=_at(event),
        home=_answerer(home),
        home_since_s=None if since is None else float(since),
        answered_by=tuple(_answerer(a) for a in event["answered_by"]),
        acknowledged_version=int(event["acknowledged_version"]),
        seen_version=None if seen is None else int(seen),
    )


def _figures(event: Event) -> PodFigures:
    operations, repeated = event.get("operations"), event.get("operations_repeated")
    return PodFigures(
        at_s=_at(event),
        who=_answerer(event),
        sessions_active=int(event["sessions_active"]),
        sessions_created=int(event["sessions_created"]),
        sessions_lost={str(k): int(v) for k, v in event["sessions_lost"].items()},
        operations=None if operations is None else int(operations),
        operations_repeated=None if repeated is None else int(repeated),
        spent=_spent(event) if "cpu_s" in event else None,
        counted={str(name): float(value) for name, value in event.get("counted", {}).items()},
    )


def _spent(event: Event) -> Spent:
    return Spent(
        requests=int(event["requests"]),
        cpu_s=float(event["cpu_s"]),
        overhead_cpu_s={str(part): float(s) for part, s in event["overhead_cpu_s"].items()},
        cache_lookups={
            str(cache): {str(result): int(n) for result, n in results.items()}
            for cache, results in event["cache_lookups"].items()
        },
    )


def _faults(events: Iterable[Event]) -> tuple[FaultLife, ...]:
    lives: dict[str, FaultLife] = {}
    for event in events:
        fault = str(event.get("fault", ""))
        match event["kind"]:
            case Kind.FAULT_INTENT:
                lives[fault] = FaultLife(
                    fault,
                    str(event["fault_kind"]),
                    _names(event["victims"]),
                    count=int(event.get("count") or len(event["victims"])),
                    intent_s=_at(event),
                )
            case Kind.FAULT_ACT if fault in lives:
                lives[fault] = replace(lives[fault], act_s=_at(event))
            case Kind.FAULT_OBSERVED if fault in lives:
                hit = dict.fromkeys((*lives[fault].victims, *_names(event["victims"])))
                lives[fault] = replace(
                    lives[fault], observed_s=_at(event), effect=str(event["effect"]), victims=tuple(hit)
                )
            case Kind.FAULT_RECOVERED if fault in lives:
                lives[fault] = replace(lives[fault], recovered_s=_at(event))
            case Kind.FAULT_FAILED:
                # One that failed before its intent (its time never came) has no kind on record.
                life = lives.get(fault) or FaultLife(fault, "", (), 0, _at(event))
                lives[fault] = replace(life, failed=str(event["reason"]))
    return tuple(lives.values())


def _names(victims: Iterable[Event]) -> tuple[str, ...]:
    return tuple(str(victim["pod"]) for victim in victims)


# -- pods ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Growing:
    """A pod while its events are read."""

    uid: str
    created_s: float | None = None
    gone_s: float | None = None
    terminating_s: float | None = None
    ready: list[tuple[float, bool]] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)

    def take(self, event: Event) -> None:
        at_s, container_id = _at(event), str(event.get("container_id") or "")
        match event["transition"]:
            case "created":
                self.created_s = at_s
            case "container_started":
                self.containers.append(Container(container_id, Span(at_s)))
            case "container_exited":
                self._exit(at_s, container_id, str(event.get("detail") or ""))
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
            self.containers.append(Container(container_id, Span(self.created_s)))
        last = self.containers[-1]
        self.containers[-1] = replace(last, span=Span(last.span.start_s, at_s), exit_detail=detail)


def _pods(events: Iterable[Event], seen: dict[str, dict[str, float]]) -> tuple[PodLife, ...]:
    growing: dict[str, _Growing] = {}
    for event in events:
        if event["transition"] != "endpoints":
            growing.setdefault(str(event["pod"]), _Growing(str(event.get("uid") or ""))).take(event)
    for name in seen:
        growing.setdefault(name, _Growing(""))
    return tuple(_life(name, pod, seen.get(name, {})) for name, pod in growing.items())


def _life(name: str, pod: _Growing, boots: dict[str, float]) -> PodLife:
    containers = pod.containers or [Container("", Span(pod.created_s, pod.gone_s))]
    named = tuple(
        replace(c, boots=tuple(sorted(b for b, at_s in boots.items() if c.span.holds(at_s))))
        for c in containers
    )
    return PodLife(name, pod.uid, Span(pod.created_s, pod.gone_s), named, pod.terminating_s, tuple(pod.ready))


def _sightings(starts: Iterable[SessionStart], figures: Iterable[PodFigures]) -> dict[str, dict[str, float]]:
    """pod -> boot -> when it was first seen to answer."""
    seen: dict[str, dict[str, float]] = {}
    for who, at_s in [*((s.home, s.at_s) for s in starts), *((f.who, f.at_s) for f in figures)]:
        if who.pod and who.boot:
            boots = seen.setdefault(who.pod, {})
            boots[who.boot] = min(at_s, boots.get(who.boot, at_s))
    return seen
