"""A conductor that is killed in the middle: nobody else may come in its place until it is surely dead,
and then everything is put back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.kubernetes import KubernetesCluster, recover
from clusters.kubernetes.api import OURS, Api
from clusters.kubernetes.kinds import (
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    JOB,
    LEASE,
    NAMESPACE,
    NETWORK_POLICY,
    NODE,
    POD,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    name_of,
)
from clusters.kubernetes.manifests import COMPONENT
from clusters.kubernetes.tunnel import run_in
from foundation.errors import InputError
from tests.kubernetes.conftest import deployment, place
from tests.kubernetes.timeline import vacant

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(600)]

CONDUCTOR = """
import sys
from pathlib import Path
from clusters.kubernetes import KubernetesCluster, Place
from tests.kubernetes.conftest import deployment, place
cluster = KubernetesCluster(Path("doomed"), place=place(sys.argv[1]))
cluster.open()
cluster.deploy(deployment(replicas=2))
node, *_ = cluster.drainable()
cluster.cordon(node)
cluster.stop_store()
print(node, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def spoiled() -> Iterator[Api]:
    with vacant(place("statefall-killed")) as api:
        yield api


def killed_in_the_middle(api: Api) -> str:
    """A conductor is killed with a cell deployed, a node cordoned and the store off; the node."""
    with subprocess.Popen(
        [sys.executable, "-c", CONDUCTOR, api.namespace],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ.copy(),
    ) as process:
        try:
            assert process.stdout is not None
            node = process.stdout.readline().strip()
            assert node, "the conductor did not come so far"
            with pytest.raises(InputError, match="under way"):
                recover(place(api.namespace))
        finally:
            process.kill()
    return node


def is_cordoned(api: Api, node: str) -> bool:
    found = api.get(NODE, node)
    assert found is not None
    return bool(found["spec"].get("unschedulable"))


def test_what_a_killed_conductor_left_is_put_back(spoiled: Api) -> None:
    node = killed_in_the_middle(spoiled)
    assert is_cordoned(spoiled, node)
    assert spoiled.get(DEPLOYMENT, "c1") is not None
    done = recover(place(spoiled.namespace))
    assert f"uncordoned node {node}" in done
    assert not is_cordoned(spoiled, node)
    assert spoiled.get(NAMESPACE, spoiled.namespace) is None
    assert recover(place(spoiled.namespace)) == []


def test_an_installation_that_stood_before_stands_afterwards(spoiled: Api) -> None:
    standing = KubernetesCluster(Path("by-hand"), place=place(spoiled.namespace))
    standing.open()
    # As if set up by hand: the namespace and what is in it belong to no run.
    for kind in (POD, SERVICE, JOB, DEPLOYMENT, STATEFUL_SET, DISRUPTION_BUDGET, NETWORK_POLICY, SECRET):
        for thing in spoiled.list(kind, OURS).items:
            spoiled.patch(kind, name_of(thing), {"metadata": {"labels": {"statefall/run": None}}})
    spoiled._patch(NAMESPACE, spoiled.namespace, {"metadata": {"labels": {"statefall/run": None}}})
    standing._opened.tenancy.release()

    node = killed_in_the_middle(spoiled)
    done = recover(place(spoiled.namespace))
    assert "the session store answers again" in done
    assert not is_cordoned(spoiled, node)
    assert spoiled.get(DEPLOYMENT, "c1") is None
    assert spoiled.get(LEASE, "statefall-conductor") is None
    assert spoiled.get(DEPLOYMENT, "balancer") is not None
    (store,) = spoiled.list(POD, f"{OURS},{COMPONENT}=store").items
    assert "* -::*" in run_in(spoiled, name_of(store), ["sh", "-c", "valkey-cli config get bind"]).output

    again = KubernetesCluster(Path("after"), place=place(spoiled.namespace))
    again.open()
    again.deploy(deployment(replicas=1))
    again.close()
    assert spoiled.get(DEPLOYMENT, "c1") is None
    assert spoiled.get(DEPLOYMENT, "balancer") is not None


def test_the_next_run_clears_by_itself_what_a_dead_one_left(spoiled: Api) -> None:
    node = killed_in_the_middle(spoiled)
    cluster = KubernetesCluster(Path("next"), place=place(spoiled.namespace))
    try:
        cluster.open()
        assert not is_cordoned(spoiled, node)
        assert spoiled.get(DEPLOYMENT, "c1") is None
        cluster.deploy(deployment(replicas=1))
    finally:
        cluster.close()
    assert spoiled.get(NAMESPACE, spoiled.namespace) is None


def test_two_runs_do_not_share_a_namespace(spoiled: Api) -> None:
    first = KubernetesCluster(Path("first"), place=place(spoiled.namespace))
    try:
        first.open()
        second = KubernetesCluster(Path("second"), place=place(spoiled.namespace))
        with pytest.raises(InputError, match="under way"):
            second.open()
        first.deploy(deployment(replicas=1))
    finally:
        first.close()
