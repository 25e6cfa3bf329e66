"""A cell from the deployment to the withdrawal, in virtual time: phases, marks, scrapes, ways out."""

from __future__ import annotations

import itertools

import pytest

from statefall.clusters.protocol import ClusterError
from statefall.conductor.cell import LOAD_EVERY_S, SCRAPE_EVERY_S, STEP_S, VICTIMS_LIMIT_S
from statefall.conductor.scraping import LOOK_S
from statefall.load.channel import LoadGeneratorError
from statefall.records.errors import Interrupted
from statefall.records.events import (
    CellEnded,
    CellStarted,
    FaultActed,
    FaultFailed,
    FaultIntended,
    FaultObserved,
    FaultRecovered,
    InCell,
    LoadLost,
    PhaseStarted,
    PodChanged,
    PodScraped,
    SessionsMarked,
    SessionStarted,
)
from statefall.records.faults import FaultKind
from tests.conductor.bench import Bench, fault
from tests.fakes.cluster import READY_S
from tests.fakes.load import NO_LOAD

DRAIN = fault(FaultKind.DRAIN)
OUTAGE = fault(FaultKind.STORE_OUTAGE, duration_s=60.0)
KILL = fault(FaultKind.KILL, at_s=1.0)
PUT_AWAY = ("close_channel", "stop_load", "withdraw")


def test_phases_keep_their_order_and_their_length() -> None:
    bench = Bench((KILL,))
    assert bench.run() is NO_LOAD
    phases = bench.of(PhaseStarted)
    assert [record.phase for record in phases] == ["warmup", "baseline", "fault", "recovery", "audit"]
    moments = [record.at_s for record in phases]
    assert [b - a for a, b in itertools.pairwise(moments)] == pytest.approx([2.0, 2.0, 3.0, 3.0])
    spoken = ["start", "phase", "audit", "finish", *PUT_AWAY]
    assert bench.fakes.script.of("deploy", "start_load", "open_channel", "wait_ready", *spoken) == [
        "deploy c1-stateful-memory-sticky",
        "start_load",
        "open_channel http://load.test",
        "wait_ready",
        "phase warmup",
        "start",
        "phase baseline",
        "phase fault",
        "phase recovery",
        "phase audit",
        "audit",
        "finish",
        *PUT_AWAY,
    ]


STALL = (1000.0 + READY_S + 3.0, 1000.0 + READY_S + 11.0)
"""Eight seconds from the middle of the baseline on: longer than it and the fault phase together."""


def lengths(bench: Bench) -> list[float]:
    return [b.at_s - a.at_s for a, b in itertools.pairwise(bench.of(PhaseStarted))]


@pytest.mark.parametrize("who", ["metrics", "events"])
def test_phases_keep_their_length_while_nothing_that_is_read_is_answered(who: str) -> None:
    bench = Bench((KILL,))
    if who == "metrics":
        bench.fakes.cluster.stalled = STALL
    else:
        bench.fakes.load.stalled = STALL
    assert bench.run() is NO_LOAD
    assert lengths(bench) == pytest.approx([2.0, 2.0, 3.0, 3.0])
    (act,) = bench.of(FaultActed)
    late_s = act.at_s - bench.of(PhaseStarted)[2].at_s - KILL.at_s
    assert late_s <= (VICTIMS_LIMIT_S if who == "metrics" else 0.0) + STEP_S + LOOK_S


def test_what_was_not_answered_in_time_is_kept_when_it_comes() -> None:
    bench = Bench((KILL,))
    bench.fakes.cluster.stalled = STALL
    bench.run()
    late = [record for record in bench.of(PodScraped) if record.at_s == STALL[1]]
    assert {record.pod for record in late} == {"pod-1", "pod-2", "pod-3"}
    asked_in_vain = [call for call in bench.calls if call == "metrics pod-1"]
    assert len(asked_in_vain) <= 10, "a pod that owes an answer is asked again at the fault alone"


def test_no_event_of_the_load_is_fetched_twice_or_forgotten_over_a_stall() -> None:
    bench = Bench((KILL,))
    bench.fakes.load.stalled = STALL
    bench.run()
    assert len(bench.of(SessionStarted)) == len(bench.fakes.script.of("events"))


def test_a_phase_that_begins_late_is_not_cut_short() -> None:
    bench = Bench((KILL,))
    bench.fakes.load.stalled, bench.fakes.load.stalls = STALL, ("phase",)
    bench.run()
    assert lengths(bench) == pytest.approx([2.0, 9.0, 3.0, 3.0])
    (act,) = bench.of(FaultActed)
    assert bench.of(PhaseStarted)[2].at_s <= act.at_s < bench.of(PhaseStarted)[3].at_s


def test_the_record_begins_and_ends_with_the_cell() -> None:
    bench = Bench()
    bench.run()
    first, last = bench.kept[0], bench.kept[-1]
    assert isinstance(first, CellStarted)
    assert (first.service, first.state, first.balancer) == ("stateful", "memory", "sticky")
    assert (first.replicas, first.repeat, first.variant) == (3, 1, "")
    assert isinstance(last, CellEnded)
    assert {event.cell for event in bench.kept if isinstance(event, InCell)} == {"c1-stateful-memory-sticky"}


def test_the_cluster_is_given_the_deployment_and_the_load_of_the_plan() -> None:
    bench = Bench()
    bench.run()
    (deployment,), (config,) = bench.fakes.cluster.deployed, bench.fakes.cluster.load_configs
    assert (deployment.replicas, deployment.grace_s, deployment.pre_stop_s) == (3, 10.0, 1.0)
    load = config
    assert load.cell == deployment.name
    assert len(load.shoppers) == 12


def test_the_victims_are_scraped_and_the_mark_is_taken_between_intent_and_act() -> None:
    bench = Bench((KILL,))
    bench.run()
    (kill,) = (n for n, call in enumerate(bench.calls) if call.startswith("kill "))
    victim = bench.calls[kill].split()[1]
    assert bench.calls[kill - 6 : kill] == [
        "kept:fault_intent",
        f"metrics {victim}",
        "kept:pod_metrics",
        "mark f1",
        "kept:mark",
        "kept:fault_act",
    ]
    (mark,) = bench.of(SessionsMarked)
    assert (mark.fault, mark.live_sessions) == ("f1", 12)
    assert mark.by_boot == {"pod-1/container-1.0": 12}
    (act,) = bench.of(FaultActed)
    began = bench.of(PhaseStarted)[2].at_s
    assert 1.0 <= act.at_s - began <= 1.0 + STEP_S + 1e-6
    assert bench.of(FaultObserved)
    assert bench.of(FaultRecovered)


def test_a_cell_without_faults_marks_the_beginning_of_the_fault_phase() -> None:
    bench = Bench()
    bench.run()
    (mark,) = bench.of(SessionsMarked)
    assert mark.fault == "none"
    assert mark.at_s == bench.of(PhaseStarted)[2].at_s
    assert bench.of(FaultIntended) == []


def test_replicas_are_scraped_and_load_events_fetched_at_their_paces() -> None:
    bench = Bench()
    bench.run()
    phases_begin_anew = 4
    for pod in ("pod-1", "pod-2", "pod-3"):
        scrapes = [record for record in bench.of(PodScraped) if record.pod == pod]
        assert 10 / (SCRAPE_EVERY_S + STEP_S) <= len(scrapes) <= 10 / SCRAPE_EVERY_S + phases_begin_anew + 1
    fetched = bench.of(SessionStarted)
    assert 10 / (LOAD_EVERY_S + STEP_S) <= len(fetched) <= 10 / LOAD_EVERY_S + phases_begin_anew + 1
    assert bench.calls.index("finish") < len(bench.calls) - 1 - bench.calls[::-1].index("events audit")


def test_pods_that_do_not_answer_a_scrape_are_left_out_of_it() -> None:
    bench = Bench((KILL,))
    bench.fakes.cluster.mute = {"pod-1"}
    bench.fakes.cluster.nonsense = {"pod-3"}
    assert bench.run() is NO_LOAD
    assert {record.pod for record in bench.of(PodScraped)} == {"pod-2"}


def test_what_happens_to_pods_is_kept_from_the_deployment_to_the_withdrawal() -> None:
    bench = Bench()
    bench.run()
    told = [(record.transition, record.pod) for record in bench.of(PodChanged)]
    assert [pod for what, pod in told if what == "created"] == ["pod-1", "pod-2", "pod-3"]
    assert told[-3:] == [("gone", "pod-1"), ("gone", "pod-2"), ("gone", "pod-3")]
    assert bench.fakes.cluster.listeners == []


@pytest.mark.parametrize(
    "call",
    ["wait_ready", "start", *(f"phase {p}" for p in ("warmup", "fault", "audit")), "events fault", "audit"],
)
def test_a_lost_load_generator_ends_the_cell_and_says_why(call: str) -> None:
    bench = Bench((KILL,))
    bench.fakes.script.raising[call] = LoadGeneratorError("no answer")
    assert bench.run() is None
    (lost,) = bench.of(LoadLost)
    assert lost.reason == "no answer"
    assert bench.fakes.script.of("finish", *PUT_AWAY) == list(PUT_AWAY)


def test_how_the_load_generator_ended_is_told_where_the_cluster_knows() -> None:
    bench = Bench()
    bench.fakes.cluster.end_of_load = "signal 9"
    bench.fakes.script.raising["events fault"] = LoadGeneratorError("no answer")
    bench.run()
    assert bench.of(LoadLost)[0].reason == "signal 9"


def test_a_load_generator_lost_at_the_mark_leaves_an_intent_and_no_act() -> None:
    bench = Bench((KILL,))
    bench.fakes.script.raising["mark"] = LoadGeneratorError("no answer")
    assert bench.run() is None
    assert bench.of(FaultIntended)
    assert bench.of(FaultActed) == []
    assert bench.fakes.script.of("kill") == []


def test_a_lost_load_generator_leaves_store_and_nodes_as_they_were() -> None:
    bench = Bench((OUTAGE, DRAIN))
    bench.fakes.cluster.refusals = 1000  # the drain is still under way
    bench.fakes.script.raising["phase recovery"] = LoadGeneratorError("no answer")
    assert bench.run() is None
    assert bench.fakes.script.of("stop_store", "cordon")[0] == "stop_store"
    assert len(bench.fakes.script.of("cordon")) == 1
    assert bench.fakes.cluster.store == "up"
    assert bench.fakes.cluster.cordoned == set()
    assert bench.calls.index("start_store") < bench.calls.index("withdraw")


def test_a_deployment_that_never_gets_ready_is_withdrawn() -> None:
    bench = Bench()
    bench.fakes.cluster.never_ready = True
    with pytest.raises(ClusterError, match="no pod was ready within 60 s"):
        bench.run()
    assert bench.fakes.script.of("start_load", "open_channel", *PUT_AWAY) == ["stop_load", "withdraw"]
    assert bench.fakes.cluster.pods() == ()
    assert isinstance(bench.kept[-1], CellEnded)


CALLS = [
    "deploy",
    "start_load",
    "wait_ready",
    "start",
    *(f"phase {phase}" for phase in ("warmup", "baseline", "fault", "recovery", "audit")),
    "mark",
    "kill",
    "audit",
    "finish",
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("error", [Interrupted("SIGINT"), ClusterError("broken")], ids=["signal", "broken"])
def test_every_way_out_ends_the_load_and_withdraws(call: str, error: BaseException) -> None:
    bench = Bench((KILL,))
    bench.fakes.script.raising[call] = error
    if isinstance(error, ClusterError) and call in {"mark", "kill"}:
        bench.run()  # a fault that the cluster refuses is on record, and the cell goes on
        assert "broken" in bench.of(FaultFailed)[0].reason
    else:
        with pytest.raises(type(error)):
            bench.run()
    opened = "open_channel http://load.test" in bench.calls
    assert bench.fakes.script.of(*PUT_AWAY) == list(PUT_AWAY if opened else PUT_AWAY[1:])
    assert bench.fakes.cluster.pods() == ()
    assert bench.fakes.cluster.listeners == []
    assert isinstance(bench.kept[-1], CellEnded)


@pytest.mark.parametrize(
    ("seconds", "phase"), [(1.0, "warmup"), (3.0, "baseline"), (5.5, "fault"), (8.5, "recovery")]
)
def test_a_signal_in_the_middle_of_a_phase_ends_the_cell_there(seconds: float, phase: str) -> None:
    bench = Bench((KILL,))
    bench.fakes.interrupt(READY_S + seconds)
    with pytest.raises(Interrupted):
        bench.run()
    assert bench.of(PhaseStarted)[-1].phase == phase
    assert bench.fakes.script.of("finish", *PUT_AWAY) == list(PUT_AWAY)
    assert bench.kept[-1].at_s == pytest.approx(1000.0 + READY_S + seconds)


def test_what_cannot_be_stopped_keeps_nothing_else_from_being_put_away() -> None:
    bench = Bench()
    bench.fakes.script.raising["stop_load"] = ClusterError("it would not end")
    with pytest.raises(ClusterError, match="it would not end"):
        bench.run()
    assert bench.fakes.script.of(*PUT_AWAY) == ["close_channel", "stop_load", "withdraw"]
    assert isinstance(bench.kept[-1], CellEnded)
