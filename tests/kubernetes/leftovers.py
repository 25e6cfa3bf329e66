"""What a run left behind in a cluster, and nodes that stay as they were."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INGRESS,
    JOB,
    NETWORK_POLICY,
    NODE,
    POD,
    SERVICE,
    name_of,
)
from statefall.clusters.kubernetes.objects.labels import OURS, RUN_LABEL
from tests.kubernetes.timeline import DEADLINE_S

KINDS: Final = (DEPLOYMENT, JOB, SERVICE, INGRESS, CONFIG_MAP, DISRUPTION_BUDGET, NETWORK_POLICY)


def left_by_runs(api: Api) -> list[str]:
    """What stands in the namespace and was made by a run, as `Kind name`, once its pods have ended."""
    deadline = time.monotonic() + DEADLINE_S
    while pods := api.list(POD, f"{OURS},{RUN_LABEL}").items:
        assert time.monotonic() < deadline, f"these pods would not go: {[name_of(obj) for obj in pods]}"
        time.sleep(0.2)
    return made_by_runs(api)


def made_by_runs(api: Api) -> list[str]:
    """What stands in the namespace now and was made by a run, as `Kind name`; without pods."""
    found = {kind: api.list(kind, f"{OURS},{RUN_LABEL}").items for kind in KINDS}
    return [f"{kind.name} {name_of(obj)}" for kind, objects in found.items() for obj in objects]


def cordoned(api: Api) -> set[str]:
    """The nodes that take no new pods."""
    return {name_of(node) for node in api.list(NODE).items if node["spec"].get("unschedulable")}


@contextmanager
def nodes_as_before(api: Api) -> Iterator[None]:
    """Whatever fails within, the nodes that took pods before take them afterwards."""
    before = cordoned(api)
    try:
        yield
    finally:
        for node in cordoned(api) - before:
            api.patch_node(NODE, node, {"spec": {"unschedulable": None}})
