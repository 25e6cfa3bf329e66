"""Kubernetes, through its official client: kind, minikube or any cluster you have.

    cluster         the Protocol's calls, each a few lines
    manifests       `k8s/` rendered, and what a run changes in it     \\
    pods            what a pod is and what happened to it              > pure
    observer        the watches, and waiting for a state
    infrastructure  namespace, secrets, database, store, balancer
    rollout         the deployment: up, scaled, rolled, withdrawn
    faults          kill, delete, evict, drain
    load            Locust in the cluster, and the way to it
    lease           one conductor at a time; what to put back after it
    refusals        why a controller makes no pod
    checks          what is missing, in words
    rights          what the caller may make, and what must stand instead
    demand, images  what a run asks of a quota, and of the nodes          > pure
    api, watching   calls to the API server, and its watches
    tunnel          through it into pods
"""

from __future__ import annotations

from clusters.kubernetes.access import Place, configuration
from clusters.kubernetes.api import Api
from clusters.kubernetes.checks import examine
from clusters.kubernetes.cluster import KubernetesCluster
from clusters.kubernetes.demand import Size
from clusters.kubernetes.manifests import ending
from clusters.kubernetes.recovery import recover
from clusters.protocol import Check
from foundation.errors import StatefallError

__all__ = ["KubernetesCluster", "Place", "Size", "doctor", "ending", "recover"]


def doctor(place: Place | None = None) -> tuple[Check, ...]:
    """What a run needs of the cluster, and whether it is there."""
    chosen = place or Place.from_environment()
    try:
        api = Api(configuration(chosen), chosen.namespace)
    except StatefallError as error:
        return (Check("cluster", fine=False, words=str(error)),)
    try:
        return examine(api, chosen)
    finally:
        api.close()
