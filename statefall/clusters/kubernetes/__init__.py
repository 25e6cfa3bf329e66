"""Kubernetes, through its official client: kind, minikube or any cluster you have.

    driver        what the registry asks: opening, refusing, recovering, examining
    cluster       the Protocols' calls, each a few lines
    attached/     the same calls for a service that stands already
    examination   what is missing for a run, as `statefall doctor` tells it
    run/          while a run has the namespace: infrastructure, rollout, load, faults
    ownership/    who has the namespace, what of it is a run's, and giving all of it back
    observe/      what is there now, from watches
    api/          the API server: calls, watches, ways into pods
    objects/      what the objects are, and what a run makes of the manifests in `k8s/`: pure

Each may import those below it; `run` and `examination` do not know each other, nor do `ownership` and
`observe`. import-linter holds that.
"""

from __future__ import annotations

from statefall.clusters.kubernetes.cluster import KubernetesCluster
from statefall.clusters.kubernetes.driver import doctor
from statefall.clusters.kubernetes.objects.demand import Size
from statefall.clusters.kubernetes.objects.manifests import ending
from statefall.clusters.kubernetes.objects.target import RunTarget
from statefall.clusters.kubernetes.ownership.takeover import recover

__all__ = ["KubernetesCluster", "RunTarget", "Size", "doctor", "ending", "recover"]
