"""What a plan asks of a cluster, read from the plan alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from statefall.clusters.capabilities import Capability
from statefall.conductor.choice import demand_of, needs_of, open_cluster, refuse_unfit
from statefall.conductor.plan import Plan, make_plan
from statefall.conductor.reading import find, read
from statefall.records.errors import InputError


def planned(name: str, *overrides: str) -> Plan:
    return make_plan(read(find(name), overrides), seed=1, repeats=1)


def test_drains_and_evictions_ask_for_what_only_some_clusters_have() -> None:
    plan = planned("drain")
    assert {need.capability for need in needs_of(plan)} == {Capability.NODES, Capability.EVICTIONS}
    assert demand_of(plan).drains
    assert not demand_of(planned("default")).drains


def test_the_demand_is_that_of_the_largest_cell() -> None:
    demand = demand_of(planned("default", "replicas=4", "load.workers=2", "deploy.grace_s=12"))
    assert (demand.replicas, demand.workers, demand.grace_s) == (4, 2, 12.0)


def test_ports_are_refused_where_nothing_listens_on_this_machine() -> None:
    with pytest.raises(InputError, match="`--ports` needs the local cluster") as refused:
        refuse_unfit("kubernetes", planned("default"), ports=range(21000, 21100))
    assert refused.value.hint == "--cluster local"
    refuse_unfit("local", planned("default"), ports=range(21000, 21100))


@pytest.mark.parametrize("grace_s", ["10.5", "1"])
def test_an_ending_that_kubernetes_cannot_keep_is_refused_there_alone(grace_s: str) -> None:
    plan = planned("default", f"deploy.grace_s={grace_s}", "deploy.pre_stop_s=0.5")
    with pytest.raises(InputError, match="deploy"):
        refuse_unfit("kubernetes", plan)
    refuse_unfit("local", plan)


def test_the_cluster_that_was_named_is_opened_and_nothing_started(tmp_path: Path) -> None:
    cluster = open_cluster("local", tmp_path, planned("default"))
    try:
        assert cluster.kind == "local"
        assert list(tmp_path.iterdir()) == []
    finally:
        cluster.close()
