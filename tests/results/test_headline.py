"""The sentences that open a report: true to the figures, also at their edges."""

from dataclasses import replace
from typing import Any

import pytest

from statefall.records.service import LeftOut
from statefall.records.terms import Balancer, Service, StateDesign
from statefall.records.verdicts import Verdict
from statefall.results.headline import headline, sentences, story
from statefall.results.judge import judge_run
from statefall.results.model import Cell, PodShare, SessionCounts, Summary, UsersBefore, WrongState
from statefall.results.wording import share
from tests.results.simulation import cell_plan, default_plan, simulate
from tests.results.stories import Story


def summary(**more: Any) -> Summary:
    run = simulate(**more)
    return judge_run(run.plan, run.events, run.loads).summary


def only(found: Summary, cell: Cell) -> Summary:
    return replace(found, cells=(cell,))


def test_the_default_run_is_told_in_four_sentences() -> None:
    told = sentences(summary())
    assert told[0] == "One of three replicas was killed (SIGKILL) under load."
    assert told[1] == "The stateless service lost none of its 198 sessions."
    assert told[2] == "The stateful one (memory) with sticky routing lost 33 of 99 sessions (33%)."
    assert told[3].startswith("The stateful one (memory) behind plain balancing never worked: 9")


def test_the_figures_are_those_of_the_summary() -> None:
    found = summary(seed=7)
    sticky = next(c for c in found.cells if c.name == "c1-stateful-memory-sticky")
    assert f"lost {sticky.sessions.lost} of {sticky.sessions.at_fault} sessions" in headline(found)


def test_no_cell_no_claim() -> None:
    assert sentences(replace(summary(), cells=())) == (
        "No cell of the experiment ran, so nothing was measured.",
    )


def test_a_run_without_a_fault_says_so() -> None:
    plan = replace(
        default_plan(), cells=(cell_plan("c1-x", Service.STATEFUL, Balancer.STICKY, faults=(), gates=()),)
    )
    assert sentences(summary(plan=plan, kill=0))[0] == "No fault was brought upon the services."


def test_a_cell_that_ended_early_is_not_said_to_have_lost_nothing() -> None:
    run = simulate()
    found = judge_run(run.plan, run.events, {}, partial="interrupted").summary
    assert "lost none" not in headline(found)
    assert "ended before its counts were taken" in headline(found)


def test_many_arms_are_grouped() -> None:
    found = summary()
    cell = found.cells[0]
    states = list(StateDesign)[1:]
    cells = tuple(
        replace(cell, name=f"c{i}", state=state, balancer=balancer)
        for i, (state, balancer) in enumerate((s, b) for s in states for b in Balancer)
    )
    told = sentences(replace(found, cells=cells))
    assert len(told) <= 4


def test_several_victims_are_counted() -> None:
    plan = replace(default_plan(), cells=(cell_plan("c1-x", Service.STATEFUL, Balancer.STICKY, gates=()),))
    assert (
        sentences(summary(plan=plan, kill=2))[0] == "Two of three replicas were killed (SIGKILL) under load."
    )


def test_a_cell_s_story_names_where_sessions_live_and_why_they_were_lost() -> None:
    found = summary()
    plain = next(c for c in found.cells if c.name == "c3-stateful-memory-plain")
    told = story(plain)
    assert "one replica's memory only" in told
    assert "Lost before the fault: another replica answered while its own was alive (" in told
    assert f"({plain.lost_before_fault:,})" in told


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 0, "0%"),
        (0, 9, "0%"),
        (1, 1000, "under 1%"),
        (999, 1000, "over 99%"),
        (9, 9, "100%"),
        (1, 3, "33%"),
    ],
)
def test_a_share_is_never_rounded_to_nothing_or_to_all(part: int, whole: int, words: str) -> None:
    assert share(part, whole) == words


def test_a_run_in_which_nobody_lost_anything_says_so_in_one_sentence() -> None:
    run = simulate(kill=0)
    found = judge_run(run.plan, run.events, run.loads).summary
    sound = replace(found, cells=tuple(cell for cell in found.cells if cell.balancer is Balancer.STICKY))
    assert len(sound.cells) > 1
    assert headline(sound).endswith(
        f"None of the {sum(cell.sessions.at_fault for cell in sound.cells)} sessions was lost."
    )


def test_what_new_replicas_took_over_is_told_by_balancer_since_that_decides() -> None:
    found = summary()
    fault = replace(found.cells[0].faults[0], kind="scale-out", victims=())
    shares = {Balancer.PLAIN: 25, Balancer.STICKY: 7}

    def grown(cell: Cell) -> Cell:
        new = shares[cell.balancer]
        pods = (PodShare("a", False, 100 - new, 1 - new / 100, 9), PodShare("b", True, new, new / 100, 1))
        return replace(cell, faults=(fault,), spread=pods)

    told = sentences(replace(found, cells=tuple(grown(cell) for cell in found.cells)))
    even = "of the requests from then on; an even share would be 50%."
    assert told[-2:] == (
        f"New replicas behind plain balancing took 25% {even}",
        f"New replicas with sticky routing took 7% {even}",
    )


def _with(
    found: Summary, name: str, *losses: tuple[str, Verdict], allowed: tuple[Verdict, ...] = ()
) -> Summary:
    story_ = Story()
    for session, verdict in losses:
        story_.loss("a", "a1", 11.0, session=session, verdict=verdict)
    wrong = WrongState.of(story_.timeline().losses, allowed)
    cells = tuple(replace(c, wrong_state=wrong) if name in c.name else c for c in found.cells)
    return replace(found, cells=cells)


LEAK = (("1.1", Verdict.FOREIGN), ("1.1", Verdict.ROLLED_BACK), ("2.1", Verdict.ROLLED_BACK))


def test_wrong_state_stands_first() -> None:
    told = sentences(_with(summary(), "memory-sticky", *LEAK))
    assert told[0] == (
        "Wrong state: of the sessions of the stateful one (memory) with sticky routing, "
        "1 was answered with another user's state, 2 were rolled back."
    )
    assert told[1] == "One of three replicas was killed (SIGKILL) under load."


def test_wrong_state_that_is_allowed_is_told_as_such() -> None:
    allowed = (Verdict.FOREIGN, Verdict.ROLLED_BACK)
    assert sentences(_with(summary(), "memory-sticky", *LEAK, allowed=allowed))[0].startswith(
        "Wrong state (allowed): of the sessions of"
    )


def test_misrouted_sessions_are_told_unless_they_are_allowed() -> None:
    one = ("1.1", Verdict.MISROUTED)
    assert "found again later" in headline(_with(summary(), "memory-sticky", one))
    assert "found again later" not in headline(
        _with(summary(), "memory-sticky", one, allowed=(Verdict.MISROUTED,))
    )


def test_lost_none_is_not_said_alone_where_others_were_not_kept() -> None:
    found = _with(summary(), "memory-sticky", *LEAK)
    sticky = next(c for c in found.cells if "memory-sticky" in c.name)
    counts = SessionCounts(at_fault=40, kept=5, rolled_back=18, foreign=3, indeterminate=14)
    cell = replace(sticky, sessions=counts, undecided=14)
    assert (
        "The stateful one (memory) with sticky routing lost none of its 40 sessions; "
        "of the others 21 met wrong state and 14 are undecided." in sentences(only(found, cell))
    )


def test_undecided_sessions_are_not_said_to_be_kept() -> None:
    found, counts = summary(), SessionCounts(at_fault=9, kept=8, indeterminate=1)
    cells = tuple(
        replace(c, sessions=counts, undecided=1, sessions_by_phase={}, users_before_fault=UsersBefore())
        for c in found.cells
    )
    assert "was lost" not in headline(replace(found, cells=cells))
    assert "1 is undecided" in headline(replace(found, cells=cells))


def test_services_that_could_not_run_are_told_with_the_reason_and_recorded() -> None:
    found = summary()
    assert "Left out" not in headline(found)
    assert "left_out" not in found.to_json()
    short = replace(found, left_out=(LeftOut("shop", "node is not on the PATH"),))
    assert headline(short).endswith("Left out, since they cannot run here: shop (node is not on the PATH).")
    assert Summary.from_json(short.to_json()) == short
