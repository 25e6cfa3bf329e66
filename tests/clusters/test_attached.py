"""A workload that stands already: what is refused, which rights it takes, what is put back. No cluster."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, cast

import pytest
import yaml

from statefall.clusters import registry
from statefall.clusters.capabilities import needs_of_fault
from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.attached import rights
from statefall.clusters.kubernetes.attached.commands import Inside, inside
from statefall.clusters.kubernetes.attached.refusals import refuse_fault, refuse_signals
from statefall.clusters.kubernetes.attached.workload import FoundWorkload
from statefall.clusters.kubernetes.objects.kinds import DEPLOYMENT, STATEFUL_SET, Object, ObjectKind
from statefall.clusters.kubernetes.objects.pods import port_of, with_first
from statefall.clusters.kubernetes.ownership.attachment import ROLLED, Attachment, put_back, read, written
from statefall.conductor.experiment import Experiment, with_replicas
from statefall.records.errors import InputError
from statefall.records.faults import FaultKind, Hits, PlannedFault, Verb
from statefall.records.service import AttachedWorkload, Workload

ATTACHED = AttachedWorkload(Workload.DEPLOYMENT, "shop", "shops", "http://127.0.0.1:1")


def workload(kind: ObjectKind = DEPLOYMENT, *, replicas: int = 3, **spec: Any) -> FoundWorkload:
    template = {"metadata": {}, "spec": {"containers": [{"name": "web"}]}}
    given = {"replicas": replicas, "template": template, "selector": {"matchLabels": {"app": "shop"}}, **spec}
    metadata = {"name": "shop", "uid": "u1", "generation": 2}
    return FoundWorkload(kind, {"kind": kind.name, "metadata": metadata, "spec": given})


def fault(kind: FaultKind, count: int = 1) -> PlannedFault:
    return PlannedFault("f1", kind, 0.0, tuple(range(count)), count, None, 3.0)


# -- which pods ---------------------------------------------------------------------------------------


def test_its_selector_is_written_as_the_api_takes_it() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["web", "api"]},
        {"key": "canary", "operator": "DoesNotExist"},
        {"key": "team", "operator": "Exists"},
        {"key": "zone", "operator": "NotIn", "values": ["b"]},
    ]
    found = workload(selector={"matchLabels": {"app": "shop"}, "matchExpressions": expressions})
    assert found.selector == "app=shop,tier in (web,api),!canary,team,zone notin (b)"


def test_the_container_that_is_named_is_the_one_that_is_spoken_of() -> None:
    pod: Object = {
        "spec": {"containers": [{"name": "proxy", "ports": [{"containerPort": 1}]}, {"name": "web"}]},
        "status": {"containerStatuses": [{"name": "proxy"}, {"name": "web"}]},
    }
    found = with_first(pod, "web")
    assert [c["name"] for c in found["spec"]["containers"]] == ["web", "proxy"]
    assert [c["name"] for c in found["status"]["containerStatuses"]] == ["web", "proxy"]
    assert port_of(pod) == 1
    assert with_first(pod, "") is pod


def test_a_port_that_is_called_http_comes_first() -> None:
    ports = [{"name": "peers", "containerPort": 8010}, {"name": "http", "containerPort": 8000}]
    assert port_of({"spec": {"containers": [{"name": "web", "ports": ports}]}}) == 8000


def test_a_deployment_is_settled_once_the_newest_revision_is_ready_alone() -> None:
    done = {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "updatedReplicas": 3}
    found = workload()
    for status, settled in (
        (done, True),
        ({**done, "observedGeneration": 1}, False),
        ({**done, "updatedReplicas": 2}, False),
        ({**done, "replicas": 4}, False),
        ({**done, "readyReplicas": 2}, False),
    ):
        assert FoundWorkload(DEPLOYMENT, {**found.obj, "status": status}).settled is settled


# -- what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hit", "standing", "said"),
    [
        (fault(FaultKind.KILL, 2), workload(), "takes 2 replicas down at once, and most_down is 1"),
        (fault(FaultKind.DELETE, 3), workload(), "takes 3 replicas down at once"),
        (fault(FaultKind.SCALE_IN, 2), workload(), "takes 2 replicas down at once"),
        (fault(FaultKind.SCALE_TO_ZERO), workload(replicas=3), "takes 3 replicas down at once"),
        (fault(FaultKind.STORE_OUTAGE), workload(), "what stands has none"),
        (fault(FaultKind.ROLL), workload(strategy={"type": "Recreate"}), "has the strategy Recreate"),
        (
            fault(FaultKind.ROLL),
            workload(replicas=8, strategy={"rollingUpdate": {"maxUnavailable": "25%"}}),
            "takes 2 replicas down at once",
        ),
        (
            fault(FaultKind.ROLL),
            workload(STATEFUL_SET, updateStrategy={"type": "OnDelete"}),
            "has the updateStrategy OnDelete",
        ),
    ],
)
def test_a_fault_that_asks_for_too_much_is_refused(
    hit: PlannedFault, standing: FoundWorkload, said: str
) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        refuse_fault(hit, ATTACHED, standing)


@pytest.mark.parametrize("kind", [FaultKind.KILL, FaultKind.SCALE_OUT, FaultKind.ROLL, FaultKind.EVICT])
def test_a_fault_within_the_cap_is_not_refused(kind: FaultKind) -> None:
    refuse_fault(fault(kind), ATTACHED, workload(strategy={"rollingUpdate": {"maxUnavailable": "25%"}}))


def test_what_a_container_tells_says_whether_a_signal_reaches_the_service() -> None:
    alone = "process 1 0\nprocess 40 0\nself 40\n"
    assert inside(alone) == Inside(others=0, tools=(), yama="")
    assert inside(alone + "tool perl\nyama 1\n") == Inside(others=0, tools=("perl",), yama="1")
    workers = "process 1 0\nprocess 7 1\nprocess 8 1\nprocess 40 0\nprocess 41 40\nself 40\n"
    assert inside(workers).others == 2


@pytest.mark.parametrize(
    ("told", "verb", "said"),
    [
        (Inside(0, (), ""), Verb.KILL, "neither perl nor python"),
        (Inside(0, ("perl",), "1"), Verb.KILL, "Yama forbids it"),
        (Inside(0, ("perl",), ""), Verb.KILL, ""),
        (Inside(2, (), "1"), Verb.KILL, ""),
        (Inside(0, ("perl",), ""), Verb.PAUSE, "`pause` does not reach"),
        (Inside(1, (), ""), Verb.PAUSE, ""),
    ],
)
def test_a_signal_that_reaches_nobody_is_refused(told: Inside, verb: Verb, said: str) -> None:
    if not said:
        refuse_signals(told, "web", {verb})
        return
    with pytest.raises(InputError, match=said):
        refuse_signals(told, "web", {verb})


# -- which rights it takes ----------------------------------------------------------------------------


def rules(*kinds: FaultKind, metrics: bool = False) -> dict[tuple[str, str], list[str]]:
    """Of all Roles that are printed: (resource, name) -> verbs."""
    needed = rights.to_run(ATTACHED, DEPLOYMENT, "shop", kinds, metrics=metrics)
    objects = list(yaml.safe_load_all(rights.role(ATTACHED, needed)))
    return {
        (rule["resources"][0], rule.get("resourceNames", [""])[0]): rule["verbs"]
        for obj in objects
        for rule in obj.get("rules", [])
    }


BASE = {
    ("namespaces", "shops"): ["get"],
    ("deployments", "shop"): ["get"],
    ("replicasets", ""): ["get"],
    ("pods", ""): ["get", "list", "watch"],
    ("endpointslices", ""): ["list", "watch"],
    ("leases", ""): ["create"],
    ("leases", "statefall-conductor"): ["get", "patch", "delete"],
}


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (FaultKind.KILL, {("pods/exec", ""): ["get", "create"]}),
        (FaultKind.PAUSE, {("pods/exec", ""): ["get", "create"]}),
        (FaultKind.DELETE, {("pods", ""): ["get", "list", "watch", "delete"]}),
        (FaultKind.EVICT, {("pods/eviction", ""): ["create"]}),
        (FaultKind.DRAIN, {("pods/eviction", ""): ["create"], ("nodes", ""): ["get", "list", "patch"]}),
        (
            FaultKind.SCALE_IN,
            {("deployments/scale", "shop"): ["patch"], ("horizontalpodautoscalers", ""): ["list"]},
        ),
        (FaultKind.ROLL, {("deployments", "shop"): ["get", "patch"]}),
    ],
)
def test_a_role_grants_what_the_fault_needs_and_no_more(
    kind: FaultKind, more: dict[tuple[str, str], list[str]]
) -> None:
    assert rules(kind) == {**BASE, **more}


def test_metrics_of_a_replica_take_a_port_forward() -> None:
    assert rules(metrics=True) == {**BASE, ("pods/portforward", ""): ["get", "create"]}


def on_kubernetes(kind: FaultKind) -> bool:
    """Whether it can be had there at all."""
    try:
        registry.refuse_lacking("kubernetes", needs_of_fault(kind))
    except InputError:
        return False
    return True


def test_every_fault_that_can_be_brought_has_its_rights() -> None:
    for kind in FaultKind:
        if kind.traits.hits is Hits.STORE or not on_kubernetes(kind):
            continue
        assert rules(kind) != BASE, kind


# -- what is put back ---------------------------------------------------------------------------------


class OneWorkload:
    """An API server with one workload, which remembers what it was told to change."""

    def __init__(self, found: FoundWorkload) -> None:
        self.found, self.changes = found, list[tuple[str, Object]]()

    def get(self, kind: ObjectKind, name: str) -> Object | None:
        return self.found.obj if (kind, name) == (self.found.kind, self.found.name) else None

    def change(self, kind: ObjectKind, name: str, changes: Object, sub: str = "") -> None:
        self.changes.append((sub, changes))


NOTE = Attachment(kind="Deployment", name="shop", uid="u1", container="web", replicas=3)


def rolled(**spec: Any) -> FoundWorkload:
    template = {"metadata": {"annotations": {ROLLED: "now"}}, "spec": {"containers": [{"name": "web"}]}}
    return workload(template=template, **spec)


@pytest.mark.parametrize(
    ("note", "now", "expected"),
    [
        (replace(NOTE, scaled_to=(2,)), workload(replicas=2), ["scale"]),
        (replace(NOTE, scaled_to=(2,)), workload(replicas=3), []),
        (replace(NOTE, scaled_to=(2,)), workload(replicas=5), []),
        (replace(NOTE, scaled_to=(2, 4)), workload(replicas=2), ["scale"]),
        (replace(NOTE, rolled=True), rolled(), [""]),
        (replace(NOTE, rolled=True), workload(), []),
        (replace(NOTE, rolled=True, uid="other"), rolled(), []),
    ],
)
def test_only_what_the_run_set_itself_is_taken_back(
    note: Attachment, now: FoundWorkload, expected: list[str]
) -> None:
    api = OneWorkload(now)
    done = put_back(cast(Api, api), note)
    assert [sub for sub, _ in api.changes] == expected
    assert len(done) == len(expected)
    for _, changes in api.changes:
        assert changes["metadata"] == {"uid": "u1"}


def test_a_note_is_read_as_it_was_written() -> None:
    note = replace(NOTE, scaled_to=(2, 3), rolled=True)
    assert read(written(note)) == note
    assert written(NOTE) == ""


# -- replicas as they stand ---------------------------------------------------------------------------

FILE: dict[str, Any] = {
    "name": "rollout",
    "summary": "What is lost?",
    "matrix": {},
    "faults": [{"kind": "kill", "count": 2}],
    "service": {"kubernetes": {"deployment": "shop", "url": "http://127.0.0.1:1"}},
}


def test_an_experiment_that_names_no_replicas_takes_what_stands() -> None:
    experiment = Experiment.model_validate(FILE)
    assert not experiment.says_replicas
    assert with_replicas(experiment, 7).replicas == 7
    assert with_replicas(experiment, 7).faults == experiment.faults
    assert Experiment.model_validate({**FILE, "replicas": 3}).says_replicas


def test_faults_that_do_not_fit_what_stands_are_refused() -> None:
    with pytest.raises(InputError, match="kill of 2 pods, but replicas is 1"):
        with_replicas(Experiment.model_validate(FILE), 1)
