"""The kinds of objects that are used here, and where the API serves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

Object = dict[str, Any]
"""A Kubernetes object as JSON."""


@dataclass(frozen=True, slots=True)
class Kind:
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


NAMESPACE: Final = Kind("Namespace", "v1", "namespaces", namespaced=False)
NODE: Final = Kind("Node", "v1", "nodes", namespaced=False)
POD: Final = Kind("Pod", "v1", "pods")
SERVICE: Final = Kind("Service", "v1", "services")
CONFIG_MAP: Final = Kind("ConfigMap", "v1", "configmaps")
SECRET: Final = Kind("Secret", "v1", "secrets")
SERVICE_ACCOUNT: Final = Kind("ServiceAccount", "v1", "serviceaccounts")
QUOTA: Final = Kind("ResourceQuota", "v1", "resourcequotas")
EVENT: Final = Kind("Event", "v1", "events")
DEPLOYMENT: Final = Kind("Deployment", "apps/v1", "deployments")
REPLICA_SET: Final = Kind("ReplicaSet", "apps/v1", "replicasets")
STATEFUL_SET: Final = Kind("StatefulSet", "apps/v1", "statefulsets")
JOB: Final = Kind("Job", "batch/v1", "jobs")
AUTOSCALER: Final = Kind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers")
INGRESS: Final = Kind("Ingress", "networking.k8s.io/v1", "ingresses")
NETWORK_POLICY: Final = Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies")
DISRUPTION_BUDGET: Final = Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets")
ENDPOINT_SLICE: Final = Kind("EndpointSlice", "discovery.k8s.io/v1", "endpointslices")
LEASE: Final = Kind("Lease", "coordination.k8s.io/v1", "leases")
ROLE: Final = Kind("Role", "rbac.authorization.k8s.io/v1", "roles")
ROLE_BINDING: Final = Kind("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings")

_ALL: Final = {
    kind.name: kind
    for kind in (
        *(NAMESPACE, NODE, POD, SERVICE, CONFIG_MAP, SECRET, SERVICE_ACCOUNT, QUOTA),
        *(DEPLOYMENT, REPLICA_SET, STATEFUL_SET, JOB, AUTOSCALER, INGRESS, NETWORK_POLICY),
        *(DISRUPTION_BUDGET, ENDPOINT_SLICE, LEASE, ROLE, ROLE_BINDING),
    )
}


def kind_of(thing: Object) -> Kind:
    """The kind of an object from a manifest. Raises KeyError for one that nothing here uses."""
    return _ALL[str(thing["kind"])]


def name_of(thing: Object) -> str:
    """`metadata.name`."""
    return str(thing["metadata"]["name"])


def labels_of(thing: Object) -> dict[str, str]:
    """`metadata.labels`."""
    found: dict[str, str] = thing["metadata"].get("labels") or {}
    return found
