"""A fault by hand that is carried out by the process that asks for it, on a fake cluster."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from statefall.clusters.registry import Attaching, ClusterEntry, Driver, RunDemand
from statefall.conductor.attached import AttachedTarget, carry_out, strike
from statefall.conductor.control import FaultCommand
from statefall.faults.by_hand import HandFault
from statefall.records.cells import CellSpec
from statefall.records.errors import InputError, RunInvalid
from statefall.records.faults import FaultKind
from statefall.records.service import AttachedWorkload, Workload
from statefall.records.terms import Balancer, Service, StateDesign
from tests.fakes.clock import VirtualClock
from tests.fakes.cluster import FakeCluster

SHOP = AttachedTarget("kubernetes", AttachedWorkload(Workload.DEPLOYMENT, "shop"), confirmed=True)


@pytest.fixture
def cluster() -> FakeCluster:
    cluster = FakeCluster(VirtualClock())
    cluster.deploy(CellSpec("c1", Service.STATEFUL, StateDesign.MEMORY, Balancer.STICKY, 3))
    cluster.script.calls.clear()
    return cluster


def test_all_of_it_is_told_from_the_touched_to_the_recovery(cluster: FakeCluster) -> None:
    said: list[str] = []
    command = FaultCommand(HandFault(FaultKind.KILL, pod="pod-2"))
    assert carry_out(cluster, command, clock=cluster.clock, say=said.append) == ()
    assert said[0] == "SIGKILL: 1 of 3 replicas\n  pod-2  10.0.0.2:8080"
    assert [line.partition("f1: ")[2] for line in said[1:]] == [
        "acted: kill",
        "observed after 0.10 s: container exited: pod-2 (signal 9)",
        "recovered after 3.15 s: 3 replicas are ready",
    ]
    assert cluster.listeners == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_puts_back_what_lasts(cluster: FakeCluster, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    command = FaultCommand(HandFault(FaultKind.SCALE_IN, duration_s=5000.0))
    cluster.clock.after(2.0, lambda: os.kill(os.getpid(), number))
    began_s = cluster.clock().monotonic_s
    assert carry_out(cluster, command, clock=cluster.clock, say=lambda line: None) == ()
    assert cluster.script.calls == ["scale 2", "scale 3"]
    assert cluster.clock().monotonic_s - began_s < 60.0
    assert signal.getsignal(number) == before


@pytest.fixture
def demands(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> list[RunDemand]:
    """Every cluster attaches to this one, in which nothing is deployed yet; what it is asked for."""
    seen: list[RunDemand] = []
    cluster.withdraw()
    cluster.script.calls.clear()

    def open_cluster(folder: Path, demand: RunDemand) -> FakeCluster:
        seen.append(demand)
        return cluster

    attaching = Attaching(
        replicas=lambda demand: 3,
        preview=lambda demand: f"would: {demand.cells[0].faults[0].kind} of {demand.services[0].name}",
        examine=lambda demand: (),
        role=lambda demand: "",
    )
    driver = Driver(open_cluster, lambda demand: None, list, tuple, attaching=attaching)
    monkeypatch.setattr(ClusterEntry, "load", lambda entry: driver)
    return seen


def test_what_stands_is_attached_to_hit_and_left(cluster: FakeCluster, demands: list[RunDemand]) -> None:
    said: list[str] = []
    command = FaultCommand(HandFault(FaultKind.DRAIN))
    assert strike(SHOP, command, clock=cluster.clock, say=said.append) == 0
    acts = [call.partition(" ")[0] for call in cluster.script.calls]
    assert acts[:3] == ["open", "deploy", "cordon"]
    assert acts[-3:] == ["uncordon", "withdraw", "close"]
    (demand,) = demands
    (cell,) = demand.cells
    assert (demand.drains, demand.confirmed, cell.balancer) == (True, True, Balancer.AS_FOUND)
    assert cell.under_test is not None
    assert cell.under_test.attached == SHOP.workload
    assert said[-1].endswith("3 replicas are ready")


def test_a_dry_run_only_looks(cluster: FakeCluster, demands: list[RunDemand]) -> None:
    said: list[str] = []
    command = FaultCommand(HandFault(FaultKind.KILL, pod="pod-2"), dry_run=True)
    assert strike(SHOP, command, clock=cluster.clock, say=said.append) == 0
    assert said == ["would: kill of shop", "the victim is pod-2, whatever its number"]
    assert (cluster.script.calls, demands) == ([], [])


def test_a_fault_without_an_effect_fails_and_is_left_as_it_was(
    cluster: FakeCluster, demands: list[RunDemand]
) -> None:
    cluster.kills_nothing = True
    command = FaultCommand(HandFault(FaultKind.KILL))
    with pytest.raises(RunInvalid, match="no effect was observed"):
        strike(SHOP, command, clock=cluster.clock, say=lambda line: None)
    assert cluster.script.calls[-2:] == ["withdraw", "close"]


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        (HandFault(FaultKind.STORE_OUTAGE), "a store of the cluster's own"),
        (HandFault(FaultKind.KILL, 4), "there are 3"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_opened(
    demands: list[RunDemand], asked: HandFault, part: str
) -> None:
    with pytest.raises(InputError, match=part):
        strike(SHOP, FaultCommand(asked), clock=VirtualClock(), say=lambda line: None)
    assert demands == []


def test_a_cluster_that_cannot_be_attached_to_is_refused() -> None:
    attachment = AttachedTarget("local", SHOP.workload)
    with pytest.raises(InputError, match="nothing stands there before"):
        strike(
            attachment, FaultCommand(HandFault(FaultKind.KILL)), clock=VirtualClock(), say=lambda line: None
        )
