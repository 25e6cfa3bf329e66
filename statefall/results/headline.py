"""The run in a few sentences, computed from its summary: wrong state, what happened, and who lost what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from statistics import fmean
from typing import Final

from statefall.records.causes import Cause
from statefall.records.faults import FaultTraits, Hits, adds_replicas, traits_of
from statefall.records.terms import Balancer, Service
from statefall.records.verdicts import WRONG_STATE, Verdict
from statefall.results.model import Cell, Summary
from statefall.results.wording import BALANCERS, CAUSES, STATES, WRONG, fault_name, number, share

ROUTED: Final[Mapping[Balancer, str]] = {
    Balancer.STICKY: "with sticky routing",
    Balancer.PLAIN: "behind plain balancing",
    Balancer.CLIENT_IP: "with affinity by client address",
    Balancer.AS_FOUND: "",
}
MOST_ARMS: Final = 6
"""With more arms than this, the sentence groups them by what they lost."""
MOST_WRONG: Final = 3
"""So many arms with wrong state have a sentence of their own."""


def headline(summary: Summary) -> str:
    """The sentences as one text."""
    return " ".join(sentences(summary))


def sentences(summary: Summary) -> tuple[str, ...]:
    """Wrong state, if any, then what happened and who lost what: says only what was measured."""
    if not summary.cells:
        return ("No cell of the experiment ran, so nothing was measured.",)
    cells = sorted(summary.cells, key=lambda c: (c.service != Service.STATELESS, c.sessions.lost, c.name))
    arms = _arms(cells)
    grouped = len(arms) > MOST_ARMS or (len(arms) > 1 and all(map(_is_whole, cells)))
    lost = _grouped(arms) if grouped else [_lost(name, group) for name, group in arms.items()]
    relief = [_relief([c for c in cells if c.balancer is b], f" {ROUTED[b]}") for b in Balancer]
    return (
        *_wrong_state(arms),
        _what_happened(cells),
        *_what_it_cost(arms, cells),
        *lost,
        *filter(None, relief),
        *filter(None, [_left_out(summary)]),
    )


def _wrong_state(arms: dict[str, list[Cell]]) -> list[str]:
    """The worst that a run can find: of each arm how many sessions, by verdict, those it allows named so."""
    sentences = []
    for name, cells in arms.items():
        told = Counter[Verdict]()
        for cell in cells:
            told.update(cell.wrong_state.told)
        if told:
            counts = [_were(told[verdict], WRONG[verdict]) for verdict in WRONG_STATE if told[verdict]]
            allowed = all(not cell.wrong_state.forbidden for cell in cells)
            sentences.append((allowed, -sum(told.values()), name, ", ".join(counts)))
    ordered = sorted(sentences)
    shown = [
        f"Wrong state{' (allowed)' if allowed else ''}: of the sessions of {name}, {counts}."
        for allowed, _, name, counts in ordered[:MOST_WRONG]
    ]
    more = len(ordered) - MOST_WRONG
    rest = f"Wrong state in {number(more)} more {'arm' if more == 1 else 'arms'}."
    return [*shown, rest] if more > 0 else shown


def _were(count: int, what: str) -> str:
    return f"{count:,} {'was' if count == 1 else 'were'} {what}"


def _left_out(summary: Summary) -> str:
    """The services that could not run, each with the reason."""
    services = "; ".join(f"{each.service} ({each.reason})" for each in summary.left_out)
    return f"Left out, since they cannot run here: {services}." if services else ""


def _what_it_cost(arms: dict[str, list[Cell]], cells: list[Cell]) -> list[str]:
    """For a run without faults, which is about costs: the cheapest and the dearest arm."""
    if any(cell.faults for cell in cells):
        return []
    costs = {
        name: fmean(known)
        for name, group in arms.items()
        if (known := [c.costs.cpu_ms_per_request for c in group if c.costs.cpu_ms_per_request is not None])
    }
    if len(costs) < 2:
        return []
    low, high = min(costs, key=costs.__getitem__), max(costs, key=costs.__getitem__)
    least, most = f"{costs[low]:.2f} ms of processor time from {low}", f"{costs[high]:.2f} ms from {high}"
    return [f"A request took {least} and {most}."]


def _what_happened(cells: list[Cell]) -> str:
    stories = {tuple((f.kind, len(f.victims)) for f in cell.faults if f.act_s is not None) for cell in cells}
    replicas = {cell.replicas for cell in cells}
    if stories == {()}:
        return "No fault was brought upon the services."
    if len(stories) == 1 and len(replicas) == 1:
        story = next(iter(stories))
        kind, victims = story[0] if len(story) == 1 else ("", 0)
        traits = traits_of(kind)
        if traits is not None and _hits_some(traits):
            verb = "was" if victims == 1 else "were"
            who = f"{number(victims).capitalize()} of {number(replicas.pop())} replicas"
            return f"{who} {verb} {traits.done} under load."
    kinds = list(dict.fromkeys(kind for story in sorted(stories) for kind, _ in story))
    return f"Under load the services met: {', '.join(fault_name(kind) for kind in kinds)}."


def _hits_some(traits: FaultTraits) -> bool:
    """Whether it is done to a number of replicas that is counted: not to all, to a node or to the store."""
    if traits.hits is Hits.DRAWN:
        return True
    return traits.hits is Hits.CHOSEN and traits.grows < 0


def _arms(cells: list[Cell]) -> dict[str, list[Cell]]:
    """Cells that differ only in their repeat (or, for the stateless twin, their balancer) and their loss."""
    arms: dict[str, list[Cell]] = {}
    for cell in cells:
        arms.setdefault(_name(cell), []).append(cell)
    return arms


def _name(cell: Cell) -> str:
    if cell.service == Service.STATELESS:
        return "the stateless service" + (f" ({cell.variant})" if cell.variant else "")
    if cell.service != Service.STATEFUL:
        variant = f" ({cell.variant})" if cell.variant else ""
        return f"{cell.service}{variant} {ROUTED[cell.balancer]}".rstrip()
    what = f"{cell.state.value}, {cell.variant}" if cell.variant else cell.state.value
    return f"the stateful one ({what}) {ROUTED[cell.balancer]}"


def _lost(name: str, cells: list[Cell]) -> str:
    at_fault = sum(cell.sessions.at_fault for cell in cells)
    lost = sum(cell.sessions.lost for cell in cells)
    before = sum(cell.lost_before_fault for cell in cells)
    users = sum(cell.users_before_fault.served for cell in cells)
    hurt = sum(cell.users_before_fault.lost_a_session for cell in cells)
    subject = name[0].upper() + name[1:]
    if not any(cell.books for cell in cells):
        return f"{subject} ended before its counts were taken."
    if users and hurt / users >= 0.5:
        some = f"all {lost:,}" if lost == at_fault else f"{number(lost)} of the {at_fault:,}"
        tail = f", and the fault and what followed took {some} alive then" if at_fault else ""
        return f"{subject} never worked: {hurt:,} of {users:,} users lost a session before any fault{tail}."
    if not at_fault:
        return f"{subject} had no session alive at the fault."
    earlier = (f", and {number(before)} before it" if before else "") + _besides(cells)
    if not lost:
        return f"{subject} lost none of its {at_fault:,} sessions{earlier}."
    return f"{subject} lost {lost:,} of {at_fault:,} sessions ({share(lost, at_fault)}){earlier}."


def _besides(cells: list[Cell]) -> str:
    """What else keeps sessions from having been kept: nobody may take `lost none` for `kept all`."""
    wrong = sum(count for cell in cells for count in _wrong_at_fault(cell).values())
    undecided = sum(cell.sessions.indeterminate for cell in cells)
    parts = [f"{wrong:,} met wrong state"] if wrong else []
    parts += [f"{undecided:,} {'is' if undecided == 1 else 'are'} undecided"] if undecided else []
    return f"; of the others {' and '.join(parts)}" if parts else ""


def _wrong_at_fault(cell: Cell) -> dict[Verdict, int]:
    """The sessions alive at the fault whose worst verdict is wrong state that must be told."""
    counts = cell.sessions
    found = {
        Verdict.FOREIGN: counts.foreign,
        Verdict.ROLLED_BACK: counts.rolled_back,
        Verdict.DUPLICATED: counts.duplicated,
        Verdict.MISROUTED: counts.misrouted,
    }
    return {verdict: count for verdict, count in found.items() if count and verdict in cell.wrong_state.told}


def _is_whole(cell: Cell) -> bool:
    """It had sessions, came to its end, lost none, and left none in doubt."""
    return bool(cell.books and cell.sessions.at_fault) and not (
        cell.sessions.lost or cell.lost_before_fault or cell.undecided or cell.wrong_state.told
    )


def _grouped(arms: dict[str, list[Cell]]) -> list[str]:
    if all(_is_whole(cell) for cells in arms.values() for cell in cells):
        alive = sum(cell.sessions.at_fault for cells in arms.values() for cell in cells)
        return [f"None of the {alive:,} sessions was lost."]
    nothing = [
        n
        for n, cells in arms.items()
        if not any(c.sessions.lost or c.lost_before_fault or c.undecided for c in cells)
    ]
    rest = {n: cells for n, cells in arms.items() if n not in nothing}
    sentences = []
    if nothing:
        sentences.append(f"{number(len(nothing)).capitalize()} of {number(len(arms))} arms lost no session.")
    if rest:
        name, cells = max(rest.items(), key=lambda item: sum(c.sessions.lost for c in item[1]))
        sentences.append(_lost(name, cells))
    return sentences


def story(cell: Cell) -> str:
    """One cell in a few sentences: what it is, what was done to it, who lost what, and why."""
    where = (
        f"{number(cell.replicas).capitalize()} replicas: {STATES[cell.state]}; {BALANCERS[cell.balancer]}."
    )
    name = "It" if cell.service == Service.STATEFUL else "The service"
    return " ".join(
        sentence
        for sentence in (
            *_wrong_state({_name(cell): [cell]}),
            where,
            _what_happened([cell]),
            _lost(name, [cell]),
            _why("Lost before the fault", cell.lost_before_fault_by_cause),
            _why("Lost at the fault or after it", cell.lost_by_cause),
            _relief([cell]),
        )
        if sentence
    )


def _relief(cells: list[Cell], where: str = "") -> str:
    """How much of the work the replicas took that a scale-out added; empty without one."""
    grown = [cell for cell in cells if any(adds_replicas(fault.kind) for fault in cell.faults)]
    shares = [(cell.newcomers_share, cell.spread) for cell in grown if cell.newcomers_share is not None]
    if not shares:
        return ""
    taken = fmean(share for share, _ in shares if share is not None)
    even = fmean(sum(pod.came_with_fault for pod in pods) / len(pods) for _, pods in shares)
    return (
        f"New replicas{where} took {100 * taken:.0f}% of the requests from then on; "
        f"an even share would be {100 * even:.0f}%."
    )


def _why(what: str, counts: Mapping[Cause, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    reasons = "; ".join(f"{CAUSES[cause][1]} ({count:,})" for cause, count in ordered)
    return f"{what}: {reasons}." if reasons else ""
