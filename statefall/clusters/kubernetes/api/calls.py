"""Calls to the API server, on plain JSON objects, in one namespace, through the official client.

The guard stands here: whatever is written lies in the namespace and carries the label that says it
is Statefall's; an object of the same name that does not is left alone. (A node is no part of a
namespace: the calls that mark one are made by name, in `faults` and `recovery`.)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import urllib3
from kubernetes import client

from statefall.clusters.kubernetes.api.access import CONNECT_TIMEOUT_S
from statefall.clusters.kubernetes.api.watching import Expired, Watching, cause_of
from statefall.clusters.kubernetes.objects.kinds import Object, ObjectKind, kind_of, labels_of, name_of
from statefall.clusters.kubernetes.objects.labels import OURS, PART_OF, RUN_LABEL
from statefall.clusters.protocol import ClusterError
from statefall.records.errors import EnvironmentUnfit, InputError

FIELD_MANAGER: Final = "statefall"
CALL_TIMEOUT_S: Final = 30.0
NO_RESPONSE_S: Final = 90.0
"""A watch that tells nothing for so long is dead: the API server sends a bookmark each minute."""
_GONE: Final = 410
_NOT_FOUND: Final = 404
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_OPERATIONS: Final = "application/json-patch+json"


class Refused(ClusterError):
    """The API server refused a call."""

    def __init__(self, what: str, status: int, message: str, retry_after_s: float | None) -> None:
        self.status, self.retry_after_s = status, retry_after_s
        super().__init__(f"{what}: {message}")


class Forbidden(EnvironmentUnfit):
    """The caller has not the right to do this."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Objects, and the version from which a watch goes on."""

    items: tuple[Object, ...]
    version: str


class Api:
    """The API server as one namespace sees it. Raises Refused, and EnvironmentUnfit when it may not."""

    def __init__(self, configuration: Any, namespace: str) -> None:
        self.namespace = namespace
        self.host = str(configuration.host)
        self.configuration = configuration
        self._client = client.ApiClient(configuration)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    # -- reading --------------------------------------------------------------------------------------

    def version(self) -> str:
        """The API server's version. Raises EnvironmentUnfit when it does not answer."""
        return str(self._json("GET", "/version", "ask for the version")["gitVersion"])

    def get(self, kind: ObjectKind, name: str) -> Object | None:
        """The object, or None."""
        try:
            return self._json("GET", kind.path(self.namespace, name), f"read {kind.name} {name}")
        except Refused as refusal:
            if refusal.status == 404:
                return None
            raise

    def list(self, kind: ObjectKind, labels: str = "") -> Listing:
        """All of a kind that carry the labels (`a=b,c=d`)."""
        query = {"labelSelector": labels} if labels else {}
        found = self._json("GET", kind.path(self.namespace), f"list {kind.plural}", query=query)
        items = tuple({"kind": kind.name, **item} for item in found["items"])
        return Listing(items, str(found["metadata"]["resourceVersion"]))

    def list_anywhere(self, kind: ObjectKind, labels: str = "") -> tuple[Object, ...]:
        """All of a kind that carry the labels, in whatever namespace."""
        path = f"/{'apis' if kind.group else 'api'}/{kind.api_version}/{kind.plural}"
        query = {"labelSelector": labels} if labels else {}
        return tuple(self._json("GET", path, f"list {kind.plural} of all namespaces", query=query)["items"])

    @contextmanager
    def watch(self, kind: ObjectKind, labels: str, version: str, timeout_s: int) -> Iterator[Watching]:
        """Changes after `version`, for at most so long. Raises Expired when that version is gone."""
        query = {
            "watch": "true",
            "labelSelector": labels,
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(timeout_s),
        }
        what = f"watch {kind.plural}"
        try:
            response = self._call(
                "GET", kind.path(self.namespace), what, query=query, timeout_s=NO_RESPONSE_S
            )
        except Refused as refusal:
            if refusal.status == _GONE:
                raise Expired(str(refusal)) from refusal
            raise
        try:
            yield Watching(response)
        finally:
            response.close()

    def allowed(
        self, verb: str, group: str, resource: str, sub: str = "", *, name: str = "", anywhere: bool = False
    ) -> bool:
        """Whether the caller may do this (to what is called `name`), here or `anywhere`: in no namespace."""
        attributes = {"verb": verb, "group": group, "resource": resource, "subresource": sub, "name": name}
        if not anywhere:
            attributes["namespace"] = self.namespace
        answer = self._json(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            "ask what is allowed",
            body={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes},
            },
        )
        return bool(answer["status"]["allowed"])

    # -- writing --------------------------------------------------------------------------------------

    def create(self, obj: Object) -> Object:
        """Make it. Raises Refused (409) when it is there already."""
        kind = self._ours(obj)
        path = kind.path(self.namespace)
        return self._json("POST", path, f"create {_named(obj)}", query=_MANAGED, body=obj)

    def make(self, kind: ObjectKind, obj: Object, *, dry: bool = False) -> Object:
        """Make an object of a user's own manifest, which carries the run's label.

        `dry`: the API server only says what it would be. Raises Refused (409) when it is there already.
        """
        if not labels_of(obj).get(RUN_LABEL):
            raise ClusterError(f"{_named(obj)} does not carry the label {RUN_LABEL}: not made")
        query = {**_MANAGED, **({"dryRun": "All"} if dry else {})}
        return self._json("POST", kind.path(self.namespace), f"create {_named(obj)}", query=query, body=obj)

    def served(self, api_version: str) -> tuple[ObjectKind, ...]:
        """The kinds of this version that the server has; none where it does not know the version."""
        root = f"/{'apis' if '/' in api_version else 'api'}/{api_version}"
        try:
            found = self._json("GET", root, f"ask for the kinds of {api_version}")["resources"]
        except Refused as refusal:
            if refusal.status == _NOT_FOUND:
                return ()
            raise
        return tuple(
            ObjectKind(str(each["kind"]), api_version, str(each["name"]), bool(each["namespaced"]))
            for each in found
            if "/" not in each["name"]
        )

    def apply(self, obj: Object) -> Object:
        """Make it so, server-side. Raises InputError when one of that name is not Statefall's."""
        kind = self._ours(obj)
        self._existing(kind, name_of(obj))
        return self._json(
            "PATCH",
            kind.path(self.namespace, name_of(obj)),
            f"apply {_named(obj)}",
            query={**_MANAGED, "force": "true"},
            body=obj,
            content=_APPLY,
        )

    def patch(self, kind: ObjectKind, name: str, changes: Object, sub: str = "") -> Object:
        """Merge changes into an object of Statefall's."""
        if self._existing(kind, name) is None:
            raise ClusterError(f"{kind.name} {name} is not there")
        return self._patch(kind, name, changes, sub)

    def patch_node(self, kind: ObjectKind, name: str, changes: Object) -> Object:
        """Merge changes into something outside of the namespace; the caller has asked whether it should."""
        return self._patch(kind, name, changes)

    def change(self, kind: ObjectKind, name: str, changes: Object, sub: str = "") -> Object:
        """Merge changes into an object that is not Statefall's and that the user has named.

        The changes name its UID: they are refused where another took its place.
        """
        if not changes["metadata"]["uid"]:
            raise ClusterError(f"{kind.name} {name} is changed only by its UID")
        return self._patch(kind, name, changes, sub)

    def replace(self, kind: ObjectKind, name: str, part: str, value: Object, *, uid: str) -> Object:
        """Put this in the place of one part (`/spec/template`) of an object of Statefall's, whole."""
        if self._existing(kind, name) is None:
            raise ClusterError(f"{kind.name} {name} is not there")
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "replace", "path": part, "value": value},
        ]
        path = kind.path(self.namespace, name)
        return self._json(
            "PATCH", path, f"change {kind.name} {name}", query=_MANAGED, body=operations, content=_OPERATIONS
        )

    def post(self, kind: ObjectKind, name: str, sub: str, body: Object) -> Object:
        """Call a subresource that acts (an eviction)."""
        path = kind.path(self.namespace, name, sub)
        return self._json("POST", path, f"{sub} of {kind.name} {name}", body=body)

    def delete(
        self,
        kind: ObjectKind,
        name: str,
        *,
        uid: str = "",
        version: str = "",
        grace_s: float | None = None,
        last: bool = False,
    ) -> bool:
        """Delete it if it is (still) this one; its dependants follow. False when it was gone.

        `last`: it stays, marked as deleted, until its dependants are gone.
        """
        policy = "Foreground" if last else "Background"
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy}
        expected = {"uid": uid, "resourceVersion": version}
        options["preconditions"] = {key: value for key, value in expected.items() if value}
        if grace_s is not None:
            options["gracePeriodSeconds"] = round(grace_s)
        if not uid and self._existing(kind, name) is None:
            return False
        path = kind.path(self.namespace, name)
        try:
            self._json("DELETE", path, f"delete {kind.name} {name}", body=options)
        except Refused as refusal:
            if refusal.status == 404:
                return False
            raise
        return True

    def _patch(self, kind: ObjectKind, name: str, changes: Object, sub: str = "") -> Object:
        path = kind.path(self.namespace, name, sub)
        return self._json(
            "PATCH", path, f"change {kind.name} {name}", query=_MANAGED, body=changes, content=_MERGE
        )

    def _ours(self, obj: Object) -> ObjectKind:
        kind = kind_of(obj)
        namespace = obj["metadata"].get("namespace", self.namespace if kind.namespaced else "")
        if kind.namespaced and namespace != self.namespace:
            raise ClusterError(f"{_named(obj)} lies in {namespace}, not in {self.namespace}: left alone")
        if labels_of(obj).get(PART_OF) != "statefall":
            raise ClusterError(f"{_named(obj)} does not carry the label {OURS}: left alone")
        return kind

    def _existing(self, kind: ObjectKind, name: str) -> Object | None:
        """What stands under that name. Raises InputError when it is not Statefall's."""
        found = self.get(kind, name)
        if found is not None and labels_of(found).get(PART_OF) != "statefall":
            raise InputError(
                f"{kind.name} {name} is not Statefall's (it lacks the label {OURS}): left alone",
                where=f"namespace {self.namespace}",
                hint="choose another namespace with STATEFALL_NAMESPACE",
            )
        return found

    # -- the wire -------------------------------------------------------------------------------------

    def _json(self, method: str, path: str, what: str, **options: Any) -> Object:
        response = self._call(method, path, what, **options)
        try:
            return cast(Object, json.loads(response.data))
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise self._unanswered(error) from error  # it broke off in the middle of its answer

    def _call(
        self,
        method: str,
        path: str,
        what: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        content: str = "application/json",
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Any:
        try:
            request = self._client.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": content},
                body=body,
                auth_settings=["BearerToken"],
            )
            response = self._client.call_api(
                *request, _request_timeout=(CONNECT_TIMEOUT_S, timeout_s)
            ).response
        except (client.ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unanswered(error) from error
        if not 200 <= response.status < 300:
            raise self._refusal(what, response)
        return response

    def _unanswered(self, error: Exception) -> EnvironmentUnfit:
        return EnvironmentUnfit(
            f"the cluster at {self.host} does not answer: {cause_of(error)}",
            hint="is it running, and is this its kubeconfig?",
        )

    def _refusal(self, what: str, response: Any) -> Refused | EnvironmentUnfit:
        try:
            message = str(json.loads(response.data)["message"])
        except (ValueError, KeyError, TypeError, urllib3.exceptions.HTTPError, OSError):
            message = f"{response.status} {response.reason}"
        line = message.splitlines()[0]
        if response.status == 401:
            return EnvironmentUnfit(
                f"the cluster at {self.host} does not know who is calling", hint="check the kubeconfig's user"
            )
        if response.status == 403 and "exceeded quota" in message:
            return EnvironmentUnfit(
                f"cannot {what}: {line}", hint="raise the quota, or use a namespace without one"
            )
        if response.status == 403:
            return Forbidden(
                f"not allowed to {what}: {line}",
                hint="`statefall doctor --cluster kubernetes` says who grants it",
            )
        after = response.headers.get("Retry-After")
        return Refused(
            f"cannot {what}", response.status, line, float(after) if after and after.isdigit() else None
        )


_MANAGED: Final = {"fieldManager": FIELD_MANAGER}


def _named(obj: Object) -> str:
    return f"{obj['kind']} {name_of(obj)}"
