"""What `doctor` says of missing rights: who grants which, and nothing that is not so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from statefall.clusters.kubernetes.examination import examine
from statefall.clusters.kubernetes.objects import manifests
from statefall.clusters.kubernetes.objects.target import RunTarget
from statefall.clusters.protocol import Check


@dataclass
class Empty:
    """An API server without any object, as somebody with these rights alone sees it."""

    granted: frozenset[tuple[str, str, str, str]]
    namespace: str = "shop"
    host: str = "https://api.test"

    def version(self) -> str:
        return "v1.34.4"

    def get(self, *_: Any) -> None:
        return None

    def allowed(self, verb: str, group: str, resource: str, sub: str = "", *, anywhere: bool = False) -> bool:
        return (verb, group, resource, sub) in self.granted


def permissions(*without: tuple[str, str, str, str]) -> Check:
    api: Any = Empty(frozenset(manifests.verbs_needed()) - set(without))
    (found,) = [check for check in examine(api, RunTarget()) if check.name == "permissions"]
    return found


def test_the_conductors_role_is_named_for_what_it_grants_alone() -> None:
    message = permissions(("delete", "", "pods", "")).message
    granted, _, beyond = message.partition("; ")
    assert granted == "not allowed in shop: delete pods (k8s/conductor/role.yaml grants it)"
    assert "create secrets" in beyond
    assert beyond.endswith(
        "to set up what is missing (kubectl apply -k k8s/conductor as somebody who may does it)"
    )


def test_nothing_is_said_of_the_role_when_it_is_granted_whole() -> None:
    found = permissions()
    assert not found.fine
    assert "role.yaml" not in found.message
