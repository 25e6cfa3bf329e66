"""Each cause, by the smallest history that shows it, and the neighbours it must not be taken for."""

import pytest

from statefall.records.causes import Cause
from statefall.records.events import FaultFailed, SessionStarted
from statefall.records.terms import StateDesign
from statefall.records.verdicts import Verdict
from statefall.results.attribute import attribute
from tests.results.stories import Story

MEMORY = StateDesign.MEMORY


def cause(story: Story, state: StateDesign = MEMORY) -> Cause:
    timeline = story.timeline()
    return attribute(timeline.losses[-1], timeline, state)


def killed_in_place() -> Story:
    """Pod a is killed at 10 s and back at 11 s with the boot a2."""
    story = Story().pods("a", "b", "c").fault("kill", "a")
    story.pod("a", "container_exited", 10.2, detail="signal 9", container_id="a-0")
    story.pod("a", "container_started", 11.0, container_id="a-1").figures("a", "a2", 12.0)
    return story


def test_a_killed_home_is_the_cause_when_another_replica_answers() -> None:
    assert cause(killed_in_place().loss("a", "a1", 12.5, ("b", "b1"), ("c", "c1"))) is Cause.POD_KILLED


def test_a_killed_home_is_the_cause_when_the_restarted_replica_answers() -> None:
    assert cause(killed_in_place().loss("a", "a1", 12.5, ("a", "a2"))) is Cause.POD_KILLED


def test_a_loss_that_is_noticed_before_the_exit_is_recorded_is_the_kill() -> None:
    assert cause(killed_in_place().loss("a", "a1", 10.1, ("b", "b1"))) is Cause.POD_KILLED


def test_a_session_of_the_restarted_process_is_not_lost_to_the_earlier_kill() -> None:
    story = killed_in_place().loss("a", "a2", 15.0, ("b", "b1"), since_s=12.0)
    assert cause(story) is Cause.REROUTED


def test_a_loss_before_the_fault_is_not_the_fault() -> None:
    assert cause(killed_in_place().loss("a", "a1", 5.0, ("b", "b1"))) is Cause.REROUTED


def test_a_session_on_another_pod_is_not_lost_to_the_kill() -> None:
    assert cause(killed_in_place().loss("b", "b1", 12.5, ("c", "c1"))) is Cause.REROUTED


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("kill", Cause.POD_KILLED),
        ("delete", Cause.POD_DELETED),
        ("delete-now", Cause.POD_DELETED),
        ("scale-in", Cause.SCALED_IN),
        ("roll", Cause.ROLLED_OUT),
        ("evict", Cause.EVICTED),
        ("drain", Cause.DRAINED),
    ],
)
def test_the_kind_of_fault_that_hit_the_home_names_the_cause(kind: str, expected: Cause) -> None:
    told = kind not in ("scale-in", "roll", "drain")
    story = Story().pods("a", "b").fault(kind, "a", told=told).pod("a", "terminating", 10.1)
    assert cause(story.loss("a", "a1", 11.0, ("b", "b1"))) is expected


@pytest.mark.parametrize(("kind", "expected"), [("scale-in", Cause.SCALED_IN), ("roll", Cause.ROLLED_OUT)])
def test_the_cluster_s_choice_of_victims_counts_before_the_fault_is_seen_complete(
    kind: str, expected: Cause
) -> None:
    story = Story().pods("a", "b").fault(kind, observed_s=None, recovered_s=None, count=1)
    assert cause(story.pod("a", "terminating", 10.2).loss("a", "a1", 10.8, ("b", "b1"))) is expected


def test_a_pod_that_someone_else_deleted_was_deleted() -> None:
    story = Story().pods("a", "b").pod("a", "terminating", 4.0)
    assert cause(story.loss("a", "a1", 5.0, ("b", "b1"))) is Cause.POD_DELETED


def test_an_exit_that_nobody_asked_for_is_a_crash() -> None:
    story = Story().pods("a", "b").pod("a", "container_exited", 4.0, detail="exit 1")
    assert cause(story.loss("a", "a1", 5.0, ("b", "b1"))) is Cause.POD_CRASHED


def test_an_exit_after_the_loss_is_not_its_cause() -> None:
    story = Story().pods("a", "b").pod("a", "container_exited", 9.0, detail="exit 1")
    assert cause(story.loss("a", "a1", 5.0, ("b", "b1"))) is Cause.REROUTED


def test_a_process_replaced_inside_a_living_container_is_a_crash() -> None:
    assert cause(Story().pods("a", "b").loss("a", "a1", 5.0, ("a", "a9"))) is Cause.POD_CRASHED


def test_a_fault_that_failed_is_no_cause() -> None:
    story = Story().pods("a", "b").fault("kill", "a", observed_s=None, recovered_s=None)
    story.add(FaultFailed, 11.0, fault="f1", reason="no effect was observed")
    assert cause(story.loss("a", "a1", 12.0, ("b", "b1"))) is Cause.REROUTED


def test_scale_out_takes_no_session() -> None:
    story = Story().pods("a", "b").fault("scale-out", "d", told=False)
    assert cause(story.loss("a", "a1", 11.0, ("d", "d1"))) is Cause.REROUTED


def test_another_replica_answering_while_the_home_lives_is_rerouting() -> None:
    assert cause(Story().pods("a", "b").loss("a", "a1", 5.0, ("b", "b1"))) is Cause.REROUTED


def test_the_living_home_that_forgets_is_unexplained() -> None:
    assert cause(Story().pods("a", "b").loss("a", "a1", 5.0, ("a", "a1"))) is Cause.UNEXPLAINED


def test_an_expired_session_is_expired_whatever_else_happened() -> None:
    assert cause(killed_in_place().loss("a", "a1", 12.0, ("a", "a2"), evidence="expired")) is Cause.EXPIRED


@pytest.mark.parametrize("kind", ["store-outage", "store-hang"])
@pytest.mark.parametrize("state", [StateDesign.EXTERNAL, StateDesign.WRITE_THROUGH, StateDesign.HANDOFF])
def test_a_store_that_was_out_took_what_depended_on_it(state: StateDesign, kind: str) -> None:
    story = Story().pods("a", "b").fault(kind, count=0)
    assert cause(story.loss("a", "a1", 11.0, ("a", "a1")), state) is Cause.STORE_LOST


def test_a_store_outage_does_not_explain_a_loss_from_memory() -> None:
    story = Story().pods("a", "b").fault("store-outage", count=0)
    assert cause(story.loss("a", "a1", 11.0, ("a", "a1"))) is Cause.UNEXPLAINED


def test_a_store_outage_does_not_explain_a_loss_before_it() -> None:
    story = Story().pods("a", "b").fault("store-outage", count=0)
    assert cause(story.loss("a", "a1", 9.0, ("a", "a1")), StateDesign.EXTERNAL) is Cause.UNEXPLAINED


@pytest.mark.parametrize("state", [StateDesign.CLIENT, StateDesign.EXTERNAL])
def test_a_pod_that_holds_no_session_explains_no_loss(state: StateDesign) -> None:
    assert cause(killed_in_place().loss("a", "a1", 12.0, ("b", "b1")), state) is Cause.UNEXPLAINED


def test_a_home_that_is_not_on_record_is_judged_by_who_answered() -> None:
    assert cause(Story().pods("b").loss("x", "x1", 5.0, ("b", "b1"))) is Cause.REROUTED


def test_a_pod_seen_first_when_it_exits_has_lived_since_the_beginning() -> None:
    story = Story().pod("a", "container_exited", 4.0, detail="signal 9")
    assert cause(story.loss("a", "a1", 5.0, ("b", "b1"))) is Cause.POD_CRASHED


def test_without_a_boot_on_record_the_session_s_own_beginning_decides() -> None:
    story = Story().pod("a", "created", -5.0).pod("a", "container_started", -4.9).fault("kill", "a")
    story.pod("a", "container_exited", 10.2).pod("a", "container_started", 11.0)
    story.loss("a", "zz", 15.0, ("b", "b1"), since_s=12.0)
    assert cause(story) is Cause.REROUTED


def test_other_findings_get_a_cause_too() -> None:
    story = killed_in_place().loss(
        "a", "a1", 12.0, ("a", "a2"), verdict=Verdict.ROLLED_BACK, evidence="older"
    )
    assert cause(story, StateDesign.WRITE_THROUGH) is Cause.POD_KILLED


# -- what the service says of itself is checked ------------------------------------------------------


def expired(
    state: StateDesign, *, ttl_s: float | None, idle_s: float | None, started_s: float = 1.0
) -> Cause:
    story = Story().pods("a", "b")
    story.add(SessionStarted, started_s, session="1.1", shopper=1, user_id=1, pod="a", boot="a1")
    story.loss("a", "a1", 20.0, ("a", "a1"), evidence="expired", idle_s=idle_s)
    timeline = story.timeline()
    return attribute(timeline.losses[-1], timeline, state, session_ttl_s=ttl_s)


@pytest.mark.parametrize(
    ("ttl_s", "idle_s", "expected"),
    [
        (4.0, 4.1, Cause.EXPIRED),
        (4.0, 3.0, Cause.EXPIRED),
        (4.0, 1.0, Cause.UNEXPLAINED),
        (3600.0, 19.0, Cause.UNEXPLAINED),
        (None, 1.0, Cause.EXPIRED),
        (20.0, None, Cause.EXPIRED),
        (30.0, None, Cause.UNEXPLAINED),
    ],
)
def test_a_session_expires_when_its_time_to_live_can_have_passed(
    ttl_s: float | None, idle_s: float | None, expected: Cause
) -> None:
    assert expired(StateDesign.EXTERNAL, ttl_s=ttl_s, idle_s=idle_s) is expected


def test_a_token_expires_from_its_issue_and_not_from_its_use() -> None:
    assert expired(StateDesign.CLIENT, ttl_s=15.0, idle_s=0.5) is Cause.EXPIRED
    assert expired(StateDesign.CLIENT, ttl_s=15.0, idle_s=0.5, started_s=12.0) is Cause.UNEXPLAINED


def test_an_outage_that_was_over_before_the_session_was_last_seen_intact_is_not_its_cause() -> None:
    story = Story().pods("a", "b").fault("store-outage", act_s=10.0, recovered_s=14.0)
    seen_before = story.loss("a", "a1", 18.0, ("b", "b1"), idle_s=5.0)
    assert cause(seen_before, StateDesign.EXTERNAL) is Cause.STORE_LOST
    seen_since = story.loss("a", "a1", 18.0, ("b", "b1"), idle_s=2.0)
    assert cause(seen_since, StateDesign.EXTERNAL) is Cause.UNEXPLAINED


def test_a_home_that_itself_says_unknown_has_not_been_bypassed() -> None:
    story = Story().pods("a", "b").loss("a", "a1", 5.0, ("b", "b1"), ("a", "a1"))
    assert cause(story) is Cause.UNEXPLAINED
