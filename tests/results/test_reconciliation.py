"""A reconciliation holds on a sound record; else it says what is wrong, or what a difference is made of."""

from dataclasses import replace
from typing import Any

import pytest

from statefall.records.terms import Balancer, StateDesign
from statefall.records.verdicts import LoadResult, RealtimeCounts, RequestCounts, SessionRecord, Verdict
from statefall.results.model import Reconciliation
from statefall.results.reconciliation import reconcile
from tests.results.stories import Story, plan


def session(name: str, verdict: Verdict = Verdict.KEPT, *, live: bool = True) -> SessionRecord:
    return SessionRecord(
        session=name,
        user_id=1,
        started_monotonic_s=101.0,
        ended_monotonic_s=112.0 if verdict is Verdict.LOST else None,
        pod="a",
        boot="a1",
        live_at_mark=live,
        verdict=verdict,
        acknowledged_version=0,
    )


def load(
    *sessions: SessionRecord,
    told: dict[str, dict[str, int]] | None = None,
    failed: int = 0,
    operations: int = 10,
) -> LoadResult:
    counts = RequestCounts(scheduled=failed, failed=failed)
    return LoadResult(counts, {"fault": counts}, operations, tuple(sessions), told or {}, {}, ())


def reconciled(name: str, story: Story, result: LoadResult, **of_plan: Any) -> Reconciliation:
    found = {b.name: b for b in reconcile(plan(**of_plan), story.timeline(), result)}
    return found[name]


def names(story: Story, result: LoadResult, **of_plan: Any) -> set[str]:
    return {b.name for b in reconcile(plan(**of_plan), story.timeline(), result)}


def killed() -> Story:
    story = Story().pods("a", "b").figures("a", "a1", 9.9, active=2).mark(2, a=2).fault("kill", "a")
    return story.pod("a", "container_exited", 10.2).pod("a", "container_started", 11.0)


# -- requests ---------------------------------------------------------------------------------------


def test_requests_that_vanish_are_found() -> None:
    result = replace(load(), requests=RequestCounts(scheduled=10, completed=7, failed=1, in_flight=1))
    found = reconciled("requests", Story(), result)
    assert (found.holds, found.left, found.right) == (False, 10, 9)


def test_a_phase_that_does_not_add_up_is_named_by_its_count() -> None:
    whole, part = RequestCounts(5, 4, 1), RequestCounts(5, 5, 0)
    result = replace(load(), requests=whole, requests_by_phase={"fault": part})
    found = reconciled("requests_by_phase", Story(), result)
    assert not found.holds
    assert "completed 4 against 5" in found.note
    assert "failed 1 against 0" in found.note


def test_a_completed_request_without_a_latency_is_found() -> None:
    whole = RequestCounts(scheduled=1, completed=1)
    result = replace(load(), requests=whole, requests_by_phase={"fault": whole})
    assert not reconciled("latencies", Story(), result).holds


def test_websockets_are_a_book_where_there_are_any_and_one_without_an_end_is_found() -> None:
    assert "websockets" not in {b.name for b in reconcile(plan(), Story().timeline(), load())}
    counts = RealtimeCounts(
        connections_opened=6, connections_kept=3, connections_told=2, connections_broken=1
    )
    assert reconciled("websockets", Story(), replace(load(), realtime=counts)).holds
    lost_track = replace(counts, connections_kept=2)
    found = reconciled("websockets", Story(), replace(load(), realtime=lost_track))
    assert (found.holds, found.left, found.right) == (False, 6, 5)


# -- sessions ---------------------------------------------------------------------------------------


def test_a_session_without_a_verdict_is_found() -> None:
    assert not reconciled("sessions_at_fault", Story().mark(2, a=2), load(session("1.1"))).holds
    assert reconciled("sessions_at_fault", Story().mark(1, a=1), load(session("1.1"))).holds


def test_homes_that_do_not_add_up_are_found() -> None:
    assert not reconciled("sessions_by_replica", Story().mark(2, a=1), load()).holds


def test_a_loss_that_was_never_reported_is_named() -> None:
    found = reconciled("losses", Story(), load(session("7.3", Verdict.LOST)))
    assert not found.holds
    assert "7.3" in found.note


def test_a_report_without_a_lost_session_is_named() -> None:
    found = reconciled("losses", Story().pods("a").loss("a", "a1", 5.0, session="7.3"), load(session("7.3")))
    assert not found.holds
    assert "7.3" in found.note


# -- the services' own count ------------------------------------------------------------------------


def test_services_and_ledger_agree() -> None:
    story = Story().pods("a").figures("a", "a1", 9.0, lost=2)
    assert reconciled(
        "told_lost", story, load(told={"a/a1": {"session_lost": 1, "session_expired": 1}})
    ).holds


def test_a_replica_that_told_more_than_it_counted_breaks_the_book() -> None:
    found = reconciled("told_lost", Story().pods("a"), load(told={"a/a1": {"session_lost": 2}}))
    assert not found.holds
    assert "2 more told by a/a1 than it counted" in found.note


def test_a_count_that_died_with_its_process_is_named_and_lawful() -> None:
    story = killed()
    found = reconciled("told_lost", story, load(told={"a/a1": {"session_lost": 2}}))
    assert found.holds
    assert "gone with its process" in found.note


def test_the_restarted_process_cannot_hide_behind_the_dead_one() -> None:
    story = killed().figures("a", "a2", 12.0)
    found = reconciled("told_lost", story, load(told={"a/a2": {"session_lost": 2}}))
    assert not found.holds


def test_the_end_of_the_cell_excuses_nothing_that_was_scraped_after_the_load() -> None:
    story = Story().pods("a").tick(20.0).figures("a", "a1", 20.5, operations=8, operations_repeated=0)
    story.pod("a", "container_exited", 21.0)
    assert not reconciled("told_lost", story, load(told={"a/a1": {"session_lost": 2}})).holds
    assert not reconciled("operations", story, load(operations=10)).holds


def test_answers_that_never_arrived_are_lawful_as_far_as_requests_failed() -> None:
    story = Story().pods("a").figures("a", "a1", 9.0, lost=3)
    assert reconciled("told_lost", story, load(failed=3)).holds
    short = reconciled("told_lost", story, load(failed=2))
    assert not short.holds
    assert "only 2 requests went unanswered" in short.note


# -- operations -------------------------------------------------------------------------------------


def test_every_operation_sent_was_counted_once() -> None:
    story = Story().figures("a", "a1", 9.0, operations=10, operations_repeated=0)
    assert reconciled("operations", story, load(operations=10)).holds


def test_operations_counted_but_never_sent_break_the_book() -> None:
    story = Story().figures("a", "a1", 9.0, operations=12, operations_repeated=0)
    assert not reconciled("operations", story, load(operations=10)).holds


def test_operations_that_were_not_counted_need_failed_requests() -> None:
    story = Story().figures("a", "a1", 9.0, operations=8, operations_repeated=0)
    assert not reconciled("operations", story, load(operations=10, failed=1)).holds
    assert reconciled("operations", story, load(operations=10, failed=2)).holds


def test_repeated_operations_are_said() -> None:
    story = Story().figures("a", "a1", 9.0, operations=10, operations_repeated=3)
    assert "3 arrived more than once" in reconciled("operations", story, load(operations=10)).note


def test_without_the_services_count_there_is_no_such_book() -> None:
    assert "operations" not in names(Story().pods("a"), load())


# -- what the victims held --------------------------------------------------------------------------


def test_what_the_victim_counted_is_what_was_lost() -> None:
    story = killed().loss("a", "a1", 12.0, session="1.1").loss("a", "a1", 12.0, session="2.1")
    lost = (session("1.1", Verdict.LOST), session("2.1", Verdict.LOST))
    assert reconciled("victims_held", story, load(*lost)).holds
    assert not reconciled("victims_held", story, load(lost[0])).holds


@pytest.mark.parametrize(
    "of_plan",
    [{"balancer": Balancer.PLAIN}, {"state": StateDesign.EXTERNAL}, {"state": StateDesign.CLIENT}],
)
def test_where_a_victim_holds_other_than_the_live_sessions_nothing_is_compared(
    of_plan: dict[str, Any],
) -> None:
    assert "victims_held" not in names(killed(), load(), **of_plan)


def test_after_earlier_losses_nothing_is_compared() -> None:
    assert "victims_held" not in names(killed().loss("b", "b1", 5.0), load())


def test_the_last_count_before_the_act_is_taken() -> None:
    story = killed().figures("a", "a1", 10.4, active=99)
    assert reconciled("victims_held", story, load()).left == 2


def test_a_graceful_handoff_loses_nothing_that_could_be_compared() -> None:
    story = Story().pods("a", "b").figures("a", "a1", 9.9, active=2).mark(2, a=2).fault("delete", "a")
    assert "victims_held" not in names(story, load(), state=StateDesign.HANDOFF)


def test_by_client_address_only_what_the_victim_held_is_compared() -> None:
    story = killed().loss("a", "a1", 12.0, session="1.1").loss("b", "b1", 12.0, session="3.1")
    lost = [session("1.1", Verdict.LOST), session("2.1", Verdict.LOST)]
    elsewhere = replace(session("3.1", Verdict.LOST), pod="b")
    assert reconciled("victims_held", story, load(*lost, elsewhere), balancer=Balancer.CLIENT_IP).holds
    assert not reconciled("victims_held", story, load(lost[0], elsewhere), balancer=Balancer.CLIENT_IP).holds


# -- metrics that go away ----------------------------------------------------------------------------


def test_figures_that_were_never_read_are_not_available() -> None:
    story = Story().tick(20.0)
    for name in ("told_lost", "operations"):
        found = reconciled(name, story, load(), strict=True)
        assert (found.holds, "could be read" in found.note) == (None, True)


def test_figures_that_were_read_long_before_the_end_are_not_available() -> None:
    story = Story().pods("a").figures("a", "a1", 5.0, operations=10).tick(30.0)
    assert reconciled("told_lost", story, load(), strict=True).holds is None
    assert reconciled("told_lost", story.figures("a", "a1", 30.5, operations=10), load(), strict=True).holds


def test_a_process_excuses_no_more_than_was_sent_after_its_last_scrape() -> None:
    story = killed().tick(10.0, completed=3).tick(11.0, completed=2).figures("a", "a2", 25.0).tick(25.0)
    story.figures("b", "b1", 25.0)
    few = reconciled("told_lost", story, load(told={"a/a1": {"session_lost": 5}}), strict=True)
    many = reconciled("told_lost", story, load(told={"a/a1": {"session_lost": 6}}), strict=True)
    assert (few.holds, many.holds) == (True, False)


def test_a_session_that_ended_before_the_fault_does_not_take_the_book_away() -> None:
    story = killed().loss("a", "a1", 5.0, session="0.1", evidence="expired")
    gone = [session("1.1", Verdict.LOST), session("1.2", Verdict.LOST)]
    assert reconciled("victims_held", story, load(*gone), strict=True).holds
    story.figures("a", "a1", 9.95, active=3)
    one_more = reconciled("victims_held", story, load(*gone), strict=True)
    assert (one_more.holds, one_more.left, one_more.right) == (True, 3, 2)
    story.figures("a", "a1", 9.96, active=4)
    assert reconciled("victims_held", story, load(*gone), strict=True).holds is False


def test_what_a_replica_counted_before_the_load_is_none_of_the_cells() -> None:
    story = Story().pods("pod-a")
    story.figures("pod-a", "pod-a1", -1.0, lost=20, operations=5000)
    story.figures("pod-a", "pod-a1", 30.0, lost=23, operations=5100)
    (before_load, *_, last) = story.timeline().figures
    assert (last.lost_total, last.operations) == (3, 100)
    assert before_load.at_s >= 100.0, "the figures of before are taken away"


def test_pods_that_follow_each_other_under_one_name_are_told_apart() -> None:
    story = Story().pods("pod-0")
    story.pod("pod-0", "terminating", 10.0).pod("pod-0", "container_exited", 14.0, container_id="pod-0-0")
    story.pod("pod-0", "gone", 14.1)
    for transition, at_s in (("created", 14.2), ("container_started", 15.0), ("ready", 17.0)):
        story.pod("pod-0", transition, at_s, uid="second", container_id="pod-0-1")
    story.figures("pod-0", "second-boot", 18.0)
    story.pod("pod-0", "terminating", 40.0, uid="second", container_id="pod-0-1")
    timeline = story.timeline()
    first, second = timeline.pod("pod-0", "pod-01"), timeline.pod("pod-0", "second-boot")
    assert first is not None
    assert second is not None
    assert (first.uid, first.terminating_s) == ("u-pod-0", 110.0)
    assert (second.uid, second.terminating_s) == ("second", 140.0)
    assert timeline.pod("pod-0") is first
