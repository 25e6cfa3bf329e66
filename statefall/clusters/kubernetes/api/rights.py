"""What the caller may make, and whether what it may not make stands already."""

from __future__ import annotations

from typing import Final

from statefall.clusters.kubernetes.api.calls import Api
from statefall.clusters.kubernetes.objects.kinds import Object, ObjectKind, kind_of, name_of

SET_UP_HINT: Final = "kubectl apply -k k8s/conductor as somebody who may"


class Rights:
    """Answers of the API server to `may I?`, each asked once."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._answers: dict[tuple[str, ObjectKind], bool] = {}

    def may(self, verb: str, kind: ObjectKind) -> bool:
        """Whether the caller may do this in its namespace."""
        if (verb, kind) not in self._answers:
            self._answers[verb, kind] = self._api.allowed(verb, kind.group, kind.plural)
        return self._answers[verb, kind]


def stands(api: Api, rights: Rights, manifest: Object) -> bool:
    """Whether it is there, or may be taken to be: what the caller may not read, the pods that need it tell.

    (The balancer's ServiceAccount and Role are of that sort: without them its pod is not made, or not ready.)
    """
    kind = kind_of(manifest)
    return not rights.may("get", kind) or api.get(kind, name_of(manifest)) is not None
