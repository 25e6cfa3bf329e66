"""The registry: what each cluster says it can do is so, and what it lacks is refused by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from statefall.clusters import registry
from statefall.clusters.capabilities import (
    PARTS,
    Capability,
    Need,
    needs_of_balancer,
    needs_of_fault,
    nodes_of,
)
from statefall.clusters.kubernetes import KubernetesCluster
from statefall.clusters.local import LocalCluster
from statefall.clusters.protocol import Cluster
from statefall.clusters.registry import RunDemand
from statefall.conductor.services import twins
from statefall.records.errors import EnvironmentUnfit, InputError
from statefall.records.faults import FaultKind
from statefall.records.terms import Balancer

SHIPPED: dict[str, type[Cluster]] = {"local": LocalCluster, "kubernetes": KubernetesCluster}


@pytest.mark.parametrize("capability", PARTS)
@pytest.mark.parametrize("name", SHIPPED)
def test_a_cluster_fulfils_the_protocols_of_its_capabilities_and_no_other(
    name: str, capability: Capability
) -> None:
    verbs = {verb for verb in vars(PARTS[capability]) if not verb.startswith("_")}
    has = verbs <= set(dir(SHIPPED[name]))
    assert verbs
    assert has == (capability in registry.entry_of(name).capabilities)


def test_every_cluster_that_ships_is_looked_at_here() -> None:
    assert set(SHIPPED) <= set(registry.names())
    for name in SHIPPED:
        assert isinstance(registry.entry_of(name).load(), registry.Driver)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (FaultKind.EVICT, "the fault `evict` needs Kubernetes"),
        (FaultKind.DRAIN, "the fault `drain` needs Kubernetes"),
    ],
)
def test_a_fault_that_a_cluster_lacks_is_refused_with_one_that_has_it(kind: FaultKind, named: str) -> None:
    with pytest.raises(InputError, match=named) as refused:
        registry.refuse_lacking("local", needs_of_fault(kind))
    assert refused.value.hint == "--cluster kubernetes, or `delete` here"
    registry.refuse_lacking("kubernetes", needs_of_fault(kind))


ON_KUBERNETES_ALONE = {FaultKind.EVICT, FaultKind.DRAIN}
HERE_ALONE = {
    FaultKind.KILL_WORKER,
    FaultKind.UNREADY,
    FaultKind.BAD_ROLL,
    FaultKind.SLOW,
    FaultKind.STORE_SLOW,
    FaultKind.BALANCER_RESTART,
    FaultKind.BALANCER_RELOAD,
}


@pytest.mark.parametrize("kind", sorted(HERE_ALONE))
def test_a_fault_of_our_own_processes_is_refused_on_kubernetes_with_the_reason(kind: FaultKind) -> None:
    registry.refuse_lacking("local", needs_of_fault(kind))
    with pytest.raises(InputError, match=f"the fault `{kind}` needs the local cluster: "):
        registry.refuse_lacking("kubernetes", needs_of_fault(kind))


def test_every_other_fault_and_balancer_runs_on_every_cluster_that_ships() -> None:
    for name in SHIPPED:
        for kind in set(FaultKind) - ON_KUBERNETES_ALONE - HERE_ALONE:
            registry.refuse_lacking(name, needs_of_fault(kind))
        for balancer in (Balancer.PLAIN, Balancer.STICKY):
            registry.refuse_lacking(name, needs_of_balancer(balancer))


def test_what_is_for_the_local_cluster_alone_is_refused_on_kubernetes() -> None:
    with pytest.raises(InputError, match="`--ports` needs the local cluster"):
        registry.refuse_lacking("kubernetes", [Need(Capability.PORT_RANGE, "`--ports`", "--ports")])


def test_a_part_that_is_asked_for_all_the_same_is_refused_in_one_line(tmp_path: Path) -> None:
    cluster = registry.entry_of("local").load().open_cluster(tmp_path, RunDemand(services=(twins(),)))
    try:
        with pytest.raises(InputError, match="`local` lacks nodes"):
            nodes_of(cluster)
    finally:
        cluster.close()


def test_times_that_kubernetes_cannot_count_are_refused_by_its_driver_alone() -> None:
    demand = RunDemand(grace_s=10.5)
    with pytest.raises(InputError, match="whole seconds"):
        registry.entry_of("kubernetes").load().refuse(demand)
    registry.entry_of("local").load().refuse(demand)


def test_an_unknown_cluster_is_told_the_names() -> None:
    with pytest.raises(InputError, match="no cluster `moon`") as refused:
        registry.entry_of("moon")
    assert "local" in refused.value.hint


THIRD = """
from statefall.clusters.capabilities import Capability
from statefall.clusters.registry import ClusterEntry
NODES = frozenset({Capability.NODES})
MOON = ClusterEntry("moon", "the moon", "third_cluster_missing", NODES, "moon-statefall")
"""


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages, in which one offers a cluster."""
    package = tmp_path / "third-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: third\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(f"[{registry.ENTRY_POINTS}]\nmoon = third_cluster:MOON\n")
    (tmp_path / "third_cluster.py").write_text(THIRD)
    monkeypatch.syspath_prepend(str(tmp_path))
    for cached in (registry.names, registry.entries):
        cached.cache_clear()
    yield tmp_path
    sys.modules.pop("third_cluster", None)
    for cached in (registry.names, registry.entries):
        cached.cache_clear()


@pytest.mark.usefixtures("offer")
def test_another_package_offers_a_cluster_by_an_entry_point() -> None:
    assert registry.names()[-1] == "moon"
    registry.refuse_lacking("moon", needs_of_fault(FaultKind.DRAIN))
    with pytest.raises(InputError, match="needs Kubernetes or the moon"):
        registry.refuse_lacking("local", needs_of_fault(FaultKind.DRAIN))


@pytest.mark.usefixtures("offer")
def test_a_driver_whose_package_is_not_installed_is_told_with_what_to_install() -> None:
    with pytest.raises(EnvironmentUnfit, match="needs the package third_cluster_missing") as refused:
        registry.entry_of("moon").load()
    assert refused.value.hint == "pip install 'moon-statefall'"


def test_an_entry_point_that_cannot_be_loaded_is_told_in_one_line(offer: Path) -> None:
    (offer / "third_cluster.py").write_text("raise OSError('no moon')")
    assert "moon" in registry.names()
    with pytest.raises(EnvironmentUnfit, match="no moon"):
        registry.entries()


def test_no_driver_is_imported_before_it_is_used() -> None:
    look = (
        "import sys, statefall.cli.main, statefall.clusters.registry as r; r.entries(); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    drivers = {"kubernetes", "statefall.clusters.local", "statefall.clusters.kubernetes"}
    assert not drivers & set(done.stdout.split())
