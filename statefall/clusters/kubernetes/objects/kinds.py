"""The kinds of objects that are used here, and where the API serves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

Object = dict[str, Any]
"""A Kubernetes object as JSON."""


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """One kind of object."""

    name: str
    api_version: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str, name: str = "", sub: str = "") -> str:
        """The address below the API server."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.api_version}"
        scope = f"/namespaces/{namespace}" if self.namespaced else ""
        return "/".join(part for part in (f"{root}{scope}/{self.plural}", name, sub) if part)


NAMESPACE: Final = ObjectKind("Namespace", "v1", "namespaces", namespaced=False)
NODE: Final = ObjectKind("Node", "v1", "nodes", namespaced=False)
POD: Final = ObjectKind("Pod", "v1", "pods")
SERVICE: Final = ObjectKind("Service", "v1", "services")
CONFIG_MAP: Final = ObjectKind("ConfigMap", "v1", "configmaps")
SECRET: Final = ObjectKind("Secret", "v1", "secrets")
SERVICE_ACCOUNT: Final = ObjectKind("ServiceAccount", "v1", "serviceaccounts")
QUOTA: Final = ObjectKind("ResourceQuota", "v1", "resourcequotas")
EVENT: Final = ObjectKind("Event", "v1", "events")
DEPLOYMENT: Final = ObjectKind("Deployment", "apps/v1", "deployments")
REPLICA_SET: Final = ObjectKind("ReplicaSet", "apps/v1", "replicasets")
STATEFUL_SET: Final = ObjectKind("StatefulSet", "apps/v1", "statefulsets")
JOB: Final = ObjectKind("Job", "batch/v1", "jobs")
AUTOSCALER: Final = ObjectKind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers")
INGRESS: Final = ObjectKind("Ingress", "networking.k8s.io/v1", "ingresses")
NETWORK_POLICY: Final = ObjectKind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies")
DISRUPTION_BUDGET: Final = ObjectKind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets")
ENDPOINT_SLICE: Final = ObjectKind("EndpointSlice", "discovery.k8s.io/v1", "endpointslices")
LEASE: Final = ObjectKind("Lease", "coordination.k8s.io/v1", "leases")
ROLE: Final = ObjectKind("Role", "rbac.authorization.k8s.io/v1", "roles")
ROLE_BINDING: Final = ObjectKind("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings")

_ALL: Final = {
    kind.name: kind
    for kind in (
        *(NAMESPACE, NODE, POD, SERVICE, CONFIG_MAP, SECRET, SERVICE_ACCOUNT, QUOTA),
        *(DEPLOYMENT, REPLICA_SET, STATEFUL_SET, JOB, AUTOSCALER, INGRESS, NETWORK_POLICY),
        *(DISRUPTION_BUDGET, ENDPOINT_SLICE, LEASE, ROLE, ROLE_BINDING),
    )
}


def kind_of(obj: Object) -> ObjectKind:
    """The kind of an object from a manifest. Raises KeyError for one that nothing here uses."""
    return _ALL[str(obj["kind"])]


def name_of(obj: Object) -> str:
    """`metadata.name`."""
    return str(obj["metadata"]["name"])


def labels_of(obj: Object) -> dict[str, str]:
    """`metadata.labels`."""
    found: dict[str, str] = obj["metadata"].get("labels") or {}
    return found
